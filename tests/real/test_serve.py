"""`penstock serve` on SQLite: what it prints, how it is stopped, told of new rules, and what it refuses."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from real.hubs import HubProcess, ending
from real.killing import LIMIT_S, wait_for

FARM = """
[farm]
name = "{name}"
[platform.p]
image = "host"
[[pool]]
name = "own"
provider = "{provider}"
platforms = ["p"]
"""


def farm(folder: Path, name: str = "one", provider: str = "owned") -> None:
    (folder / "farm.toml").write_text(FARM.format(name=name, provider=provider))


def penstock(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "penstock", *words, "--farm", "farm.toml", "--state", "state"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LIMIT_S, check=False)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubProcess]:
    farm(tmp_path)
    one = HubProcess(tmp_path, "hub", "--state", "state")
    with ending(one):
        yield one


def test_it_leads_answers_commands_and_leaves_nothing_when_it_is_stopped(
    tmp_path: Path, hub: HubProcess
) -> None:
    wait_for(lambda: hub.leads, "it to lead")
    left = tmp_path / "state" / "hub.json"
    assert left.stat().st_mode & 0o777 == 0o600
    assert json.loads(left.read_text())["address"] == hub.address
    made = penstock(tmp_path, "tokens", "create", "--pool", "own", "--json")
    assert set(json.loads(made.stdout)) == {"token"}
    wrong = penstock(tmp_path, "tokens", "create", "--pool", "other")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "no pool is called 'other'" in wrong.stderr
    user = ("--user", "ada")
    assert penstock(tmp_path, "tokens", "create", *user, "--role", "viewer", "--for", "30d").returncode == 0
    assert "ada\t\tviewer" in penstock(tmp_path, "tokens", "list").stdout
    assert penstock(tmp_path, "tokens", "revoke", *user).stdout == "1 revoked\n"
    assert penstock(tmp_path, "tokens", "revoke", *user).returncode == 1
    # The folder is locked: a second hub on it is refused in one line.
    again = penstock(tmp_path, "serve", "--listen", "127.0.0.1:0")
    assert again.returncode == 2
    assert f"in use by process {hub.process.pid}" in again.stderr
    assert hub.end(signal.SIGTERM) == 0
    assert not left.exists()
    assert hub.log.read_text() == "penstock: stopping\n"


def test_new_rules_are_taken_whole_or_not_at_all(tmp_path: Path, hub: HubProcess) -> None:
    wait_for(lambda: hub.leads, "it to lead")
    (tmp_path / "farm.toml").write_text(FARM.format(name="one", provider="owned") + "\n[unknown]\n")
    hub.send(signal.SIGHUP)
    wait_for(lambda: "the old rules stay" in hub.log.read_text(), "it to say so")
    assert "farm.toml:11" in hub.log.read_text()
    farm(tmp_path, name="two")
    hub.send(signal.SIGHUP)
    wait_for(lambda: "a new name needs a restart" in hub.log.read_text(), "it to say so")
    more = (
        FARM.format(name="one", provider="owned")
        + '[[pool]]\nname = "b"\nprovider = "owned"\nplatforms = ["p"]\n'
    )
    (tmp_path / "farm.toml").write_text(more)
    assert penstock(tmp_path, "tokens", "create", "--pool", "b").returncode == 2
    hub.send(signal.SIGHUP)
    wait_for(lambda: "new rules" in hub.log.read_text(), "it to say so")
    assert penstock(tmp_path, "tokens", "create", "--pool", "b").returncode == 0


@pytest.mark.needs("bwrap")
def test_agents_of_local_pools_run_as_long_as_it_does(tmp_path: Path) -> None:
    farm(tmp_path, provider="local")
    hub = HubProcess(tmp_path, "hub", "--state", "state")
    with ending(hub):
        assert hub.address

        def accepting() -> list[str]:
            machines = json.loads(penstock(tmp_path, "machines", "--json").stdout)["machines"]
            return [one["name"] for one in machines if one["session"] in ("idle", "busy")]

        wait_for(lambda: accepting() == ["own-1"], "its agent to be idle")
        log = tmp_path / "state" / "agents" / "own-1" / "agent.log"
        hub.end(signal.SIGKILL)
        # Killed with it, and its machine is the old one again.
        hub = HubProcess(tmp_path, "again", "--state", "state")
        with ending(hub):
            assert hub.address
            wait_for(lambda: log.read_text().count("registered as") == 2, "a new agent")
            wait_for(lambda: accepting() == ["own-1"], "its agent to be idle")
            assert hub.end(signal.SIGTERM) == 0
    assert "Traceback" not in hub.log.read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--listen", "0.0.0.0:0"], "give --tls-cert and --tls-key, or say --insecure"),
        (["--listen", "8010"], "write ADDRESS:PORT"),
        (["--listen", "127.0.0.1:99999"], "write ADDRESS:PORT"),
        (["--listen", "192.0.2.1:0", "--insecure"], "give another address or port"),
        (["--tls-cert", "farm.toml"], "give both"),
        (["--tls-cert", "farm.toml", "--tls-key", "farm.toml"], "no certificate with its key in PEM"),
        (["--tls-cert", "none.pem", "--tls-key", "farm.toml"], "none.pem: cannot be read"),
        (["--public-url", "farm.example.org"], "write https://HOST"),
        (["--no-migrate", "--listen", "127.0.0.1:0"], "run `penstock migrate` first"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_line(tmp_path: Path, words: list[str], said: str) -> None:
    farm(tmp_path)
    ended = penstock(tmp_path, "serve", *words)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert said in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert not (tmp_path / "state" / "hub.json").exists()


def test_migrate_says_what_it_did(tmp_path: Path) -> None:
    farm(tmp_path)
    first = json.loads(penstock(tmp_path, "migrate", "--json").stdout)
    assert (first["before"], first["changed"]) == ("empty", True)
    assert penstock(tmp_path, "migrate").stdout.startswith("nothing to do")


def test_systemd_is_told(tmp_path: Path) -> None:
    import socket

    farm(tmp_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, pytest.MonkeyPatch.context() as patched:
        notify.bind(str(tmp_path / "notify"))
        notify.settimeout(LIMIT_S)
        patched.setitem(os.environ, "NOTIFY_SOCKET", str(tmp_path / "notify"))
        hub = HubProcess(tmp_path, "hub", "--state", "state")
        with ending(hub):
            assert notify.recv(100) == b"READY=1"
            assert notify.recv(100) == b"WATCHDOG=1"
            hub.send(signal.SIGTERM)
            while notify.recv(100) != b"STOPPING=1":
                continue
