"""A hub, agents and management controllers: machines that are switched on when jobs wait, and off when they idle.

Each controller is OpenIPMI's simulator of one; what it switches is an agent's process. Time is real, and all of it is waited for.
"""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from real import bmcs
from real.farmed import Farmed
from real.killing import wait_for

from penstock.hub import provisioner
from penstock.model.states import AttemptState, JobState

pytestmark = [pytest.mark.real, pytest.mark.needs("ipmi_sim", "ipmitool")]
NAMES = ("m1", "m2")
MORE = """
machines = 2
slots = 1
price_per_hour = 100
stopped_price_per_hour = 0
resume_s = 1
{}
[waiting]
price_per_hour = 100
"""
CONTROL = """
[[pool.control]]
machine = "{}"
address = "ipmi://127.0.0.1:{}?cipher=3"
user = "farm"
password_file = "{}"
"""
MANIFEST = """
version: 1
modules:
  one: {{platforms: [p], build: ["echo {}"]}}
"""


class Mill:
    """Machines, each an agent's process for as long as the file of its controller says that it has power. While they are
    `held`, what has power does not get as far as its agent."""

    def __init__(self, farm: Farmed, powers: dict[str, Path]) -> None:
        self.farm, self.powers = farm, powers
        self.on: dict[str, Any] = {}
        self.held = False
        self.fault: BaseException | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def has_power(self, name: str) -> bool:
        return self.powers[name].read_text().strip() == "1"

    def press(self, name: str) -> None:
        """As somebody does who stands before it."""
        self.powers[name].write_text("1\n")

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        assert self.fault is None

    def _run(self) -> None:
        while not self._over.wait(0.05):
            for name in NAMES:
                try:
                    self._switch(name)
                except BaseException as fault:
                    self.fault = fault
                    return

    def _switch(self, name: str) -> None:
        if self.has_power(name) and name not in self.on:
            if self.held:
                return
            self.on[name] = self.farm.start_agent(
                name, "--hub", self.farm.front.address, "--slots", "1", "--no-sandbox"
            )
        elif not self.has_power(name) and name in self.on:
            self.on.pop(name).end()


class Controllers:
    """Of each machine OpenIPMI's simulator of its controller, which may go and come back where it was."""

    def __init__(self, folder: Path) -> None:
        self.folders = {name: folder / f"bmc-{name}" for name in NAMES}
        self.ports = dict.fromkeys(NAMES, 0)
        self.powers: dict[str, Path] = {}
        self._there = ExitStack()
        for one in self.folders.values():
            one.mkdir()
        self.come()

    def come(self) -> None:
        for name, folder in self.folders.items():
            sim = bmcs.ipmi_sim(folder, self.ports[name])
            self.ports[name], self.powers[name] = self._there.enter_context(sim)

    def go(self) -> None:
        self._there.close()

    def asked(self, name: str) -> list[str]:
        """What one was told."""
        return (self.folders[name] / "asked").read_text().splitlines()


@pytest.fixture
def sims(tmp_path: Path) -> Iterator[Controllers]:
    found = Controllers(tmp_path)
    yield found
    found.go()


@pytest.fixture
def mill(tmp_path: Path, sims: Controllers) -> Iterator[tuple[Farmed, Mill]]:
    farm = Farmed(tmp_path / "farm")
    rules = farm.folder / "farm.toml"
    secret = bmcs.password_file(tmp_path)
    controls = "".join(CONTROL.format(name, port, secret) for name, port in sims.ports.items())
    rules.write_text(rules.read_text() + MORE.format(controls))
    machines = Mill(farm, sims.powers)
    try:
        farm.start_hub()
        farm.wait_served()
        yield farm, machines
    finally:
        machines.close()
        farm.close()


def lines(farm: Farmed) -> dict[str, dict[str, Any]]:
    """What `penstock machines` says, by name."""
    found = wait_for(lambda: farm.call("GET", "/api/v1/machines"), "the machines")
    return {one["name"]: one for one in found["machines"]}


def powers(farm: Farmed) -> dict[str, str]:
    return {name: one["power"] for name, one in lines(farm).items()}


def reasons(farm: Farmed) -> str:
    """What `penstock explain` says of the one job that is open."""
    (job,) = farm.open_jobs()
    said = wait_for(lambda: farm.call("GET", f"/api/v1/explain/{job.id}"), "an explanation")
    return " ".join(said["sentences"])


def test_jobs_wake_machines_that_idled_though_the_hub_dies_meanwhile_or_controllers_do_not_answer(
    mill: tuple[Farmed, Mill], sims: Controllers
) -> None:
    farm, machines = mill
    for name in NAMES:
        machines.press(name)
    wait_for(lambda: powers(farm) == dict.fromkeys(NAMES, "up"), "both to be up")
    wait_for(lambda: not any(map(machines.has_power, NAMES)), "both to be switched off")
    wait_for(lambda: powers(farm) == dict.fromkeys(NAMES, "suspended"), "both to be off in the books")

    machines.held = True
    first, second = farm.repository([MANIFEST.format("one"), MANIFEST.format("two")])
    farm.submit(first)
    wait_for(lambda: any(map(machines.has_power, NAMES)), "one to be switched on")
    farm.hubs["hub"].kill()
    (woken,) = filter(machines.has_power, NAMES)
    assert {one.name: one.power for one in farm.machines()}[woken] == "resuming"
    farm.start_hub()
    farm.wait_served()
    began_ms = farm.farm().time_ms
    wait_for(lambda: farm.farm().time_ms > began_ms + provisioner.QUIET_MS, "the new hub to give commands")
    machines.held = False
    (job,) = farm.wait_all_ended()
    (attempt,) = farm.attempts()
    names = {one.id: one.name for one in farm.machines()}
    assert (job.state, attempt.state, names[attempt.machine]) == (JobState.PASSED, AttemptState.PASSED, woken)
    wait_for(lambda: not machines.has_power(woken), "it to be switched off after its job")
    assert sims.asked(woken) == ["set shutdown 1", "set power 1", "set shutdown 1"]

    sims.go()
    farm.submit(second)
    wait_for(lambda: "no answer to ipmitool" in reasons(farm), "somebody to be told why the job waits")
    sims.come()
    assert {one.state for one in farm.wait_all_ended()} == {JobState.PASSED}
    wait_for(lambda: not any(map(machines.has_power, NAMES)), "all to be switched off")
    assert farm.fsck() == []
    assert farm.faults_said() == []
