"""What jobs used, in steps of 5 %, and what smaller sizes would save."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.model.ledger import Footprint
from penstock.model.units import Size
from penstock.policy.charging.sums import step_of
from penstock.reports.busy import Busy, busy, mean_of, quarters, with_cores
from penstock.reports.rightsize import Fit, Room, at_percent, fits, most_in
from tests.ledgers import TODAY, UNIT

MACHINE = Size(8, 16_384)
ROOMS = {"linux": (Room(MACHINE, 100),)}


def steps(*used: int) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in used:
        found[str(step_of(one))] = found.get(str(step_of(one)), 0) + 1
    return found


def foot(attempts: int = 20, **about: object) -> Footprint:
    values: dict[str, object] = {
        "day": TODAY, "project": "core", "name": "zlib:build", "platform": "linux", "asked_cores": 4,
        "asked_memory_mb": 8192, "amount_micros": 10 * UNIT, "memory": steps(*[1000] * attempts),
        "cores": steps(*[1500] * attempts),
    }  # fmt: skip
    return Footprint(attempts=attempts, **(values | about))  # type: ignore[arg-type]


def one(*found: Footprint, **more: object) -> Fit:
    (fit,) = fits(found, **({"rooms": ROOMS} | more))  # type: ignore[arg-type]
    return fit


@given(st.integers(1, 10**7))
def test_what_is_taken_for_a_use_is_at_most_5_percent_above_it(used: int) -> None:
    taken = most_in(step_of(used))
    assert used <= taken < 1.05 * used


def test_quantiles_of_steps() -> None:
    counted = steps(*[100] * 94, *[200] * 5, 400)
    assert at_percent(counted, 94) == most_in(step_of(100))
    assert at_percent(counted, 95) == most_in(step_of(200)) == 204
    assert at_percent(counted, 100) == most_in(step_of(400)) == 403
    assert at_percent({}, 95) is None


def test_a_smaller_size_and_what_it_saves() -> None:
    fit = one(foot(10), foot(10, day=TODAY - 1))
    assert (fit.attempts, fit.measured, fit.amount_micros) == (20, 20, 20 * UNIT)
    assert (fit.p95_memory_mb, fit.p95_cores_milli) == (1020, 1507)
    # 1.507 and 20 % are 1.81 cores; 1020 MB and 20 % are 1224: of a machine 2/8 and 1280/16384, of 4/8 that were asked for.
    assert (fit.cores, fit.memory_mb, fit.saving_micros, fit.why) == (2, 1280, 10 * UNIT, "")


def test_the_larger_share_counts_in_each_kind_of_machine() -> None:
    rooms = {"linux": (Room(Size(8, 16_384), 300), Room(Size(32, 8192), 100), Room(Size(8, None), 0))}
    fit = one(foot(), rooms=rooms)
    # 4 -> 2 of 8 cores is half of it; 8192 -> 1280 of 8192 MB leaves 5/32.
    assert fit.saving_micros == round(10 * UNIT * (1 - (0.5 * 300 + 5 / 32 * 100) / 400))


def test_memory_that_was_needed_once_is_not_taken_away() -> None:
    fit = one(foot(memory=steps(*[1000] * 39, 3000), attempts=40))
    assert (fit.p95_memory_mb, fit.most_memory_mb, fit.memory_mb) == (1020, 3134, 3328)


def test_a_margin_may_be_another() -> None:
    assert one(foot(), margin_percent=0).memory_mb == 1024
    assert one(foot(), margin_percent=100).cores == 4


def test_memory_that_nobody_asked_for_is_named() -> None:
    fit = one(foot(asked_memory_mb=None, asked_cores=2))
    assert (fit.cores, fit.memory_mb, fit.saving_micros) == (2, 1280, 0)


def test_machines_without_a_price_or_unknown_save_nothing() -> None:
    assert one(foot(), rooms={}).saving_micros == 0
    assert one(foot(), rooms={"linux": (Room(MACHINE, 0),)}).saving_micros == 0


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (foot(19), "fewer than 20 attempts"),
        (foot(memory=steps(*[1000] * 19)), "fewer than 20 attempts were measured"),
        (foot(memory={}), "fewer than 20 attempts were measured"),
        (foot(cores={}), "fewer than 20 attempts were measured"),
        (foot(asked_cores=2, asked_memory_mb=1280), "it fits"),
        (foot(asked_cores=2, asked_memory_mb=1000), "more memory than it asks for"),
    ],
)
def test_nothing_is_recommended(found: Footprint, why: str) -> None:
    fit = one(found)
    assert (fit.cores, fit.memory_mb, fit.saving_micros, fit.why) == (None, None, 0, why)


def test_the_largest_saving_comes_first() -> None:
    found = fits(
        [foot(name="a:build"), foot(name="b:build", amount_micros=90 * UNIT), foot(3, name="c:build")], ROOMS
    )
    assert [fit.name for fit in found] == ["b:build", "a:build", "c:build"]


HOUR = 3_600_000


def test_how_busy_a_pool_is() -> None:
    cells = quarters(0, 20 * HOUR)
    held = [(0, 20 * HOUR), (0, 20 * HOUR), (2 * HOUR, 5 * HOUR), (3 * HOUR, 3 * HOUR + 900_000)]
    found = busy("rack", 2, held, [(0, 20 * HOUR)] * 3, cells)
    assert found == Busy(
        pool="rack", slots=2, held_milli=3000, machines_milli=3000, needed=2, used_ppm=360_416
    )
    assert with_cores(found, steps(1500, 500)).cores_milli == 3 * (1507 + 515) // 2
    assert with_cores(found, {}) == found
    assert mean_of({}) is None


def test_a_pool_that_was_not_there() -> None:
    cells = quarters(5, 5)
    assert cells.cells == 1
    assert busy("burst", 1, [], [], cells) == Busy(
        pool="burst", slots=1, held_milli=0, machines_milli=0, needed=0, used_ppm=None
    )
