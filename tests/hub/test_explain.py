"""Why a job is where it is, in sentences that a person can act on."""

import msgspec
import pytest
from farms import Agent, TestFarm, planned

from penstock.hub import people
from penstock.hub.context import NotFound
from penstock.hub.explain import explain
from penstock.hub.fsck import fsck
from penstock.hub.queue import Ending
from penstock.model.artifact import Blob, Module
from penstock.model.change import Build
from penstock.model.units import Size


@pytest.fixture
def farm() -> TestFarm:
    return TestFarm()


def said(farm: TestFarm, build: Build, name: str) -> list[str]:
    return list(explain(farm.hub, farm.job(build, name).id).sentences)


def codes(farm: TestFarm, build: Build, name: str) -> list[tuple[str, str]]:
    return [(why.subject, why.code) for why in explain(farm.hub, farm.job(build, name).id).reasons]


def test_there_must_be_such_a_job(farm: TestFarm) -> None:
    with pytest.raises(NotFound):
        explain(farm.hub, "nothing")


def test_a_queued_job_says_why_no_machine_takes_it(farm: TestFarm) -> None:
    build = farm.submit("c1", planned("first"), planned("zlib", size=Size(64, 1024)))
    assert said(farm, build, "zlib:build") == [
        "zlib:build is queued: nothing in the archive has its key.",
        "1 job goes before it.",
        "The farm has no machine.",
    ]
    quiet = Agent(farm, "quiet")
    people.quarantine(farm.hub, quiet.machine.id, "odd noises")
    for number in range(5):
        Agent(farm, f"m{number}")
    assert codes(farm, build, "zlib:build")[0] == ("m0", "size")
    assert said(farm, build, "zlib:build")[2:] == [
        "m0, m1, m2 and 3 more: it has 2 cores, 4096 MB, the job asks for 64 cores, 1024 MB.",
        "quiet: it is quarantined: odd noises.",
    ]
    assert "m0, m1, m2 and 2 more: it has room now." in said(farm, build, "first:build")
    assert said(farm, build, "first:build")[1] == "0 jobs go before it."


def test_a_job_that_backs_off_says_until_when(farm: TestFarm) -> None:
    agent = Agent(farm, "m1")
    build = farm.submit("c1", planned("zlib"))
    for _ in range(2):
        farm.tick()
        agent.finish(agent.start()[0], Ending(result="refused", cause="disk full"))
    farm.tick()
    lines = said(farm, build, "zlib:build")
    assert lines[:4] == [
        "zlib:build is queued: attempt 2 ended: refused by the machine: disk full.",
        "It is tried again in 10 s.",
        "0 jobs go before it.",
        "m1: it has room now.",
    ]
    assert lines[4].startswith("Attempt 1 on m1 of pool own ended as REFUSED")
    assert lines[-1] == "Attempts cost 0.000000 USD so far."


def test_a_blocked_job_names_what_it_waits_for(farm: TestFarm) -> None:
    first = farm.submit("c1", planned("zlib"), planned("png", needs=["zlib"]))
    second = farm.submit("c2", planned("zlib"))
    producer = farm.job(first, "zlib:build").id
    assert said(farm, first, "png:build") == ["png:build is blocked: needs zlib:build, which is queued."]
    assert codes(farm, first, "png:build") == [(producer, "parent")]
    assert said(farm, second, "zlib:build") == [
        f"zlib:build waits: {producer} makes the same key and is queued."
    ]
    assert codes(farm, second, "zlib:build") == [(producer, "shared")]


def test_a_held_job_names_the_reason(farm: TestFarm) -> None:
    build = farm.submit("c1", planned("zlib"))
    people.hold(farm.hub, farm.job(build, "zlib:build").id, "the release is frozen")
    assert said(farm, build, "zlib:build") == [
        "zlib:build is held: the release is frozen. It goes on when somebody releases it."
    ]


def test_a_running_job_says_where_and_why_there(farm: TestFarm) -> None:
    agent = Agent(farm, "m1")
    build = farm.submit("c1", planned("zlib"))
    farm.tick()
    assert said(farm, build, "zlib:build")[0] == "zlib:build is offered to m1 since 0 s, attempt 1."
    work = agent.start()[0]
    farm.submit("c2", planned("zlib"))
    people.cancel(farm.hub, build.id)
    farm.tick(7000)
    assert said(farm, build, "zlib:build") == [
        "zlib:build runs on m1 since 7 s, attempt 1.",
        "Why there: m1 of pool own: the cheapest with room, 1 of 2 slots taken.",
        "Its own build gave it up; others wait for its key.",
    ]
    agent.run(work)
    assert said(farm, build, "zlib:build")[0].startswith("zlib:build has run on m1")


def test_an_ended_job_says_how_and_who_is_to_blame(farm: TestFarm) -> None:
    agent = Agent(farm, "m1")
    build = farm.submit("c1", planned("zlib"), planned("png", needs=["zlib"]))
    farm.tick()
    agent.fail(agent.start()[0])
    farm.tick()
    zlib = farm.job(build, "zlib:build")
    assert said(farm, build, "png:build") == [
        "png:build ended as BLOCKED_DEAD: needs zlib:build, which ended as FAILED.",
        f"The culprit is zlib:build ({zlib.id}): exit status 2.",
    ]
    assert codes(farm, build, "png:build") == [(zlib.id, "BLOCKED_DEAD")]


def test_a_key_that_is_not_reproducible_is_shown(farm: TestFarm) -> None:
    agent = Agent(farm, "m1")
    build = farm.submit("c1", planned("zlib"))
    farm.run_all(agent)
    job = farm.job(build, "zlib:build")
    farm.store.write(
        lambda tx: tx.replace(
            msgspec.structs.replace(tx.get(Module, "untrusted", job.key), other_output="sha256:x")
        )
    )
    assert "Its key is not reproducible: sha256:x was made, too." in said(farm, build, "zlib:build")


# fsck


def test_a_sound_farm_has_nothing_to_say(farm: TestFarm) -> None:
    farm.submit("c1", planned("zlib", keep_worktree=True))
    farm.run_all(Agent(farm, "m1"))
    assert fsck(farm.hub, digest_again=True) == []


def test_fsck_finds_what_is_missing_short_or_damaged(farm: TestFarm) -> None:
    farm.submit("c1", planned("zlib"))
    farm.run_all(Agent(farm, "m1"))
    digest = next(farm.blobs.digests())
    content = b"".join(farm.blobs.read(digest))
    farm.blobs.damage(digest, content[:-1] + b"?")
    assert fsck(farm.hub) == []
    assert [str(violation) for violation in fsck(farm.hub, digest_again=True)] == [
        f"I12 zlib@linux: {digest} is damaged"
    ]
    farm.blobs.damage(digest, content[:-1])
    assert fsck(farm.hub)[0].text.endswith(f"has {len(content) - 1} bytes, not {len(content)}")
    farm.blobs.delete(digest)
    assert fsck(farm.hub)[0].text.endswith("is not in the blob store")
    farm.store.write(lambda tx: tx.delete(tx.get(Blob, digest)))
    assert {violation.invariant for violation in fsck(farm.hub)} == {"I12"}
