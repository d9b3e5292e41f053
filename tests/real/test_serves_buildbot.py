"""A real Buildbot master of ten builders, whose queue is watched and whose agents run on machines that are rented for it.

Machines are processes of this host, each a real buildbot-worker (foreignmachines.py). Time is real; what takes long in a
cloud takes a second here.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from conftest import not_run
from real.foreignmachines import Machines, Master, until

from bench import buildbot
from penstock.config.farm import read_farm
from penstock.hub import intake
from penstock.hub.beside import Threads
from penstock.hub.fsck import fsck
from penstock.hub.loop import Services
from penstock.model.farm import Event
from penstock.model.job import Attempt, Job
from penstock.model.ledger import Entry
from penstock.model.machine import Machine
from penstock.model.states import AttemptState, Power
from penstock.wiring import Quiet, assemble

pytestmark = pytest.mark.real
FARM = """
[farm]
name = "served"
[waiting]
target = {{ percentile = 95, seconds = 1 }}
[platform.linux]
[[pool]]
name = "burst"
provider = "simulated"
platforms = ["linux"]
max = 3
price_per_hour = 36.0
stopped_price_per_hour = 0.36
boot_s = 2
resume_s = 1
agent = "buildbot-worker"
[pool.serves]
url = "{url}"
platforms = {{ "linux-*" = "linux" }}
names = "burst-%d"
secrets_file = "secrets"
master = "127.0.0.1:{pb}"
"""
BUILDERS = {f"linux-{n}": "sleep 1" for n in range(8)} | {
    "linux-long": "until test -e {folder}/go; do sleep 0.1; done",
    "linux-bad": "exit 3",
}
TAKEN = (AttemptState.LOST, AttemptState.PREEMPTED)
"""By what its system or its provider says first."""
SECRETS = {f"burst-{n}": f"secret-{n}" for n in (1, 2, 3)}


class Farm:
    """A hub in this process, on SQLite, whose services run in a thread."""

    def __init__(self, folder: Path, master: Master) -> None:
        self.file, self.state = folder / "farm.toml", folder / "state"
        self.file.write_text(FARM.format(url=master.url, pb=master.pb))
        (folder / "secrets").write_text("".join(f"{name} {secret}\n" for name, secret in SECRETS.items()))
        rules = read_farm(self.file)
        rules = msgspec.structs.replace(
            rules, state=f"sqlite:///{self.state}/penstock.db", blobs=f"file:{self.state}/blobs"
        )
        self.machines = Machines(rules.pools[0], folder / "machines")
        self.parts = assemble(rules, self.state, Quiet())
        self.hub = replace(self.parts.hub, providers={"burst": self.machines})
        self.problems: list[BaseException] = []
        self.begin()

    def begin(self) -> None:
        """A leader begins."""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """It ends."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        services = Services(
            self.hub, intake.open_farm(self.hub, "test"), beside=Threads(lambda: None), watch_ms=500
        )
        while not self._stopping.wait(0.1):
            try:
                services.run_once(self.hub.clock.monotonic_ms())
            except BaseException as problem:
                self.problems.append(problem)
                raise
        services.finish()

    def all(self, kind: Any) -> list[Any]:
        return self.hub.store.read(lambda tx: tx.find(kind, "key"))

    def powers(self) -> dict[str, str]:
        return {one.name: str(one.power) for one in self.all(Machine) if one.power != Power.GONE}

    def jobs(self) -> dict[str, str]:
        return {one.spec.module: str(one.state) for one in self.all(Job)}

    def story(self) -> str:
        """What happened to machines, for a test that fails."""
        told = [
            (one.machine, one.state, one.reason) for one in self.all(Event) if one.kind in ("power", "farm")
        ]
        return "\n".join(map(str, (self.powers(), self.jobs(), self.machines.log, *told)))

    def until(self, true: Callable[[], object], limit_s: float = 60.0) -> None:
        until(lambda: self.problems or true(), limit_s, self.story)
        assert not self.problems, self.problems


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Farm, Master]]:
    """A master whose builders wait for machines, and a farm that has some."""
    if problem := buildbot.installed():
        not_run(f"Buildbot cannot be installed: {problem}")
    (tmp_path / "machines").mkdir()
    builders = {name: command.format(folder=tmp_path) for name, command in BUILDERS.items()}
    master = Master(tmp_path, builders, SECRETS)
    farm = Farm(tmp_path, master)
    yield farm, master
    farm.stop()
    farm.machines.end()
    master.kill()
    farm.parts.close()


def test_a_backlog_is_built_on_rented_machines_which_stop_after_it(
    served: tuple[Farm, Master], tmp_path: Path
) -> None:
    farm, master = served
    for name in BUILDERS:
        master.force(name)
    # Burst: all that there are names for, and no more.
    farm.until(lambda: len(farm.powers()) == 3)
    farm.until(lambda: farm.jobs().get("linux-long") == "running")
    others = {name for name in BUILDERS if name != "linux-long"}
    farm.until(lambda: all(farm.jobs().get(name) in ("PASSED", "FAILED") for name in others))
    assert farm.jobs()["linux-bad"] == "FAILED"

    # A machine dies in the middle of a build: Buildbot tries again, on another one, and the books say so.
    (ran,) = [one for one in farm.all(Attempt) if one.live]
    (name,) = [one.name for one in farm.all(Machine) if one.id == ran.machine]
    farm.machines.kill(name)
    farm.until(lambda: [one for one in farm.all(Attempt) if one.job == ran.job and one.n == 2 and one.live])
    assert next(one for one in farm.all(Attempt) if one.id == ran.id).state in TAKEN

    # The master dies in the middle of that, and so does the leader: the books catch up with both.
    master.kill()
    farm.stop()
    farm.begin()
    master.start()
    farm.until(lambda: [one for one in farm.all(Attempt) if one.job == ran.job and one.n >= 3 and one.live])
    (tmp_path / "go").touch()
    farm.until(lambda: farm.jobs()["linux-long"] == "PASSED")

    # Idle: everything is suspended, after Buildbot has let go of it.
    farm.until(lambda: set(farm.powers().values()) == {"suspended"})
    shown = {one["name"]: one for one in master.get("workers")["workers"]}
    # One that has not come back to its new master by then need not be paused.
    assert any(shown[name]["paused"] for name in farm.powers())

    # It wakes for what comes next.
    master.force("linux-1")
    farm.until(
        lambda: len([one for one in farm.all(Job) if one.spec.module == "linux-1" and not one.open]) == 2
    )
    assert any(what == "resume" for what, _ in farm.machines.log)
    assert fsck(farm.hub) == []
    farm.stop()
    _taken_back(farm, master)
    _is_told(farm, master)


def _taken_back(farm: Farm, master: Master) -> None:
    """A request that is cancelled, and one that never was."""
    (queue,) = farm.hub.queues.values()
    farm.machines.end()
    until(lambda: not any(agent.connected for agent in queue.watch("").agents))
    master.force("linux-2")
    until(lambda: queue.watch("").waiting)
    (waits,) = queue.watch("").waiting
    assert waits.builder == "linux-2"
    assert waits.title.endswith("a push for linux-2")
    assert queue.fate(waits.id).state == "open"
    call = {"method": "cancel", "jsonrpc": "2.0", "id": 1, "params": {"reason": "tests"}}
    master.get(f"buildrequests/{waits.id}", json.dumps(call).encode())
    until(lambda: queue.fate(waits.id).state == "ended")
    assert (queue.fate(waits.id).result, queue.fate("4711").state) == ("cancelled", "gone")


def _is_told(farm: Farm, master: Master) -> None:
    """Every build that Buildbot knows is an attempt here, with what it cost, and people see them."""
    attempts = farm.all(Attempt)
    assert len(attempts) == len(master.builds())
    for build in master.builds():
        (attempt,) = [one for one in attempts if one.id.endswith(f"-run-{build['buildid']}")]
        meant = {0: (AttemptState.PASSED,), 2: (AttemptState.FAILED,), 5: TAKEN}[build["results"]]
        assert attempt.state in meant
        entered = sum(one.amount_micros for one in farm.all(Entry) if one.attempt == attempt.id)
        assert entered == attempt.cost_micros
        # One that was taken away between two looks lasted no time as far as anybody saw, and costs nothing.
        if meant != TAKEN:  # both moments of Buildbot's are whole seconds: one that fails at once took none
            seconds = build["complete_at"] - build["started_at"]
            assert attempt.cost_micros > 0 or not seconds
            assert attempt.cost_micros == pytest.approx(seconds * 10_000, abs=20_000)
    farm.parts.close()
    listed = _penstock(farm, "jobs")["jobs"]
    assert {job["module"]: job["state"] for job in listed}["linux-bad"] == "FAILED"
    (long,) = [job for job in listed if job["module"] == "linux-long"]
    told = _penstock(farm, "explain", long["id"])
    assert told["job"]["state"] == "PASSED" if "job" in told else "PASSED" in json.dumps(told)


def _penstock(farm: Farm, *words: str) -> Any:
    command = [sys.executable, "-m", "penstock", *words, "--farm", str(farm.file), "--state", str(farm.state)]
    ended = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True)
    return json.loads(ended.stdout)
