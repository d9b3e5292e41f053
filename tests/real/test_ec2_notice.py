"""A real hub and a real agent whose instance is told that it will be taken away: its job is queued again at once."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from agent.metadata import Metadata
from real.farmed import Farmed, farmed, modules
from real.killing import wait_for

from penstock.agent.cloud import NAMED_BY
from penstock.model.job import Attempt
from penstock.model.states import AttemptState, JobState

pytestmark = pytest.mark.needs("git")


@pytest.fixture
def metadata(monkeypatch: pytest.MonkeyPatch) -> Iterator[Metadata]:
    made = Metadata()
    monkeypatch.setenv(NAMED_BY, made.url)
    yield made
    made.close()


def test_a_job_on_an_instance_that_leaves_runs_elsewhere_and_the_first_is_told_to_stop(
    tmp_path: Path, metadata: Metadata
) -> None:
    with farmed(tmp_path / "farm") as farm:
        farm.start_hub()
        farm.wait_served()
        farm.start_agent("leaving", *farm.plainly, "--cloud", "ec2")
        wait_for(lambda: len(farm.machines()) == 1, "the agent to register")
        build = [f"while [ ! -e {farm.open}/go ]; do sleep 0.1; done"]
        (commit,) = farm.repository([modules(1, lambda n: build)])
        assert farm.submit(commit)
        first = wait_for(farm.running, "the job to run")[0]
        began_ms = farm.farm().time_ms
        metadata.leave(120)
        ended = wait_for(lambda: _ended(farm, first.id), "the attempt to end")
        took_ms = farm.farm().time_ms - began_ms
        assert (ended.state, ended.cause) == (
            AttemptState.PREEMPTED,
            "machine taken away: its provider will take it back",
        )
        (job,) = farm.jobs()
        assert (job.state, job.steady) == (JobState.QUEUED, True)
        print(f"queued again after {took_ms} ms of farm time")
        assert took_ms < 10_000
        farm.start_agent("staying")
        (farm.open / "go").touch()
        (job,) = farm.wait_all_ended()
        assert job.state == JobState.PASSED
        names = {one.id: one.name for one in farm.machines()}
        tries = sorted(farm.attempts(), key=lambda one: one.n)
        assert [names[one.machine] for one in tries] == ["leaving", "staying"]


def _ended(farm: Farmed, attempt: str) -> Attempt | None:
    found = next(one for one in farm.attempts() if one.id == attempt)
    return None if found.live else found
