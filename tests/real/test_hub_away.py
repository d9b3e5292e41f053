"""A hub that is killed and comes back late under twenty running jobs: none is restarted, no line is lost."""

import re
import time
from pathlib import Path

import pytest
from real.farmed import Farmed, farmed, modules
from real.killing import wait_for

from penstock.model.job import Attempt
from penstock.model.states import JobState

pytestmark = [pytest.mark.slow, pytest.mark.needs("git")]
RIGHT_S = 4.0
AGENTS, JOBS = 10, 20


def counting(farm: Farmed, until: str) -> list[str]:
    """One command that prints numbers until somebody says that it is enough."""
    return [
        f"n=0; while [ ! -e {farm.open}/{until} ]; do n=$((n+1)); echo line $n; sleep 0.5; done; echo end $n"
    ]


def assert_counted(farm: Farmed, attempt: Attempt) -> None:
    lines = re.findall(rb"^(line|end) (\d+)$", farm.log_of(attempt), re.M)
    numbers = [int(number) for _, number in lines]
    assert [word for word, _ in lines] == [b"line"] * (len(lines) - 1) + [b"end"], lines[-3:]
    assert numbers == [*range(1, len(lines)), len(lines) - 1]


def test_a_hub_that_is_away_for_longer_than_the_right_restarts_none_of_twenty_jobs(tmp_path: Path) -> None:
    with farmed(tmp_path / "farm", lease=(2.0, RIGHT_S, 5.0)) as farm:
        hub = farm.start_hub()
        farm.wait_served()
        for n in range(AGENTS):
            farm.start_agent(f"agent{n}")
        wait_for(lambda: len(farm.machines()) == AGENTS, "all agents to register")
        (commit,) = farm.repository([modules(JOBS, lambda n: [f"echo job {n}", *counting(farm, "go")])])
        assert farm.submit(commit)
        wait_for(lambda: len(farm.running()) == JOBS, "all jobs to run")
        held = {attempt.id for attempt in farm.running()}

        hub.kill()
        back_s = time.monotonic() + 2.5 * RIGHT_S
        time_ms = farm.farm().time_ms
        wait_for(lambda: time.monotonic() > back_s, "the outage to be longer than the right")
        farm.start_hub()
        farm.wait_served()
        wait_for(
            lambda: farm.farm().time_ms > time_ms + 1000 * RIGHT_S, "rights to end, had they not been renewed"
        )

        (farm.open / "go").touch()
        jobs = farm.wait_all_ended()
        assert {job.state for job in jobs} == {JobState.PASSED}
        assert {attempt.id for attempt in farm.attempts()} == held
        for attempt in farm.accepted().values():
            assert_counted(farm, attempt)
        assert farm.fsck() == []
        assert farm.faults_said() == []
