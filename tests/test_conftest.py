"""Tests are cut off from the network, and what is not run says so."""

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from pytest_socket import SocketBlockedError, SocketConnectBlockedError

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def rules(request: pytest.FixtureRequest) -> ModuleType:
    """The module conftest.py as pytest has loaded it."""
    plugins = request.config.pluginmanager.get_plugins()
    found = [p for p in plugins if getattr(p, "__file__", None) == str(ROOT / "tests" / "conftest.py")]
    assert isinstance(found[0], ModuleType)
    return found[0]


def test_there_is_no_network() -> None:
    with pytest.raises(SocketBlockedError):
        socket.create_connection(("127.0.0.1", 9))


def test_an_event_loop_can_be_made() -> None:
    assert asyncio.run(asyncio.sleep(0, "made")) == "made"


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_loopback_is_not_the_network() -> None:
    with pytest.raises(SocketConnectBlockedError):
        socket.create_connection(("192.0.2.1", 9))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", 9))


def test_what_is_missing_is_not_run(rules: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "IN_CI", False)
    with pytest.raises(pytest.skip.Exception, match="no-such-program is not installed"):
        rules.require("no-such-program")


def test_what_is_missing_fails_in_ci(rules: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "IN_CI", True)
    with pytest.raises(pytest.fail.Exception, match="no-such-program is not installed"):
        rules.require("no-such-program")


def test_installed_is_not_enough(rules: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(rules.PROBES, "false", ["false"])
    assert rules.missing("false").startswith("false does not work here")


INNER = """
import pytest
def test_data(shared_data): ...
@pytest.mark.needs("no-such-program")
def test_program(): ...
"""


def inner_run(folder: Path, ci: str) -> str:
    """What pytest prints for INNER with our conftest, without data."""
    (folder / "tests").mkdir()
    (folder / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    # What conftest.py imports lies beside it.
    for path in set((ROOT / "tests").glob("*.py")) - set((ROOT / "tests").glob("test_*.py")):
        (folder / "tests" / path.name).write_bytes(path.read_bytes())
    (folder / "tests" / "test_inner.py").write_text(INNER, encoding="utf-8")
    environment = os.environ | {"CI": ci, "PENSTOCK_DATA": str(folder / "nothing")}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests"]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    ).stdout


def test_the_summary_names_what_was_not_run(tmp_path: Path) -> None:
    printed = inner_run(tmp_path, ci="")
    assert "tests/test_inner.py::test_program: no-such-program is not installed" in printed
    assert f"tests/test_inner.py::test_data: no recorded data in {tmp_path / 'nothing'}" in printed
    assert "2 skipped" in printed


def test_nothing_is_left_out_in_ci(tmp_path: Path) -> None:
    printed = inner_run(tmp_path, ci="true")
    assert "2 errors" in printed
    assert printed.count("must not be left out in CI") >= 2
