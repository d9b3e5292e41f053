"""What the default policy does on small farms."""

import pytest
from capacityfarm import ALONE, BOOT_MS, HOUR_MS, OWNED, RENTED, RESUME_MS, SPOT, Town

from penstock.policy.capacity import changes, reasons
from penstock.policy.capacity import columns as c

DAY_MS = 24 * HOUR_MS


def test_free_owned_machines_start_everything_the_longest_first() -> None:
    town = Town([OWNED], owned=3)
    town.know(1200, name=0)
    town.know(60, name=1)
    town.arrive()
    town.farm.jobs[c.JOB_NAME][0] = 1
    town.come(1200)
    assert [(kind, job) for _, kind, job, *_ in town.log] == [(c.START, 1), (c.START, 0)]
    assert {why for *_, why in town.log} == {reasons.ON_OWNED}


def test_an_owned_machine_does_short_jobs_first_and_the_long_one_just_in_time() -> None:
    town = Town([OWNED, RENTED], owned=1)
    town.know(3600, name=0)
    town.know(200, name=1)
    town.come(100, name=1)
    long = town.come(3600)
    short = town.come(200, name=1, count=3)
    town.until(town.now_ms + 4 * HOUR_MS)
    begun = town.starts()
    assert begun[short] < begun[short + 1] < begun[short + 2] < begun[long]
    assert not town.acts(c.BOOT)
    assert max(town.waits_s()) <= 900


def test_a_lone_job_gets_a_machine_at_the_last_moment() -> None:
    town = Town([RENTED])
    begun_ms = town.now_ms
    town.come()
    town.until(begun_ms + 850_000)
    assert [moment for moment, _ in town.acts(c.BOOT)] == [begun_ms + 899_000 - BOOT_MS]
    assert town.farm.jobs[c.JOB_WHY][0] == reasons.WAITS_FOR_COMING
    town.until(begun_ms + HOUR_MS)
    assert town.waits_s() == [899]


def test_short_jobs_share_a_machine_that_leaves_earlier() -> None:
    town = Town([RENTED])
    town.know(100)
    begun_ms = town.now_ms
    town.come(100, count=4)
    assert town.farm.jobs[c.JOB_WHY][0] == reasons.WAITS_FOR_LAST_MOMENT
    town.until(begun_ms + 2 * HOUR_MS)
    assert [moment for moment, _ in town.acts(c.BOOT)] == [begun_ms + 899_000 - 300_000 - BOOT_MS - 120_000]
    assert max(town.waits_s()) <= 900


def test_a_suspended_machine_is_woken_before_a_new_one_is_ordered() -> None:
    town = Town([RENTED])
    town.come(600)
    town.until(town.now_ms + 1600_000)
    assert town.count(c.STOPPED, 0) == 1
    town.come(600)
    again_ms = town.now_ms
    town.until(again_ms + HOUR_MS)
    assert [moment for moment, _ in town.acts(c.RESUME)] == [again_ms + 899_000 - RESUME_MS]
    assert len(town.acts(c.BOOT)) == 1


def test_an_idle_rented_machine_takes_what_owned_ones_do_not() -> None:
    town = Town([OWNED, {**ALONE, c.POOL_LEAST: 1}], owned=1)
    town.know(3000)
    town.come(3000, count=2)
    town.until(town.now_ms + BOOT_MS)
    assert [why for _, kind, *_, why in town.log if kind == c.START] == [reasons.ON_OWNED, reasons.ON_RENTED]


def test_what_is_overdue_goes_first_and_nobody_starves() -> None:
    town = Town([OWNED], owned=1)
    town.know(2000, name=0)
    town.know(60, name=1)
    town.come(2000)
    short = town.come(60, name=1)
    for _ in range(10):
        town.come(2000)
        town.until(town.now_ms + 1000_000)
    assert town.starts()[short] <= 1_000_000 + 2_000_000


def test_a_job_that_owned_machines_alone_may_run_is_never_rented_for() -> None:
    town = Town([OWNED, RENTED], owned=1, asks=2)
    town.farm.suits[1][1] = 0
    town.come(7200, count=3, ask=1)
    town.until(town.now_ms + HOUR_MS)
    assert not town.acts(c.BOOT)
    assert town.farm.jobs[c.JOB_WHY][2] == reasons.NOTHING_TO_RENT


def test_an_overlong_job_is_noticed_and_a_machine_ordered_for_those_behind_it() -> None:
    town = Town([OWNED, RENTED], owned=1)
    town.know(100)
    town.come(36_000)
    behind = town.come(100)
    town.until(town.now_ms + HOUR_MS)
    assert town.starts()[behind] <= 1_000_000 + 900_000 + BOOT_MS


@pytest.mark.parametrize("spend", [0, 1])
def test_the_share_that_the_promise_leaves_is_spent_only_where_that_is_said(spend: int) -> None:
    town = Town([OWNED, RENTED], owned=1, RULE_SPEND=spend)
    town.know(600)
    for _ in range(150):
        town.come(600)
        town.until(town.now_ms + 240_000)
    town.until(town.now_ms + 5 * HOUR_MS)
    late = [wait for wait in town.waits_s() if wait > 900]
    assert len(town.waits_s()) == 150
    assert 0 < len(late) <= 0.05 * 150 if spend else not late
    assert max(town.waits_s()) <= 8 * 900 + 90


def test_strict_asks_are_never_late_on_purpose() -> None:
    town = Town([OWNED, RENTED], owned=1, RULE_SPEND=1)
    town.farm.asks[c.ASK_STRICT][0] = 1
    town.know(600)
    for _ in range(150):
        town.come(600)
        town.until(town.now_ms + 240_000)
    town.until(town.now_ms + 5 * HOUR_MS)
    assert max(town.waits_s()) <= 900


def test_what_was_reclaimed_or_is_strict_does_not_go_where_machines_are_reclaimed() -> None:
    town = Town([RENTED, SPOT], asks=2)
    town.farm.asks[c.ASK_STRICT][1] = 1
    town.come()
    town.come(ask=1)
    town.until(town.now_ms + 20 * 60_000)
    pools = [town.farm.machines[c.MACHINE_POOL][machine] for _, machine in town.acts(c.START)]
    assert pools == [1, 0]
    lost_job = 0
    machine = town.farm.jobs[c.JOB_LANE][lost_job]
    town.farm.jobs[c.JOB_FLAGS][lost_job] |= c.STEADY
    town.heap = [event for event in town.heap if event[2:] != (c.START, lost_job)]
    changes.lost(town.farm, lost_job, town.now_ms)
    changes.gone(town.farm, machine, town.now_ms)
    town.look()
    town.until(town.now_ms + HOUR_MS)
    assert [kind for _, kind, job, *_ in town.log if job == 0] == [c.START, c.START]
    assert town.farm.machines[c.MACHINE_POOL][town.acts(c.START)[-1][1]] == 0


def test_the_only_pool_that_suits_is_used_even_if_it_is_reclaimed() -> None:
    town = Town([SPOT])
    town.farm.asks[c.ASK_STRICT][0] = 1
    town.come()
    town.until(town.now_ms + HOUR_MS)
    assert len(town.starts()) == 1


def test_a_budget_stops_orders_for_all_but_strict_asks_then_for_all() -> None:
    town = Town([RENTED], asks=2, RULE_BURST=1)
    town.farm.asks[c.ASK_STRICT][1] = 1
    town.come()
    town.come(ask=1)
    town.until(town.now_ms + 900_000)
    assert list(town.starts()) == [1]
    assert town.farm.jobs[c.JOB_WHY][0] == reasons.BUDGET_SPENT
    town.farm.rules[c.RULE_BURST] = 2
    town.come(ask=1)
    town.until(town.now_ms + DAY_MS)
    assert list(town.starts()) == [1, 2, 0]


def test_a_pool_has_at_least_and_at_most_so_many_machines() -> None:
    town = Town([{**RENTED, c.POOL_LEAST: 2, c.POOL_MOST: 3}])
    town.come(count=6)
    assert len(town.acts(c.BOOT)) == 2
    town.until(town.now_ms + DAY_MS)
    assert len(town.starts()) == 6
    town.until(town.now_ms + 30 * DAY_MS)
    assert town.count(c.STOPPED, 0) + town.count(c.IDLE, 0) == 2
    alone = Town([{**ALONE, c.POOL_LEAST: 1}])
    alone.come()
    alone.until(alone.now_ms + DAY_MS)
    assert alone.count(c.IDLE, 0) == 1


def test_nothing_is_ordered_at_least_while_the_budget_or_the_provider_forbids_it() -> None:
    town = Town([{**RENTED, c.POOL_LEAST: 2, c.POOL_PAUSED_MS: 1_500_000}])
    town.look()
    assert not town.log
    town.until(1_500_000)
    assert len(town.acts(c.BOOT)) == 2
    other = Town([{**RENTED, c.POOL_LEAST: 2}], RULE_BURST=1)
    other.look()
    assert not other.log
    full = Town([{**RENTED, c.POOL_LEAST: 3}], rows=2)
    full.look()
    assert len(full.acts(c.BOOT)) == 2


def test_taskcluster_subtracted_booting_machines_twice() -> None:
    town = Town([ALONE])
    town.know(3600)
    town.come(3600, count=10)
    town.until(town.now_ms + 900_000 - BOOT_MS + 1000)
    assert len(town.acts(c.BOOT)) == 10
    town.farm.rules[c.RULE_PROMISE_MS] = 0
    town.come(3600, count=10)
    assert len(town.acts(c.BOOT)) == 20


def test_constant_demand_needs_no_acts() -> None:
    town = Town([OWNED, RENTED], owned=2)
    town.come(100 * 24 * 3600, count=6)
    town.until(town.now_ms + DAY_MS)
    acts = len(town.log)
    town.until(town.now_ms + 30 * DAY_MS)
    assert len(town.log) == acts == 6 + 4


def test_a_square_wave_boots_at_most_once_per_cycle_and_level() -> None:
    town = Town([RENTED])
    town.know(600)
    for _ in range(20):
        before = len(town.acts(c.BOOT)) + len(town.acts(c.RESUME))
        town.come(600, count=5)
        town.until(town.now_ms + 2 * HOUR_MS)
        assert len(town.acts(c.BOOT)) + len(town.acts(c.RESUME)) - before <= 5


def test_islands_without_jobs_or_machines_come_to_rest() -> None:
    town = Town([OWNED, RENTED])
    town.look()
    assert town.farm.islands[c.ISLAND_WAKE_MS][0] == c.NEVER_MS


def test_a_preset_decides_where_one_is_named() -> None:
    town = Town([OWNED, RENTED], owned=1, RULE_PRESET=4)
    town.come()
    assert [kind for _, kind, *_ in town.log] == [c.START]


def test_a_machine_that_will_be_reclaimed_takes_nothing_new() -> None:
    town = Town([OWNED, ALONE], owned=0)
    machine = changes.boot(town.farm, 1, town.now_ms, reasons.LEAST)
    town.farm.machines[c.MACHINE_FLAGS][machine] |= c.NOTICED
    town.come(60)
    changes.up(town.farm, machine, town.now_ms)
    town.come(60)
    town.until(town.now_ms + HOUR_MS)
    assert town.acts(c.DELETE)[0] == (1_000_000, machine)
    assert town.waits_s()[0] == 899 - 600 - 120, "both on one machine, ordered as if the other were not there"


def test_a_farm_without_rows_for_more_machines_waits() -> None:
    town = Town([ALONE], rows=1)
    town.know(900)
    town.come(900, count=2)
    town.until(town.now_ms + 850_000)
    assert {town.farm.jobs[c.JOB_WHY][job] for job in (0, 1)} == {
        reasons.RENT_STOPPED,
        reasons.WAITS_FOR_COMING,
    }


def test_the_cheaper_of_two_suspended_machines_is_woken() -> None:
    dear = {**RENTED, c.POOL_PRICE: 2 * RENTED[c.POOL_PRICE]}
    town = Town([RENTED, dear], asks=3)
    for pool in (0, 1):
        machine = changes.boot(town.farm, pool, town.now_ms, reasons.LEAST)
        changes.up(town.farm, machine, town.now_ms)
        changes.suspend(town.farm, machine, town.now_ms, reasons.LEAST)
        changes.suspended(town.farm, machine, town.now_ms)
    town.come()
    town.until(town.now_ms + 880_000)
    assert [town.farm.machines[c.MACHINE_POOL][machine] for _, machine in town.acts(c.RESUME)] == [0]
    stopped = town.farm.lists[c.LIST_FIRST][1 * c.KINDS + c.STOPPED]
    town.farm.machines[c.MACHINE_FLAGS][stopped] |= c.DRAINED
    town.farm.suits[1][0] = 0
    town.come(ask=1)
    town.until(town.now_ms + 890_000)
    assert len(town.acts(c.RESUME)) == 1


def test_without_owned_machines_jobs_that_may_be_late_take_idle_machines() -> None:
    town = Town([ALONE], RULE_SPEND=1)
    town.know(600)
    for _ in range(150):
        town.come(600)
        town.until(town.now_ms + 240_000)
    town.until(town.now_ms + 5 * HOUR_MS)
    late = [wait for wait in town.waits_s() if wait > 900]
    assert len(town.waits_s()) == 150
    assert 0 < len(late) <= 0.05 * 150


def test_where_waiting_has_a_price_a_machine_is_rented_when_that_is_spent() -> None:
    town = Town([OWNED, ALONE], owned=1, RULE_WAIT_PRICE=403_200)
    town.know(600)
    town.come(600)
    town.come(600)
    town.until(town.now_ms + HOUR_MS)
    assert not town.acts(c.BOOT), "ten minutes are worth as little as ten minutes of a machine"
    town.farm.rules[c.RULE_WAIT_PRICE] = 20_000_000
    town.come(600)
    town.come(600)
    town.until(town.now_ms + HOUR_MS)
    assert town.acts(c.BOOT)


def test_on_rented_machines_small_jobs_go_ahead_of_a_big_one_until_it_is_overdue() -> None:
    sized = {**RENTED, c.POOL_SLOTS: 4, c.POOL_CORES: 4, c.POOL_MEMORY_MB: 4000, c.POOL_MOST: 1}
    town = Town([sized], asks=2)
    for ask, cores in ((0, 1), (1, 4)):
        town.farm.asks[c.ASK_CORES][ask], town.farm.asks[c.ASK_MEMORY_MB][ask] = cores, cores * 1000
    town.know(300)
    bigs = []
    for turn in range(40):
        town.come(300 + 60 * (turn % 3))
        if turn % 5 == 0:
            bigs.append(town.come(300, ask=1))
        town.until(town.now_ms + 100_000)
    town.until(town.now_ms + 4 * HOUR_MS)
    starts = town.starts()
    assert len(starts) == 48, "nobody is left behind"
    ready = town.farm.jobs[c.JOB_READY_MS]
    passed = [
        big for big in bigs if any(ready[big] < ready[job] and starts[job] < starts[big] for job in starts)
    ]
    assert passed, "a machine that is partly taken does not stand half empty for a big job that has time"
