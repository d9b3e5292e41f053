"""A rented machine that no hub speaks to powers itself off, whatever has become of its agent."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from penstock.agent.deadman import Watch, power_off_command

MINUTE_S = 60.0
DEADLINE_S = 60.0


def wait_for(file: Path) -> None:
    until = time.monotonic() + DEADLINE_S
    while not file.exists():
        assert time.monotonic() < until, f"{file} never came"
        time.sleep(0.02)


def guards(folder: Path) -> list[int]:
    """Processes that have the guard's lock open."""
    lock, found = str(folder / "dead-man.lock"), []
    for process in Path("/proc").iterdir():
        try:
            names = [os.readlink(one) for one in (process / "fd").iterdir()]
        except OSError:
            continue
        if lock in names:
            found.append(int(process.name))
    return found


def until(wanted: int, folder: Path) -> list[int]:
    end = time.monotonic() + DEADLINE_S
    while len(found := guards(folder)) != wanted:
        assert time.monotonic() < end, found
        time.sleep(0.02)
    return found


@pytest.fixture
def off(tmp_path: Path) -> Path:
    """A program that says that it was asked to power the machine off."""
    program = tmp_path / "off"
    program.write_text(f"#!/bin/sh\necho off >> {tmp_path}/powered-off\n")
    program.chmod(0o755)
    return program


class TestWatch:
    def test_time_is_up_when_nothing_was_counted_for_the_limit(self) -> None:
        watch = Watch(100.0)
        assert watch.look("3600 7 1", 100.0)[0] is False
        assert watch.look("3600 7 1", 3699.0)[0] is False
        assert watch.look("3600 7 1", 3700.0)[0] is True

    def test_each_count_begins_anew(self) -> None:
        watch = Watch(0.0)
        watch.look("3600 7 1", 0.0)
        assert watch.look("3600 7 2", 3599.0)[0] is False
        assert watch.look("3600 7 2", 7198.0)[0] is False
        assert watch.look("3600 7 2", 7199.0)[0] is True

    def test_an_agent_that_was_started_again_counts_though_its_number_is_the_same(self) -> None:
        watch = Watch(0.0)
        watch.look("60 7 1", 0.0)
        assert watch.look("60 8 1", 59.0)[0] is False
        assert watch.look("60 8 1", 118.0)[0] is False

    def test_it_looks_often_enough_and_not_more(self) -> None:
        watch = Watch(0.0)
        assert watch.look("3600 7 1", 0.0)[1] == 30.0
        assert watch.look("3600 7 1", 3599.5)[1] == 0.5
        assert watch.look("20 7 1", 3600.0)[1] == 1.0

    @pytest.mark.parametrize("text", ["", "soon 7 1", "\0"])
    def test_a_text_that_says_no_time_powers_nothing_off(self, text: str) -> None:
        watch = Watch(0.0)
        assert watch.look(text, 0.0)[0] is False
        assert watch.look(text, 1e9)[0] is False


def test_a_machine_whose_agent_was_killed_powers_off(hub, agent, off: Path, tmp_path: Path) -> None:
    agent.start("--power-off-after", str(2 / MINUTE_S), "--power-off-command", str(off))
    assert len(until(1, agent.work)) == 1
    agent.end(signal.SIGKILL)
    wait_for(tmp_path / "powered-off")
    (guard,) = guards(agent.work)
    os.kill(guard, signal.SIGKILL)
    assert "no hub has answered for too long" in agent.said()


def test_a_hub_that_answers_keeps_it_on_and_one_guard_is_enough(
    hub, agent, off: Path, tmp_path: Path
) -> None:
    options = ("--power-off-after", "60", "--power-off-command", str(off))
    agent.start(*options)
    first = until(1, agent.work)
    before = (agent.work / "dead-man").read_text()
    agent.end(signal.SIGKILL)
    agent.start(*options)
    assert (agent.work / "dead-man").read_text() != before
    assert guards(agent.work) == first
    os.kill(first[0], signal.SIGKILL)
    assert not (tmp_path / "powered-off").exists()


def test_an_agent_without_the_option_calls_the_guard_off(hub, agent, off: Path) -> None:
    agent.start("--power-off-after", "0.3", "--power-off-command", str(off))
    until(1, agent.work)
    agent.end(signal.SIGKILL)
    agent.start()
    assert until(0, agent.work) == []
    assert not (agent.work / "dead-man").exists()


def test_a_second_agent_in_the_folder_changes_nothing(hub, agent, off: Path) -> None:
    agent.start("--power-off-after", "60", "--power-off-command", str(off))
    (guard,) = until(1, agent.work)
    other = subprocess.run(agent.arguments(), capture_output=True, timeout=60, check=False)
    assert other.returncode == 2
    assert (agent.work / "dead-man").exists()
    assert guards(agent.work) == [guard]
    os.kill(guard, signal.SIGKILL)


@pytest.mark.parametrize("minutes", ["-1", "inf", "nan"])
def test_a_time_that_is_none_is_refused(hub, agent, minutes: str) -> None:
    assert agent.run("--power-off-after", minutes).process.wait(60) == 2
    assert "--power-off-after must be 0 or more minutes" in agent.said()


def test_a_program_that_is_named_is_what_powers_off() -> None:
    assert power_off_command("/opt/off") == ["/opt/off"]
