"""What a virtual machine makes of what it is told, without being one."""

import base64
import hashlib
import io
import json
import os
import socket
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import pytest

from penstock.agent.__main__ import parse
from penstock.providers.guest import agent, buildbot, channel, hub, machine
from penstock.providers.guest.__main__ import Guest
from penstock.providers.guest.hub import Seen
from penstock.providers.guest.lease import Lease
from penstock.providers.guest.waiting import Delivery, Waiting
from penstock.providers.image import tree

IDENTITY = {"token": "t", "words": ["--token-file", "/run/penstock/token", "--hub", "http://127.0.0.1:8800"]}


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("https://hub.example.org", Seen("https://hub.example.org", "hub.example.org")),
        ("https://hub.example.org:8443/x", Seen("https://hub.example.org:8443/x", "hub.example.org")),
        ("http://127.0.0.1:8800", Seen("http://localhost:8800", "localhost")),
        ("http://[::1]:8800", Seen("http://localhost:8800", "localhost")),
        ("https://localhost", Seen("https://localhost", "localhost")),
        ("https://192.0.2.7:8443", Seen("https://192.0.2.7:8443")),
        ("http://10.0.2.2:8800", Seen("http://10.0.2.2:8800", plain=True)),
        ("https://10.0.2.2:8800", Seen("https://10.0.2.2:8800")),
    ],
)
def test_where_the_hub_is(url: str, seen: Seen) -> None:
    assert hub.seen(url) == seen


def test_a_name_leads_to_the_gateway_and_nowhere_else(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost\n::1 localhost ip6-localhost\n")
    agent.lead("hub.example.org", hosts)
    agent.lead("", hosts)
    assert hosts.read_text().splitlines()[:2] == ["10.0.2.2 hub.example.org", "127.0.0.1 localhost"]
    agent.lead("localhost", hosts)
    assert hosts.read_text() == "10.0.2.2 localhost\n10.0.2.2 hub.example.org\n"


@pytest.fixture
def led(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The names that were led to the gateway."""
    found: list[str] = []
    monkeypatch.setattr(agent, "lead", found.append)
    monkeypatch.setattr(agent, "WORK", tmp_path)
    return found


def test_the_agent_takes_the_words(led: list[str]) -> None:
    options = parse(agent.command(IDENTITY, "/run/penstock/ca.pem"))
    assert (options.hub, options.ca_file, options.insecure) == (
        ["http://localhost:8800"],
        "/run/penstock/ca.pem",
        False,
    )
    assert led == ["localhost"]
    assert options.cache_mb > 0


def test_plain_http_is_asked_for_where_it_stays_on_the_host(led: list[str]) -> None:
    words = [
        "--token-file",
        "t",
        "--hub",
        "http://10.0.2.2:1",
        "--hub",
        "http://10.0.2.2:2",
        "--cache-mb",
        "7",
    ]
    given = agent.command({"words": words}, "")
    assert given == [*words, "--insecure"]
    assert agent.command({"words": given}, "") == given


def test_where_a_network_gives_addresses_the_hub_is_called_as_everywhere(led: list[str]) -> None:
    given = agent.command({**IDENTITY, "network": "dhcp"}, "")
    assert (given[:4], led) == (IDENTITY["words"], [])


def test_what_the_agent_imports_is_loaded_before_anybody_waits_for_it() -> None:
    """In a machine loading takes longer than all the rest of a start."""
    script = f"""
import importlib, pkgutil, sys
sys.path.insert(0, {str(tree.GUEST.parents[2])!r})
from penstock.providers.guest.__main__ import _LOADED
for name in _LOADED.split(): importlib.import_module(name)
before = set(sys.modules)
import penstock.agent
for found in pkgutil.iter_modules(penstock.agent.__path__): importlib.import_module("penstock.agent." + found.name)
print(sorted(name for name in set(sys.modules) - before if name.split(".")[0] != "penstock"))
"""
    ended = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=False
    )
    assert (ended.stdout, ended.stderr) == ("[]\n", ""), (
        "to be named in _LOADED of providers/guest/__main__.py"
    )


def test_what_is_secret_is_ours_alone(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old")
    file.chmod(0o644)
    agent.write_private(file, b"new")
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"new", 0o600)


def test_a_machine_has_no_seed_or_name_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="64 hex digits"):
        machine.reseed("ab" * 31, tmp_path / "urandom")
    with pytest.raises(ValueError, match="32 hex digits"):
        machine.name("vm", "../../etc", tmp_path)
    with pytest.raises(ValueError, match="six bytes"):
        machine.set_address("52:54:00")
    assert list(tmp_path.iterdir()) == []


def test_lines_come_whole_however_they_are_cut(tmp_path: Path) -> None:
    path = tmp_path / "port"
    os.mkfifo(path)
    line = channel.Channel(path)
    there = os.open(path, os.O_WRONLY)
    os.write(there, b'{"kind": "res')
    assert line.orders() == []
    os.write(there, b'umed"}\n\nno json\n[1]\n{"kind"')
    assert line.orders() == [{"kind": "resumed"}, {}, {}]
    os.close(there)
    os.close(line.handle)


def test_the_port_is_found_by_its_name(tmp_path: Path) -> None:
    for number, name in enumerate(["org.qemu.guest_agent.0", "org.penstock.0"], 1):
        (tmp_path / f"vport1p{number}").mkdir()
        (tmp_path / f"vport1p{number}" / "name").write_text(f"{name}\n")
    assert channel.port(tmp_path, Path("/dev")) == Path("/dev/vport1p2")


def test_an_answer_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "port"
    os.mkfifo(path)
    line = channel.Channel(path)
    line.say({"kind": "ok", "name": "vm\n1"})
    said = os.read(line.handle, 4096)
    assert said.count(b"\n") == 1
    assert json.loads(said) == {"kind": "ok", "name": "vm\n1"}
    os.close(line.handle)


FOREIGN = {
    "agent": "buildbot-worker",
    "hub": "127.0.0.1:9989",
    "name": "burst-1",
    "token": "t",
    "machine": "m1",
}


@pytest.mark.parametrize(
    ("place", "called", "leads"),
    [
        ("ci.example.org:9989", "ci.example.org", ["ci.example.org"]),
        ("127.0.0.1:9989", "localhost", ["localhost"]),
        ("192.0.2.7:9989", "192.0.2.7", [""]),
    ],
)
def test_another_systems_agent_calls_its_master_as_the_relay_has_it(
    led: list[str], monkeypatch: pytest.MonkeyPatch, place: str, called: str, leads: list[str]
) -> None:
    monkeypatch.setattr(os, "chown", lambda *_: None)
    ready = agent._foreign({**FOREIGN, "hub": place})
    (login, folder) = ready.args  # type: ignore[attr-defined]
    assert login == (called, 9989, "burst-1", "t")
    assert led == leads
    assert (folder / "info/host").read_text() == "penstock m1\n"
    assert [path.name for path in folder.iterdir()] == ["info"], "what it logs in with lies in no file"


def test_what_an_agent_cannot_be_started_with_is_said(led: list[str]) -> None:
    with pytest.raises(ValueError, match="has no gitlab-runner"):
        agent._foreign({**FOREIGN, "agent": "gitlab-runner"})
    with pytest.raises(ValueError, match="HOST:PORT"):
        buildbot.login_of({**FOREIGN, "hub": "ci.example.org"})
    with pytest.raises(KeyError):
        buildbot.login_of({"hub": "a:1"})


def test_who_lost_the_master_tries_soon_and_never_waits_for_long() -> None:
    pauses = [buildbot.pause_s(tries) for tries in range(1, 1000)]
    assert pauses[0] <= 1
    assert pauses == sorted(pauses)
    assert pauses[-1] == buildbot.PAUSE_MOST_S


class _Line:
    """A channel that hears."""

    def __init__(self) -> None:
        self.said: list[dict[str, object]] = []

    def say(self, answer: dict[str, object]) -> None:
        self.said.append(answer)


def test_a_machine_that_nobody_renews_has_a_limit() -> None:
    now = [1000.0]
    guest = Guest(_Line())  # type: ignore[arg-type]
    guest.lease = Lease(lambda: now[0])
    now[0] += 1e6
    assert not guest.lease.over, "until it is told that it has one"
    guest.lease.limit(60)
    now[0] += 59
    assert not guest.lease.over
    guest.obey({"kind": "renewed", "time_ms": 0, "seed": ""})
    now[0] += 59
    assert not guest.lease.over
    now[0] += 1
    assert guest.lease.over


READY = """
import json, pathlib, sys
def main(words, folder, told):
    if "broken" in words:
        raise SystemExit(3)
    known = told()
    pathlib.Path(known[0]).write_text(json.dumps([words, folder, known, sys.path[0]]))
    return 7
"""
"""An agent that only says how it was run."""


def packed(source: str = READY) -> bytes:
    """The one file of an agent."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name in ("penstock/__init__.py", "penstock/agent/__init__.py"):
            file.writestr(name, "")
        file.writestr("penstock/agent/ready.py", source)
    return out.getvalue()


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def piece(at: int, data: bytes) -> dict[str, object]:
    return {"kind": "agent", "at": at, "data": base64.b64encode(data).decode()}


class TestWaiting:
    @pytest.fixture(autouse=True)
    def places(self, led: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(agent, "RUN", tmp_path)
        monkeypatch.setattr(machine, "practise", lambda: None)

    def guest(self, monkeypatch: pytest.MonkeyPatch) -> tuple[Guest, _Line]:
        for name in ("set_clock", "reseed", "set_address"):
            monkeypatch.setattr(machine, name, lambda _: None)
        monkeypatch.setattr(machine, "name", lambda *_: None)
        line = _Line()
        return Guest(line), line  # type: ignore[arg-type]

    def identity(self, digest: str, told: Path) -> dict[str, object]:
        words = [str(told), "--cache-mb", "5"]
        who = {"kind": "identity", "name": "vm", "machine_id": "", "mac": "", "time_ms": 0, "seed": ""}
        return {**who, "token": "t", "words": words, "prepared": digest}

    def test_an_agent_that_waits_is_told_its_words_and_is_the_agent(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        guest, line = self.guest(monkeypatch)
        data = packed()
        sent, digest = zlib.compress(data), digest_of(data)
        guest.obey(piece(0, sent[:10]))
        guest.obey(piece(10, sent[10:]))
        guest.obey({"kind": "prepare", "agent_sha256": digest, "words": ["--slots", "2"]})
        guest.obey(self.identity(digest, tmp_path / "told"))
        assert [said["kind"] for said in line.said] == ["ok"] * 4
        assert os.waitstatus_to_exitcode(os.waitpid(guest.agent, 0)[1]) == 7
        known, folder, told, path = json.loads((tmp_path / "told").read_text())
        assert (known[0], known[2:]) == ("--cache-mb", ["--slots", "2"])
        assert (folder, path) == (str(tmp_path / "rehearsal"), str(tmp_path / "agent.pyz"))
        assert told == [str(tmp_path / "told"), "--cache-mb", "5"]
        assert (tmp_path / "token").read_text() == "t"

    @pytest.mark.parametrize("other", [True, False])
    def test_one_that_is_another_or_is_gone_is_fetched(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, other: bool
    ) -> None:
        guest, line = self.guest(monkeypatch)
        began: list[object] = []
        monkeypatch.setattr("penstock.providers.guest.child.fork", lambda become, *_: began.append(become))
        waiting = Waiting.__new__(Waiting)
        waiting.digest = "sha256:1"
        waiting._line, theirs = socket.socketpair()
        theirs.close()
        guest._waiting = waiting
        guest.obey(self.identity("sha256:2" if other else "sha256:1", tmp_path / "told"))
        assert line.said == [{"kind": "ok", "name": "vm"}]
        assert len(began) == 1
        assert guest._waiting is None

    def test_what_cannot_wait_is_answered_with_why(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        guest, line = self.guest(monkeypatch)
        data = packed()
        guest.obey(piece(0, zlib.compress(data)))
        guest.obey({"kind": "prepare", "agent_sha256": digest_of(data), "words": ["broken"]})
        guest.obey({"kind": "prepare", "agent_sha256": digest_of(data), "words": []})
        guest.obey(piece(0, zlib.compress(data)))
        guest.obey({"kind": "prepare", "agent_sha256": "sha256:0", "words": []})
        guest.agent = 1
        guest.obey({"kind": "prepare", "agent_sha256": "sha256:0", "words": []})
        said = [str(one["reason"]) for one in line.said if one["kind"] == "error"]
        assert [why.split(":")[0] for why in said] == ["OSError", "ValueError", "ValueError", "ValueError"]
        for why, part in zip(said, ("ready", "what came is", "what came is", "is  already"), strict=True):
            assert part in why

    def test_pieces_come_in_order(self) -> None:
        delivery = Delivery()
        for wrong in (piece(3, b"x"), {"at": 0, "data": "?"}):
            with pytest.raises(ValueError, match=r"at: |base64"):
                delivery.take(wrong)
        delivery.take(piece(0, b"of one before"))
        delivery.take(piece(0, zlib.compress(b"file")))
        assert delivery.whole(digest_of(b"file")) == b"file"


def test_what_a_machine_is_told_wrongly_is_answered_with_why() -> None:
    line = _Line()
    Guest(line).obey({"kind": "sing"})  # type: ignore[arg-type]
    assert line.said == [
        {
            "kind": "error",
            "reason": "ValueError: kind: write identity, agent, prepare, resumed, renewed or bye",
        }
    ]
