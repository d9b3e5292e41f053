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
    """Machines, each an agent's process for as long as the file of its controller says that it has power."""

    def __init__(self, farm: Farmed, powers: dict[str, Path]) -> None:
        self.farm, self.powers = farm, powers
        self.on: dict[str, Any] = {}
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
            self.on[name] = self.farm.start_agent(
                name, "--hub", self.farm.front.address, "--slots", "1", "--no-sandbox"
            )
        elif not self.has_power(name) and name in self.on:
            self.on.pop(name).end()


@pytest.fixture
def sims(tmp_path: Path) -> Iterator[dict[str, tuple[int, Path]]]:
    """By machine: its controller's port, and the file with its power."""
    with ExitStack() as all_:
        found = {}
        for name in NAMES:
            (tmp_path / f"bmc-{name}").mkdir()
            found[name] = all_.enter_context(bmcs.ipmi_sim(tmp_path / f"bmc-{name}"))
        yield found


@pytest.fixture
def mill(tmp_path: Path, sims: dict[str, tuple[int, Path]]) -> Iterator[tuple[Farmed, Mill]]:
    farm = Farmed(tmp_path / "farm")
    rules = farm.folder / "farm.toml"
    secret = bmcs.password_file(tmp_path)
    controls = "".join(CONTROL.format(name, port, secret) for name, (port, _) in sims.items())
    rules.write_text(rules.read_text() + MORE.format(controls))
    machines = Mill(farm, {name: power for name, (_, power) in sims.items()})
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


def test_machines_that_idle_are_switched_off_and_a_job_wakes_one(mill: tuple[Farmed, Mill]) -> None:
    farm, machines = mill
    for name in NAMES:
        machines.press(name)
    wait_for(lambda: powers(farm) == dict.fromkeys(NAMES, "up"), "both to be up")
    wait_for(lambda: not any(map(machines.has_power, NAMES)), "both to be switched off")
    wait_for(lambda: powers(farm) == dict.fromkeys(NAMES, "suspended"), "both to be off in the books")
    (woken,) = farm.repository([MANIFEST.format("one")])
    farm.submit(woken)
    (job,) = farm.wait_all_ended()
    (attempt,) = farm.attempts()
    assert (job.state, attempt.state) == (JobState.PASSED, AttemptState.PASSED)
    first = next(one for one in farm.machines() if one.id == attempt.machine)
    wait_for(lambda: not machines.has_power(first.name), "it to be switched off after its job")
    wait_for(lambda: powers(farm)[first.name] == "suspended", "that to be in the books")
    assert farm.fsck() == []
