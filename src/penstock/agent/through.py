"""One connection of a job through the hub: opened with our session and the attempt's fence, then carried both ways.

The job's side is plain bytes, the hub's side frames (wire/frames). A thread of its own; TLS and a slow reader need one that
waits for both sides at once.
"""

from __future__ import annotations

import json
import select
import socket
import ssl
import threading
import time
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from penstock.agent.session import API, FENCE_HEADER, Session
from penstock.wire.calls import keep_alive
from penstock.wire.frames import DATA, END, Frames, frame

UPGRADE = "penstock-forward"
PATIENCE_S = 20.0
"""A hub that is started anew is back within this time."""
_CONNECT_S = 5.0
_ANSWER_S = 40.0
_AGAIN_S = 0.5
_PIECE = 64 * 1024
_HIGH = 1 << 20
_REFUSED = (400, 403, 404, 409, 424)
_RESET = b"\1\0\0\0\0\0\0\0"


class Refusal(Exception):
    """The hub does not lead there: status and reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Fault(Exception):
    """The hub is not there, or broke off: no fault of the job's."""


class Opener:
    """Opens connections for one attempt, from any thread, until it is stopped."""

    def __init__(self, offer: dict[str, Any], session: Session) -> None:
        self._offer, self._session = offer, session
        self._stopped = threading.Event()
        self._asking: set[socket.socket] = set()
        self._lock = threading.Lock()

    def stop(self) -> None:
        """Wait for no answer any more."""
        with self._lock:
            self._stopped.set()
            for one in self._asking:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def open(self, to: str) -> socket.socket:
        """A connection to the hub that leads to `to`. Raises Refusal, Fault."""
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                return self._ask(to)
            except OSError as error:
                why = f"{self._session.address.url}: {error}"
            except Fault as fault:
                why = str(fault)
            if time.monotonic() > until or self._stopped.wait(_AGAIN_S):
                raise Fault(f"the hub could not be asked for {to}: {why}")

    def _ask(self, to: str) -> socket.socket:
        address, offer = self._session.address, self._offer
        connection = address.connect(_CONNECT_S)
        path = f"{address.path}{API}/attempts/{offer['attempt']}/forward?to={quote(to, safe='')}"
        headers = {"Authorization": f"Bearer {self._session.token}", FENCE_HEADER: offer["fence"]}
        try:
            connection.connect()
            opened: socket.socket = connection.sock
            keep_alive(opened)
            opened.settimeout(_ANSWER_S)
            connection.request("GET", path, headers={**headers, "Connection": "Upgrade", "Upgrade": UPGRADE})
            status, reason = self._answered(opened)
            if status == 101:
                connection.sock = None  # it is ours now
                return opened
        finally:
            connection.close()
        if status in _REFUSED:
            raise Refusal(status, reason)
        raise Fault(f"the hub answered {status}: {reason}")

    def _answered(self, hub: socket.socket) -> tuple[int, str]:
        with self._lock:
            if self._stopped.is_set():
                raise ConnectionAbortedError("the attempt is over")
            self._asking.add(hub)
        try:
            return _answer(hub)
        finally:
            with self._lock:
                self._asking.discard(hub)


def _answer(hub: socket.socket) -> tuple[int, str]:
    """Status and reason, and not one byte more of what follows a 101."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        piece = hub.recv(1)
        if not piece or len(head) > _PIECE:
            raise ConnectionResetError("no answer")
        head += piece
    words = head.split(b" ", 2)
    status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
    body = b""
    while status != 101 and len(body) < _PIECE and not _whole(body):
        piece = hub.recv(_PIECE)
        if not piece:
            break
        body += piece
    return status, _reason(body)


def _whole(body: bytes) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True


def _reason(body: bytes) -> str:
    try:
        said = json.loads(body)
    except ValueError:
        return "it gave no reason"
    return str(said.get("reason", "")) if isinstance(said, dict) else "it gave no reason"


class Carrier:
    """Carries until both sides have ended. `stop` becomes readable when the attempt is over."""

    def __init__(self, job: socket.socket, hub: socket.socket, stop: int, both: bool) -> None:
        self._job, self._hub, self._stop = job, hub, stop
        self._job_reads = both
        self._to_job, self._to_hub = bytearray(), bytearray()
        self._frames = Frames()
        self._host_ended = self._hub_closed = False
        self.cut = ""
        self.sent = self.received = 0

    def carry(self, first: bytes) -> None:
        """Until the end. Raises Fault where the hub broke off; the job then sees a broken connection, not a whole answer."""
        self._job.setblocking(False)
        self._hub.setblocking(False)
        self._send(first)
        try:
            while not self._done():
                self._turn()
        except (Fault, ConnectionError) as error:
            self._break()
            if isinstance(error, Fault):
                raise
        if self.cut:
            self._break()

    def _done(self) -> bool:
        if self.cut or self._host_ended:
            return not self._to_job and (bool(self.cut) or self._hub_closed or not self._job_reads)
        return False

    def _turn(self) -> None:
        ready = self._ready()
        if ready.get(self._stop):
            raise ConnectionAbortedError("the attempt is over")
        mine, theirs = ready.get(self._job.fileno(), 0), ready.get(self._hub.fileno(), 0)
        if mine & select.POLLERR or (mine & select.POLLHUP and not self._job_reads):
            raise ConnectionResetError("the job left")
        if theirs or self._pending():
            self._from_hub()
        if mine & (select.POLLIN | select.POLLHUP) and self._job_reads and len(self._to_hub) < _HIGH:
            self._from_job()
        self._to_job = self._written(self._job, self._to_job)
        if not self._hub_closed:
            self._speak()
        if self._host_ended and not self._to_job:
            self._shut()

    def _ready(self) -> dict[int, int]:
        poll = select.poll()
        poll.register(self._stop, select.POLLIN)
        reading = select.POLLIN if self._job_reads and len(self._to_hub) < _HIGH else 0
        poll.register(self._job.fileno(), reading | (select.POLLOUT if self._to_job else 0))
        hearing = select.POLLIN if len(self._to_job) < _HIGH and not self._hub_closed else 0
        speaking = select.POLLOUT if self._to_hub and not self._hub_closed else 0
        if hearing or speaking:
            poll.register(self._hub.fileno(), hearing | speaking)
        return dict(poll.poll(0 if hearing and self._pending() else None))

    def _pending(self) -> bool:
        """Whether TLS has read more than it gave."""
        return isinstance(self._hub, ssl.SSLSocket) and self._hub.pending() > 0

    def _from_job(self) -> None:
        piece = _received(self._job)
        if piece:
            self._send(piece)
        elif piece is not None:
            self._job_reads = False
            self._to_hub += frame(END)

    def _send(self, piece: bytes) -> None:
        if piece:
            self.sent += len(piece)
            self._to_hub += frame(DATA, piece)

    def _speak(self) -> None:
        try:
            self._to_hub = self._written(self._hub, self._to_hub)
        except (ssl.SSLError, ConnectionError) as error:
            self._hub_left(str(error))

    def _from_hub(self) -> None:
        if len(self._to_job) >= _HIGH or self._hub_closed:
            return
        try:
            piece = _received(self._hub)
            for kind, data in self._frames.feed(piece or b""):
                self._heard(kind, data)
        except (ssl.SSLError, ConnectionError, ValueError) as error:
            self._hub_left(str(error))
        else:
            if piece == b"":
                self._hub_left("it closed the connection")

    def _hub_left(self, why: str) -> None:
        """As it should after the end, or else too early."""
        self._hub_closed = True
        self._to_hub.clear()
        if not self._host_ended and not self.cut:
            raise Fault(f"the hub broke off: {why}")

    def _heard(self, kind: bytes, data: bytes) -> None:
        if kind == DATA:
            self.received += len(data)
            self._to_job += data
        elif kind == END:
            self._host_ended = True
        else:
            self.cut = data.decode("utf-8", "replace")[:500] or "cut"

    def _written(self, where: socket.socket, data: bytearray) -> bytearray:
        while data:
            try:
                del data[: where.send(memoryview(data)[:_PIECE].tobytes())]
            except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                break
        return data

    def _shut(self) -> None:
        try:
            self._job.shutdown(socket.SHUT_WR)
        except OSError:
            self._job_reads = False

    def _break(self) -> None:
        """The job is to see that it did not get all."""
        try:
            self._job.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        except OSError:
            return


def _received(where: socket.socket) -> bytes | None:
    """b"" at the end, None where there is nothing yet."""
    try:
        return where.recv(_PIECE)
    except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return None
