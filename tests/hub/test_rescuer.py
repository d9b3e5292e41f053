"""What is found by its silence, and what becomes of it (I4, I5, leases)."""

import msgspec
import pytest
from farms import POOL, RULES, Agent, TestFarm, planned

from penstock.hub.queue import Ending, Work
from penstock.model.farm import Event
from penstock.model.job import Attempt, Job
from penstock.model.machine import Machine, Session
from penstock.model.rules import Pool
from penstock.model.states import AttemptState, Health
from penstock.model.units import Size

RIGHT_MS = 1_200_000


@pytest.fixture
def farm() -> TestFarm:
    return TestFarm()


def started(farm: TestFarm, agent: Agent, name: str = "zlib") -> Work:
    farm.submit(f"c-{name}", planned(name))
    farm.tick()
    return agent.start()[0]


def test_an_offer_that_the_agent_could_have_heard_of_lapses(farm: TestFarm) -> None:
    agent = Agent(farm, "m1")
    farm.submit("c1", planned("zlib"))
    farm.tick()
    farm.tick(5000)
    work = agent.poll().offers[0]
    farm.tick(5000)
    lapsed = farm.get(Attempt, work.attempt.id)
    assert lapsed.state == AttemptState.LAPSED
    assert agent.machine.streak == 1
    job = farm.get(Job, work.job.id)
    assert (job.state, job.losses, job.attempts) == ("offered", 0, 2)


def test_an_offer_that_nobody_heard_of_is_held_against_nobody(farm: TestFarm) -> None:
    agent = Agent(farm, "m1")
    farm.submit("c1", planned("zlib"))
    farm.tick()
    farm.tick(10_000)
    first = farm.all(Attempt)[0]
    assert (first.state, first.cause) == (
        AttemptState.LOST,
        "offer not acknowledged: no word from the agent",
    )
    assert agent.machine.streak == 0


def test_a_right_that_is_not_renewed_ends(farm: TestFarm) -> None:
    agent = Agent(farm, "m1")
    work = started(farm, agent)
    farm.pass_time(RIGHT_MS - 30_000)
    assert farm.get(Attempt, work.attempt.id).live
    farm.tick(30_000)
    lost = farm.get(Attempt, work.attempt.id)
    assert (lost.state, lost.cause) == (AttemptState.LOST, "right ended: not renewed in time")
    job = farm.get(Job, work.job.id)
    assert (job.losses, job.lost_on, job.state) == (1, (agent.machine.id,), "queued")
    assert agent.machine.blamed == (work.job.id,)
    assert agent.machine.busy == ()


def test_what_its_agent_does_not_end_is_ended(farm: TestFarm) -> None:
    agent = Agent(farm, "m1")
    work = started(farm, agent)
    for _ in range(91):
        farm.tick(30_000)
        if farm.get(Attempt, work.attempt.id).live:
            agent.poll()
    lost = farm.get(Attempt, work.attempt.id)
    assert (lost.state, lost.cause) == (
        AttemptState.LOST,
        "not ended by its agent long after its time limit",
    )


def test_a_silent_machine_is_suspect_until_it_speaks(farm: TestFarm) -> None:
    agent = Agent(farm, "m1")
    farm.pass_time(90_000)
    assert (agent.machine.health, agent.machine.health_reason) == (Health.SUSPECT, "no word from its agent")
    farm.submit("c1", planned("zlib"))
    assert farm.tick()["offered"] == 0
    agent.poll()
    assert agent.machine.health == Health.GOOD
    assert farm.tick()["offered"] == 1
    told = [event.state for event in farm.all(Event) if event.kind == "machine"]
    assert told == ["suspect", "good"]


def test_a_silent_session_ends_when_it_expires(farm: TestFarm) -> None:
    agent = Agent(farm, "m1")
    farm.pass_time(3_600_000)
    assert not farm.get(Session, agent.session.id).open
    assert agent.machine.session == ""
    assert farm.tick()["suspected"] == 0


def test_too_many_rights_at_once_are_extended_once(farm: TestFarm) -> None:
    agents = [Agent(farm, f"m{n}", slots=1) for n in range(4)]
    works = [started(farm, agent, f"z{n}") for n, agent in enumerate(agents)]
    farm.pass_time(RIGHT_MS)
    assert all(farm.get(Attempt, work.attempt.id).extended for work in works)
    assert [event.state for event in farm.all(Event) if event.kind == "farm"] == ["alert"]
    agents[0].poll()
    assert not farm.get(Attempt, works[0].attempt.id).extended
    farm.pass_time(RIGHT_MS)
    assert [farm.get(Attempt, work.attempt.id).state for work in works[1:]] == [AttemptState.LOST] * 3


def test_a_pool_that_fails_together_is_suspect_not_its_jobs(farm: TestFarm) -> None:
    agents = [Agent(farm, f"m{n}", slots=1) for n in range(4)]
    works = [started(farm, agent, f"z{n}") for n, agent in enumerate(agents)]
    for agent in agents:
        agent.holding = {}
        agent.poll()
    losses = [farm.get(Job, work.job.id).losses for work in works]
    assert losses == [1, 1, 1, 0]
    assert farm.tick()["offered"] == 0
    farm.pass_time(600_000)
    for agent in agents:
        agent.poll()
    assert farm.tick()["offered"] == 4


def test_a_machine_that_fails_three_jobs_is_quarantined(farm: TestFarm) -> None:
    agent = Agent(farm, "m1")
    farm.submit("c1", *(planned(name) for name in "abc"))
    while agent.machine.health != Health.QUARANTINED:
        farm.tick(10_000)
        for work in agent.start():
            agent.finish(work, Ending(result="refused", cause="disk full"))
    assert len(agent.machine.blamed) == 3
    assert agent.machine.health_reason.startswith("3 different jobs ended on it by the farm's fault")
    assert all(job.open for job in farm.all(Job))


def test_a_job_that_loses_three_machines_is_poison(farm: TestFarm) -> None:
    agents = [Agent(farm, f"m{n}", slots=1) for n in range(3)]
    build = farm.submit("c1", planned("bomb"), planned("child", needs=["bomb"]))
    for _ in range(10):
        farm.tick(10_000)
        for agent in agents:
            if agent.start():
                agent.holding = {}
                agent.poll()
    job = farm.job(build, "bomb:build")
    assert (job.state, job.attempts, len(job.lost_on)) == ("ERROR", 3, 2)
    assert job.reason.startswith("poison: lost on 3 machines")
    assert farm.states(build)["child:build"] == "BLOCKED_DEAD"
    farm.tick()
    assert farm.verdict(build) == "ERROR"


def test_what_may_not_run_twice_ends_in_error(farm: TestFarm) -> None:
    agent = Agent(farm, "m1")
    build = farm.submit("c1", planned("sign", retry="never"))
    farm.tick()
    agent.start()
    agent.holding = {}
    agent.poll()
    assert farm.states(build) == {"sign:build": "ERROR"}


def test_a_reclaimed_job_goes_to_a_machine_that_stays() -> None:
    spot = Pool(name="spot", provider="ec2", platforms=("linux",), size=Size(2, 4096), reclaim_per_hour=0.1)
    farm = TestFarm(msgspec.structs.replace(RULES, pools=(POOL, spot)))
    cheap = Agent(farm, "cheap", "spot", slots=1)
    work = started(farm, cheap)
    own = Agent(farm, "own-1")
    cheap.finish(work, Ending(result="preempted", cause="reclaimed"))
    farm.tick()
    assert cheap.poll().offers == ()
    assert own.poll().offers[0].job.steady


def test_a_job_that_nobody_takes_expires_after_a_day(farm: TestFarm) -> None:
    build = farm.submit("c1", planned("zlib"), planned("png", needs=["zlib"]))
    farm.pass_time(24 * 3_600_000 - 30_000)
    assert farm.states(build)["zlib:build"] == "queued"
    farm.tick(30_000)
    assert farm.states(build) == {"zlib:build": "EXPIRED", "png:build": "BLOCKED_DEAD"}
    farm.tick()
    assert farm.verdict(build) == "ERROR"


def test_many_silent_machines_are_all_found(farm: TestFarm) -> None:
    for number in range(70):
        Agent(farm, f"m{number}")
    farm.pass_time(90_000)
    assert {machine.health for machine in farm.all(Machine)} == {Health.SUSPECT}
