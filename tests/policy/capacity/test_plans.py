"""Large islands: jobs are packed by the tick, and lanes go on as planned in between."""

import pytest
from capacityfarm import ALONE, HOUR_MS, OWNED, RENTED, Town, farm

from penstock.policy.capacity import columns as c
from penstock.policy.capacity import plans

TICK = {"RULE_TICK_MS": 10_000}


@pytest.mark.parametrize(
    ("given_ms", "owned", "need", "tick_ms"),
    [(0, 100, 0, 0), (0, 50, 51, 5_000), (0, 300, 101, 10_000), (7, 1, 0, 7), (-1, 5000, 0, 0)],
)
def test_the_larger_the_island_the_longer_the_tick(
    given_ms: int, owned: int, need: int, tick_ms: int
) -> None:
    made = farm([OWNED], RULE_TICK_MS=given_ms)
    made.islands[c.ISLAND_OWNED][0], made.islands[c.ISLAND_NEED][0] = owned, need
    assert plans.tick_ms(made, 0) == tick_ms


def test_a_lane_goes_on_with_what_was_planned_between_two_packings() -> None:
    town = Town([OWNED, RENTED], owned=2, **TICK)
    town.know(300)
    town.come(303, count=2)
    town.come(300, count=2)
    town.until(town.now_ms + HOUR_MS)
    assert [wait for wait in town.waits_s() if wait] == [303, 303], "at once, not at the next tick"


def test_what_was_planned_elsewhere_or_is_over_is_passed_over() -> None:
    town = Town([OWNED, RENTED], owned=1, **TICK)
    town.know(300)
    town.come(303)
    first = town.come(200, count=2)
    town.until(1_000_000 + 301_000)
    town.farm.islands[c.ISLAND_LOOKED_MS][0] = town.now_ms
    town.farm.jobs[c.JOB_PLAN_LANE][first] = -1
    town.until(1_000_000 + 303_000)
    assert first + 1 in town.starts()
    town.until(town.now_ms + HOUR_MS)
    assert len(town.starts()) == 3


def test_a_lane_without_a_plan_is_a_reason_to_pack_at_once() -> None:
    town = Town([OWNED], owned=1, **TICK)
    town.know(4000)
    town.come(301)
    town.until(town.now_ms + 295_000)
    town.come(10)
    town.until(1_000_000 + 301_000)
    assert len(town.starts()) == 2


def test_a_planned_job_that_has_no_room_waits() -> None:
    sized = {**OWNED, c.POOL_SLOTS: 2, c.POOL_CORES: 4}
    town = Town([sized], owned=1, asks=3, **TICK)
    for ask, cores in enumerate((1, 4, 2)):
        town.farm.asks[c.ASK_CORES][ask] = cores
    town.know(300)
    town.come(200, ask=2)
    town.come(500, ask=0)
    town.come(100, ask=1)
    town.until(town.now_ms + HOUR_MS)
    assert town.waits_s() == [0, 0, 500]


def test_machines_of_several_lanes_keep_a_plan_for_each() -> None:
    town = Town([OWNED, {**ALONE, c.POOL_SLOTS: 2}], owned=1, **TICK)
    town.know(850)
    town.come(850, count=5)
    town.until(town.now_ms + 2 * HOUR_MS)
    assert max(town.waits_s()) <= 900
    assert len(town.acts(c.BOOT)) == 2


def test_where_waiting_has_a_price_an_idle_machine_does_not_wait_for_the_tick() -> None:
    town = Town([OWNED, ALONE], owned=1, RULE_WAIT_PRICE=5_000_000, **TICK)
    town.know(300)
    town.come(300)
    for _ in range(5):
        town.come(300)
        town.until(town.now_ms + 1_000)
    town.until(town.now_ms + HOUR_MS)
    assert max(town.waits_s()) <= 100


def test_large_farms_keep_the_promise() -> None:
    town = Town([OWNED, RENTED], owned=3, **TICK)
    for at in range(120):
        town.know(100 + 37 * (at % 11), name=at % 2, times=1)
        town.come(100 + 53 * (at % 13), name=at % 2, count=2)
        town.until(town.now_ms + 20_000 + 1_700 * (at % 7))
    town.until(town.now_ms + 3 * HOUR_MS)
    waits = town.waits_s()
    assert len(waits) == 240
    assert sum(wait <= 900 for wait in waits) >= 0.95 * 240


def test_of_many_lanes_only_those_that_are_free_first_are_looked_at() -> None:
    town = Town([OWNED, RENTED], owned=6, RULE_LOOK_MOST=1)
    town.know(300)
    for _ in range(6):
        town.come(300)
        town.until(town.now_ms + 10_000)
    town.come(300)
    assert town.farm.jobs[c.JOB_PLAN_MS][6] == 1_000_000 + 300_000
    town.until(town.now_ms + HOUR_MS)
    assert len(town.starts()) == 7
    assert not town.acts(c.BOOT)
