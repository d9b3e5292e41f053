"""Price and latency by pool, of what ran in both."""

import msgspec

from penstock.hub.costs import compare as module
from penstock.hub.costs.compare import compare
from penstock.hub.costs.reading import Days
from penstock.model.job import Attempt, Job
from penstock.model.states import AttemptState, JobState
from tests.farms import spec
from tests.ledgers import NOW_MS, TODAY, cost, direct, entry, ledger_farm, tally

DAYS = Days(TODAY - 1, TODAY + 1)


def ran(name: str, pool: str, build: str, wait_ms: int, run_ms: int, n: int = 1) -> list[msgspec.Struct]:
    """A job that passed: its records, and the two entries of its attempt, the first from before a midnight."""
    started = NOW_MS - run_ms
    about = {
        "attempt": name,
        "pool": pool,
        "build": build,
        "project": "core",
        "name": "zlib:build",
        "platform": "linux",
    }
    return [
        Job(id=f"j-{name}", build=build, name=name, spec=spec("zlib"), state=JobState.PASSED, open=False, ready_ms=started - wait_ms),
        Attempt(
            id=name, job=f"j-{name}", build=build, n=n, fence="1:1", machine="m", slot=0, session="s", pool=pool,
            state=AttemptState.PASSED, live=False, settled=True, started_ms=started, ended_ms=NOW_MS,
        ),
        entry("direct", 1, day=TODAY - 1, **about),
        entry("direct", 3, outcome="PASSED", final=True, **about),
        entry("egress", 9, outcome="PASSED", **about),
    ]  # fmt: skip


BUILDS = [cost("b1", 8, commit="c1"), cost("b2", 8, commit="c1", day=TODAY - 5), cost("b3", 4, commit="c3")]
SPENT = [direct(12), tally("idle", 3, pool="burst"), direct(0, pool="rack", quantity=9)]


def test_the_same_job_of_a_commit_in_two_pools() -> None:
    farm = ledger_farm(
        *BUILDS,
        *SPENT,
        *ran("a1", "burst", "b1", 2000, 60_000),
        *ran("a2", "rack", "b2", 9000, 80_000),
        *ran("a3", "burst", "b3", 1, 1),
    )
    document = compare(farm.hub, DAYS)
    (one,) = document["comparisons"]
    assert (one["pools"], one["like_for_like"], one["pairs"]) == (["burst", "rack"], True, 1)
    assert one["lines"] == [
        {
            "pool": "burst", "runs": 1, "cost": "4.000000", "loaded": "5.000000", "wait_p50_s": 2.0, "wait_p95_s": 2.0,
            "run_p50_s": 60.0, "run_p95_s": 60.0,
        },
        {
            "pool": "rack", "runs": 1, "cost": "4.000000", "loaded": "4.000000", "wait_p50_s": 9.0, "wait_p95_s": 9.0,
            "run_p50_s": 80.0, "run_p95_s": 80.0,
        },
    ]  # fmt: skip
    assert document["excluded"] == ["rack"]
    assert document["warnings"] == [
        "machines of rack have no price: what they cost is in none of these figures"
    ]
    assert [(line["project"], line["commits"], line["each"]) for line in document["per_commit"]] == [
        ("core", 2, "6.000000"),
    ]
    assert document["all_commits"] == {"project": "", "commits": 2, "spent": "12.000000", "each": "6.000000"}


def test_without_pairs_it_is_not_like_for_like(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(module, "MOST", 1)
    farm = ledger_farm(
        *BUILDS,
        *ran("a1", "burst", "b1", 2000, 60_000),
        *ran("a2", "rack", "b3", 9000, 80_000),
        *ran("a3", "rack", "gone", 9000, 80_000),
        *ran("a4", "rack", "gone", 5, 70_000),
    )
    (one,) = compare(farm.hub, DAYS, ["rack", "burst"])["comparisons"]
    assert (one["like_for_like"], one["pairs"]) == (False, 0)
    assert one["says"].startswith("not like for like")
    assert [(line["pool"], line["runs"], line["wait_p95_s"]) for line in one["lines"]] == [
        ("rack", 3, 0.005),
        ("burst", 1, 2.0),
    ]


def test_retries_have_no_wait_of_their_own() -> None:
    farm = ledger_farm(*BUILDS, *ran("a1", "burst", "b1", 2000, 60_000, n=2), *ran("a2", "rack", "b2", 1, 1))
    burst, rack = compare(farm.hub, DAYS)["comparisons"][0]["lines"]
    assert (burst["wait_p50_s"], rack["wait_p50_s"]) == (None, 0.001)


def test_what_failed_or_is_elsewhere_is_not_compared() -> None:
    failed = entry("direct", 1, attempt="a9", build="b1", pool="burst", outcome="FAILED", final=True)
    farm = ledger_farm(*BUILDS, failed, *ran("a1", "burst", "b1", 1, 1))
    assert compare(farm.hub, DAYS)["comparisons"] == []
    assert compare(farm.hub, DAYS, ["burst", "mars"])["comparisons"][0]["lines"] == []
    assert compare(ledger_farm().hub, DAYS)["all_commits"] is None
