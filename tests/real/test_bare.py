"""The agent's one file on bare machines: Debian 11, 12 and 13 with their own Python, and nothing else of ours."""

import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from real import bare
from real.served import ServedFarm

from penstock.model.job import Attempt, Job
from penstock.model.machine import Machine
from tests.conftest import not_run
from tests.farms import planned

pytestmark = [pytest.mark.slow, pytest.mark.needs("mmdebstrap")]
PYTHONS = {"bullseye": "3.9", "bookworm": "3.11", "trixie": "3.13"}
PATIENCE_S = 30


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[ServedFarm]:
    made = ServedFarm(tmp_path)
    yield made
    made.stop()


@pytest.fixture(params=list(PYTHONS))
def release(request: pytest.FixtureRequest) -> Path:
    if os.geteuid():
        not_run("only root can enter a tree")
    try:
        return bare.tree(request.param)
    except OSError as error:
        not_run(str(error))
        raise


def wait(condition: Callable[[], object], what: Callable[[], str]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until, what()
        time.sleep(0.05)


@pytest.mark.parametrize("way", ["plain", "bubblewrap"])
def test_one_file_on_a_bare_machine(farm: ServedFarm, release: Path, tmp_path: Path, way: str) -> None:
    given = tmp_path / "given"
    given.mkdir()
    with urllib.request.urlopen(f"{farm.url}/agent.pyz", timeout=30) as answer:
        (given / "agent.pyz").write_bytes(answer.read())
    (given / "token").write_text(farm.token())
    words = ["python3", "-I", "-S", "/mnt/agent.pyz", "--hub", farm.url, "--token-file", "/mnt/token"]
    words += ["--work-dir", "/mnt/work", "--name", "bare", *(["--no-sandbox"] if way == "plain" else [])]
    said = tmp_path / "said"
    commands = ("python3 --version", "mkdir -p $DESTDIR$PREFIX; echo made > $DESTDIR$PREFIX/it")
    with said.open("wb") as log, subprocess.Popen(bare.entered(release, given, *words), stderr=log) as agent:
        try:
            wait(lambda: farm.all(Machine), said.read_text)
            (machine,) = farm.all(Machine)
            assert machine.sandbox == way
            # What the machine is, it says itself: the job must ask for just that.
            build = farm.submit("c", planned("m", commands=commands, identity=machine.identity))
            wait(
                lambda: farm.verdict(build) != "open",
                lambda: f"{said.read_text()}{farm.all(Job)}{farm.all(Machine)}",
            )
            assert farm.verdict(build) == "PASSED"
            (attempt,) = farm.all(Attempt)
            shown = farm.logs.read(attempt.id, 0, 1 << 20).decode()
            assert f"Python {PYTHONS[release.name.split('-')[0]]}." in shown
            assert attempt.usage.wall_ms > 0
            agent.send_signal(signal.SIGTERM)
            assert agent.wait(PATIENCE_S) == 0, said.read_text()
        finally:
            agent.kill()
