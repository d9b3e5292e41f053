"""Why a job is where it is, in sentences that a person can act on."""

import msgspec
import pytest
from farms import POOL, RULES, Agent, TestFarm, planned

from penstock.hub import outlook, people
from penstock.hub.context import NotFound
from penstock.hub.explain import explain
from penstock.hub.explain.told import span
from penstock.hub.fsck import fsck
from penstock.hub.queue import Ending
from penstock.model.artifact import Blob, Module
from penstock.model.change import Build
from penstock.model.farm import Farm
from penstock.model.job import Source
from penstock.model.plan import PlannedJob
from penstock.model.rules import Pool, Project
from penstock.model.units import Size
from penstock.ports import Tx


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
        "pool own: its machines have 2 cores, 4096 MB, the job asks for 64 cores, 1024 MB.",
        "No machine and no pool of this farm can ever take it: "
        "pool own: its machines have 2 cores, 4096 MB, the job asks for 64 cores, 1024 MB.",
    ]
    assert said(farm, build, "first:build")[2:] == [
        "The farm has no machine.",
        "pool own: it has no machine and starts none yet.",
        "When it starts cannot be said: no machine takes it now.",
    ]
    quiet = Agent(farm, "quiet")
    people.quarantine(farm.hub, quiet.machine.id, "odd noises")
    for number in range(5):
        Agent(farm, f"m{number}")
    assert codes(farm, build, "zlib:build")[0] == ("m0", "size")
    assert said(farm, build, "zlib:build")[2:] == [
        "m0, m1, m2 and 3 more: it has 2 cores, 4096 MB, the job asks for 64 cores, 1024 MB.",
        "quiet: it is quarantined: odd noises.",
        "No machine and no pool of this farm can ever take it: "
        "pool own: its machines have 2 cores, 4096 MB, the job asks for 64 cores, 1024 MB.",
    ]
    assert ("pool own", "empty") not in codes(farm, build, "first:build")
    assert "It is expected to start at once." in said(farm, build, "first:build")
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
        "It is expected to start in 10 s.",
    ]
    assert lines[4] == "m1: it has room now."
    assert lines[5].startswith("Attempt 1 on m1 of pool own ended as REFUSED")
    assert lines[-1] == "Attempts cost 0.000000 USD so far."


def test_a_blocked_job_names_what_it_waits_for(farm: TestFarm) -> None:
    first = farm.submit("c1", planned("zlib"), planned("png", needs=["zlib"]))
    second = farm.submit("c2", planned("zlib"))
    producer = farm.job(first, "zlib:build").id
    assert said(farm, first, "png:build") == [
        "png:build is blocked: needs zlib:build, which is queued.",
        "No machine takes zlib:build now.",
    ]
    assert codes(farm, first, "png:build") == [(producer, "parent")]
    assert said(farm, second, "zlib:build") == [
        f"zlib:build waits: {producer} makes the same key and is queued.",
        "No machine takes zlib:build now.",
    ]
    assert codes(farm, second, "zlib:build") == [(producer, "shared")]


def test_a_held_job_names_the_reason(farm: TestFarm) -> None:
    build = farm.submit("c1", planned("zlib"))
    job = farm.job(build, "zlib:build").id
    people.hold(farm.hub, job, "the release is frozen")
    assert said(farm, build, "zlib:build") == [
        "zlib:build is held: the release is frozen. "
        f"It goes on when an operator releases it: penstock release {job}."
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
        "No run of it has passed here yet: it ends at the latest by its time limit of 30 min.",
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


def anew(module: str, *needs: str) -> PlannedJob:
    """A build of a module whose source has changed."""
    return planned(module, needs=needs, source=Source(repository="/r", digest=f"new {module}"))


def learned(farm: TestFarm, agent: Agent, takes_ms: int, *names: str) -> None:
    """Let jobs of these modules pass, each after so long."""
    for name in names:
        farm.submit(f"past {name} {farm.clock.wall}", planned(name, reuse="never"))
        farm.tick()
        (work,) = agent.start()
        farm.tick(takes_ms)
        agent.run(work)
        farm.tick()


def test_a_queued_job_says_when_it_should_start_and_from_what_that_is_counted(farm: TestFarm) -> None:
    agent = Agent(farm, "m1", slots=1)
    learned(farm, agent, 20_000, "zlib", "zlib", "png")
    farm.submit("c1", anew("zlib"))
    farm.tick()
    agent.start()
    farm.tick(5000)
    farm.submit("c2", anew("png"))
    build = farm.submit("c3", planned("curl"))
    found = explain(farm.hub, farm.job(build, "curl:build").id)
    assert found.sentences[1:3] == (
        "1 job goes before it.",
        "It is expected to start in 35 s, nine times of ten within 44 s, "
        "counted from earlier runs of the 2 jobs that run or go before it.",
    )
    # 15 s are left of the one, 20 s are the other's; both differ by 5 s, as two runs say little.
    assert found.expected is not None
    assert (found.expected.what, found.expected.before, found.expected.learnt) == ("start", 1, 2)
    farm.submit("c4", planned("new"))
    late = farm.submit("c5", planned("later"))
    (told,) = [line for line in said(farm, late, "later:build") if "expected" in line]
    assert told.endswith(
        "counted from earlier runs of 2 of the 4 jobs that run or go before it; "
        "the other 2 count like others of the platform, or with the time limit."
    )


def test_without_any_run_a_start_is_a_guess_and_says_so(farm: TestFarm) -> None:
    agent = Agent(farm, "m1", slots=1)
    farm.submit("c1", planned("zlib"))
    farm.tick()
    agent.start()
    build = farm.submit("c2", planned("png"))
    assert said(farm, build, "png:build")[2] == (
        "It is expected to start in 30 min, none of those that run or go before it has been run here: "
        "it is a guess from their platform or time limits."
    )


def test_a_running_job_says_when_it_should_end(farm: TestFarm) -> None:
    agent = Agent(farm, "m1")
    learned(farm, agent, 20_000, "zlib")
    build = farm.submit("c1", anew("zlib"), planned("png", needs=["zlib"]))
    top = farm.submit("c2", anew("zlib"), planned("png", needs=["zlib"]), planned("app", needs=["png"]))
    farm.tick()
    agent.start()
    farm.tick(4000)
    assert said(farm, build, "zlib:build")[2] == (
        "It is expected to end in 16 s, nine times of ten within 22 s, from 1 earlier run."
    )
    assert said(farm, top, "app:build") == [
        "app:build is blocked: needs png:build, which is blocked.",
        "The chain: app:build waits for png:build, which waits for zlib:build, which waits for zlib:build, "
        "which is running.",
        "zlib:build is expected to end on m1 in 16 s, nine times of ten within 22 s.",
    ]
    found = explain(farm.hub, farm.job(top, "app:build").id)
    assert found.expected is not None
    assert found.expected.what == "end"


def test_the_chain_ends_where_somebody_holds_a_job(farm: TestFarm) -> None:
    build = farm.submit("c1", planned("zlib"), planned("png", needs=["zlib"]), planned("app", needs=["png"]))
    people.hold(farm.hub, farm.job(build, "zlib:build").id, "wait")
    assert said(farm, build, "app:build")[1] == (
        "The chain: app:build waits for png:build, which waits for zlib:build, which is held."
    )


def test_a_job_that_needs_many_names_some_of_them(farm: TestFarm) -> None:
    names = [f"m{number}" for number in range(8)]
    build = farm.submit("c1", *(planned(name) for name in names), planned("app", needs=names))
    assert said(farm, build, "app:build")[5] == "It needs 3 more."
    assert len(codes(farm, build, "app:build")) == 8


def test_what_rules_and_pools_refuse_is_named() -> None:
    qemu = Pool(name="qemu", provider="owned", platforms=("linux",), projects=("qemu",), slots=2)
    burst = Pool(name="burst", provider="ec2", platforms=("linux",), max=9)
    rules = msgspec.structs.replace(
        RULES, pools=(POOL, qemu, burst), projects={"qt": Project(name="qt", share=3)}
    )
    farm = TestFarm(rules)
    Agent(farm, "m1"), Agent(farm, "q1", pool="qemu")
    build = farm.submit("c1", planned("zlib"), project="qt", pools=("qemu", "burst"))
    lines = said(farm, build, "zlib:build")
    assert "m1: the rule for this change gives it the pools qemu, burst, not own." in lines
    assert "q1: its pool takes no jobs of project qt." in lines
    assert "pool burst: it has no machine and starts none yet." in lines
    assert not any("ever" in line for line in lines)
    never = farm.submit("c2", planned("png"), project="qt", pools=("qemu",))
    assert said(farm, never, "png:build")[-1] == (
        "No machine and no pool of this farm can ever take it: "
        "pool own: the rule for this change gives it the pool qemu, not own; "
        "pool qemu: its pool takes no jobs of project qt; "
        "pool burst: the rule for this change gives it the pool qemu, not burst."
    )


def test_projects_that_wait_together_hear_of_their_shares() -> None:
    rules = msgspec.structs.replace(RULES, projects={"qt": Project(name="qt", share=3)})
    farm = TestFarm(rules)
    agent = Agent(farm, "m1")
    first = farm.submit("c1", *(planned(f"m{n}") for n in range(3)), project="qt")
    farm.tick()
    agent.start()
    second = farm.submit("c2", planned("png"))
    (mine,) = [job for job, state in farm.states(first).items() if state == "queued"]
    assert (
        "Project qt holds 2 cores for 3 parts of the farm; of one class those go first that hold least for theirs."
    ) in said(farm, first, mine)
    assert (
        "Changes without a project hold 0 cores for 1 part of the farm; "
        "of one class those go first that hold least for theirs."
    ) in said(farm, second, "png:build")
    assert ("qt", "share") in codes(farm, first, mine)


def test_a_frozen_farm_says_that_nothing_starts(farm: TestFarm) -> None:
    build = farm.submit("c1", planned("zlib"))

    def freeze(tx: Tx) -> None:
        tx.replace(msgspec.structs.replace(tx.get(Farm, "farm"), frozen=True, frozen_reason="restored"))

    farm.store.write(freeze)
    assert "The farm is frozen, nothing starts: restored." in said(farm, build, "zlib:build")


def test_however_long_the_queue_is_only_its_beginning_is_looked_at(
    farm: TestFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlook, "LOOK", 3)
    agent = Agent(farm, "m1", slots=1)
    farm.submit("c0", planned("zlib"))
    farm.tick()
    agent.start()
    build = farm.submit("c1", *(planned(f"m{number}") for number in range(5)))
    assert said(farm, build, "m4:build")[1] == "At least 3 jobs go before it."
    assert said(farm, build, "m4:build")[2] == (
        "It is expected to start in more than 2 h: more jobs go before it than were looked at."
    )
    assert said(farm, build, "m1:build")[1] == "1 job goes before it."
    agent.run(next(iter(agent.holding.values())))
    people.hold(farm.hub, farm.job(build, "m0:build").id, "rest")
    other = farm.submit("c2", planned("other", trust="trusted"))
    monkeypatch.setattr(outlook, "LOOK", 0)
    assert said(farm, other, "other:build")[1:3] == [
        "At least 0 jobs go before it.",
        "It is expected to start later: more jobs go before it than were looked at.",
    ]


@pytest.mark.parametrize(
    ("span_ms", "told"),
    [
        (0, "0 s"),
        (40_400, "40 s"),
        (119_999, "120 s"),
        (12 * 60_000, "12 min"),
        (12_000_000, "3 h 20 min"),
        (7_200_000, "2 h"),
    ],
)
def test_times_are_told_as_people_do(span_ms: int, told: str) -> None:
    assert span(span_ms) == told
