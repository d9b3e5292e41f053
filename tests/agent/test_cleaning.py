"""Machines that cannot be thrown away are cleaned after so many jobs, whatever happens on the way; and go off when they are told."""

import json
import signal
import time
from pathlib import Path

import pytest

from penstock.agent.cleaning import KEPT, Cleaning
from penstock.agent.deadman import power_off


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program that writes down that it ran and what it was told, and ends as the file `status` says."""
    made = tmp_path / "clean"
    made.write_text(
        f"#!/bin/sh\necho $PENSTOCK_CLEANING_SINCE $PENSTOCK_BOOT >> {tmp_path}/cleaned\n"
        f"ls $PENSTOCK_WORK_DIR > {tmp_path}/left\nexit $(cat {tmp_path}/status)\n"
    )
    made.chmod(0o755)
    (tmp_path / "status").write_text("0")
    return made


def work(folder: Path, **kept: object) -> Cleaning:
    """The cleaning of a machine that says this of itself."""
    (folder / "work").mkdir(exist_ok=True)
    (folder / "work" / "cleaning.json").write_text(json.dumps({"after": 1, "begun": 0, "since": ""} | kept))
    return Cleaning(folder / "work", str(folder / "clean"))


class TestCounting:
    def test_it_is_due_after_so_many_jobs_and_never_where_none_are_said(self, tmp_path: Path) -> None:
        cleaning = Cleaning(tmp_path)
        cleaning.begun()
        assert (cleaning.after, cleaning.due) == (0, False)
        cleaning.every(2)
        cleaning.begun()
        assert not cleaning.due
        cleaning.begun()
        assert cleaning.due
        assert Cleaning(tmp_path).due, "it outlives the agent"
        cleaning.every(0)
        assert not cleaning.due

    @pytest.mark.parametrize("text", ["", "{", "[]", '{"after": "x"}', '{"after": 1, "begun": 1}'])
    def test_a_damaged_count_is_a_machine_that_is_not_clean(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "cleaning.json").write_text(text)
        assert Cleaning(tmp_path).due

    def test_what_jobs_left_goes_and_who_we_are_stays(self, tmp_path: Path, program: Path) -> None:
        cleaning = work(tmp_path, begun=1)
        for name in ("slots/0", "trees/0", "finishes", "attempts"):
            (tmp_path / "work" / name).mkdir(parents=True)
        for name in {*KEPT, "agent.pyz"} - {"finishes", "cleaning.json"}:
            (tmp_path / "work" / name).write_text("{}")
        cleaning.clean()
        assert (cleaning.failed, cleaning.due) == ("", False)
        assert set((tmp_path / "left").read_text().split()) == set(KEPT)
        first, boot = (tmp_path / "cleaned").read_text().split()
        assert first == boot
        cleaning.clean()
        assert len((tmp_path / "cleaned").read_text().splitlines()) == 1, "once"

    def test_a_program_that_rebooted_the_machine_is_told_so(self, tmp_path: Path, program: Path) -> None:
        work(tmp_path, begun=1, since="the boot before").clean()
        assert (tmp_path / "cleaned").read_text().startswith("the boot before ")
        assert json.loads((tmp_path / "work" / "cleaning.json").read_text())["since"] == ""

    def test_what_cannot_be_removed_is_said_and_tried_again_much_later(
        self, tmp_path: Path, program: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cleaning = work(tmp_path, begun=1)
        (tmp_path / "work" / "trees").mkdir()
        monkeypatch.setattr(
            "penstock.agent.cleaning.discard", lambda path: (_ for _ in ()).throw(OSError(1, "no"))
        )
        cleaning.clean()
        assert cleaning.failed == "trees cannot be removed: no"
        assert (cleaning.due, cleaning.ready) == (True, False)
        later = time.monotonic() + 601
        monkeypatch.setattr("penstock.agent.cleaning.time.monotonic", lambda: later)
        assert cleaning.ready

    def test_a_program_that_is_gone_is_said(self, tmp_path: Path) -> None:
        cleaning = work(tmp_path, begun=1)
        cleaning.clean()
        assert "clean: No such file" in cleaning.failed


class TestPowerOff:
    def test_what_comes_of_it_is_said(self, tmp_path: Path) -> None:
        said: list[str] = []
        assert power_off(["true"], said.append)
        assert not power_off(["false"], said.append)
        assert not power_off([str(tmp_path / "none")], said.append)
        assert said[2] == "not powered off: false ended with status 1"
        assert "No such file" in said[4]


@pytest.mark.needs("bwrap")
def test_a_machine_is_cleaned_after_each_job_and_goes_on(hub, agent, tmp_path: Path, program: Path) -> None:
    hub.orders_of_power = {"clean_after": 1}
    agent.start("--clean-command", str(program))
    for number, name in enumerate("abc", 1):
        hub.offer(name, "echo hello > left-behind")
        assert hub.ended(name)["result"] == "passed"
        hub.wait(lambda n=number: len(hub.registrations) > n)
        assert len((tmp_path / "cleaned").read_text().splitlines()) == number
    assert set((tmp_path / "left").read_text().split()) <= set(KEPT)
    busy = [poll for poll in hub.polls if poll["holds"] or poll["finish"]]
    assert all(poll["draining"] and poll["free_slots"] == [] for poll in busy)
    assert [one["key"] for one in hub.registrations] == [hub.registrations[0]["key"]] * len(hub.registrations)
    assert agent.process.poll() is None, "the same process"


@pytest.mark.needs("bwrap")
def test_an_agent_that_is_killed_in_a_job_cleans_before_it_takes_another(
    hub, agent, tmp_path: Path, program: Path
) -> None:
    hub.orders_of_power = {"clean_after": 1}
    agent.start("--clean-command", str(program))
    hub.offer("a", "echo begun; exec sleep 600")
    hub.wait(lambda: "a" in hub.acknowledged)
    agent.end(signal.SIGKILL)
    assert not (tmp_path / "cleaned").exists()
    agent.start("--clean-command", str(program))
    assert (tmp_path / "cleaned").exists()
    hub.offer("b", "true")
    assert hub.ended("b")["result"] == "passed"


@pytest.mark.needs("bwrap")
def test_a_machine_that_cannot_be_cleaned_takes_nothing_and_says_why(
    hub, agent, tmp_path: Path, program: Path
) -> None:
    hub.orders_of_power = {"clean_after": 1}
    (tmp_path / "status").write_text("3")
    agent.start("--clean-command", str(program))
    hub.offer("a", "true")
    hub.ended("a")
    said = f"{program} ended with status 3"
    hub.wait(lambda: any(poll["unclean"] == said for poll in hub.polls))
    last = hub.polls[-1]
    assert (last["draining"], last["free_slots"]) == (True, [])
    told = hub.registrations[-1]
    assert (told["draining"], told["unclean"]) == (True, said), "before anything can be offered"
    assert (hub.registrations[0]["draining"], hub.registrations[0]["unclean"]) == (False, "")
    (tmp_path / "status").write_text("0")
    assert agent.end() == 0
    before = len(hub.polls)
    agent.start("--clean-command", str(program))
    hub.wait(lambda: any(not poll["draining"] for poll in hub.polls[before:]))


def test_a_machine_that_is_told_to_goes_off_and_its_agent_ends(hub, agent, tmp_path: Path) -> None:
    off = tmp_path / "off"
    off.write_text(f"#!/bin/sh\necho off >> {tmp_path}/powered-off\n")
    off.chmod(0o755)
    hub.orders_of_power = {"power_off": True}
    agent.start("--no-sandbox", "--power-off-when-told", "--power-off-command", str(off))
    assert agent.process.wait(60) == 0
    assert (tmp_path / "powered-off").read_text() == "off\n"


def test_an_agent_that_may_not_says_so_and_stays(hub, agent) -> None:
    hub.orders_of_power = {"power_off": True}
    agent.start("--no-sandbox")
    hub.wait(lambda: hub.polls)
    assert "not powered off: this agent was started without --power-off-when-told" in agent.said()
    assert agent.process.poll() is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ["--clean-command", "/no/such/program"],
            "--clean-command /no/such/program: there is no such program",
        ),
        (["--power-off-when-told"], "--power-off-when-told"),
    ],
)
def test_what_cannot_work_is_said_at_once(hub, agent, monkeypatch, options: list[str], said: str) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    from penstock.agent.__main__ import _power_problem, parse

    told = _power_problem(parse(["--hub", hub.url, "--token-file", "t", *options]))
    assert told.startswith(said)
