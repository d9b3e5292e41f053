"""Machines of several lanes, of sizes, and for few jobs."""

from capacityfarm import ALONE, HOUR_MS, OWNED, RENTED, Town

from penstock.policy.capacity import columns as c


def test_all_lanes_of_a_machine_are_used() -> None:
    town = Town([{**RENTED, c.POOL_SLOTS: 4}])
    town.know(600)
    town.come(600, count=9)
    town.until(town.now_ms + HOUR_MS)
    assert len(town.acts(c.BOOT)) == 2
    assert max(town.waits_s()) <= 900


def test_lanes_of_machines_that_are_up_run_side_by_side() -> None:
    town = Town([{**RENTED, c.POOL_SLOTS: 2}])
    town.know(100)
    town.come(100, count=2)
    town.until(town.now_ms + 2 * HOUR_MS)
    assert len(set(town.starts().values())) == 1


def test_a_big_job_that_is_overdue_keeps_its_machine_free() -> None:
    sized = {**OWNED, c.POOL_SLOTS: 4, c.POOL_CORES: 4, c.POOL_MEMORY_MB: 4000}
    town = Town([sized], owned=1, asks=2)
    for ask, cores in ((0, 1), (1, 4)):
        town.farm.asks[c.ASK_CORES][ask], town.farm.asks[c.ASK_MEMORY_MB][ask] = cores, cores * 1000
    town.know(300)
    for _ in range(3):
        town.come(300, count=1)
        town.until(town.now_ms + 60_000)
    big = town.come(300, ask=1)
    for _ in range(60):
        town.come(300)
        town.until(town.now_ms + 100_000)
    assert town.starts()[big] <= town.farm.jobs[c.JOB_READY_MS][big] + 900_000 + 300_000


def test_two_that_do_not_fit_side_by_side_run_one_after_the_other() -> None:
    sized = {**OWNED, c.POOL_SLOTS: 2, c.POOL_CORES: 4}
    town = Town([sized], owned=1, asks=2)
    town.farm.asks[c.ASK_CORES][0], town.farm.asks[c.ASK_CORES][1] = 3, 1
    town.know(300)
    town.come(300, count=2)
    assert town.farm.islands[c.ISLAND_RUNNING][0] == 1
    town.come(300, ask=1)
    assert town.farm.islands[c.ISLAND_RUNNING][0] == 2
    town.farm.rules[c.RULE_PROMISE_MS] = 0
    town.until(town.now_ms + 100_000)
    town.come(300, count=2)
    town.until(town.now_ms + HOUR_MS)
    assert len(town.starts()) == 5
    town.come(300, count=3)
    assert town.farm.islands[c.ISLAND_RUNNING][0] == 1
    town.farm.rules[c.RULE_PROMISE_MS] = 900_000
    town.until(town.now_ms + HOUR_MS)
    town.come(300, count=3)
    assert town.farm.islands[c.ISLAND_RUNNING][0] == 1
    town.until(town.now_ms + HOUR_MS)
    assert len(town.starts()) == 11


def test_a_machine_for_one_job_each_is_replaced() -> None:
    town = Town([{**RENTED, c.POOL_USES: 1}])
    town.know(60)
    town.come(60, count=3)
    town.until(town.now_ms + HOUR_MS)
    assert len(town.acts(c.BOOT)) == 3
    assert len(town.acts(c.DELETE)) == 3
    assert max(town.waits_s()) <= 900


def test_a_used_up_machine_leaves_at_once_however_long_idle_ones_are_kept() -> None:
    town = Town([{**ALONE, c.POOL_USES: 2, c.POOL_SLOTS: 4, c.POOL_MINIMUM_MS: 4 * HOUR_MS}])
    town.know(60)
    town.come(60, count=3)
    town.until(town.now_ms + HOUR_MS)
    assert len(town.acts(c.BOOT)) == 2, "two jobs on one machine, whatever lanes it has"
    assert len(town.acts(c.DELETE)) == 1, "the other machine has a job left to run, and its minimum is paid"
    town.come(60)
    town.until(town.now_ms + HOUR_MS)
    assert [len(town.acts(kind)) for kind in (c.BOOT, c.DELETE)] == [2, 2]
