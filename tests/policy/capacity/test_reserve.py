"""Machines kept for jobs that are not there yet, and big jobs on shared machines."""

from capacityfarm import ALONE, HOUR_MS, OWNED, PRICE, RENTED, Town, farm

from penstock.policy.capacity import changes, reasons, reserve
from penstock.policy.capacity import columns as c
from penstock.policy.capacity import sheet as on

DEAR = {"RULE_WAIT_PRICE": 20_000_000}
MINUTE_MS = 60_000


def bursts(town: Town, count: int, size: int = 6) -> None:
    for _ in range(count):
        town.come(120, count=size)
        town.until(town.now_ms + 10 * MINUTE_MS)


def test_where_a_person_is_dearer_than_a_machine_bursts_are_waited_for_with_machines() -> None:
    town = Town([ALONE], **DEAR)
    town.know(120)
    bursts(town, 30)
    before = len(town.starts())
    town.come(120, count=6)
    town.until(town.now_ms + 1)
    assert len(town.starts()) == before + 6, "six machines stood by"
    assert reasons.RESERVE in {why for *_, why in town.log}
    town.until(town.now_ms + 24 * HOUR_MS)
    assert town.farm.islands[c.ISLAND_RESERVE][0] in (0, 6)
    town.come(120)
    town.until(town.now_ms + 24 * HOUR_MS)
    town.come(120)
    assert town.farm.islands[c.ISLAND_RESERVE][0] <= 1, "what was long ago is forgotten"


def test_suspended_machines_come_first_and_limits_hold() -> None:
    town = Town([{**RENTED, c.POOL_MOST: 3}], **DEAR)
    town.know(120)
    bursts(town, 30)
    assert town.farm.pools[c.POOL_MACHINES][0] == 3
    machine = town.farm.lists[c.LIST_FIRST][c.IDLE]
    changes.suspend(town.farm, machine, town.now_ms, reasons.IDLE_LONG_ENOUGH)
    changes.suspended(town.farm, machine, town.now_ms)
    town.look()
    assert [act[2] for act in town.log if act[1] == c.RESUME] == [-1]
    assert town.acts(c.RESUME)[0][1] == machine


def test_no_reserve_where_waiting_is_cheaper_than_any_machine() -> None:
    assert reserve.pool_of(farm([OWNED, RENTED]), 0) == -1
    assert reserve.pool_of(farm([OWNED, RENTED], RULE_WAIT_PRICE=PRICE), 0) == -1
    assert reserve.pool_of(farm([OWNED, {**RENTED, c.POOL_BOOT_MS: -1}], **DEAR), 0) == -1
    cheap = {**RENTED, c.POOL_PRICE: PRICE // 2}
    assert reserve.pool_of(farm([OWNED, RENTED, cheap, RENTED], **DEAR), 0) == 2
    assert reserve.pool_of(farm([OWNED, {**RENTED, c.POOL_ISLAND: 1}], **DEAR), 0) == -1


def test_lanes_of_machines_that_run_something_stand_by_too() -> None:
    made = farm([{**OWNED, c.POOL_SLOTS: 4}, RENTED, {**OWNED, c.POOL_ISLAND: 1}], islands=2)
    on.begin(made.scratch, 0, HOUR_MS)
    machine = changes.owned(made, 0, HOUR_MS)
    changes.owned(made, 0, HOUR_MS)
    changes.boot(made, 1, HOUR_MS, reasons.LEAST)
    changes.owned(made, 2, HOUR_MS)
    assert reserve.standing_by(made, 0) == 9
    changes.arrived(made, 0, HOUR_MS)
    assert reserve.standing_by(made, 0) == 8
    changes.start(made, 0, machine, HOUR_MS, reasons.ON_OWNED)
    assert reserve.standing_by(made, 0) == 8


def test_nothing_is_ordered_for_a_reserve_that_may_not_be() -> None:
    made = farm([RENTED], rows=1, **DEAR)
    on.begin(made.scratch, 0, HOUR_MS)
    made.islands[c.ISLAND_RESERVE][0] = 3
    reserve.order(made, 0, 0)
    assert made.islands[c.ISLAND_BOOTS][0] == 1
    made.pools[c.POOL_TOKENS_MS][0], made.pools[c.POOL_TOKENS][0] = HOUR_MS, 0
    reserve.order(made, 0, 0)
    made.rules[c.RULE_BURST] = 1
    reserve.order(made, 0, 0)
    assert made.islands[c.ISLAND_BOOTS][0] == 1
    full = farm([{**RENTED, c.POOL_MOST: 0}], **DEAR)
    on.begin(full.scratch, 0, HOUR_MS)
    full.islands[c.ISLAND_RESERVE][0] = 1
    reserve.order(full, 0, 0)
    assert full.islands[c.ISLAND_BOOTS][0] == 0


SIZED = {c.POOL_SLOTS: 4, c.POOL_CORES: 4}


def big_town(pools: list[dict[int, int]], owned: int) -> Town:
    town = Town(pools, owned, asks=2)
    for ask, cores in ((0, 1), (1, 4)):
        town.farm.asks[c.ASK_CORES][ask], town.farm.asks[c.ASK_MEMORY_MB][ask] = cores, cores * 1000
    town.know(300)
    return town


def test_of_several_machines_the_roomiest_is_kept_for_a_big_job() -> None:
    town = big_town([{**OWNED, **SIZED}, {**RENTED, c.POOL_BOOT_MS: -1}], owned=3)
    town.farm.suits[1][1] = 0
    town.come(300)
    town.come(7200, count=10)
    big = town.come(300, ask=1)
    for _ in range(90):
        town.come(300)
        town.until(town.now_ms + 100_000)
    assert town.starts()[big] <= town.farm.jobs[c.JOB_READY_MS][big] + 900_000 + 7_200_000


def test_a_job_of_unknown_size_and_one_that_has_room_need_no_machine_kept() -> None:
    town = big_town([{**OWNED, **SIZED}], owned=1)
    town.farm.asks[c.ASK_CORES][0] = town.farm.asks[c.ASK_MEMORY_MB][0] = 0
    town.come(3000, count=4)
    town.come(300)
    town.until(town.now_ms + HOUR_MS)
    assert len(town.starts()) == 5
    town.come(3000, count=3)
    town.farm.rules[c.RULE_PROMISE_MS] = 0
    town.come(300)
    assert town.pending() == 0


def test_memory_is_never_overcommitted() -> None:
    town = big_town([{**OWNED, **SIZED, c.POOL_MEMORY_MB: 3000}], owned=1)
    town.come(300, count=4)
    assert town.farm.islands[c.ISLAND_RUNNING][0] == 3
    town.until(town.now_ms + HOUR_MS)
    assert len(town.starts()) == 4


def test_islands_where_nothing_has_sizes_keep_no_machine() -> None:
    town = Town([{**OWNED, **SIZED}, OWNED, {**OWNED, **SIZED, c.POOL_ISLAND: 1}], owned=0, asks=2)
    town.farm.asks[c.ASK_CORES][0] = 2
    changes.owned(town.farm, 1, town.now_ms)
    town.come(9000)
    town.come(300)
    town.until(town.now_ms + HOUR_MS)
    town.come(300)
    town.until(town.now_ms + HOUR_MS)
    assert len(town.starts()) == 1
