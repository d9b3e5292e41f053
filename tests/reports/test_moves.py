"""Which owned machines should be of another platform, on cells of an hour."""

import pytest

from penstock.reports.load import Grid
from penstock.reports.moves import Move, Owned, Wanted, moves

CELLS = Grid(0, 3_600_000, 4)
PRICES = {"linux": 1.0, "arm": 0.5}
ARM = Owned("arm", 3, 1, ("arm",), [0, 1, 0, 0])
LINUX = Owned("own", 2, 1, ("linux",), [2, 2, 2, 2])


def test_idle_machines_move_to_where_jobs_are_rented_for() -> None:
    (move,) = moves([ARM, LINUX], Wanted({"linux": [1, 2, 2, 0], "arm": [0, 0, 0, 0]}, PRICES, CELLS))
    # Two of three are never missed; the third would be for one hour, and nobody there needs it.
    assert move == Move("arm", 2, "linux", 1.0, 5.0, 0.0, 5.0)


def test_a_machine_that_is_missed_moves_only_where_it_is_worth_more() -> None:
    busy = Owned("arm", 1, 1, ("arm",), [1, 1, 0, 0])
    (move,) = moves([busy], Wanted({"linux": [1, 1, 0, 0]}, PRICES, CELLS))
    assert (move.gained_h, move.lost_h, move.idle, move.saved) == (2.0, 2.0, 0.5, pytest.approx(1.0))
    assert moves([busy], Wanted({"linux": [1, 0, 0, 0]}, PRICES, CELLS)) == []


def test_slots_count_and_the_largest_saving_comes_first() -> None:
    small = Owned("b", 1, 1, ("arm",), [0, 0, 0, 0])
    wide = Owned("a", 1, 4, ("arm",), [0, 0, 0, 0])
    found = moves([small, wide], Wanted({"linux": [5, 5, 5, 5]}, PRICES, CELLS))
    assert [(move.pool, move.gained_h) for move in found] == [("a", 16.0), ("b", 4.0)]


def test_a_platform_that_nobody_rents_is_taken_at_the_dearest_price() -> None:
    (move,) = moves([ARM], Wanted({"macos": [1, 1, 1, 1]}, PRICES, CELLS))
    assert move.saved == 4.0
    assert moves([ARM], Wanted({"macos": [1, 1, 1, 1]}, {}, CELLS)) == []


def test_what_one_pool_serves_is_not_served_by_another_one() -> None:
    twins = [Owned(name, 1, 1, ("arm",), [0, 0, 0, 0]) for name in "ab"]
    one = moves(twins, Wanted({"linux": [1, 1, 1, 1]}, PRICES, CELLS))
    assert [(move.pool, move.saved) for move in one] == [("a", 4.0)]
    two = moves(twins, Wanted({"linux": [1, 2, 1, 1]}, PRICES, CELLS))
    assert [(move.pool, move.saved) for move in two] == [("a", 4.0), ("b", 1.0)]


def test_machines_that_nobody_rents_out_keep_their_own_work() -> None:
    power = Owned("power", 3, 1, ("ppc64",), [0, 1, 0, 0])
    (move,) = moves([power], Wanted({"linux": [3, 3, 3, 3]}, PRICES, CELLS))
    assert (move.machines, move.lost_h) == (2, 0)
    assert (
        moves(
            [Owned("power", 1, 1, ("ppc64",), [0, 0, 0, 0])], Wanted({"linux": [1, 1, 1, 1]}, PRICES, CELLS)
        )
        == []
    )
