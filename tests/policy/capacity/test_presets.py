"""What each preset does on small farms."""

import pytest
from presetfarm import BOOT_MS, BURST, HOUR_MS, OTHER, OWN, World, empty, world

from penstock.policy.capacity import blank, changes, presets
from penstock.policy.capacity import columns as c
from penstock.policy.capacity import preset_numbers as n

RENTING = [name for name in n.PRESETS[1:] if name not in ("gitlab", "last-moment")]


def test_numbers_lie_where_the_rules_have_them() -> None:
    assert [one.option for one in n.NUMBERS][n.GONE_MS - c.RULE_OF_PRESET] == "gone_s"
    assert len(n.NUMBERS) - 1 == n.CANCEL - n.LOOK_MS
    assert c.RULE_OF_PRESET + len(n.NUMBERS) <= c.RULES
    assert n.numbers("penstock") == ()
    assert n.numbers("jenkins")[n.IDLE_MS - c.RULE_OF_PRESET] == 1_800_000
    assert {option for found in n.SET.values() for option in found} <= {one.option for one in n.NUMBERS}
    assert list(n.SET) == list(n.PRESETS) == list(presets.PRESETS)


@pytest.mark.parametrize("preset", n.PRESETS[1:])
def test_a_job_runs_on_what_is_owned_and_nothing_is_rented(preset: str) -> None:
    farm = world(preset, owned=2, idle_count=0)
    farm.arrive(count=2)
    assert [act[0] for act in farm.look()] == [c.START, c.START]
    assert farm.farm.machines[c.MACHINE_POOL][farm.farm.acts[c.ACT_MACHINE][0]] == OWN
    farm.until(HOUR_MS)
    assert farm.kinds(c.BOOT) == []
    assert farm.looks < 10, "a farm where nothing happens is left alone"


@pytest.mark.parametrize("preset", RENTING)
def test_all_jobs_run_and_a_farm_without_work_comes_to_rest(preset: str) -> None:
    farm = world(preset, owned=1)
    farm.arrive(count=20)
    farm.look()
    farm.until(3 * 24 * HOUR_MS)
    assert farm.farm.islands[c.ISLAND_RUNNING][0] == farm.farm.islands[c.ISLAND_PENDING][0] == 0
    assert len(farm.kinds(c.START)) == 20
    assert farm.count(c.IDLE) == farm.count(c.COMING) == 0
    looks = farm.looks
    farm.until(30 * 24 * HOUR_MS)
    assert farm.looks == looks


def test_mozilla_2012_waits_a_minute_and_keeps_an_hour() -> None:
    farm = world("mozilla-2012", begin_ms=1_000)
    farm.arrive(count=3)
    farm.look()
    farm.until(10 * HOUR_MS)
    assert farm.kinds(c.BOOT) == [120_000] * 3, "the first whole minute at which they have waited for one"
    up_ms = 120_000 + BOOT_MS
    assert farm.kinds(c.START) == [up_ms] * 3
    assert farm.kinds(c.SUSPEND) == [(up_ms + 600_000 + HOUR_MS + 59_999) // 60_000 * 60_000] * 3
    assert farm.kinds(c.DELETE) == [], "what is stopped stays so for ever"
    farm.arrive()
    last = farm.farm.lists[c.LIST_LAST][BURST * c.KINDS + c.STOPPED]
    farm.look()
    farm.until(11 * HOUR_MS)
    assert [act[3] for act in farm.log if act[1] == c.RESUME] == [last]


def test_mozilla_2014_stops_only_near_the_end_of_a_paid_hour() -> None:
    farm = world("mozilla-2014")
    farm.arrive(lasts_s=60)
    farm.arrive(lasts_s=50 * 60)
    farm.look()
    farm.until(20 * 60_000)
    farm.arrive(lasts_s=60)
    farm.look()
    farm.until(HOUR_MS * 3)
    ordered_ms = farm.kinds(c.BOOT)[0]
    for moment_ms in farm.kinds(c.DELETE):
        assert (moment_ms - ordered_ms) % HOUR_MS >= 45 * 60_000
    assert farm.kinds(c.DELETE) == [46 * 60_000, 58 * 60_000]


def test_what_misses_the_edge_of_its_hour_is_kept_to_the_next() -> None:
    farm = world("mozilla-2014", begin_ms=19 * 60_000, stop_look_s=30 * 60_000)
    farm.arrive(lasts_s=60)
    farm.look()
    farm.until(4 * HOUR_MS)
    assert farm.kinds(c.DELETE) == [], "with ticks this rare none falls into an edge"


def test_fresh_machines_and_a_tenth_of_the_others_count_for_mozilla() -> None:
    farm = world("mozilla-2014", fresh_s=1_200_000, old_share=n.MILLION // 10)
    farm.arrive(lasts_s=HOUR_MS, count=20)
    farm.look()
    farm.until(10 * 60_000)
    farm.arrive(lasts_s=HOUR_MS, count=21)
    farm.look()
    farm.until(12 * 60_000)
    assert len(farm.kinds(c.BOOT)) == 21, "twenty are fresh: one more is ordered for"
    farm.until(30 * 60_000)
    assert len(farm.kinds(c.BOOT)) > 21


def test_cluster_autoscaler_stops_ten_at_a_time_and_none_near_an_order_or_a_failure() -> None:
    farm = world("cluster-autoscaler", idle_s=0, rows=64)
    farm.arrive(lasts_s=10, count=15)
    farm.look()
    farm.until(BOOT_MS + 10_000)
    farm.farm.islands[c.ISLAND_FAILED_MS][0] = 500_000
    farm.until(HOUR_MS)
    assert farm.kinds(c.DELETE) == [680_000] * 10 + [690_000] * 5


def test_jenkins_counts_machines_that_come_once() -> None:
    farm = world("jenkins")
    for moment_ms in range(0, 60_000, 10_000):
        farm.until(moment_ms)
        farm.arrive()
        farm.look()
    farm.until(60_000)
    assert len(farm.kinds(c.BOOT)) == 6, "one each, however often it was looked"


def test_always_on_keeps_what_the_day_before_needed() -> None:
    day_ms = 24 * HOUR_MS
    farm = world("always-on", begin_ms=5 * day_ms)
    farm.arrive(count=3)
    farm.look()
    farm.until(6 * day_ms - 1)
    assert farm.count(c.IDLE) == 3, "nothing is stopped within the day"
    farm.arrive(count=2, lasts_s=8 * 3600)
    farm.look()
    farm.until(6 * day_ms)
    assert (farm.count(c.IDLE), farm.count(c.FULL)) == (1, 2), "three were needed at a time"
    farm.until(7 * day_ms)
    assert farm.count(c.IDLE) == 2, "two were at work on the day before"
    changes.gone(farm.farm, farm.farm.lists[c.LIST_FIRST][BURST * c.KINDS + c.IDLE], farm.now_ms)
    farm.look()
    assert (farm.count(c.COMING), farm.count(c.IDLE)) == (1, 1), "one that is lost is replaced"
    farm.until(8 * day_ms)
    assert farm.count(c.IDLE) == farm.count(c.COMING) == 0


def test_burst_at_once_keeps_idle_machines_for_their_break_even_time() -> None:
    farm = world("burst-at-once")
    farm.arrive()
    farm.look()
    assert farm.kinds(c.BOOT) == [0]
    farm.until(2 * HOUR_MS)
    idle_ms = BOOT_MS + 600_000
    assert farm.kinds(c.SUSPEND) == [idle_ms + 46_000]
    assert farm.kinds(c.DELETE) == [idle_ms + 46_000 + 10_000 + 1_600_000]


def test_what_does_not_pay_is_not_suspended() -> None:
    for field, value in ((c.POOL_GONE_MS, 0), (c.POOL_STOPPED_PRICE, -1), (c.POOL_RESUME_MS, -1)):
        farm = world("stop-when-idle")
        farm.farm.pools[field][BURST] = value
        farm.arrive()
        farm.look()
        farm.until(HOUR_MS)
        assert farm.kinds(c.SUSPEND) == []
        assert farm.kinds(c.DELETE) == [BOOT_MS + 600_000]


def test_a_break_even_time_that_never_comes() -> None:
    farm = world("burst-at-once")
    farm.farm.pools[c.POOL_STOP_MS][BURST] = c.NEVER_MS
    farm.arrive()
    farm.look()
    farm.until(24 * HOUR_MS)
    assert farm.count(c.IDLE) == 1


def test_last_moment_orders_when_only_that_keeps_the_promise() -> None:
    farm = world("last-moment", owned=1)
    farm.arrive(lasts_s=3600)
    farm.look()
    farm.until(60_000)
    late = farm.arrive(count=2)
    farm.look()
    farm.until(2 * HOUR_MS)
    assert farm.kinds(c.BOOT) == [60_000 + 900_000 - BOOT_MS] * 2
    assert [act[0] for act in farm.log if act[1] == c.START and act[2] >= late] == [960_000] * 2


def test_last_moment_resumes_later_than_it_would_boot() -> None:
    farm = world("last-moment", gone_s=c.NEVER_MS)
    farm.arrive(lasts_s=60)
    farm.look()
    farm.until(HOUR_MS)
    assert farm.count(c.STOPPED) == 1
    farm.arrive()
    farm.look()
    farm.until(2 * HOUR_MS)
    assert farm.kinds(c.RESUME) == [HOUR_MS + 900_000 - 45_000]


def test_last_moment_without_a_pool_that_could_give_a_machine() -> None:
    farm = world("last-moment")
    farm.farm.pools[c.POOL_PAUSED_MS][BURST] = 2 * HOUR_MS
    farm.arrive()
    farm.look()
    farm.until(3 * HOUR_MS)
    assert farm.kinds(c.BOOT) == [2 * HOUR_MS], "ordered at once when the pause is over"


# --- who starts where -----------------------------------------------------------------------------------------


def test_first_in_line_on_the_machine_used_last() -> None:
    farm = world("jenkins")
    farm.arrive(lasts_s=100)
    farm.arrive(lasts_s=200)
    farm.look()
    farm.until(10 * 60_000)
    last = farm.farm.lists[c.LIST_LAST][BURST * c.KINDS + c.IDLE]
    first = farm.arrive(count=3)
    acts = [act for act in farm.look() if act[0] == c.START]
    assert [act[1] for act in acts] == [first, first + 1]
    assert acts[0][2] == last


def test_a_job_without_room_holds_up_only_its_like() -> None:
    farm = World(empty("stop-when-idle", asks=2))
    farm.own(1)
    farm.farm.suits[0][OWN] = 0
    blocked = farm.arrive(ask=0, count=3)
    free = farm.arrive(ask=1)
    starts = [act[1] for act in farm.look() if act[0] == c.START]
    assert starts == [free] != [blocked]


def test_the_first_in_line_among_different_asks() -> None:
    farm = World(empty("stop-when-idle", asks=2))
    first = farm.arrive(ask=1)
    second = farm.arrive(ask=0)
    third = farm.arrive(ask=1)
    farm.own(3)
    assert [act[1] for act in farm.look()] == [first, second, third]


def test_of_several_rented_pools_the_machine_used_last() -> None:
    farm = World(empty("always-on", asks=2))
    for pool, moment_ms in ((OTHER, 1), (BURST, 2)):
        machine = changes.boot(farm.farm, pool, 0, 0)
        changes.up(farm.farm, machine, moment_ms)
    farm.now_ms = 3
    farm.arrive(ask=1)
    (act,) = farm.look()
    assert farm.farm.machines[c.MACHINE_POOL][act[2]] == BURST


def test_a_machine_that_is_taken_back_gets_nothing_new() -> None:
    farm = world("stop-when-idle", owned=1)
    farm.farm.machines[c.MACHINE_FLAGS][farm.farm.lists[c.LIST_FIRST][OWN * c.KINDS + c.IDLE]] = c.NOTICED
    farm.arrive()
    assert [act[0] for act in farm.look()] == [c.BOOT]


def test_open_machines_fill_up_first_and_sizes_are_kept() -> None:
    farm = World(empty("burst-at-once", asks=2))
    for field, value in ((c.POOL_SLOTS, 4), (c.POOL_CORES, 8), (c.POOL_MEMORY_MB, 8000)):
        farm.farm.pools[field][BURST] = value
    for ask, cores, memory_mb in ((0, 2, 4000), (1, 8, 0)):
        farm.farm.asks[c.ASK_CORES][ask], farm.farm.asks[c.ASK_MEMORY_MB][ask] = cores, memory_mb
    farm.farm.suits[1][OTHER] = 0
    farm.arrive(ask=0, count=4)
    farm.arrive(ask=1)
    boots = [act for act in farm.look() if act[0] == c.BOOT]
    assert len(boots) == 3, "two jobs each by memory, one alone by cores"
    farm.until(BOOT_MS)
    assert len(farm.kinds(c.START)) == 5
    assert (farm.count(c.OPEN), farm.count(c.FULL)) == (3, 0)


def test_a_machine_runs_as_many_jobs_as_it_may_and_is_deleted() -> None:
    farm = world("jenkins")
    farm.farm.pools[c.POOL_USES][BURST] = 1
    farm.arrive(lasts_s=60, count=2)
    farm.look()
    farm.until(HOUR_MS)
    assert farm.kinds(c.DELETE) == [BOOT_MS + 60_000] * 2
    assert {act[4] for act in farm.log if act[1] == c.DELETE} == {n.WHY_USED_UP}


# --- what bounds orders -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", RENTING)
def test_no_more_than_the_pool_may_have(preset: str) -> None:
    farm = world(preset)
    farm.farm.pools[c.POOL_MOST][BURST] = 2
    farm.arrive(lasts_s=900, count=8)
    farm.look()
    for minute in range(400):
        farm.until(minute * 60_000)
        assert farm.farm.pools[c.POOL_MACHINES][BURST] <= 2
    assert len(farm.kinds(c.START)) == 8


def test_a_budget_may_leave_orders_to_strict_asks_or_to_none() -> None:
    for burst, ordered in ((0, 2), (1, 1), (2, 0)):
        farm = World(empty("burst-at-once", asks=2))
        farm.farm.rules[c.RULE_BURST] = burst
        farm.farm.asks[c.ASK_STRICT][1] = 1
        farm.arrive(ask=0)
        farm.arrive(ask=1)
        farm.look()
        assert len(farm.kinds(c.BOOT)) == ordered


def test_the_cheaper_pool_is_ordered_from_and_the_other_when_it_is_full() -> None:
    farm = World(empty("burst-at-once", asks=2))
    farm.farm.pools[c.POOL_MOST][BURST] = 1
    farm.arrive(ask=1, count=3)
    pools = [farm.farm.machines[c.MACHINE_POOL][act[2]] for act in farm.look()]
    assert pools == [BURST, OTHER, OTHER]


def test_the_cheaper_pool_may_come_last() -> None:
    farm = World(empty("burst-at-once", asks=2))
    farm.farm.pools[c.POOL_PRICE][OTHER] = 1
    farm.arrive(ask=1)
    assert [farm.farm.machines[c.MACHINE_POOL][act[2]] for act in farm.look()] == [OTHER]


def test_a_pool_has_its_least_number() -> None:
    farm = world("jenkins")
    farm.farm.pools[c.POOL_LEAST][BURST] = 3
    farm.look()
    farm.until(4 * HOUR_MS)
    assert len(farm.kinds(c.BOOT)) == 3
    assert (farm.count(c.IDLE), farm.kinds(c.DELETE)) == (3, [])
    assert farm.looks < 20


def test_the_least_number_may_be_suspended_but_not_deleted() -> None:
    farm = world("burst-at-once")
    farm.farm.pools[c.POOL_LEAST][BURST] = 1
    farm.arrive()
    farm.look()
    farm.until(24 * HOUR_MS)
    assert (farm.count(c.STOPPED), farm.kinds(c.DELETE)) == (1, [])


def test_islands_are_strangers() -> None:
    farm = blank.empty(c.Shape(4, 1, 2, 2, 4, 1, 1), 64)
    for at, number in enumerate(n.numbers("gitlab")):
        farm.rules[c.RULE_OF_PRESET + at] = number
    farm.rules[c.RULE_POOLS] = 2
    farm.pools[c.POOL_ISLAND][1] = 1
    for pool in range(2):
        farm.pools[c.POOL_SLOTS][pool], farm.pools[c.POOL_MOST][pool] = 1, -1
        farm.pools[c.POOL_PAUSED_MS][pool] = 500
        farm.pools[c.POOL_LEAST][pool] = 1
    for preset in ("gitlab", "always-on", "burst-at-once"):
        for at, number in enumerate(n.numbers(preset)):
            farm.rules[c.RULE_OF_PRESET + at] = number
        presets.look(farm, 0, 60_000 if preset == "gitlab" else 86_500_000)
    machine = farm.lists[c.LIST_FIRST][c.COMING]
    changes.up(farm, machine, 86_600_000)
    farm.islands[c.ISLAND_OF_OWN + 4][0] = 1
    presets.look(farm, 0, 200_000_000)
    assert farm.pools[c.POOL_MACHINES][0] == 1
    assert farm.pools[c.POOL_MACHINES][1] == 0


def test_what_comes_for_nobody_is_given_back_on_its_own_island() -> None:
    farm = world("burst-at-once", cancel=1)
    farm.farm.pools[c.POOL_ISLAND][OTHER] = 1
    farm.arrive()
    assert [act[0] for act in farm.look()] == [c.BOOT]
    assert farm.count(c.COMING) == 1, "it comes for the job that waits"
