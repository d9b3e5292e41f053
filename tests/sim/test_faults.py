"""What goes wrong in a run: nothing is lost for good, and every fault shows in the lines as it should."""

from collections import defaultdict

import pytest
from sim.worlds import EPOCH_MS, FARM, Line, bill, burst, busy_days, history, own, run

from penstock.model.outcome import Outcome
from penstock.model.rules import Lease, Quantiles, Rules
from penstock.model.trial import Fault, Faults
from penstock.sim.faults import NoSuchPool

HOUR_MS = 3_600_000
ALL = (
    Fault(kind="no_capacity", pool="burst", begin_ms=2 * HOUR_MS, until_ms=3 * HOUR_MS),
    Fault(kind="quota", pool="wide", limit=2),
    Fault(kind="throttled", begin_ms=5 * HOUR_MS, until_ms=5 * HOUR_MS + 60_000),
    Fault(kind="boot_failures", begin_ms=6 * HOUR_MS, until_ms=9 * HOUR_MS, share=0.3),
    Fault(kind="lost", pool="own", begin_ms=7 * HOUR_MS, share=0.4),
    Fault(kind="lost", pool="burst", begin_ms=8 * HOUR_MS, share=0.5),
    Fault(kind="partition", begin_ms=10 * HOUR_MS, until_ms=10 * HOUR_MS + 600_000),
    Fault(kind="partition", begin_ms=11 * HOUR_MS, until_ms=12 * HOUR_MS, share=0.5),
    Fault(kind="reclaim", begin_ms=13 * HOUR_MS, share=0.7),
    Fault(kind="hub_away", begin_ms=14 * HOUR_MS, until_ms=14 * HOUR_MS + 1_800_000),
)


@pytest.mark.parametrize("preset", ["penstock", "burst-at-once", "mozilla-2014"])
def test_whatever_goes_wrong_every_job_ends_and_the_bill_is_that_of_the_lines(preset: str) -> None:
    workload = busy_days(700)
    outcome, lines = run(workload, preset=preset, faults=Faults(notice_ms=30_000, faults=ALL))
    assert min(outcome.end_ms) > 0
    assert sorted(line["job"] for line in lines if line["kind"] == "end") == sorted(workload.ids)
    assert max(outcome.attempts) > 1
    paid = bill(lines, FARM)
    assert [cost.running + cost.stopped for cost in outcome.costs] == [paid.get(p, 0) for p in outcome.pools]
    assert _unfinished(lines) == {}


def _unfinished(lines: list[Line]) -> dict[str, int]:
    """Machines that were requested and never went."""
    there: dict[str, int] = defaultdict(int)
    for line in lines:
        there[line["machine"]] += (line["kind"] == "request") - (line["kind"] == "gone")
    return {machine: count for machine, count in there.items() if count > 0}


def faulty(
    rows: list[tuple[int, int]], rules: Rules, *faults: Fault
) -> tuple[Outcome, list[tuple[int, str]]]:
    """The outcome, and (moment since the first submission, kind) of every line."""
    outcome, lines = run(history(rows), rules, faults=Faults(notice_ms=60_000, faults=faults))
    return outcome, [(line["t_ms"] - EPOCH_MS, line["kind"]) for line in lines]


CLOUD = Rules(
    pools=(burst(boot=Quantiles(90_000, 90_000), cold_cache_ms=0),),
    lease=Lease(contact_ms=90_000, right_ms=600_000),
)


def test_while_there_is_no_capacity_nothing_is_requested_and_afterwards_it_is() -> None:
    outcome, lines = faulty([(0, 1000)], CLOUD, Fault(kind="no_capacity", until_ms=HOUR_MS))
    requested = [at for at, kind in lines if kind == "request"]
    assert len(requested) == 1
    assert HOUR_MS <= requested[0] <= HOUR_MS + 1_800_000
    assert outcome.boots == [1]


def test_a_quota_is_never_exceeded() -> None:
    _, lines = faulty([(0, 600_000)] * 6, CLOUD, Fault(kind="quota", limit=2))
    there = most = 0
    for _, kind in lines:
        there += (kind == "request") - (kind == "gone")
        most = max(most, there)
    assert most == 2


def test_a_boot_that_fails_is_deleted_when_its_time_is_up_and_paid_until_then() -> None:
    outcome, lines = faulty([(0, 1000)], CLOUD, Fault(kind="boot_failures", until_ms=1000))
    assert lines[:4] == [(0, "submit"), (0, "request"), (270_000, "delete"), (273_000, "gone")] or lines[
        :5
    ] == [
        (0, "submit"),
        (0, "request"),
        (270_000, "delete"),
        (270_000, "request"),
        (273_000, "gone"),
    ]
    assert outcome.boots == [2]
    assert outcome.end_ms[0] > 0


def test_a_lost_machine_s_job_runs_again_once_its_right_has_ended() -> None:
    outcome, lines = faulty([(0, HOUR_MS)], CLOUD, Fault(kind="lost", begin_ms=1_000_000))
    assert (1_600_000, "gone") in lines
    assert [at for at, kind in lines if kind == "start"] == [90_000, 1_690_000]
    assert list(outcome.attempts) == [2]
    assert outcome.end_ms[0] - EPOCH_MS == 1_690_000 + HOUR_MS


def test_a_short_partition_loses_nothing_and_what_ended_is_seen_when_it_is_over() -> None:
    fault = Fault(kind="partition", begin_ms=100_000, until_ms=400_000)
    outcome, lines = faulty([(0, 200_000), (310_000, 1000)], Rules(pools=(own(1),)), fault)
    assert [at for at, kind in lines if kind == "end"] == [400_000, 401_000]
    assert list(outcome.attempts) == [1, 1]


def test_a_long_partition_loses_the_job_and_the_machine_is_used_again() -> None:
    rules = Rules(pools=(own(1),), lease=CLOUD.lease)
    fault = Fault(kind="partition", begin_ms=100_000, until_ms=2 * HOUR_MS)
    outcome, lines = faulty([(0, 200_000)], rules, fault)
    assert [at for at, kind in lines if kind == "start"] == [0, 2 * HOUR_MS]
    assert list(outcome.attempts) == [2]
    assert outcome.work_ms == [700_000 + 200_000]


def test_a_reclaimed_machine_goes_after_its_notice_and_its_job_wants_a_steady_one() -> None:
    spot = burst(
        name="spot",
        boot=Quantiles(90_000, 90_000),
        cold_cache_ms=0,
        reclaim_per_hour=1e-6,
        price_per_hour_micros=100,
    )
    rules = Rules(pools=(spot, *CLOUD.pools))
    outcome, lines = faulty([(0, HOUR_MS)], rules, Fault(kind="reclaim", begin_ms=1_000_000, pool="spot"))
    assert (1_000_000, "reclaim") in lines
    assert (1_060_000, "gone") in lines
    assert list(outcome.attempts) == [2]


def test_while_the_hub_is_away_nothing_is_decided_and_ends_are_known_by_when_they_were() -> None:
    fault = Fault(kind="hub_away", begin_ms=50_000, until_ms=500_000)
    outcome, lines = faulty([(0, 100_000), (60_000, 1000)], Rules(pools=(own(1),)), fault)
    assert (100_000, "end") in lines
    assert [at for at, kind in lines if kind == "start"] == [0, 500_000]
    assert outcome.ready_ms[1] - EPOCH_MS == 60_000


def test_a_fault_of_a_pool_that_is_not_there_is_refused() -> None:
    with pytest.raises(NoSuchPool, match="'cloud'; the farm has own"):
        faulty([(0, 1)], Rules(pools=(own(1),)), Fault(kind="lost", pool="cloud"))
