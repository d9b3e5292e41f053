"""A hub served over a real socket, an attempt that may go through it, and hosts behind it."""

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
from litestar.testing import TestClient

from penstock.hub import sessions
from penstock.store.logs import FolderLogs
from penstock.web.app import make_app
from penstock.web.bell import Bell
from penstock.web.server import Edge as Server
from penstock.web.server import Tls
from penstock.web.site import Site
from penstock.wire.frames import CUT, DATA, END, Frames, frame
from tests.farms import KEY, POOL, RULES, TestFarm, planned
from tests.web.edges import OPERATOR, Edge, OneSource

LIMIT_S = 30
Document = dict[str, Any]


class Host:
    """A server on loopback; `serve` gets each connection, in a thread of its own."""

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        self._listen = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._serve = serve
        self.port: int = self._listen.getsockname()[1]
        self.calls = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listen.accept()
                self.calls += 1
                threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            self._serve(connection)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listen.shutdown(socket.SHUT_RDWR)
        self._listen.close()


def echo(connection: socket.socket) -> None:
    """Says back what comes, to its end."""
    while piece := connection.recv(1 << 16):
        connection.sendall(piece)


class Through:
    """What an agent's connection to the hub says and hears."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._frames = Frames()
        self._heard: list[tuple[bytes, bytes]] = []

    def send(self, kind: bytes, data: bytes = b"") -> None:
        self.connection.sendall(frame(kind, data))

    def next(self) -> tuple[bytes, bytes]:
        """The next frame; (b"", b"") where the connection was closed."""
        while not self._heard:
            try:
                piece = self.connection.recv(1 << 16)
            except ConnectionResetError:
                piece = b""
            if not piece:
                return b"", b""
            self._heard = self._frames.feed(piece)
        return self._heard.pop(0)

    def rest(self) -> tuple[bytes, bytes, bytes]:
        """All data until the end, the frame of the end, and its words."""
        data = b""
        while True:
            kind, piece = self.next()
            if kind != DATA:
                return data, kind, piece
            data += piece

    def echoed(self, data: bytes) -> bytes:
        """What comes back of so much."""
        self.send(DATA, data)
        got = b""
        while len(got) < len(data):
            kind, piece = self.next()
            assert kind == DATA, (kind, piece)
            got += piece
        return got


class Forwarding:
    """A farm with one running attempt whose job has `network: full`, and its hub."""

    def __init__(self, folder: Path, reaches: tuple[str, ...], tls: Tls | None = None, **job: Any) -> None:
        self._trust = ssl.create_default_context(cafile=tls.certificate) if tls else None
        pool = msgspec.structs.replace(POOL, network="hub-only", reaches=reaches)
        self.farm = TestFarm()
        # As after a change of farm.toml: what it says now counts, not what it said when the job was placed.
        hub = replace(self.farm.hub, rules=msgspec.structs.replace(RULES, pools=(pool,)))
        self.lines: list[str] = []
        self._opened: list[socket.socket] = []
        self.told = threading.Condition()
        site = Site(hub, FolderLogs(folder / "logs"), OneSource(), Bell(), OPERATOR, on_forward=self._note)
        app = make_app(site)
        self._client = TestClient(app, base_url="http://127.0.0.1")
        self.agent = Edge(self.farm, self._client, sessions.create_token(self.farm.hub, "own"))
        self.agent.register(KEY)
        self.farm.submit("c1", planned("zlib", **{"network": "full", **job}))
        self.work = self.agent.started()
        self.server = Server(app, socket.create_server(("127.0.0.1", 0)), tls).start()
        self.address = ("127.0.0.1", int(self.server.address.rsplit(":", 1)[1]))

    def close(self) -> None:
        self.server.stop()
        for connection in self._opened:
            connection.close()

    def _note(self, line: str) -> None:
        with self.told:
            self.lines.append(line)
            self.told.notify_all()

    def line(self, word: str) -> str:
        """The first line of the log that says this; waited for."""
        with self.told:
            assert self.told.wait_for(lambda: any(word in line for line in self.lines), LIMIT_S), self.lines
            return next(line for line in self.lines if word in line)

    def ask(self, to: str, **headers: str) -> socket.socket:
        """A connection on which a tunnel was asked for."""
        said = {
            "Host": "127.0.0.1",
            "Authorization": f"Bearer {self.agent.token}",
            "X-Penstock-Fence": self.work["fence"],
            "Connection": "Upgrade",
            "Upgrade": "penstock-forward",
        } | {name.replace("_", "-"): value for name, value in headers.items()}
        path = f"/api/v1/agent/attempts/{self.work['attempt']}/forward?to={quote(to, safe='')}"
        head = "".join(f"{name}: {value}\r\n" for name, value in said.items() if value)
        connection = socket.create_connection(self.address, timeout=LIMIT_S)
        if self._trust is not None:
            connection = self._trust.wrap_socket(connection, server_hostname="127.0.0.1")
        self._opened.append(connection)
        connection.sendall(f"GET {path} HTTP/1.1\r\n{head}\r\n".encode())
        return connection

    def opened(self, to: str) -> Through:
        connection = self.ask(to)
        status, _ = answered(connection)
        assert status == 101
        return Through(connection)

    def refused(self, to: str, **headers: str) -> tuple[int, str]:
        """The status and the reason of what is not opened."""
        with self.ask(to, **headers) as connection:
            status, body = answered(connection)
        return status, body.get("reason", "")


def answered(connection: socket.socket) -> tuple[int, Document]:
    """Status and JSON of an answer; nothing behind the head of a 101 is read."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        piece = connection.recv(1)
        assert piece, head
        head += piece
    lines = head.decode().split("\r\n")
    status = int(lines[0].split()[1])
    size = next((int(one.split(":")[1]) for one in lines if one.lower().startswith("content-length:")), 0)
    body = b""
    while len(body) < size:
        body += connection.recv(size - len(body))
    return status, json.loads(body) if body else {}


@contextlib.contextmanager
def forwarding(folder: Path, *reaches: str, **job: Any) -> Iterator[Forwarding]:
    made = Forwarding(folder, reaches, **job)
    try:
        yield made
    finally:
        made.close()


__all__ = ["CUT", "DATA", "END", "LIMIT_S", "Forwarding", "Host", "Through", "answered", "echo", "forwarding"]
