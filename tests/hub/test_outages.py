"""What the farm stands when the world around it stops, jumps or comes apart; all in simulated time."""

import pytest
from farms import Agent, TestFarm, passed, planned

from penstock.hub import queue, sessions
from penstock.hub.context import Refused, Unauthorized
from penstock.hub.fsck import fsck
from penstock.hub.queue import Ending
from penstock.model.job import Attempt, Job
from penstock.model.machine import Machine
from penstock.model.states import AttemptState, Health, JobState

MINUTE_MS = 60_000


@pytest.fixture
def farm() -> TestFarm:
    return TestFarm()


def at_work(farm: TestFarm, count: int, **about: object) -> list[Agent]:
    """Agents of two slots that run `count` tests in all."""
    agents = [Agent(farm, f"m{n}", key=f"{n:064x}") for n in range(count // 2)]
    farm.submit("c1", *(planned(f"p{n}", "test", **about) for n in range(count)))
    farm.tick()
    for agent in agents:
        assert len(agent.start()) == 2
    return agents


def all_finish(farm: TestFarm, agents: list[Agent]) -> None:
    for agent in agents:
        agent.poll()
        for work in list(agent.holding.values()):
            agent.finish(work, passed())
    farm.tick()


def test_a_hub_that_is_down_for_ten_minutes_restarts_none_of_fifty_jobs(farm: TestFarm) -> None:
    agents = at_work(farm, 50)
    farm.clock.monotonic += 10 * MINUTE_MS
    farm.clock.wall += 10 * MINUTE_MS
    farm.restart()
    all_finish(farm, agents)
    assert {job.state for job in farm.all(Job)} == {JobState.PASSED}
    assert {job.attempts for job in farm.all(Job)} == {1}
    assert fsck(farm.hub) == []


def test_agents_that_are_cut_off_for_ten_minutes_go_on_where_they_were(farm: TestFarm) -> None:
    agents = at_work(farm, 10)
    farm.pass_time(10 * MINUTE_MS)
    assert {machine.health for machine in farm.all(Machine)} == {Health.SUSPECT}
    all_finish(farm, agents)
    assert {job.attempts for job in farm.all(Job)} == {1}
    assert {job.state for job in farm.all(Job)} == {JobState.PASSED}
    assert {machine.health for machine in farm.all(Machine)} == {Health.GOOD}


def test_a_partition_that_heals_too_late_changes_nothing(farm: TestFarm) -> None:
    (cut,) = at_work(farm, 2)
    farm.pass_time(41 * MINUTE_MS)  # its right ends, extended once as too many would end together
    other = Agent(farm, "other", key="ef" * 32)
    farm.tick(MINUTE_MS)
    works = other.start()
    assert len(works) == 2
    for work in cut.holding.values():
        with pytest.raises(Refused):
            queue.renew(farm.hub, cut.session, work.attempt.id, work.attempt.fence)
        with pytest.raises(Refused):
            queue.finish(farm.hub, cut.session, work.attempt.id, work.attempt.fence, "late", passed())
    heard = cut.again(
        *(sessions.Held(attempt=w.attempt.id, fence=w.attempt.fence) for w in cut.holding.values())
    )
    assert {order.order for order in heard.orders} == {"stop"}
    for work in works:
        other.finish(work, passed())
    farm.tick()
    ended = [attempt.state for attempt in farm.all(Attempt)]
    assert sorted(ended) == [AttemptState.LOST, AttemptState.LOST, AttemptState.PASSED, AttemptState.PASSED]
    assert fsck(farm.hub) == []


@pytest.mark.parametrize("jump_ms", [60 * MINUTE_MS, -60 * MINUTE_MS])
def test_a_wall_clock_that_jumps_by_an_hour_ends_no_right(farm: TestFarm, jump_ms: int) -> None:
    agents = at_work(farm, 4)
    farm.clock.wall += jump_ms
    farm.tick(1000)
    assert {attempt.state for attempt in farm.all(Attempt)} == {AttemptState.RUNNING}
    all_finish(farm, agents)
    assert {job.attempts for job in farm.all(Job)} == {1}
    assert {machine.health for machine in farm.all(Machine)} <= {Health.GOOD, Health.UNKNOWN}


@pytest.mark.parametrize("jump_ms", [60 * MINUTE_MS, -60 * MINUTE_MS])
def test_a_monotonic_clock_that_jumps_moves_farm_time_by_half_a_minute_at_most(
    farm: TestFarm, jump_ms: int
) -> None:
    """A hub that was suspended, or whose machine lies about its clock."""
    at_work(farm, 4)
    farm.tick(jump_ms)
    assert {attempt.state for attempt in farm.all(Attempt)} == {AttemptState.RUNNING}


def test_one_token_for_two_machines_lets_one_in(farm: TestFarm) -> None:
    token = sessions.create_token(farm.hub, "own")
    first = sessions.Registration(name="a", key="ab" * 32)
    sessions.register(farm.hub, token, first)
    with pytest.raises(Unauthorized, match="another key"):
        sessions.register(farm.hub, token, sessions.Registration(name="b", key="cd" * 32))
    again = sessions.register(farm.hub, token, first)
    assert [machine.id for machine in farm.all(Machine)] == [again.machine.id]


def test_two_agents_with_one_credential_do_not_share_an_attempt(farm: TestFarm) -> None:
    """A cloned disk: the second registration ends the first session, whose work is lost at once and runs again."""
    (first,) = at_work(farm, 2)
    clone = Agent.__new__(Agent)
    clone.__dict__ |= first.__dict__ | {"holding": {}}
    clone.again()
    assert {attempt.state for attempt in farm.all(Attempt)} == {AttemptState.LOST}
    with pytest.raises(Unauthorized):
        first.poll()
    for work in first.holding.values():
        with pytest.raises(Refused):
            queue.finish(farm.hub, first.session, work.attempt.id, work.attempt.fence, "late", passed())
    for _ in range(10):
        farm.tick(30_000)
        for work in clone.start():
            clone.finish(work, passed())
    farm.tick()
    assert {job.state for job in farm.all(Job)} == {JobState.PASSED}
    assert fsck(farm.hub) == []


def test_a_finish_whose_answer_was_lost_gets_the_first_answer_and_another_is_refused(farm: TestFarm) -> None:
    (agent,) = at_work(farm, 2)
    work, other = agent.holding.values()
    first = agent.finish(work, passed(), "one")
    agent.holding[work.attempt.id] = work
    assert agent.finish(work, passed(), "one").id == first.id
    agent.holding[work.attempt.id] = work
    with pytest.raises(Refused, match="another finish"):
        agent.finish(work, Ending(result="failed"), "two")
    assert farm.get(Job, work.job.id).state in (JobState.RUNNING, JobState.PASSED)
    assert farm.get(Attempt, other.attempt.id).state == AttemptState.RUNNING
