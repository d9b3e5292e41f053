"""Bugs that other farms had: each preset has what its model had, and nothing else has it."""

import pytest
from presetfarm import BOOT_MS, BURST, HOUR_MS, OTHER, World, empty, world

from penstock.policy.capacity import changes
from penstock.policy.capacity import columns as c
from penstock.policy.capacity import preset_numbers as n

BUT_TASKCLUSTER = [name for name in n.PRESETS[1:] if name not in ("taskcluster", "last-moment", "gitlab")]


def boots_now(preset: str, pending: int, booting: int, **over: int) -> int:
    """How many machines are ordered at a tick with so many jobs waiting and machines booting."""
    farm = world(preset, jobs=128, rows=256, **over)
    for _ in range(booting):
        changes.boot(farm.farm, BURST, 0, 0)
    farm.arrive(count=pending)
    farm.now_ms = 86_400_000
    for job in range(pending):
        farm.farm.jobs[c.JOB_READY_MS][job] = 0
    return sum(act[0] == c.BOOT for act in farm.look())


@pytest.mark.parametrize(("pending", "booting", "ordered"), [(10, 0, 10), (20, 10, 0), (30, 10, 10)])
def test_taskcluster_subtracts_booting_machines_twice(pending: int, booting: int, ordered: int) -> None:
    assert boots_now("taskcluster", pending, booting) == ordered


@pytest.mark.parametrize(
    ("pending", "booting", "ordered"), [(10, 0, 10), (20, 10, 10), (30, 10, 20), (5, 10, 0)]
)
def test_once_where_it_is_repaired(pending: int, booting: int, ordered: int) -> None:
    assert boots_now("taskcluster", pending, booting, count_booting_twice=0) == ordered


@pytest.mark.parametrize("preset", BUT_TASKCLUSTER)
def test_no_other_preset_does(preset: str) -> None:
    assert boots_now(preset, 20, 10) == 10


def test_taskcluster_orders_a_share_rounded_up() -> None:
    assert boots_now("taskcluster", 10, 0, scaling_ratio=250_000) == 3
    assert boots_now("taskcluster", 1, 0, scaling_ratio=50_000) == 1, "a small ratio starves nobody"


@pytest.mark.parametrize("preset", n.PRESETS[1:])
def test_booting_machines_are_counted_so_that_looking_often_orders_no_more(preset: str) -> None:
    farm = world(preset, owned=0, idle_count=0)
    farm.arrive(count=5, lasts_s=60)
    for moment_ms in range(0, 900_000 + BOOT_MS, 1000):
        farm.until(moment_ms)
        farm.look()
    assert len(farm.kinds(c.BOOT)) == 5


@pytest.mark.parametrize("preset", BUT_TASKCLUSTER)
def test_machines_that_are_being_deleted_count_until_they_are_gone(preset: str) -> None:
    farm = world(preset)
    farm.farm.pools[c.POOL_MOST][BURST] = 4
    for _ in range(4):
        machine = changes.boot(farm.farm, BURST, 0, 0)
        changes.up(farm.farm, machine, 0)
        changes.delete(farm.farm, machine, 0, 0)
    farm.arrive(count=4)
    farm.until(180_000)
    farm.look()
    assert farm.kinds(c.BOOT) == []
    assert farm.farm.pools[c.POOL_MACHINES][BURST] == 4


def test_a_share_of_nothing_still_starts_an_empty_farm() -> None:
    """IdleScaleFactor times 0 jobs is 0 machines: an empty farm stayed empty."""
    farm = world("gitlab", idle_count=0, scale_factor=200_000)
    farm.arrive(count=2)
    farm.look()
    farm.until(HOUR_MS)
    assert len(farm.kinds(c.START)) == 2


def test_jobs_in_the_queue_are_not_refused_for_want_of_idle_machines() -> None:
    """With idle_count above 0 jobs were taken only once idle machines were there, and those were kept idle."""
    farm = world("gitlab")
    farm.farm.pools[c.POOL_MOST][BURST] = 2
    farm.arrive(count=3, lasts_s=60)
    farm.look()
    farm.until(HOUR_MS)
    assert len(farm.kinds(c.START)) == 3


def test_idle_count_of_nothing_is_reached_with_several_slots() -> None:
    """With several slots per machine, an idle count of 0 never came to 0 machines."""
    farm = world("gitlab", idle_count=0)
    farm.farm.pools[c.POOL_SLOTS][BURST] = 4
    farm.arrive(count=5, lasts_s=60)
    farm.look()
    farm.until(3 * HOUR_MS)
    assert len(farm.kinds(c.BOOT)) == 2
    assert farm.farm.pools[c.POOL_MACHINES][BURST] == 0


def test_spare_machines_are_kept_and_no_more_of_them() -> None:
    farm = world("gitlab", idle_count=2)
    farm.arrive(count=4, lasts_s=60)
    farm.look()
    farm.until(2 * HOUR_MS)
    assert farm.count(c.IDLE) == 2
    assert farm.looks < 200
    looks = farm.looks
    farm.until(20 * HOUR_MS)
    assert farm.looks == looks, "a farm at rest is not looked at"
    farm.arrive(lasts_s=3600)
    farm.look()
    farm.until(20 * HOUR_MS + 200_000)
    assert (farm.count(c.IDLE), farm.count(c.FULL)) == (2, 1)


def test_spare_lanes_are_counted_by_pool_not_by_kind_of_job() -> None:
    """IdleCount is a runner configuration's. Jobs that half fill a machine asked for twice the machines, which went again."""
    farm = World(empty("gitlab", asks=2, idle_count=4))
    for field, value in ((c.POOL_SLOTS, 4), (c.POOL_CORES, 8), (c.POOL_MEMORY_MB, 0)):
        farm.farm.pools[field][BURST] = value
    farm.farm.suits[1][OTHER] = 0
    farm.farm.asks[c.ASK_CORES][1] = 8
    farm.arrive(lasts_s=60)
    farm.arrive(lasts_s=60, ask=1)
    farm.look()
    farm.until(2 * HOUR_MS)
    assert farm.count(c.IDLE) == 1
    boots = len(farm.kinds(c.BOOT))
    farm.until(6 * HOUR_MS)
    assert (farm.count(c.IDLE), len(farm.kinds(c.BOOT))) == (1, boots)


def test_each_pool_keeps_its_own_spare_lanes() -> None:
    farm = World(empty("gitlab", asks=2, idle_count=2))
    farm.arrive(count=3, lasts_s=60)
    farm.arrive(lasts_s=60, ask=1)
    farm.look()
    farm.until(2 * HOUR_MS)
    assert (farm.count(c.IDLE), farm.count(c.IDLE, OTHER)) == (2, 2)


@pytest.mark.parametrize(("burst", "strict", "kept"), [(0, 0, 2), (1, 0, 0), (1, 1, 2), (2, 1, 0)])
def test_nothing_is_kept_for_whom_nothing_may_be_rented(burst: int, strict: int, kept: int) -> None:
    farm = world("gitlab", idle_count=2)
    farm.farm.rules[c.RULE_BURST] = burst
    farm.farm.asks[c.ASK_STRICT][0] = strict
    farm.own(1)
    farm.arrive(lasts_s=1)
    farm.look()
    farm.until(HOUR_MS)
    assert farm.count(c.IDLE) == kept


def test_spare_room_has_a_limit() -> None:
    farm = world("gitlab", idle_count=0, scale_factor=n.MILLION, scale_factor_limit=3)
    farm.arrive(count=8, lasts_s=36_000)
    farm.look()
    farm.until(HOUR_MS)
    assert (farm.count(c.IDLE), farm.count(c.FULL)) == (3, 8)


def test_what_was_kept_as_spare_goes_when_it_is_not_needed_as_that() -> None:
    farm = world("gitlab", idle_count=0, scale_factor=n.MILLION)
    farm.arrive(count=2, lasts_s=3600)
    farm.look()
    farm.until(3000_000)
    assert farm.count(c.IDLE) == 2
    farm.until(5 * HOUR_MS)
    assert farm.farm.pools[c.POOL_MACHINES][BURST] == 0


@pytest.mark.parametrize("preset", BUT_TASKCLUSTER)
def test_what_was_launched_up_to_a_quota_is_used_not_deleted_and_launched_again(preset: str) -> None:
    farm = world(preset)
    farm.farm.pools[c.POOL_MOST][BURST] = 2
    farm.arrive(count=6, lasts_s=600)
    farm.look()
    farm.until(125_000)
    farm.farm.pools[c.POOL_PAUSED_MS][BURST] = c.NEVER_MS
    farm.until(12 * HOUR_MS)
    assert len(farm.kinds(c.START)) == 6
    assert len(farm.kinds(c.BOOT)) == 2
    assert not farm.kinds(c.DELETE) or farm.kinds(c.DELETE)[0] >= farm.kinds(c.START)[-1] + 600_000


@pytest.mark.parametrize("preset", BUT_TASKCLUSTER)
def test_demand_that_met_a_pause_is_not_lost(preset: str) -> None:
    farm = world(preset)
    farm.farm.pools[c.POOL_PAUSED_MS][BURST] = 30 * 60_000
    farm.arrive(count=3)
    farm.look()
    farm.until(29 * 60_000)
    assert farm.kinds(c.BOOT) == []
    farm.until(HOUR_MS)
    assert len(farm.kinds(c.START)) == 3


def test_suspended_machines_do_not_keep_others_from_starting() -> None:
    """Stopped machines counted against the cap, and nothing could be started."""
    farm = world("mozilla-2012")
    farm.farm.pools[c.POOL_MOST][BURST] = 2
    farm.arrive(count=2, lasts_s=60)
    farm.look()
    farm.until(3 * HOUR_MS)
    assert farm.count(c.STOPPED) == 2
    farm.arrive(count=2)
    farm.look()
    farm.until(4 * HOUR_MS)
    assert len(farm.kinds(c.RESUME)) == 2
    assert len(farm.kinds(c.START)) == 4


@pytest.mark.parametrize("preset", ["mozilla-2014", "taskcluster", "gitlab", "cluster-autoscaler", "jenkins"])
def test_those_that_never_suspended_delete(preset: str) -> None:
    farm = world(preset, idle_count=0)
    farm.arrive(lasts_s=60)
    farm.look()
    farm.until(4 * HOUR_MS)
    assert farm.kinds(c.SUSPEND) == []
    assert len(farm.kinds(c.DELETE)) == 1


@pytest.mark.parametrize("preset", n.PRESETS[1:])
def test_a_steady_load_of_one_job_after_another_needs_one_machine(preset: str) -> None:
    """Machines were stopped and started again every few minutes under a load that never changed."""
    farm = world(preset, idle_count=0)
    for minute in range(40):
        farm.until(minute * 600_000)
        farm.arrive(lasts_s=599)
        farm.look()
    farm.until(41 * 600_000)
    keeps = (
        "mozilla-2012",
        "cluster-autoscaler",
        "jenkins",
        "always-on",
        "gitlab",
        "burst-at-once",
        "mozilla-2014",
    )
    if preset in keeps:
        assert len(farm.kinds(c.BOOT)) <= 2


def test_what_is_coming_for_nobody_is_given_back_where_that_is_asked_for() -> None:
    farm = world("stop-when-idle", cancel=1)
    farm.arrive(lasts_s=600)
    farm.look()
    farm.until(BOOT_MS + 590_000)
    farm.arrive(lasts_s=60, count=2)
    farm.look()
    assert farm.count(c.COMING) == 2
    farm.until(BOOT_MS + 600_000)
    assert farm.count(c.COMING) == 1, "the machine that became free takes one of the two jobs"
    assert [act[4] for act in farm.log if act[1] == c.DELETE] == [n.WHY_CANCELLED]
