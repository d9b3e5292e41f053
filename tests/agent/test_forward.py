"""A job's proxy: what it takes, what it refuses, and what the job sees when the hub breaks off."""

import contextlib
import json
import os
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from penstock.agent import forward, through
from penstock.agent.forward import Forward
from penstock.agent.proxyhead import Wrong, asked
from penstock.agent.trouble import Trouble
from penstock.wire.client import Address
from penstock.wire.frames import CUT, DATA, END, Frames, frame

LIMIT_S = 30
OFFER = {"attempt": "a1", "fence": "f1", "forward": True}
BIG = os.urandom(1 << 16) * 64
Serve = Callable[[socket.socket, str], None]


@pytest.mark.parametrize(
    ("head", "to", "first"),
    [
        (b"CONNECT a.example:443 HTTP/1.1\r\nHost: other:1\r\n\r\n", "a.example:443", b""),
        (b"CONNECT [fd00::1]:443 HTTP/1.0\r\n\r\n", "[fd00::1]:443", b""),
        (
            b"GET http://a.example/p?q HTTP/1.1\r\nHost: b.example\r\nProxy-Authorization: x\r\nAccept: */*\r\n"
            b"Connection: x-own, keep-alive\r\nX-Own: 1\r\nProxy-Connection: y\r\nContent-Length: 0\r\n\r\n",
            "a.example:80",
            b"GET /p?q HTTP/1.1\r\nHost: a.example\r\naccept: */*\r\ncontent-length: 0\r\nConnection: close\r\n\r\n",
        ),
        (
            b"HEAD HTTP://a.example:8080?q HTTP/1.1\r\n\r\n",
            "a.example:8080",
            b"HEAD /?q HTTP/1.1\r\nHost: a.example:8080\r\nConnection: close\r\n\r\n",
        ),
    ],
)
def test_what_is_taken_is_said_anew(head: bytes, to: str, first: bytes) -> None:
    found = asked(head)
    assert (found.to, found.tunnel, found.first) == (to, not first, first)


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET / HTTP/1.1", 400),
        (b"GET https://a.example/ HTTP/1.1", 400),
        (b"GET ftp://a.example/ HTTP/1.1", 400),
        (b"GET http://user:word@a.example/ HTTP/1.1", 400),
        (b"GET http://a.example/ x HTTP/1.1", 400),
        (b"GET http:///x HTTP/1.1", 400),
        (b"GET http://a.example/ HTTP/2", 400),
        (b"GET http://a.example/\n HTTP/1.1", 400),
        (b"POST http://a.example/ HTTP/1.1", 405),
        (b"CONNECT a.example:443", 400),
        (b"CONNECT a example:443 HTTP/1.1", 400),
        (b"CONNECT " + b"a" * 301 + b":443 HTTP/1.1", 400),
        (b"\x16\x03\x01", 400),
        (b"", 400),
    ],
)
def test_lines_that_are_refused(line: bytes, status: int) -> None:
    with pytest.raises(Wrong) as wrong:
        asked(line + b"\r\n\r\n")
    assert wrong.value.status == status


@pytest.mark.parametrize(
    "header",
    [
        b"Transfer-Encoding: chunked",
        b"Content-Length: 5",
        b"Content-Length: 0\r\nContent-Length: 7",
        b"X : y",
        b" folded",
        b"X",
        b"X: a\rY: b",
        b"X: a\nGET http://b.example/ HTTP/1.1",
        b"X: \0",
        b"\xff: y",
    ],
)
def test_headers_that_could_be_read_in_two_ways(header: bytes) -> None:
    with pytest.raises(Wrong):
        asked(b"GET http://a.example/ HTTP/1.1\r\n" + header + b"\r\n\r\n")


class Hub:
    """The hub's side: answers the request of a tunnel by `serve(connection, to)`."""

    def __init__(self, serve: Serve, tls: ssl.SSLContext | None = None) -> None:
        self._serve, self._tls = serve, tls
        self._listen = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listen.getsockname()[1]
        self.heads: list[str] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listen.accept()
                threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, plain: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection = self._tls.wrap_socket(plain, server_side=True) if self._tls else plain
            with connection:
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    head += connection.recv(1)
                self.heads.append(head.decode())
                self._serve(connection, head.decode().split("to=")[1].split(" ")[0])

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listen.shutdown(socket.SHUT_RDWR)
        self._listen.close()


def switched(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: penstock-forward\r\n\r\n")


def refusing(status: int, reason: str) -> Serve:
    def serve(connection: socket.socket, _: str) -> None:
        body = json.dumps({"reason": reason}).encode()
        connection.sendall(b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body))

    return serve


def echo(connection: socket.socket, _: str) -> None:
    """As a host that says back what comes, and ends when the job does."""
    switched(connection)
    frames = Frames()
    while piece := connection.recv(1 << 16):
        for kind, data in frames.feed(piece):
            connection.sendall(frame(kind, data))
            if kind != DATA:
                return


class Job:
    """A job beside its proxy."""

    def __init__(self, hub: Hub, ca_file: str | None = None) -> None:
        self.said: list[str] = []
        self.trouble = Trouble()
        url = f"{'https' if ca_file else 'http'}://localhost:{hub.port}"
        session: Any = SimpleNamespace(address=Address(url, ca_file=ca_file), token="secret-token")
        self.offer: dict[str, Any] = dict(OFFER)
        self.forward = Forward(self.offer, session, self.said.append, self.trouble)
        self.forward.begin("", plain=True)
        self.port = int(self.offer["proxy"].rsplit(":", 1)[1])

    def connected(self, first: bytes) -> socket.socket:
        made = socket.create_connection(("127.0.0.1", self.port), timeout=LIMIT_S)
        made.sendall(first)
        return made

    def tunnel(self, to: str = "a.example:443") -> socket.socket:
        made = self.connected(f"CONNECT {to} HTTP/1.1\r\n\r\n".encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += made.recv(1)
        assert head.startswith(b"HTTP/1.1 200 ")
        return made

    def answer(self, first: bytes) -> bytes:
        with self.connected(first) as connection:
            return whole(connection)


def whole(connection: socket.socket) -> bytes:
    found = b""
    while piece := connection.recv(1 << 16):
        found += piece
    return found


@contextlib.contextmanager
def beside(
    serve: Serve, tls: ssl.SSLContext | None = None, ca_file: str | None = None
) -> Iterator[tuple[Job, Hub]]:
    hub = Hub(serve, tls)
    job = Job(hub, ca_file)
    try:
        yield job, hub
    finally:
        job.forward.end()
        hub.close()


def certificate(folder: Path) -> tuple[ssl.SSLContext, str]:
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    words += ["-keyout", "k.pem", "-out", "c.pem", "-days", "2", "-subj", "/CN=hub"]
    subprocess.run(
        [*words, "-addext", "subjectAltName=DNS:localhost"], cwd=folder, check=True, capture_output=True
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "c.pem", folder / "k.pem")
    return context, str(folder / "c.pem")


@pytest.mark.parametrize("secure", [False, True])
def test_megabytes_go_both_ways_at_once(tmp_path: Path, secure: bool) -> None:
    tls, ca_file = certificate(tmp_path) if secure else (None, None)
    with beside(echo, tls, ca_file) as (job, hub):
        with job.tunnel() as connection:
            sender = threading.Thread(target=lambda: (connection.sendall(BIG), connection.shutdown(1)))
            sender.start()
            assert whole(connection) == BIG
            sender.join()
        assert "Authorization: Bearer secret-token\r\n" in hub.heads[0]
        assert "X-Penstock-Fence: f1\r\n" in hub.heads[0]
        assert "GET /api/v1/agent/attempts/a1/forward?to=a.example%3A443 HTTP/1.1" in hub.heads[0]
    assert job.said == [f"through the hub: a.example:443: 1 connections, {len(BIG)} bytes out, {len(BIG)} in"]
    assert not job.forward.fault


def test_what_comes_behind_a_get_is_not_sent() -> None:
    got: list[bytes] = []

    def serve(connection: socket.socket, _: str) -> None:
        switched(connection)
        frames = Frames()
        while not got:
            got.extend(data for _, data in frames.feed(connection.recv(1 << 16)))
        connection.sendall(frame(DATA, b"HTTP/1.1 200 OK\r\n\r\nbody") + frame(END))
        got.extend(data for _, data in frames.feed(connection.recv(1 << 16)))

    second = b"GET http://b.example/ HTTP/1.1\r\n\r\n"
    with beside(serve) as (job, _):
        said = job.answer(b"GET http://a.example/ HTTP/1.1\r\n\r\n" + second)
    assert said.endswith(b"body")
    assert got == [b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n"]


@pytest.mark.parametrize(
    ("status", "answered"), [(403, b"403 Forbidden"), (424, b"502 Bad Gateway"), (409, b"403 Forbidden")]
)
def test_a_refusal_is_told_to_the_job_its_log_and_to_people(status: int, answered: bytes) -> None:
    reason = "evil.example:443 is not among what the pool reaches"
    with beside(refusing(status, reason)) as (job, _):
        for _ in range(2):
            said = job.answer(b"CONNECT evil.example:443 HTTP/1.1\r\n\r\n")
            assert said.startswith(b"HTTP/1.1 " + answered)
            assert said.endswith(f"penstock: {reason}\n".encode())
        assert job.said == [f"through the hub: {reason}"], "once"
        assert job.trouble.told() == [{"host": "evil.example", "what": reason[:64], "count": 2}]
        assert not job.forward.fault


@pytest.mark.parametrize("first", [b"POST http://a.example/ HTTP/1.1\r\n\r\n", b"X" * 40_000, b"X\n\r\n\r\n"])
def test_what_is_no_request_asks_the_hub_nothing(first: bytes) -> None:
    with beside(echo) as (job, hub):
        with contextlib.suppress(ConnectionResetError):
            assert job.answer(first).startswith(b"HTTP/1.1 40")
        assert hub.heads == []


def test_a_hub_that_breaks_off_breaks_the_jobs_connection_and_is_to_blame() -> None:
    def serve(connection: socket.socket, _: str) -> None:
        switched(connection)
        connection.sendall(frame(DATA, b"half"))

    with beside(serve) as (job, _):
        with job.tunnel() as connection, pytest.raises(ConnectionResetError):
            whole(connection)
        assert "a.example:443: the hub broke off" in job.forward.fault
        assert "the hub broke off" in job.said[0]


def test_what_the_hub_cuts_is_the_jobs_matter_and_no_whole_answer() -> None:
    def serve(connection: socket.socket, _: str) -> None:
        switched(connection)
        connection.sendall(frame(DATA, b"half") + frame(CUT, b"nothing went through for 300 s"))

    with beside(serve) as (job, _):
        with job.tunnel() as connection, pytest.raises(ConnectionResetError):
            whole(connection)
        assert job.said == ["through the hub: a.example:443: nothing went through for 300 s"]
        assert not job.forward.fault


def test_a_hub_that_is_away_for_a_moment_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [refusing(503, "the farm's database cannot do it now"), echo]
    monkeypatch.setattr(through, "_AGAIN_S", 0.01)
    with beside(lambda connection, to: answers.pop(0)(connection, to)) as (job, hub):
        with job.tunnel() as connection:
            connection.sendall(b"x")
            assert connection.recv(1) == b"x"
        assert len(hub.heads) == 2


def test_a_hub_that_stays_away_is_to_blame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(through, "PATIENCE_S", 0.1)
    monkeypatch.setattr(through, "_AGAIN_S", 0.01)
    with beside(refusing(502, "no hub behind this")) as (job, _):
        said = job.answer(b"CONNECT a.example:443 HTTP/1.1\r\n\r\n")
        assert said.startswith(b"HTTP/1.1 502 Bad Gateway")
        assert job.forward.fault == (
            "the hub could not be asked for a.example:443: the hub answered 502: no hub behind this"
        )


def test_the_end_of_the_attempt_waits_for_nobody() -> None:
    asked_for = threading.Event()

    def silent(connection: socket.socket, to: str) -> None:
        if to.startswith("open"):
            switched(connection)
        asked_for.set()
        connection.recv(1)

    with beside(silent) as (job, _):
        waiting = job.connected(b"CONNECT slow.example:443 HTTP/1.1\r\n\r\n")
        assert asked_for.wait(LIMIT_S)
        opened, idle = job.tunnel("open.example:443"), job.connected(b"")
        job.forward.end()
        job.forward = Forward({}, None, job.said.append, job.trouble)  # type: ignore[arg-type]
        for connection in (waiting, opened, idle):
            with connection, contextlib.suppress(ConnectionResetError):
                connection.recv(100)
        assert job.said == ["through the hub: open.example:443: 1 connections, 0 bytes out, 0 in"]


def test_more_connections_wait_for_a_free_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forward, "_MOST", 1)
    with beside(echo) as (job, _):
        first = job.tunnel()
        second = job.connected(b"CONNECT b.example:443 HTTP/1.1\r\n\r\n")
        first.close()
        assert second.recv(100).startswith(b"HTTP/1.1 200 ")
        second.close()


def test_an_offer_without_it_has_nothing(tmp_path: Path) -> None:
    offer: dict[str, Any] = {"attempt": "a", "fence": "f", "network": "full"}
    one = Forward(offer, None, print, Trouble())  # type: ignore[arg-type]
    one.begin("", plain=False)
    one.end()
    assert (one.handles, offer) == ([], {"attempt": "a", "fence": "f", "network": "full"})
