"""Jobs of another system: they go to machines of its agent only, and are never given up by us."""

import msgspec
import pytest

from penstock.model.job import Attempt, Job, JobSpec
from penstock.model.rules import Pool, Rules
from penstock.model.snapshot import ask_of
from penstock.model.states import AttemptState, JobState
from penstock.policy import retry
from penstock.policy.capacity import changes
from penstock.policy.capacity.rows import Rows
from penstock.policy.capacity.setting import Choice, islands
from penstock.policy.suitability import of_pool

OWN = Pool(name="own", provider="owned", platforms=("linux",))
THEIRS = Pool(name="theirs", provider="owned", platforms=("linux",), agent="buildbot-worker")
SPEC = JobSpec(kind="build", module="m", platform="linux", commands=(), agent="buildbot-worker")
JOB = Job(id="b-0001", build="b", name="m:1", spec=SPEC, state=JobState.RUNNING, attempts=30, losses=4)


def test_whose_agent_a_machine_runs_decides() -> None:
    assert of_pool(ask_of(JOB), THEIRS) == []
    (why,) = of_pool(ask_of(JOB), OWN)
    assert (why.code, why.text) == ("agent", "its machines run penstock, the job is for buildbot-worker")
    ours = msgspec.structs.replace(JOB, spec=msgspec.structs.replace(SPEC, agent="penstock"))
    assert [why.code for why in of_pool(ask_of(ours), THEIRS)] == ["agent"]


def test_pools_of_different_agents_are_different_islands() -> None:
    assert islands((OWN, THEIRS, OWN)) == (0, 1, 0)


@pytest.mark.parametrize("cause", [retry.RIGHT_ENDED, retry.OVERRAN, retry.gone("why")])
def test_a_lost_attempt_is_counted_by_nobody_here(cause: retry.Cause) -> None:
    attempt = Attempt(
        id="a",
        job=JOB.id,
        build="b",
        n=30,
        fence="i:30",
        machine="m",
        slot=0,
        session="s",
        pool="theirs",
        state=AttemptState.RUNNING,
    )
    then = retry.after(JOB, attempt, cause, 1000)
    assert isinstance(then, retry.Again)
    assert (then.losses, then.lost_on, then.not_before_ms, then.steady) == (0, (), 0, False)


def test_where_the_columns_have_a_job() -> None:
    rows = Rows(Rules(pools=(THEIRS,)), Choice())
    assert rows.place_of("j") == ""
    machine = changes.owned(rows.farm, 0, 0)
    rows.called(machine, "m1")
    row = rows.new_job("j", rows.ask(ask_of(JOB)), "linux\n\nm\nbuild")
    changes.arrived(rows.farm, row, 0)
    assert rows.place_of("j") == ""
    changes.start(rows.farm, row, machine, 0, 0)
    assert rows.place_of("j") == "m1"
