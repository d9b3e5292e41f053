"""A build is as good as the worst of the jobs that it still wants."""

import pytest
from farms import spec

from penstock.model.job import Job
from penstock.model.states import BuildState, JobState
from penstock.policy.verdict import verdict


def job(name: str, state: JobState, culprit: str = "", wanted: bool = True) -> Job:
    return Job(id=name, build="b", name=name, spec=spec(name), state=state, culprit=culprit, wanted=wanted)


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([], BuildState.PASSED),
        ([JobState.PASSED, JobState.REUSED], BuildState.PASSED),
        ([JobState.PASSED, JobState.SUPERSEDED], BuildState.SUPERSEDED),
        ([JobState.CANCELLED, JobState.SUPERSEDED], BuildState.CANCELLED),
        ([JobState.FAILED, JobState.CANCELLED], BuildState.FAILED),
        ([JobState.FAILED, JobState.ERROR], BuildState.ERROR),
        ([JobState.FAILED, JobState.EXPIRED], BuildState.ERROR),
    ],
)
def test_the_worst_end_decides(states: list[JobState], expected: BuildState) -> None:
    jobs = [job(f"j{number}", state) for number, state in enumerate(states)]
    assert verdict(jobs)[0] == expected


@pytest.mark.parametrize(
    ("culprit", "expected"),
    [
        (JobState.FAILED, BuildState.FAILED),
        (JobState.CANCELLED, BuildState.CANCELLED),
        (JobState.ERROR, BuildState.ERROR),
    ],
)
def test_what_was_blocked_counts_as_what_blocked_it(culprit: JobState, expected: BuildState) -> None:
    jobs = [job("a", culprit), job("b", JobState.BLOCKED_DEAD, culprit="a"), job("c", JobState.PASSED)]
    state, reason = verdict(jobs)
    assert state == expected
    assert reason == "2 of 3 jobs, the first: a"


def test_the_culprit_is_named_and_not_what_it_blocked() -> None:
    jobs = [job("a", JobState.BLOCKED_DEAD, culprit="z"), job("z", JobState.FAILED)]
    assert verdict(jobs) == (BuildState.FAILED, "2 of 2 jobs, the first: z")


def test_blocked_by_something_unknown_is_a_failure() -> None:
    assert verdict([job("b", JobState.BLOCKED_DEAD, culprit="elsewhere")])[0] == BuildState.FAILED


def test_jobs_that_were_given_up_do_not_count() -> None:
    jobs = [job("a", JobState.FAILED, wanted=False), job("b", JobState.PASSED)]
    assert verdict(jobs) == (BuildState.PASSED, "all 1 jobs passed or were reused")
