"""An agent's calls: fenced, repeatable, and what they leave behind (I2)."""

import msgspec
import pytest
from farms import POOL, RULES, Agent, TestFarm, offered, passed, planned

from penstock.hub import queue
from penstock.hub.context import NotFound, Refused
from penstock.hub.fsck import fsck
from penstock.hub.queue import Ending, Work
from penstock.model.artifact import Blob, Failure, Module
from penstock.model.job import Attempt, Output, Usage
from penstock.model.states import AttemptState, Health, ModuleState


@pytest.fixture
def farm() -> TestFarm:
    return TestFarm()


@pytest.fixture
def agent(farm: TestFarm) -> Agent:
    return Agent(farm, "m1")


def state(farm: TestFarm, work: Work) -> AttemptState:
    return farm.get(Attempt, work.attempt.id).state


def test_an_offer_is_made_acknowledged_finished_and_settled(farm: TestFarm, agent: Agent) -> None:
    work = offered(farm, agent)
    assert (work.attempt.n, work.attempt.slot, work.right_ms) == (1, 0, 10_000)
    taken = agent.take(work)
    assert taken.state == AttemptState.RUNNING
    assert taken.right_until_ms == farm.hub.rules.lease.right_ms
    assert agent.run(work).state == AttemptState.FINISHING
    assert agent.machine.busy == ()
    farm.tick()
    assert state(farm, work) == AttemptState.PASSED
    assert agent.machine.health == Health.GOOD
    module = farm.get(Module, "untrusted", work.job.key)
    assert (module.state, module.producer, module.name) == (ModuleState.VERIFIED, work.job.id, "zlib")
    assert fsck(farm.hub, digest_again=True) == []


def test_acknowledge_is_remembered_by_its_body(farm: TestFarm, agent: Agent) -> None:
    work = offered(farm, agent)
    first = agent.take(work)
    assert agent.take(work) == first
    with pytest.raises(Refused, match="another acknowledgement"):
        queue.acknowledge(farm.hub, agent.session, work.attempt.id, work.attempt.fence, "another body")


def test_finish_is_remembered_by_its_body_even_after_it_was_settled(farm: TestFarm, agent: Agent) -> None:
    work = offered(farm, agent)
    agent.take(work)
    agent.run(work)
    farm.tick()
    assert agent.finish(work, passed()).state == AttemptState.PASSED
    with pytest.raises(Refused, match="another finish") as refused:
        agent.finish(work, passed(), body="another")
    assert not refused.value.stop


def test_an_offer_that_is_gone_cannot_be_acknowledged(farm: TestFarm, agent: Agent) -> None:
    work = offered(farm, agent)
    farm.tick(10_000)
    with pytest.raises(Refused, match="the offer is gone: LOST") as refused:
        agent.take(work)
    assert refused.value.stop


def test_another_fence_or_machine_changes_nothing(farm: TestFarm, agent: Agent) -> None:
    other = Agent(farm, "m2")
    work = offered(farm, agent)
    agent.take(work)
    before = farm.get(Attempt, work.attempt.id)
    for session, fence in ((agent.session, "t00002:9"), (other.session, work.attempt.fence)):
        right = (farm.hub, session, work.attempt.id, fence)
        for call in (
            lambda right=right: queue.renew(*right),
            lambda right=right: queue.log_grew(*right, 5),
            lambda right=right: queue.uploaded(*right, Output("tree", "d", 1)),
            lambda right=right: queue.finish(*right, "body", passed()),
            lambda right=right: queue.may_write(*right),
        ):
            with pytest.raises(Refused, match="stale fence"):
                call()
    assert farm.get(Attempt, work.attempt.id) == before


def test_unknown_attempts_are_not_found(farm: TestFarm, agent: Agent) -> None:
    with pytest.raises(NotFound, match="attempt 'x' does not exist"):
        queue.renew(farm.hub, agent.session, "x", "f")
    with pytest.raises(NotFound):
        queue.work_of(farm.hub, agent.session, "x")


def test_renewing_extends_the_right_up_to_its_limit(farm: TestFarm, agent: Agent) -> None:
    work = offered(farm, agent, planned("zlib", timeout_ms=400_000))
    agent.take(work)
    farm.tick(20_000)
    renewed = queue.renew(farm.hub, agent.session, work.attempt.id, work.attempt.fence)
    assert renewed.right_until_ms == 20_000 + 1_200_000
    grown = queue.log_grew(farm.hub, agent.session, work.attempt.id, work.attempt.fence, 77)
    assert grown.log_bytes == 77
    for _ in range(10):
        farm.tick(30_000)
    late = queue.renew(farm.hub, agent.session, work.attempt.id, work.attempt.fence)
    assert late.right_until_ms == late.limit_ms == 400_000 + queue.GRACE_MS


def test_an_offer_is_not_renewed_and_a_finished_one_stays(farm: TestFarm, agent: Agent) -> None:
    work = offered(farm, agent)
    right = (work.attempt.id, work.attempt.fence)
    assert queue.renew(farm.hub, agent.session, *right).right_until_ms == 10_000
    with pytest.raises(Refused, match="does not run: offered"):
        queue.uploaded(farm.hub, agent.session, *right, Output("tree", "d", 1))
    with pytest.raises(Refused, match="does not run: offered"):
        agent.finish(work, passed())
    agent.take(work)
    agent.run(work)
    assert queue.renew(farm.hub, agent.session, *right).state == AttemptState.FINISHING
    with pytest.raises(Refused, match="has ended: finishing"):
        queue.may_write(farm.hub, agent.session, *right)
    farm.tick()
    with pytest.raises(Refused, match="has ended: PASSED"):
        queue.renew(farm.hub, agent.session, *right)


def test_a_newer_upload_takes_the_place_of_an_older_one(farm: TestFarm, agent: Agent) -> None:
    work = offered(farm, agent)
    agent.take(work)
    agent.upload(work, "tree", b"half")
    whole = agent.upload(work, "tree", b"whole")
    assert farm.get(Attempt, work.attempt.id).outputs == (whole,)


@pytest.mark.parametrize(
    ("ending", "job_state", "attempt_state", "reason"),
    [
        (Ending(result="failed", exit_code=2), "FAILED", AttemptState.FAILED, "exit status 2"),
        (Ending(result="failed"), "FAILED", AttemptState.FAILED, "failed"),
        (
            Ending(result="failed", cause="killed by signal 9"),
            "FAILED",
            AttemptState.FAILED,
            "killed by signal 9",
        ),
        (Ending(result="timed_out"), "FAILED", AttemptState.TIMED_OUT, "timed out after 1800 s"),
    ],
)
def test_a_verdict_of_the_job_is_final(
    farm: TestFarm,
    agent: Agent,
    ending: Ending,
    job_state: str,
    attempt_state: AttemptState,
    reason: str,
) -> None:
    build = farm.submit("c1", planned("zlib"), planned("png", needs=["zlib"]), planned("tiff", needs=["png"]))
    farm.tick()
    work = agent.start()[0]
    agent.finish(work, ending)
    farm.tick()
    job = farm.job(build, "zlib:build")
    assert (job.state, job.reason, state(farm, work)) == (job_state, reason, attempt_state)
    for name in ("png:build", "tiff:build"):
        dead = farm.job(build, name)
        assert (dead.state, dead.culprit) == ("BLOCKED_DEAD", job.id)
    assert farm.verdict(build) == "FAILED"


@pytest.mark.parametrize(
    ("result", "attempt_state", "counted"),
    [
        ("refused", AttemptState.REFUSED, 1),
        ("preempted", AttemptState.PREEMPTED, 1),
        ("cancelled", AttemptState.CANCELLED, 1),
    ],
)
def test_what_the_machine_could_not_do_is_tried_again(
    farm: TestFarm, agent: Agent, result: str, attempt_state: AttemptState, counted: int
) -> None:
    work = offered(farm, agent)
    agent.take(work)
    agent.finish(work, Ending(result=result, cause="disk full"))  # type: ignore[arg-type]
    farm.tick()
    assert state(farm, work) == attempt_state
    retried = agent.poll().offers[0]
    assert (retried.attempt.n, retried.attempt.fence, retried.job.losses) == (2, "t00002:2", counted)


def test_an_offer_can_be_given_back_at_once(farm: TestFarm, agent: Agent) -> None:
    work = offered(farm, agent)
    given = agent.finish(work, Ending(result="refused", cause="no room"))
    assert (given.state, given.cause) == (AttemptState.REFUSED, "refused by the machine: no room")
    assert agent.finish(work, Ending(result="refused", cause="no room")) == given


def test_a_remembered_failure_stops_automatic_changes_for_a_day_only(farm: TestFarm, agent: Agent) -> None:
    agent.take(work := offered(farm, agent))
    agent.fail(work)
    farm.tick()
    known = farm.submit("c2", planned("zlib"), automatic=True)
    assert farm.states(known) == {"zlib:build": "FAILED"}
    assert farm.job(known, "zlib:build").culprit == work.job.id
    asked = farm.submit("c3", planned("zlib"), automatic=False)
    assert farm.states(asked) == {"zlib:build": "queued"}
    farm.clock.wall += 24 * 3_600_000
    tomorrow = farm.submit("c4", planned("zlib"), automatic=True)
    assert farm.states(tomorrow) == {"zlib:build": "blocked"}  # c3 makes it now


def test_a_failure_that_says_nothing_of_the_code_is_not_remembered(farm: TestFarm, agent: Agent) -> None:
    agent.take(work := offered(farm, agent))
    agent.fail(work, remember=False)
    farm.tick()
    assert farm.all(Failure) == []
    agent.take(second := _next(farm, agent))
    agent.fail(second)
    farm.tick()
    third = _next(farm, agent, "c3")
    agent.take(third)
    agent.fail(third)
    farm.tick()
    assert [failure.job for failure in farm.all(Failure)] == [third.job.id]


def _next(farm: TestFarm, agent: Agent, name: str = "c2") -> Work:
    farm.submit(name, planned("zlib"))
    farm.tick()
    return agent.poll().offers[0]


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ([], "tree is missing"),
        ([Output("tree", "sha256:other", 4)], "tree arrived as"),
        ([Output("artifacts", "sha256:other", 4)], "artifacts was not uploaded"),
    ],
)
def test_uploads_that_do_not_match_are_an_error_of_the_farm(
    farm: TestFarm, agent: Agent, said: list[Output], problem: str
) -> None:
    agent.take(work := offered(farm, agent))
    agent.upload(work, "tree", b"tree")
    agent.finish(work, passed(*said))
    farm.tick()
    ended = farm.get(Attempt, work.attempt.id)
    assert ended.state == AttemptState.REFUSED
    assert ended.cause.startswith(f"refused by the machine: {problem}")
    assert list(farm.blobs.digests()) == []
    assert list(farm.blobs.uploads()) == []


def test_an_upload_that_is_gone_is_an_error_of_the_farm(farm: TestFarm, agent: Agent) -> None:
    agent.take(work := offered(farm, agent))
    tree = agent.upload(work, "tree", b"tree")
    farm.blobs.discard(f"{work.attempt.id}/tree")
    agent.finish(work, passed(tree))
    farm.tick()
    assert farm.get(Attempt, work.attempt.id).cause.endswith("the upload of tree is not there any more")


def test_the_first_verified_output_of_a_key_wins(farm: TestFarm, agent: Agent) -> None:
    agent.take(work := offered(farm, agent))
    farm.store.write(lambda tx: tx.delete(tx.get(Module, "untrusted", work.job.key)))
    again = farm.submit("c2", planned("zlib"))
    farm.tick()
    other = agent.poll().offers[0]
    agent.take(other)
    agent.run(work, b"first")
    farm.tick()
    agent.run(other, b"second")
    farm.tick()
    module = farm.get(Module, "untrusted", work.job.key)
    assert module.other_output
    assert farm.job(again, "zlib:build").output == module.output


def test_blobs_that_are_being_deleted_make_settling_wait(farm: TestFarm, agent: Agent) -> None:
    agent.take(work := offered(farm, agent))
    tree = agent.upload(work, "tree", b"tree")
    farm.store.write(lambda tx: tx.insert(Blob(digest=tree.digest, size_bytes=4, state="expiring")))
    agent.finish(work, passed(tree))
    assert farm.tick()["settled"] == 0
    assert state(farm, work) == AttemptState.FINISHING

    def collect(tx):  # type: ignore[no-untyped-def]
        tx.replace(Blob(digest=tree.digest, size_bytes=4, state="COLLECTED"))

    farm.store.write(collect)
    assert farm.tick()["settled"] == 1
    assert state(farm, work) == AttemptState.PASSED
    assert farm.get(Blob, tree.digest).state == "stored"


def test_an_attempt_reads_its_own_inputs_only(farm: TestFarm, agent: Agent) -> None:
    build = farm.submit(
        "c1",
        planned("zlib", keep_worktree=True),
        planned("zlib", "test", needs=["zlib"], source_from="build"),
        planned("png", needs=["zlib"]),
        planned("viewer", needs=["png"]),
        planned("alone"),
    )
    farm.run_all(agent)
    again = farm.submit(
        "c2",
        planned("zlib", keep_worktree=True),
        planned("zlib", "test", needs=["zlib"], source_from="build", reuse="never"),
        planned("png", needs=["zlib"]),
        planned("viewer", needs=["png"], commands=("make more",)),
        planned("alone", commands=("make more",)),
    )
    zlib, png = farm.job(build, "zlib:build"), farm.job(build, "png:build")
    farm.tick()
    offers = {work.job.name: work for work in agent.poll().offers}
    test, viewer = offers["zlib:test"], offers["viewer:build"]

    def allowed(work: Work, digest: str) -> bool:
        return queue.input_allowed(farm.hub, agent.session, work.attempt.id, digest)

    assert [part.module for part in viewer.inputs.parts] == ["png", "zlib"]
    assert {part.digest: part.size_bytes for part in viewer.inputs.parts}[zlib.output] > 0
    assert allowed(viewer, zlib.output)
    assert allowed(viewer, png.output)
    assert not allowed(viewer, zlib.worktree)
    assert test.inputs.source == zlib.worktree
    assert allowed(test, zlib.worktree)
    assert not allowed(test, png.output)
    assert not allowed(test, "")
    assert queue.work_of(farm.hub, agent.session, test.attempt.id).inputs == test.inputs
    for work in (test, viewer):
        agent.take(work)
        agent.run(work)
    assert not allowed(viewer, zlib.output)
    alone = next(w for w in _poll_again(farm, agent) if w.job.name == "alone:build")
    assert not allowed(alone, zlib.output)
    assert not queue.input_allowed(farm.hub, agent.session, "unknown", zlib.output)
    assert farm.states(again)["png:build"] == "REUSED"


def _poll_again(farm: TestFarm, agent: Agent) -> list[Work]:
    farm.tick()
    return list(agent.poll().offers)


def test_a_fetch_gives_its_result_to_the_build(farm: TestFarm, agent: Agent) -> None:
    jobs = [planned("deps", "fetch", network="full"), planned("deps", source_from="fetch")]
    build = farm.submit("c1", *jobs)
    farm.run_all(agent)
    assert set(farm.states(build).values()) == {"PASSED"}
    again = farm.submit("c2", *jobs)
    farm.run_all(agent)
    assert farm.states(again) == {"deps:fetch": "PASSED", "deps:build": "REUSED"}


def test_an_attempt_costs_its_share_of_the_machine(farm: TestFarm) -> None:
    priced = msgspec.structs.replace(POOL, price_per_hour_micros=1_000_000)
    farm.with_rules(msgspec.structs.replace(RULES, pools=(priced,)))
    agent = Agent(farm, "m1")
    agent.take(work := offered(farm, agent, planned("zlib", timeout_ms=7_200_000)))
    for _ in range(120):
        farm.tick(30_000)
        agent.poll()
    ended = agent.finish(work, Ending(result="failed", usage=Usage(wall_ms=5)))
    assert ended.cost_micros == 500_000


def test_an_attempt_costs_what_it_was_held_not_only_its_commands(farm: TestFarm) -> None:
    priced = msgspec.structs.replace(POOL, price_per_hour_micros=50_000)
    farm.with_rules(msgspec.structs.replace(RULES, pools=(priced,)))
    agent = Agent(farm, "m1")
    agent.take(work := offered(farm, agent, planned("zlib")))
    ended = agent.finish(work, Ending(result="failed", usage=Usage(wall_ms=30, held_ms=144)))
    assert ended.cost_micros == 1, "0.42 for the commands alone: rounded, a job of 30 ms cost nothing"
