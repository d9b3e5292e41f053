"""The tables are whole, and nothing takes a step that they do not have."""

import pytest
from conformance import samples
from farms import spec

from penstock.model import states
from penstock.model.job import Job, attempt_moved, moved
from penstock.model.states import TABLES, AttemptState, JobState, NotAllowed, Table, diagram, step

ENUMS = {
    "job": states.JobState,
    "attempt": states.AttemptState,
    "machine power": states.Power,
    "machine health": states.Health,
    "agent session": states.SessionState,
    "module": states.ModuleState,
    "build": states.BuildState,
    "guard": states.GuardState,
}
JOB = Job(id="j", build="b", name="j", spec=spec("zlib"), state=JobState.QUEUED)
ATTEMPT = samples.attempt("a", job="j", machine="m", state=AttemptState.RUNNING)


@pytest.mark.parametrize("name", sorted(TABLES))
def test_a_table_has_every_state_once_and_leads_to_known_ones(name: str) -> None:
    table = TABLES[name]
    assert list(table.follows) == [str(state) for state in ENUMS[name]]
    assert {after for following in table.follows.values() for after in following} <= set(table.follows)


@pytest.mark.parametrize("name", sorted(TABLES))
def test_every_state_can_be_reached(name: str) -> None:
    table = TABLES[name]
    seen, waiting = set(), [next(iter(table.follows))] if name != "job" else ["blocked", "held"]
    while waiting:
        state = waiting.pop()
        if state not in seen:
            seen.add(state)
            waiting += table.follows[state]
    assert seen == set(table.follows)


@pytest.mark.parametrize("name", ["job", "attempt", "build"])
def test_capitals_are_terminal(name: str) -> None:
    table: Table = TABLES[name]
    assert all(table.terminal(state) == state.isupper() for state in table.follows)


def test_a_step_that_the_table_has_not_is_a_bug() -> None:
    step(states.JOB, "queued", "offered")
    with pytest.raises(NotAllowed, match="job: PASSED cannot become queued"):
        step(states.JOB, "PASSED", "queued")


def test_a_job_is_open_until_it_ends() -> None:
    offered = moved(JOB, JobState.OFFERED, "to m1", epoch=1)
    assert (offered.open, offered.epoch, offered.reason) == (True, 1, "to m1")
    assert not moved(JOB, JobState.CANCELLED, "by a person").open


def test_an_attempt_gives_its_slot_back_at_finishing_and_ends_later() -> None:
    finishing = attempt_moved(ATTEMPT, AttemptState.FINISHING, "")
    assert (finishing.live, finishing.settled) == (False, False)
    done = attempt_moved(finishing, AttemptState.PASSED, "", cost_micros=3)
    assert (done.live, done.settled, done.cost_micros) == (False, True, 3)


def test_a_diagram_has_every_step() -> None:
    lines = diagram("build").splitlines()
    assert lines[:3] == ["stateDiagram-v2", "    open --> PASSED", "    open --> FAILED"]
    assert "    PASSED --> [*]" in lines
