"""Plans become builds; builds share keys, give way to newer ones, and are cancelled without harm to others."""

import pytest
from farms import Agent, TestFarm, planned

from penstock.hub import people, planner
from penstock.hub.fsck import fsck
from penstock.hub.queue import Ending
from penstock.model.artifact import Failure, Module
from penstock.model.change import Build, Change
from penstock.model.job import Attempt, Job
from penstock.model.machine import Machine
from penstock.model.plan import Plan, PlannedJob
from penstock.model.snapshot import ask_of
from penstock.model.states import AttemptState
from penstock.policy.ordering import level_of


@pytest.fixture
def farm() -> TestFarm:
    return TestFarm()


@pytest.fixture
def agent(farm: TestFarm) -> Agent:
    return Agent(farm, "m1")


PAIR = (planned("zlib"), planned("png", needs=["zlib"]))


def test_jobs_begin_queued_or_blocked(farm: TestFarm) -> None:
    build = farm.submit("c1", *PAIR, priority=3, automatic=True)
    zlib, png = farm.job(build, "zlib:build"), farm.job(build, "png:build")
    assert (zlib.state, zlib.automatic, zlib.unmet) == ("queued", True, 0)
    assert ask_of(zlib).level == level_of("change", 3) < level_of("change", 0)
    # One minute for the path of one job that waits for it, one second for that job.
    assert png.rank - zlib.rank == 61
    assert (png.state, png.unmet, png.needs) == ("blocked", 1, (zlib.id,))
    assert zlib.key.startswith("sha256:")
    assert png.key == ""
    assert farm.get(Module, "untrusted", zlib.key).producer == zlib.id
    assert zlib.id == f"{build.id}-0001"


def test_a_change_is_stored_once(farm: TestFarm) -> None:
    first = farm.submit("c1", *PAIR)
    assert farm.submit("c1", *PAIR).id == first.id
    assert len(farm.all(Build)) == len(farm.all(Change)) == 1
    with pytest.raises(ValueError, match="another source"):
        planner.submit(farm.hub, Change(id="c1", source="elsewhere"), Plan(()))


def test_an_empty_plan_passes(farm: TestFarm) -> None:
    build = farm.submit("c1")
    farm.tick()
    assert farm.verdict(build) == "PASSED"


@pytest.mark.parametrize(
    ("jobs", "match"),
    [
        ([PlannedJob(id="a", kind="build", module="a", platform="linux")], "shows a graph only"),
        ([planned("png", needs=["zlib"])], "needs zlib:build, which the plan does not have"),
        ([planned("zlib", "test", source_from="build")], "starts from a build job"),
    ],
)
def test_plans_that_cannot_be_run_are_refused(farm: TestFarm, jobs: list[PlannedJob], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        farm.submit("c1", *jobs)
    assert farm.all(Change) == []


def test_a_plan_is_decided_again_on_the_archive_of_now(farm: TestFarm, agent: Agent) -> None:
    farm.submit("c1", *PAIR)
    farm.run_all(agent)
    build = farm.submit("c2", *PAIR, planned("tiff", needs=["zlib"]))
    assert farm.states(build) == {"zlib:build": "REUSED", "png:build": "REUSED", "tiff:build": "queued"}
    assert farm.job(build, "zlib:build").output


def test_a_test_of_fetched_source_waits_for_the_fetch(farm: TestFarm, agent: Agent) -> None:
    build = farm.submit(
        "c1",
        planned("deps", "fetch", network="full"),
        planned("deps", source_from="fetch"),
        planned("deps", "test", needs=["deps"], source_from="fetch"),
    )
    test = farm.job(build, "deps:test")
    assert test.source_job == farm.job(build, "deps:fetch").id
    assert test.unmet == 2
    farm.run_all(agent)
    assert farm.verdict(build) == "PASSED"


def test_a_trusted_job_does_not_read_what_an_untrusted_one_made(farm: TestFarm, agent: Agent) -> None:
    farm.submit("c1", planned("zlib"))
    farm.run_all(agent)
    high = farm.submit("c2", planned("zlib", trust="trusted"))
    assert farm.states(high) == {"zlib:build": "queued"}
    farm.run_all(agent)
    farm.store.write(lambda tx: [tx.delete(m) for m in tx.find(Module, "key", "untrusted")])
    assert farm.states(farm.submit("c3", planned("zlib"))) == {"zlib:build": "REUSED"}


# One key, several builds


def test_one_key_is_made_once(farm: TestFarm, agent: Agent) -> None:
    first, second = farm.submit("c1", *PAIR), farm.submit("c2", *PAIR, priority=5)
    producer, waiter = farm.job(first, "zlib:build"), farm.job(second, "zlib:build")
    assert (waiter.state, waiter.waits_on) == ("blocked", producer.id)
    assert producer.rank == waiter.rank < producer.own_rank
    farm.run_all(agent)
    assert farm.states(second) == {"zlib:build": "REUSED", "png:build": "REUSED"}
    assert farm.job(second, "zlib:build").output == farm.job(first, "zlib:build").output
    assert farm.verdict(first) == farm.verdict(second) == "PASSED"


def test_what_fewer_wait_for_goes_as_early_as_the_first_of_those_left(farm: TestFarm) -> None:
    first = farm.submit("c1", *PAIR)
    urgent, soon = farm.submit("c2", *PAIR, priority=5), farm.submit("c3", *PAIR, priority=2)
    people.cancel(farm.hub, urgent.id)
    assert farm.job(first, "zlib:build").rank == farm.job(soon, "zlib:build").rank
    people.cancel(farm.hub, soon.id)
    producer = farm.job(first, "zlib:build")
    assert producer.rank == producer.own_rank
    assert fsck(farm.hub) == []


def test_one_key_fails_once(farm: TestFarm, agent: Agent) -> None:
    first, second = farm.submit("c1", *PAIR), farm.submit("c2", *PAIR)
    farm.tick()
    agent.fail(agent.start()[0])
    farm.tick()
    failed = farm.job(second, "zlib:build")
    assert (failed.state, failed.culprit) == ("FAILED", farm.job(first, "zlib:build").id)
    assert farm.states(second)["png:build"] == "BLOCKED_DEAD"
    assert farm.verdict(second) == "FAILED"


@pytest.mark.parametrize("result", ["timed_out", "failed"])
def test_a_failure_that_says_nothing_of_the_code_is_not_shared(
    farm: TestFarm, agent: Agent, result: str
) -> None:
    first, second, third = (farm.submit(f"c{n}", *PAIR) for n in range(3))
    farm.tick()
    agent.finish(agent.start()[0], Ending(result=result, remember=False))  # type: ignore[arg-type]
    farm.tick()
    heir = farm.job(second, "zlib:build")
    assert farm.job(first, "zlib:build").state == "FAILED"
    assert heir.state == "offered"
    assert farm.job(third, "zlib:build").waits_on == heir.id
    assert farm.all(Failure) == []


def test_cancelling_what_others_wait_for_lets_it_run(farm: TestFarm, agent: Agent) -> None:
    first, second = farm.submit("c1", *PAIR), farm.submit("c2", *PAIR)
    farm.tick()
    work = agent.start()[0]
    assert people.cancel(farm.hub, first.id)
    assert not people.cancel(farm.hub, first.id)
    assert farm.verdict(first) == "CANCELLED"
    producer = farm.job(first, "zlib:build")
    assert (producer.state, producer.wanted) == ("running", False)
    assert farm.states(first)["png:build"] == "CANCELLED"
    agent.run(work)
    farm.tick()
    assert farm.states(second)["zlib:build"] == "REUSED"
    assert farm.verdict(first) == "CANCELLED"


def test_what_a_superseded_build_had_only_queued_is_built_by_the_new_one_as_its_own(
    farm: TestFarm, agent: Agent
) -> None:
    old = farm.submit("c1", *PAIR)
    new = farm.submit("c2", *PAIR, supersede=True)
    assert set(farm.states(old).values()) == {"SUPERSEDED"}
    assert farm.states(new)["zlib:build"] == "queued"
    farm.run_all(agent)
    assert set(farm.states(new).values()) == {"PASSED"}
    assert fsck(farm.hub) == []


def test_when_the_last_waiter_goes_it_is_cancelled(farm: TestFarm, agent: Agent) -> None:
    first, second = farm.submit("c1", *PAIR), farm.submit("c2", *PAIR)
    farm.tick()
    work = agent.start()[0]
    people.cancel(farm.hub, first.id)
    farm.bell.topics.clear()
    people.cancel(farm.hub, second.id)
    producer = farm.job(first, "zlib:build")
    assert (producer.state, producer.reason) == ("CANCELLED", "nobody waits for it any more")
    assert farm.get(Attempt, work.attempt.id).state == AttemptState.CANCELLED
    assert farm.get(Machine, work.attempt.machine).busy == ()
    assert f"machine:{work.attempt.machine}" in farm.bell.topics
    assert agent.poll().orders[0].order == "stop"
    assert fsck(farm.hub) == []


def test_cancelling_one_job_blocks_what_needs_it(farm: TestFarm) -> None:
    build = farm.submit("c1", *PAIR, planned("alone"))
    zlib = farm.job(build, "zlib:build")
    assert people.cancel(farm.hub, zlib.id, "not needed")
    assert farm.states(build) == {
        "zlib:build": "CANCELLED",
        "png:build": "BLOCKED_DEAD",
        "alone:build": "queued",
    }
    assert not people.cancel(farm.hub, zlib.id)


def test_a_waiter_takes_over_from_a_producer_that_ends_without_a_verdict(farm: TestFarm) -> None:
    first = farm.submit("c1", planned("zlib"))
    second = farm.submit("c2", planned("zlib", retry="never"), priority=1)
    third = farm.submit("c3", planned("zlib"))
    for _ in range(5):
        farm.pass_time(20 * 3_600_000 // 5)
    farm.pass_time(5 * 3_600_000)
    assert farm.states(first) == {"zlib:build": "EXPIRED"}
    assert farm.verdict(first) == "ERROR"
    heir = farm.job(second, "zlib:build")
    assert (heir.state, heir.reason) == (
        "queued",
        f"takes over from {farm.job(first, 'zlib:build').id}, which made the same key",
    )
    assert farm.job(third, "zlib:build").waits_on == heir.id
    assert farm.get(Module, "untrusted", heir.key).producer == heir.id


def test_the_same_content_twice_in_one_build_is_made_once(farm: TestFarm, agent: Agent) -> None:
    one, two = planned("one"), planned("two", source=planned("one").spec.source)  # type: ignore[union-attr]
    build = farm.submit("c1", one, two)
    assert farm.job(build, "two:build").waits_on == farm.job(build, "one:build").id
    people.cancel(farm.hub, build.id)
    assert set(farm.states(build).values()) == {"CANCELLED"}
    assert fsck(farm.hub) == []


# Newer changes


def test_a_newer_change_supersedes_unfinished_builds_of_its_source(farm: TestFarm, agent: Agent) -> None:
    older = farm.submit("c1", planned("old"), planned("older", needs=["old"]))
    farm.tick()
    work = agent.start()[0]
    newer = farm.submit("c2", planned("new"), supersede=True)
    assert set(farm.states(older).values()) == {"SUPERSEDED"}
    assert farm.get(Build, older.id).reason == f"superseded by {newer.id}"
    assert farm.job(older, "old:build").reason == f"superseded by {newer.id}"
    assert farm.verdict(older) == "SUPERSEDED"
    assert farm.get(Attempt, work.attempt.id).state == AttemptState.CANCELLED
    assert farm.states(newer) == {"new:build": "queued"}


def test_what_the_newer_change_needs_too_goes_on(farm: TestFarm, agent: Agent) -> None:
    older = farm.submit("c1", *PAIR)
    farm.tick()
    work = agent.start()[0]
    newer = farm.submit("c2", *PAIR, supersede=True)
    assert farm.states(older) == {"zlib:build": "running", "png:build": "SUPERSEDED"}
    agent.run(work)
    farm.run_all(agent)
    assert farm.states(newer) == {"zlib:build": "REUSED", "png:build": "PASSED"}
    assert (farm.verdict(older), farm.verdict(newer)) == ("SUPERSEDED", "PASSED")


def test_other_sources_are_left_alone(farm: TestFarm) -> None:
    other = planner.submit(farm.hub, Change(id="c1", source="elsewhere"), Plan((planned("zlib"),)))
    farm.submit("c2", planned("png"), supersede=True)
    assert farm.verdict(other) == "open"


# A person's retry


def test_a_retry_runs_what_failed_and_what_it_blocked(farm: TestFarm, agent: Agent) -> None:
    build = farm.submit(
        "c1",
        planned("base"),
        *PAIR,
        planned("viewer", needs=["png", "base"]),
        planned("alone"),
        automatic=True,
    )
    for _ in range(3):
        farm.tick()
        for work in agent.start():
            agent.fail(work) if work.job.spec.module == "zlib" else agent.run(work)
    again = people.repeat(farm.hub, farm.job(build, "zlib:build").id, "somebody")
    assert farm.states(again) == {
        "base:build": "REUSED",
        "zlib:build": "queued",
        "png:build": "blocked",
        "viewer:build": "blocked",
    }
    asked = farm.get(Change, again.change)
    assert (asked.who, asked.automatic) == ("somebody", False)
    with pytest.raises(people.NotFound):
        people.repeat(farm.hub, "nothing")


def test_an_expired_module_is_made_anew(farm: TestFarm, agent: Agent) -> None:
    fetched = planned("deps", network="full", reuse_for_ms=60_000)
    farm.submit("c1", fetched)
    farm.run_all(agent)
    assert farm.states(farm.submit("c2", fetched)) == {"deps:build": "REUSED"}
    farm.clock.wall += 60_000
    third = farm.submit("c3", fetched)
    assert farm.states(third) == {"deps:build": "queued"}
    assert [job.waits_on for job in farm.all(Job)] == ["", "", ""]
