"""The archive's rows where processes died or the pruner is at work."""

import msgspec
import pytest
from farms import Agent, TestFarm, passed, planned

from penstock.hub import people
from penstock.model.artifact import Blob, Module
from penstock.model.job import Attempt
from penstock.model.states import AttemptState, ModuleState


@pytest.fixture
def farm() -> TestFarm:
    return TestFarm()


def set_module(farm: TestFarm, key: str, **changes: object) -> None:
    def write(tx):  # type: ignore[no-untyped-def]
        tx.replace(msgspec.structs.replace(tx.get(Module, "untrusted", key), **changes))

    farm.store.write(write)


def test_a_claim_of_a_job_that_has_ended_is_none(farm: TestFarm) -> None:
    agent = Agent(farm, "m1")
    first = farm.submit("c1", planned("zlib"))
    farm.run_all(agent)
    job = farm.job(first, "zlib:build")
    set_module(farm, job.key, state=ModuleState.BUILDING)
    second = farm.submit("c2", planned("zlib"))
    assert farm.states(second) == {"zlib:build": "queued"}
    assert farm.get(Module, "untrusted", job.key).producer == farm.job(second, "zlib:build").id
    set_module(farm, job.key, producer="nobody")
    assert farm.states(farm.submit("c3", planned("zlib"))) == {"zlib:build": "queued"}


def test_a_module_that_is_being_collected_is_left_alone_until_it_is_gone(farm: TestFarm) -> None:
    agent = Agent(farm, "m1")
    first = farm.submit("c1", planned("zlib"))
    farm.run_all(agent)
    key = farm.job(first, "zlib:build").key
    set_module(farm, key, state=ModuleState.EXPIRING)
    second = farm.submit("c2", planned("zlib"))
    farm.tick()
    agent.run(agent.start()[0])
    assert farm.get(Module, "untrusted", key).state == ModuleState.EXPIRING
    assert farm.tick()["settled"] == 0
    set_module(farm, key, state=ModuleState.COLLECTED)
    assert farm.tick()["settled"] == 1
    module = farm.get(Module, "untrusted", key)
    assert (module.state, module.producer) == (ModuleState.VERIFIED, farm.job(second, "zlib:build").id)


def test_a_blob_that_begins_to_be_deleted_after_it_was_looked_at_makes_settling_wait(farm: TestFarm) -> None:
    agent = Agent(farm, "m1")
    farm.submit("c1", planned("zlib"))
    farm.tick()
    work = agent.start()[0]
    agent.run(work)
    publish = farm.blobs.publish

    def meanwhile(name: str, digest: str) -> None:
        publish(name, digest)
        blob = farm.get(Blob, digest)
        farm.store.write(lambda tx: tx.replace(msgspec.structs.replace(blob, state="expiring")))

    farm.blobs.publish = meanwhile  # type: ignore[method-assign]
    assert farm.tick()["settled"] == 0
    assert farm.get(Attempt, work.attempt.id).state == AttemptState.FINISHING


def test_a_module_that_begins_to_be_collected_after_it_was_looked_at_makes_settling_wait(
    farm: TestFarm,
) -> None:
    """Of two jobs of one key the second is published while what the first made begins to be collected."""
    first, second = Agent(farm, "m1"), Agent(farm, "m2")
    build = farm.submit("c1", planned("zlib"))
    farm.tick()
    work = first.start()[0]
    key = farm.job(build, "zlib:build").key
    set_module(farm, key, state=ModuleState.COLLECTED)
    farm.submit("c2", planned("zlib"))
    farm.tick()
    other = second.start()[0]
    first.run(work)
    assert farm.tick()["settled"] == 1
    second.run(other, b"something else")
    publish = farm.blobs.publish

    def meanwhile(name: str, digest: str) -> None:
        publish(name, digest)
        set_module(farm, key, state=ModuleState.EXPIRING)

    farm.blobs.publish = meanwhile  # type: ignore[method-assign]
    assert farm.tick()["settled"] == 0
    assert farm.get(Module, "untrusted", key).state == ModuleState.EXPIRING
    farm.blobs.publish = publish  # type: ignore[method-assign]
    set_module(farm, key, state=ModuleState.COLLECTED)
    assert farm.tick()["settled"] == 1
    assert farm.get(Module, "untrusted", key).producer == other.attempt.job


def test_what_got_its_name_and_is_cancelled_before_anybody_hears_of_it_is_in_the_books(
    farm: TestFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its end came while the same blob of an earlier attempt was being deleted; then the store gave the name, and its answer was lost."""
    agent = Agent(farm, "m1")
    build = farm.submit("c1", planned("zlib"))
    farm.tick()
    work = agent.start()[0]
    output = agent.upload(work, "tree", b"made")
    digest = output.digest
    earlier = Blob(digest=digest, size_bytes=4, created_ms=1, state="expiring")
    farm.store.write(lambda tx: tx.insert(earlier))
    agent.finish(work, passed(output))
    assert farm.tick()["settled"] == 0
    gone = msgspec.structs.replace(farm.get(Blob, digest), state="COLLECTED")
    farm.store.write(lambda tx: tx.replace(gone))
    publish = farm.blobs.publish

    def unheard(name: str, digest: str) -> None:
        publish(name, digest)
        raise OSError("the answer is lost")

    monkeypatch.setattr(farm.blobs, "publish", unheard)
    assert farm.tick()["settled"] == 0
    people.cancel(farm.hub, build.id)
    farm.tick()
    assert farm.get(Attempt, work.attempt.id).state == AttemptState.CANCELLED
    assert farm.blobs.size(digest) == 4
    assert farm.get(Blob, digest).state == "stored"


def test_a_blob_store_that_is_away_makes_settling_wait(
    farm: TestFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = Agent(farm, "m1")
    build = farm.submit("c1", planned("zlib"))
    farm.tick()
    agent.run(agent.start()[0])

    def away(name: str, digest: str) -> None:
        raise OSError("no route to the blob store")

    with monkeypatch.context() as patched:
        patched.setattr(farm.blobs, "publish", away)
        assert farm.tick()["unsettled"] == 1
    assert farm.tick()["settled"] == 1
    assert farm.verdict(build) == "PASSED"
