"""The example that newcomers copy does what every provider must, and its machines are agents that work."""

import importlib.util
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
from conformance.provider_suite import ProviderSuite, listed, order
from conformance.test_providers import POOL

from penstock.model.rented import Order
from penstock.ports import NoAnswer, NoCapacity, Throttled

FILE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "provider.py"
spec = importlib.util.spec_from_file_location("example_provider", FILE)
assert spec
assert spec.loader
example = importlib.util.module_from_spec(spec)
sys.modules["example_provider"] = example
spec.loader.exec_module(example)
PATIENCE_S = 30


@dataclass
class ExampleDriver:
    """Its agents are programs that sleep; what starts them fails when it is told to."""

    folder: Path
    most: int = 6
    chances: dict[str, float] = field(default_factory=dict)
    provider: Any = field(init=False)

    def __post_init__(self) -> None:
        self._chance = random.Random(1)
        self.provider = example.Processes(POOL, lambda: 0, self.folder, self.launch)
        self._create, self.provider.create = self.provider.create, self.create

    def create(self, order: Order) -> str:
        lost = self.happens("no_answer")
        if lost and self._chance.random() < 0.5:
            raise NoAnswer("not done")
        made: str = self._create(order)
        if lost:
            raise NoAnswer("done")
        return made

    def launch(self, words: list[str], log: Path) -> int:
        if self.happens("throttled"):
            raise Throttled("too many")
        if self.happens("no_capacity"):
            raise NoCapacity("none left")
        work = Path(words[words.index("--work-dir") + 1])
        made = "" if self.happens("boot_failed") else f"mkdir -p {work}; touch {work}/credential.json; "
        return os.posix_spawn("/bin/sh", ["sh", "-c", f"{made}exec sleep 600"], os.environ, setsid=True)

    def wait(self) -> None:
        """Until nothing that runs is on its way any more."""
        until = time.monotonic() + PATIENCE_S
        while self._on_its_way():
            assert time.monotonic() < until, self.provider.list()
            time.sleep(0.005)

    def fault(self, name: str, chance: float) -> None:
        self.chances[name] = chance
        if name == "part_missing":
            for file in self.folder.glob("*/order.json*"):
                file.rename(file.with_name("order.json.away" if chance == 1.0 else "order.json"))

    def _on_its_way(self) -> bool:
        states = {one.id: one.state for one in self.provider.list().instances}
        if any(state in ("stopping", "going") for state in states.values()):
            return True
        return any(state == "coming" and not self._sleeps(name) for name, state in states.items())

    def _sleeps(self, name: str) -> bool:
        """Whether a machine that has not come up never will."""
        pid = self.provider._process(self.folder / name)
        try:
            return not pid or Path(f"/proc/{pid}/cmdline").read_text().startswith("sleep")
        except OSError:
            return False

    def happens(self, name: str) -> bool:
        return self._chance.random() < self.chances.get(name, 0.0)


class TestExample(ProviderSuite):
    @pytest.fixture
    def driver(self, tmp_path: Path) -> Iterator[ExampleDriver]:
        made = ExampleDriver(tmp_path / "machines")
        yield made
        for file in tmp_path.glob("machines/*/process"):
            pid, born = file.read_text().split()
            if example._born(int(pid)) == born:
                os.kill(int(pid), signal.SIGKILL)
                os.waitpid(int(pid), 0)

    def test_another_process_knows_them(self, driver: ExampleDriver) -> None:
        made = self.up(driver)
        again = example.Processes(POOL, lambda: 0, driver.folder, driver.launch)
        assert again.create(order(driver, "t1")) == made
        assert [(one.id, one.state) for one in again.list().instances] == [(made, "up")]

    def test_one_whose_agent_died_is_coming_and_never_up(self, driver: ExampleDriver) -> None:
        made = self.up(driver)
        os.kill(driver.provider._process(driver.folder / made), signal.SIGKILL)
        until = time.monotonic() + PATIENCE_S
        while listed(driver)[made].state != "coming":
            assert time.monotonic() < until


def test_its_machines_are_agents(hub, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    pool = msgspec.structs.replace(POOL, power_off_after_ms=0)
    provider = example.Processes(pool, lambda: 0, tmp_path / "machines")
    made = provider.create(
        Order(offer="burst", token="t1", tags={}, secret="first", name="burst-1", hub=hub.url)
    )
    home = tmp_path / "machines" / made
    try:
        hub.wait(lambda: hub.registrations, str(home))
        assert hub.registrations[0]["name"] == "burst-1"
        hub.offer("a", "echo hello")
        assert hub.ended("a")["result"] == "passed"
        assert provider.list().instances[0].state == "up"
        assert (home / "token").stat().st_mode & 0o077 == 0
    finally:
        provider.delete(made)
    until = time.monotonic() + PATIENCE_S
    while provider.list().instances[0].state != "gone":
        assert time.monotonic() < until
        time.sleep(0.01)
