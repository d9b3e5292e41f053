"""Hub and agent in network namespaces of their own, and the cable between them pulled: for long, and for a moment."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import not_run
from real.farmed import Farmed, farmed, modules
from real.killing import wait_for
from real.reaper import below
from real.test_hub_away import assert_counted, counting

from penstock.model.job import Attempt
from penstock.model.states import AttemptState, JobState

pytestmark = [pytest.mark.slow, pytest.mark.needs("git")]
HUB, AGENT = "10.77.0.1", "10.77.0.2"


class Cable:
    """Two network namespaces with a pair of interfaces between them; they go with their processes."""

    def __init__(self) -> None:
        if os.geteuid() != 0 or not all(map(shutil.which, ("ip", "unshare", "nsenter"))):
            not_run("network namespaces need root, iproute2 and util-linux")
        self._holders = [self._holder() for _ in range(2)]
        self.hub, self.agent = (["nsenter", "-t", str(one.pid), "-n", "--"] for one in self._holders)
        self._ip(self.hub, "link", "add", "hub0", "type", "veth", "peer", "name", "agent0")
        self._ip(self.hub, "link", "set", "agent0", "netns", str(self._holders[1].pid))
        for at, name, address in ((self.hub, "hub0", HUB), (self.agent, "agent0", AGENT)):
            self._ip(at, "address", "add", f"{address}/24", "dev", name)
            self._ip(at, "link", "set", name, "up")
            self._ip(at, "link", "set", "lo", "up")

    def _holder(self) -> subprocess.Popen[bytes]:
        """A process with a network of its own."""
        own = os.readlink("/proc/self/ns/net")
        held = subprocess.Popen(["unshare", "--net", "setpriv", "--pdeathsig", "KILL", "sleep", "infinity"])

        def apart() -> bool:
            if held.poll() is not None:
                not_run("no network namespace can be made here")
            return os.readlink(f"/proc/{held.pid}/ns/net") != own

        wait_for(apart, "a network namespace")
        return held

    def _ip(self, where: list[str], *words: str) -> None:
        subprocess.run([*where, "ip", *words], check=True)

    def cut(self) -> None:
        self._ip(self.agent, "link", "set", "agent0", "down")

    def heal(self) -> None:
        self._ip(self.agent, "link", "set", "agent0", "up")

    def close(self) -> None:
        for one in self._holders:
            one.kill()
            one.wait()


@pytest.fixture
def cable() -> Iterator[Cable]:
    with contextlib.closing(Cable()) as one:
        yield one


@contextlib.contextmanager
def begun(folder: Path, cable: Cable, right_s: float) -> Iterator[Farmed]:
    """A farm whose hub and first agent have only the cable between them."""
    with farmed(folder, lease=(1.0, right_s, 3.0)) as farm:
        farm.beside = cable.hub
        farm.start_hub("hub", "--listen", f"{HUB}:0", "--insecure", "--host", HUB, before=cable.hub)
        farm.wait_served()
        start_far(farm, cable)
        wait_for(farm.machines, "the agent to register")
        yield farm


def start_far(farm: Farmed, cable: Cable, name: str = "far") -> None:
    options = ("--hub", farm.wait_served(), "--insecure", "--slots", "2", "--no-sandbox")
    before = cable.agent if name == "far" else cable.hub
    farm.start_agent(name, *options, before=before)


def of(farm: Farmed, module: str) -> list[Attempt]:
    jobs = {job.id for job in farm.jobs() if job.spec.module == module}
    return sorted((a for a in farm.attempts() if a.job in jobs), key=lambda a: a.n)


def shells(farm: Farmed, name: str) -> list[str]:
    """What the jobs on an agent run."""
    return [
        words
        for words in below(farm.agents[name].pid).values()
        if words.startswith("sh ") or "while" in words
    ]


def test_cut_for_longer_than_the_right_a_job_runs_elsewhere_and_the_late_agent_changes_nothing(
    tmp_path: Path, cable: Cable
) -> None:
    """Of two jobs one ends on the far side of the cut, with nobody to tell; the other runs on until it is healed."""
    with begun(tmp_path / "farm", cable, 4.0) as farm:
        names = {0: "ends", 1: "goes-on"}
        (commit,) = farm.repository([modules(2, lambda n: counting(farm, names[n]))])
        assert farm.submit(commit)
        wait_for(lambda: len(farm.running()) == 2, "both jobs to run")
        first = {attempt.id for attempt in farm.running()}
        start_far(farm, cable, "near")
        wait_for(lambda: len(farm.machines()) == 2, "the other agent to register")
        near = next(machine.id for machine in farm.machines() if machine.name == "near")

        cable.cut()
        (farm.open / "ends").touch()
        wait_for(lambda: len(shells(farm, "far")) == 1, "a job to end where nobody hears of it")
        (farm.open / "ends").unlink()
        wait_for(
            lambda: {a.machine for a in farm.running()} == {near} and len(farm.running()) == 2, "both to run"
        )
        lost = [a for a in farm.attempts() if a.id in first]
        assert {(a.state, a.cause) for a in lost} == {(AttemptState.LOST, "right ended: not renewed in time")}

        assert shells(farm, "far")
        cable.heal()
        wait_for(lambda: not shells(farm, "far"), "the fenced job to be stopped")
        assert [a for a in farm.attempts() if a.id in first] == lost
        assert {a.machine for a in farm.running()} == {near}

        for name in names.values():
            (farm.open / name).touch()
        jobs = farm.wait_all_ended()
        assert {job.state for job in jobs} == {JobState.PASSED}
        assert {a.machine for a in farm.accepted().values()} == {near}
        for attempt in farm.accepted().values():
            assert_counted(farm, attempt)

        farm.agents["near"].kill()
        (commit,) = farm.repository([modules(1, lambda n: ["echo again"], "later")])
        assert farm.submit(commit)
        wait_for(
            lambda: of(farm, "later0") and of(farm, "later0")[-1].state == AttemptState.PASSED, "new work"
        )
        assert of(farm, "later0")[-1].machine != near
        assert farm.fsck() == []
        assert farm.faults_said() == []


def test_cut_for_less_than_the_right_nothing_is_restarted_and_the_log_is_whole(
    tmp_path: Path, cable: Cable
) -> None:
    with begun(tmp_path / "farm", cable, 60.0) as farm:
        (commit,) = farm.repository([modules(1, lambda n: counting(farm, "go"))])
        assert farm.submit(commit)
        wait_for(farm.running, "the job to run")
        wait_for(lambda: of(farm, "m0")[0].log_bytes, "the first lines")
        cable.cut()
        wait_for(lambda: farm.machines()[0].health == "suspect", "the hub to miss the agent")
        cable.heal()
        wait_for(lambda: farm.machines()[0].health != "suspect", "the agent to be heard of again")
        (farm.open / "go").touch()
        (job,) = farm.wait_all_ended()
        assert job.state == JobState.PASSED
        (attempt,) = farm.attempts()
        assert_counted(farm, attempt)
        assert farm.fsck() == []
        assert farm.faults_said() == []
