"""Three hub processes on one PostgreSQL: who leads, what becomes of running jobs when it dies, hangs or is stopped."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from real.hubs import FARM, AgentProcess, Front, HubProcess, ending, leader_of, seconds_until
from real.killing import gated, wait_for

from penstock.cli.place import find_place
from penstock.config.asking import ask
from penstock.hub import planner
from penstock.hub.fsck import fsck
from penstock.model.change import Build, Change
from penstock.model.farm import Farm
from penstock.model.job import Attempt, Job
from penstock.model.states import BuildState
from penstock.wiring import Parts, Quiet, assemble, open_git

pytestmark = [pytest.mark.slow, pytest.mark.needs("bwrap", "git")]
MODULES = ("a", "b", "c")
MANIFEST = "version: 1\nmodules:\n" + "".join(
    f"  {name}: {{platforms: [p], build: {gated('gate', 'mkdir -p $DESTDIR$PREFIX', f'echo {name} > $DESTDIR$PREFIX/{name}')}}}\n"
    for name in MODULES
)


class Several:
    """A farm on PostgreSQL with three hubs, an address before them, and three agents."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        (folder / "farm.toml").write_text(FARM.format(url=url))
        self.hubs = [HubProcess(folder, f"hub{n}") for n in range(3)]
        self.front = Front(lambda: [hub.address for hub in self.hubs if hub.process.poll() is None])
        self.agents: list[AgentProcess] = []
        place = find_place(folder / "farm.toml", None)
        self.parts: Parts = assemble(place.rules, place.folder, Quiet())

    def start_agents(self) -> None:
        for name in MODULES:
            words = [
                sys.executable,
                "-m",
                "penstock",
                "tokens",
                "create",
                "--pool",
                "own",
                "--farm",
                "farm.toml",
            ]
            token = subprocess.run(words, cwd=self.folder, capture_output=True, text=True, check=True).stdout
            self.agents.append(AgentProcess(self.folder, f"agent-{name}", self.front.address, token.strip()))

    def submit(self) -> Build:
        source = self.folder / "source"
        source.mkdir()
        (source / ".penstock.yml").write_text(MANIFEST)
        git = ["git", "-c", "user.name=A", "-c", "user.email=a@example.org", "-C", str(source)]
        for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "x"]):
            subprocess.run([*git, *words], check=True)
        asked = ask(source, False, self.parts.hub.rules, open_git(self.folder / "mine"))
        change = Change(id="c1", source=asked.source.repository, ref=asked.source.commit, trust=asked.trust)
        return planner.submit(self.parts.hub, change, asked.plan)

    @property
    def farm(self) -> Farm:
        found = self.parts.hub.store.read(lambda tx: tx.get(Farm, "farm"))
        assert found is not None
        return found

    def attempts(self, build: Build) -> list[Attempt]:
        def read(tx):  # type: ignore[no-untyped-def]
            jobs = tx.find(Job, "build", build.id)
            return [one for job in jobs for one in tx.find(Attempt, "job", job.id)]

        return self.parts.hub.store.read(read)

    def passed(self, build: Build) -> bool:
        found = self.parts.hub.store.read(lambda tx: tx.get(Build, build.id))
        assert found is not None
        return found.state == BuildState.PASSED

    def close(self) -> None:
        self.front.close()
        self.parts.close()


@pytest.fixture
def several(tmp_path: Path, postgres_url: str) -> Iterator[Several]:
    one = Several(tmp_path, postgres_url)
    with ending(one.agents, one.hubs):
        yield one
    one.close()


def test_a_leader_killed_while_jobs_run_is_followed_and_no_job_begins_again(several: Several) -> None:
    first = leader_of(several.hubs)
    several.start_agents()
    build = several.submit()
    wait_for(lambda: all(agent.gate() for agent in several.agents), "all jobs to stand at their gates")
    held = {attempt.id for attempt in several.attempts(build)}
    epoch, time_ms = several.farm.leader_epoch, several.farm.time_ms
    first.end(signal.SIGKILL)
    took_s = seconds_until(lambda: any(hub.leads for hub in several.hubs if hub is not first))
    assert took_s < 15
    second = leader_of(several.hubs, first)
    assert several.farm.leader_epoch == epoch + 1
    # Farm time stood still until the second led.
    assert several.farm.time_ms - time_ms < 15_000
    for agent in several.agents:
        agent.let_through()
    wait_for(lambda: several.passed(build), "the build to pass")
    assert {attempt.id for attempt in several.attempts(build)} == held
    assert len(held) == len(MODULES)
    assert fsck(several.parts.hub, digest_again=True) == []

    # It is stopped: another leads at once, and agents go on.
    stopping = time.monotonic()
    assert second.end(signal.SIGTERM) == 0
    third = leader_of(several.hubs, second)
    assert time.monotonic() - stopping < 6
    assert third not in (first, second)


def test_a_leader_that_hangs_for_longer_than_its_lease_changes_nothing_when_it_goes_on(
    several: Several,
) -> None:
    first = leader_of(several.hubs)
    first.send(signal.SIGSTOP)
    try:
        others = [hub for hub in several.hubs if hub is not first]
        assert seconds_until(lambda: any(hub.leads for hub in others)) < 15
        second = leader_of(others)
        epoch = several.farm.leader_epoch
    finally:
        first.send(signal.SIGCONT)
    wait_for(lambda: first.ready().get("leads") is False, "the first to see it")
    assert second.leads
    assert several.farm.leader_epoch == epoch
    assert fsck(several.parts.hub, digest_again=False) == []

    # A graceful stop hands over at once.
    began_s = time.monotonic()
    second.send(signal.SIGTERM)
    rest = [hub for hub in several.hubs if hub is not second]
    wait_for(lambda: any(hub.leads for hub in rest), "another to lead")
    assert time.monotonic() - began_s < 2
