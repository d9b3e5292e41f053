"""What a build prints: totals, results, waits, costs, exit status."""

import pytest

from penstock.model.change import Build
from penstock.model.job import Attempt, Job, JobSpec
from penstock.model.states import AttemptState, BuildState, JobState
from penstock.reports import builds


def job(name: str, state: JobState, **fields: object) -> Job:
    spec = JobSpec(kind="build", module=name, platform="gcc", commands=("true",))
    return Job(id=name, build="b", name=f"{name}:build@gcc", spec=spec, state=state, ready_ms=1_000, **fields)  # type: ignore[arg-type]


def attempt(job_id: str, n: int, started_ms: int, ended_ms: int, cost_micros: int) -> Attempt:
    return Attempt(
        id=f"{job_id}{n}", job=job_id, build="b", n=n, fence=f"i:{n}", machine="m", slot=0, session="s", pool="here",
        state=AttemptState.PASSED, started_ms=started_ms, ended_ms=ended_ms, cost_micros=cost_micros, offered_ms=900,
    )  # fmt: skip


ALL = [job(state.lower(), state) for state in builds.RESULTS]


def test_totals_count_expired_as_an_error_and_leave_out_what_was_given_up() -> None:
    assert builds.totals(ALL) == {"built": 1, "reused": 1, "failed": 1, "error": 2, "blocked": 1}
    assert builds.totals_line(builds.totals(ALL)) == "built 1, reused 1, failed 1, error 2, blocked 1"


@pytest.mark.parametrize(
    ("states", "status"),
    [
        ([], 0),
        ([JobState.PASSED, JobState.REUSED], 0),
        ([JobState.PASSED, JobState.FAILED], 1),
        ([JobState.BLOCKED_DEAD], 1),
        ([JobState.CANCELLED], 1),
        ([JobState.SUPERSEDED], 1),
        ([JobState.FAILED, JobState.ERROR], 3),
        ([JobState.EXPIRED], 3),
    ],
)
def test_an_error_of_the_farm_wins_over_a_failure_of_the_code(states: list[JobState], status: int) -> None:
    assert builds.exit_status([job(f"j{n}", state) for n, state in enumerate(states)]) == status


def test_the_document_of_a_build_sums_attempts_and_waits_until_the_first_start() -> None:
    tries = [attempt("zlib", 1, 3_500, 5_500, 100), attempt("zlib", 2, 9_000, 10_000, 23)]
    build = Build(id="b", change="c", source="/src", state=BuildState.PASSED, open=False)
    jobs = [job("zlib", JobState.PASSED, key="sha256:1"), job("png", JobState.REUSED, reason="same key as x")]
    document = builds.build_document(build, jobs, {"zlib": tries}, "EUR")
    assert document["passed"] is True
    assert document["schema"] == 1
    assert document["jobs"][0] == {
        "id": "zlib", "module": "zlib", "platform": "gcc", "kind": "build", "result": "passed", "attempts": 2,
        "waited_s": 2.5, "ran_s": 3.0, "cost": "0.000123", "currency": "EUR", "key": "sha256:1", "reason": "",
    }  # fmt: skip
    assert document["jobs"][1]["waited_s"] == 0
    assert document["jobs"][1]["key"] is None


def test_the_document_of_a_job_gives_moments_in_seconds_and_null_for_what_did_not_happen() -> None:
    document = builds.job_document(job("zlib", JobState.RUNNING), [attempt("zlib", 1, 3_500, 0, 0)])
    assert document["ready_s"] == 1.0
    assert document["state"] == "running"
    tried = document["attempts"][0]
    assert (tried["n"], tried["fence"], tried["offered_s"], tried["started_s"]) == (1, "i:1", 0.9, 3.5)
    assert tried["ended_s"] is None
    assert tried["memory_peak_mb"] is None


def test_a_clock_that_went_back_gives_no_negative_times() -> None:
    tries = [attempt("zlib", 1, 500, 400, 0)]
    assert builds.waited_ms(job("zlib", JobState.PASSED), tries) == 0
    assert builds.ran_ms(tries) == 0


@pytest.mark.parametrize(
    ("state", "result"),
    [(JobState.BLOCKED, "waiting"), (JobState.BLOCKED_DEAD, "blocked"), (JobState.RUNNING, "running")],
)
def test_what_waits_for_its_needs_is_not_called_as_what_ended_by_them(state: JobState, result: str) -> None:
    assert builds.result_of(job("png", state)) == result
