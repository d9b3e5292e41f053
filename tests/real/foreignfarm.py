"""A hub in this process that serves a real Buildbot master, on SQLite, with its services in a thread; and how long it
waits for things.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
from real.foreignmachines import Master, until

from penstock.config.farm import read_farm
from penstock.hub import intake
from penstock.hub.beside import Threads
from penstock.hub.context import Hub
from penstock.hub.loop import Services
from penstock.model.farm import Event
from penstock.model.job import Attempt, Job
from penstock.model.ledger import Entry
from penstock.model.machine import Machine
from penstock.model.rules import Pool
from penstock.model.states import AttemptState, JobState, Power
from penstock.ports import Provider
from penstock.wiring import Quiet, assemble

FARM = """
[farm]
name = "served"
[waiting]
target = {{ percentile = 95, seconds = 1 }}
[platform.linux]
[[pool]]
name = "burst"
platforms = ["linux"]
price_per_hour = 36.0
stopped_price_per_hour = 0.36
boot_s = 2
resume_s = 1
agent = "buildbot-worker"
{more}
[pool.serves]
url = "{url}"
platforms = {{ "linux-*" = "linux" }}
names = "burst-%d"
secrets_file = "secrets"
master = "127.0.0.1:{pb}"
{login}
"""
SECRETS = {f"burst-{n}": f"secret-{n}" for n in (1, 2, 3)}
TAKEN = (AttemptState.LOST, AttemptState.PREEMPTED)
"""By what its system or its provider says first."""
MEANT = {0: (AttemptState.PASSED,), 2: (AttemptState.FAILED,), 5: TAKEN}
"""What Buildbot's results are here."""


class Farm:
    """`more`: what else farm.toml says of the pool; `provide`: makes its provider where the farm's own is not it."""

    def __init__(
        self,
        folder: Path,
        master: Master,
        more: str,
        provide: Callable[[Pool], Provider] | None = None,
        login: str = "",
    ) -> None:
        self.file, self.state = folder / "farm.toml", folder / "state"
        said = f'token_file = "{folder / "login"}"' if login else ""
        (folder / "login").write_text(login)
        self.file.write_text(FARM.format(url=master.url, pb=master.pb, more=more, login=said))
        (folder / "secrets").write_text("".join(f"{name} {secret}\n" for name, secret in SECRETS.items()))
        rules = read_farm(self.file)
        rules = msgspec.structs.replace(
            rules, state=f"sqlite:///{self.state}/penstock.db", blobs=f"file:{self.state}/blobs"
        )
        self.parts = assemble(rules, self.state, Quiet())
        self.hub: Hub = self.parts.hub
        if provide is not None:
            self.hub = replace(self.hub, providers={"burst": provide(rules.pools[0])})
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

    # What the books say

    def all(self, kind: Any) -> list[Any]:
        return self.hub.store.read(lambda tx: tx.find(kind, "key"))

    def machines(self) -> list[Machine]:
        return [one for one in self.all(Machine) if one.power != Power.GONE]

    def powers(self) -> dict[str, str]:
        return {one.name: str(one.power) for one in self.machines()}

    def jobs(self) -> dict[str, str]:
        return {one.spec.module: str(one.state) for one in self.all(Job)}

    def passed(self, builder: str) -> int:
        """How many jobs of a builder have passed."""
        jobs = [one for one in self.all(Job) if one.spec.module == builder]
        return sum(one.state == JobState.PASSED for one in jobs)

    def runs(self) -> tuple[Attempt, Machine] | None:
        """The attempt that runs, and its machine, if it is the only one."""
        live = [one for one in self.all(Attempt) if one.live]
        if len(live) != 1:
            return None
        return live[0], next(one for one in self.all(Machine) if one.id == live[0].machine)

    def tries(self, job: str) -> list[Attempt]:
        return sorted((one for one in self.all(Attempt) if one.job == job), key=lambda one: one.n)

    def story(self) -> str:
        """What happened to machines, for a test that fails."""
        told = [
            (one.machine, one.state, one.reason) for one in self.all(Event) if one.kind in ("power", "farm")
        ]
        return "\n".join(map(str, (self.powers(), self.jobs(), *told)))

    def until(self, true: Callable[[], object], limit_s: float = 300.0) -> None:
        until(lambda: self.problems or true(), limit_s, self.story)
        assert not self.problems, self.problems

    def penstock(self, *words: str) -> Any:
        """What the command line says of it; the farm is closed by then."""
        command = [sys.executable, "-m", "penstock", *words, "--farm", str(self.file)]
        command += ["--state", str(self.state), "--json"]
        return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def each_build_is_in_the_books(farm: Farm, master: Master) -> None:
    """Every build that Buildbot knows is an attempt here, which cost what its seconds cost there."""
    attempts = {one.id.rpartition("-")[2]: one for one in farm.all(Attempt)}
    builds = {str(one["buildid"]): one for one in master.builds()}
    assert attempts.keys() == builds.keys()
    for number, build in builds.items():
        attempt, meant = attempts[number], MEANT[build["results"]]
        assert attempt.state in meant
        entered = sum(one.amount_micros for one in farm.all(Entry) if one.attempt == attempt.id)
        assert entered == attempt.cost_micros
        if meant != TAKEN:
            # 10,000 a second; both moments of Buildbot's are whole seconds, cut off.
            seconds = build["complete_at"] - build["started_at"]
            assert attempt.cost_micros == seconds * 10_000
