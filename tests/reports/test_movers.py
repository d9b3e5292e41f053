"""Why something costs more than before: quantity, price or mix, and the three are the whole change."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.model.ledger import Tally
from penstock.reports.costs import ACCOUNTS
from penstock.reports.movers import Mover, movers
from tests.ledgers import UNIT, direct, tally


def one(before: list[Tally], now: list[Tally]) -> Mover:
    (found,) = movers(before, now, ["project"])
    return found


def effects(change: Mover) -> tuple[float, float, float, str]:
    parts = (change.quantity_micros, change.price_micros, change.mix_micros)
    assert sum(parts) == change.change_micros
    return (*(part / UNIT for part in parts), change.cause)


def used(hours: float, price: float, **about: object) -> Tally:
    return direct(hours * price, quantity=int(hours * 1000), **about)


def test_more_of_the_same() -> None:
    assert effects(one([used(10, 2)], [used(15, 2)])) == (10, 0, 0, "quantity")


def test_the_same_at_another_price() -> None:
    assert effects(one([used(10, 2)], [used(10, 1.5)])) == (0, -5, 0, "price")


def test_a_dearer_pool_than_before() -> None:
    before = [used(10, 1), used(10, 3, pool="rack")]
    now = [used(5, 1), used(15, 3, pool="rack")]
    assert effects(one(before, now)) == (0, 0, 10, "mix")


def test_a_pool_that_is_new_is_another_mix() -> None:
    assert effects(one([used(10, 1)], [used(10, 1), used(10, 3, pool="rack")])) == (10, 0, 20, "mix")


def test_all_at_once() -> None:
    before = [used(10, 1), used(10, 3, pool="rack")]
    now = [used(20, 1.5), used(20, 3, pool="rack"), tally("idle", 1, project="core", pool="rack")]
    assert effects(one(before, now)) == (41, 10, 0, "quantity")


@pytest.mark.parametrize(
    ("before", "now", "cause"), [([], [used(10, 1)], "new"), ([used(10, 1)], [], "gone")]
)
def test_what_came_and_what_went(before: list[Tally], now: list[Tally], cause: str) -> None:
    assert effects(one(before, now)) == (10 if now else -10, 0, 0, cause)


def test_a_fixed_charge_has_no_quantity() -> None:
    assert effects(one([tally("overhead", 5)], [tally("overhead", 8)])) == (3, 0, 0, "quantity")


def test_the_largest_change_comes_first_and_what_did_not_change_is_left_out() -> None:
    before = [used(10, 1), used(10, 1, project="gui"), used(10, 1, project="web")]
    now = [used(12, 1), used(3, 1, project="gui"), used(10, 1, project="web")]
    assert [change.key for change in movers(before, now, ["project"])] == [("gui",), ("core",)]


tallies = st.lists(
    st.builds(
        tally, st.sampled_from(ACCOUNTS), st.integers(0, 10**6), project=st.sampled_from(["", "a"]),
        pool=st.sampled_from(["", "x", "y"]), quantity=st.integers(0, 10**9),
    ), max_size=12,
)  # fmt: skip


@given(tallies, tallies)
def test_effects_are_the_whole_change(before: list[Tally], now: list[Tally]) -> None:
    found = movers(before, now, ["project"])
    for change in found:
        effects(change)
    spent = [sum(tally.amount_micros for tally in some) for some in (before, now)]
    assert sum(change.change_micros for change in found) == spent[1] - spent[0]
