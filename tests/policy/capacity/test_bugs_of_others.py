"""Bugs that other autoscalers had, as traces that ours has to pass. Each names where it was seen.

Sources: taskcluster's estimator and its history (1ae2aea, 933d2ef, dd7a3bc), Mozilla's watch_pending, GitLab's fleeting,
terraform-aws-github-runner #2925, jenkins ec2-plugin #240 and #2037, karpenter #1019.
"""

import msgspec
import pytest
from fullfarms import BURST, rules
from seenfarm import Told, rented, wanted

from penstock.model.decision import Boot, Delete, Resume, Suspend
from penstock.model.rules import Pool, Rules, Waiting
from penstock.policy.capacity.view import Ended, Failure

MINUTE_MS = 60_000
STANDS_BY = "standing by"


def hasty(*pools: Pool) -> Rules:
    """Waiting is so dear that each job gets a machine of its own at once."""
    return msgspec.structs.replace(rules(*pools), waiting=Waiting(price_per_hour_micros=500_000_000))


class Burst(Told):
    """A farm that rents, whose orders get names and whose jobs are known."""

    def __init__(self, pool: Pool = BURST) -> None:
        super().__init__(hasty(pool))
        self.coming: list[str] = []

    def order(self, jobs: int, passed_ms: int = 1000, **seen: object) -> int:
        """So many jobs wait, first come, first served. Returns how many machines were ordered for them; those that are to
        stand by for jobs that may come are another matter."""
        waiting = tuple(wanted(f"j{number}") for number in range(jobs))
        boots = [one for one in self(passed_ms, waiting=waiting, **seen).power if isinstance(one, Boot)]
        for one in boots:
            name = f"b{len(self.coming)}"
            self.rows.called(one.row, name)
            self.coming.append(name)
        return sum(STANDS_BY not in one.reason for one in boots)


def test_twenty_pending_with_ten_booting_order_ten_more() -> None:
    """Taskcluster subtracts what boots twice, as idle and as requested: it ordered none."""
    farm = Burst()
    assert farm.order(10) == 10
    assert farm.order(20) == 10
    assert farm.order(30) == 10


def test_what_boots_is_not_ordered_again_while_it_boots() -> None:
    """Runaway while booting: Mozilla's, and Taskcluster's of 2020 (1ae2aea)."""
    farm = Burst()
    assert farm.order(10) == 10
    assert [farm.order(10, 5_000) for _ in range(16)] == [0] * 16


@pytest.mark.parametrize("phase", ["suspending", "deleting"])
def test_what_is_being_stopped_counts_for_the_limit(phase: str) -> None:
    """Stopping machines were not counted: runaway (Taskcluster 2023, 933d2ef)."""
    farm = Burst(msgspec.structs.replace(BURST, max=10))
    stopping = tuple(rented(f"old{number}", phase) for number in range(4))  # type: ignore[arg-type]
    assert farm.order(20, machines=stopping) == 6
    assert farm.order(20) == 0


def test_suspended_machines_at_the_limit_are_woken_all_the_same() -> None:
    """Stopped instances counted against the cap, so that none could be started (jenkins ec2-plugin #240)."""
    farm = Burst(msgspec.structs.replace(BURST, max=3))
    asleep = tuple(rented(f"s{number}", "suspended") for number in range(3))
    waiting = tuple(wanted(f"j{number}") for number in range(3))
    power = farm(machines=asleep, waiting=waiting).power
    assert [type(one) for one in power] == [Resume] * 3


def test_an_empty_farm_begins() -> None:
    """A share of no machines is no machine: GitLab's IdleScaleFactor on an empty farm waits for ever."""
    assert Burst().order(1) == 1


@pytest.mark.parametrize("why", ["capacity", "throttled", "quota"])
def test_demand_outlives_a_refused_order(why: Failure) -> None:
    """Scaling by events drops the event with the refusal, and the job is queued for ever (terraform-aws-github-runner #2925)."""
    farm = Burst()
    assert farm.order(2) == 2
    first = tuple(farm.coming)
    assert farm.order(2, failed=tuple((name, why) for name in first), gone=first) == 0
    again = sum(farm.order(2, MINUTE_MS) for _ in range(60))
    assert again == 2


def test_an_order_that_never_comes_is_replaced() -> None:
    """Requests that were never fulfilled counted as capacity for ever: a stall (jenkins ec2-plugin #2037)."""
    farm = Burst()
    assert farm.order(1) == 1
    (never,) = farm.coming
    assert farm.order(1, 10 * MINUTE_MS, failed=((never, "boot"),), gone=(never,)) == 1
    assert sum(farm.order(1, MINUTE_MS) for _ in range(60)) == 0


def test_one_failure_among_many_orders_bars_nothing() -> None:
    """Errors that are not divided by attempts: one in a thousand barred a configuration for an hour (Taskcluster)."""
    farm = Burst()
    assert farm.order(50) == 50
    bad = farm.coming[0]
    up = tuple(rented(name) for name in farm.coming[1:])
    assert farm.order(50, machines=up, failed=((bad, "boot"),), gone=(bad,)) == 1


def test_a_fifth_of_bad_starts_holds_a_pool_up_not_only_all_of_them() -> None:
    """`float(bad / total) > 0.10` divides integers: the guard fired at 100 % alone (Mozilla's watch_pending)."""
    farm = Burst()
    assert farm.order(10) == 10
    bad = farm.coming[:4]
    up = tuple(rented(name) for name in farm.coming[4:])
    failed = tuple((name, "boot") for name in bad)
    assert farm.order(30, machines=up, failed=failed, gone=tuple(bad)) == 0
    assert sum(farm.order(30, MINUTE_MS) for _ in range(120)) > 0


def test_a_busy_machine_is_never_stopped() -> None:
    """Rows that were read again without what ran on them killed busy workers (Taskcluster 2026, dd7a3bc, 392969a)."""
    farm = Told(rules(BURST))
    (place,) = farm(machines=(rented(),), waiting=(wanted("j1"),)).places
    assert place.machine == "b1"
    for number in range(200):
        power = farm(30 * MINUTE_MS, machines=(rented(version=number),)).power
        assert power == ()
    power = farm(ended=(Ended("j1", 5000),)).power
    for _ in range(400):
        power = power or farm(30 * MINUTE_MS).power
    assert isinstance(power[0], Suspend | Delete)


def test_machines_are_not_given_up_and_ordered_in_turns() -> None:
    """Thrash: the same machine deleted and made again every four minutes (karpenter #1019)."""
    farm = Burst()
    farm.order(1)
    name = farm.coming[0]
    stops = 0
    places = farm(waiting=(wanted("j0"),), machines=(rented(name),)).places
    for number in range(30):
        assert places
        power = farm(2 * MINUTE_MS, ended=(Ended(places[0].job, 100_000),)).power
        stops += len(power)
        places = farm(2 * MINUTE_MS, waiting=(wanted(f"n{number}", since_ms=farm.now_ms),)).places
    assert stops == 0
