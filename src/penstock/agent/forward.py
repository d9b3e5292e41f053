"""A job's way to the world through the hub, where its machine has no other: a proxy on the job's own loopback.

The sandbox has a network of its own with nothing in it. The socket that listens there was made inside and is served here;
the session's token and the fence stay here, too. A plain attempt has no network of its own: its proxy listens on the
machine's loopback, as long as it runs.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from penstock.agent.proxyhead import END, MOST_BYTES, Asked, Wrong, asked
from penstock.agent.session import Session
from penstock.agent.through import Carrier, Fault, Opener, Refusal
from penstock.agent.trouble import Trouble

PORT = 18010
"""Of the proxy in a sandbox, where nothing else listens."""
_MOST = 32
"""Connections at the same time; more wait to be accepted."""
_HEAD_S = 15.0
_LINES = 20
_WITHIN = "penstock.agent.within"
_SAID_MAX = 16 * 1024
_WORDS = {400: "Bad Request", 403: "Forbidden", 405: "Method Not Allowed", 502: "Bad Gateway"}
Say = Callable[[str], object]


class Forward:
    """Of one attempt. `handles`: what bubblewrap is given, to tell who it is and to wait for us. `fault`: the hub was not
    there when the job needed it, "" else."""

    def __init__(self, offer: dict[str, Any], session: Session, say: Say, trouble: Trouble) -> None:
        self._offer, self._say, self._trouble = offer, say, trouble
        self._session = session
        self._stop = self._ring = -1
        self._jobs: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._carried: dict[str, list[int]] = {}
        self._told: set[str] = set()
        self._ours: list[int] = []
        self.handles: list[int] = []
        self.fault = ""
        self.problem = ""

    def begin(self, package: str, plain: bool) -> None:
        """Serve in the sandbox that is about to be started with `handles`, or beside a plain attempt, where the offer says so.

        `package`: where our code is. The offer then says where the proxy is. Raises OSError.
        """
        if not self._offer.get("forward"):
            return
        # Only here: few attempts need any of it.
        self._opener = Opener(self._offer, self._session)
        self._stopped = threading.Event()
        self._free = threading.Semaphore(_MOST)
        self._lock = threading.Lock()
        self._stop, self._ring = os.pipe()
        if plain:
            listen = socket.create_server(("127.0.0.1", 0), backlog=128)
            self._offer["proxy"] = f"http://127.0.0.1:{listen.getsockname()[1]}"
            self._start(self._accept, listen)
            return
        told, telling = os.pipe()
        waiting, go = os.pipe()
        self.handles, self._ours = [telling, waiting], [told, go]
        self._offer["proxy"] = f"http://127.0.0.1:{PORT}"
        self._start(self._enter, package)

    def end(self) -> None:
        """Cut what is open and say what it was."""
        if self._stop < 0:
            return
        self._stopped.set()
        self._opener.stop()
        self._hang_up()
        os.close(self._ring)
        while alive := self._alive():
            alive[0].join()
        for handle in (self._stop, *self._ours, *self.handles):
            os.close(handle)
        for to, (count, sent, received) in sorted(self._carried.items())[:_LINES]:
            self._say(f"through the hub: {to}: {count} connections, {sent} bytes out, {received} in")

    def _start(self, what: Callable[..., object], *arguments: Any) -> None:
        thread = threading.Thread(target=what, args=arguments, name="forward", daemon=True)
        with self._lock:
            self._threads = [one for one in self._threads if one.is_alive()]
            self._threads.append(thread)
            thread.start()

    def _alive(self) -> list[threading.Thread]:
        with self._lock:
            return [one for one in self._threads if one.is_alive()]

    def _hang_up(self) -> None:
        with self._lock:
            for job in self._jobs:
                with suppress(OSError):
                    job.shutdown(socket.SHUT_RDWR)

    # In the sandbox --------------------------------------------------------------------------------------------

    def _enter(self, package: str) -> None:
        pid = 0
        try:
            pid = self._first_process()
            if pid:
                listen = _made_in(pid, package)
                self._start(self._accept, listen)
                os.write(self._ours[1], b"x")
        except (OSError, ValueError) as error:
            self.problem = f"its way to the hub could not be made: {error}"
            if pid:
                os.kill(pid, signal.SIGKILL)

    def _first_process(self) -> int:
        """The sandbox's, which waits; 0 where the attempt ended before there was one."""
        said = b""
        while len(said) < _SAID_MAX:
            if self._waits(self._ours[0]):
                return 0
            piece = os.read(self._ours[0], 4096)
            said += piece
            try:
                return int(json.loads(said)["child-pid"])
            except ValueError:
                if not piece:
                    raise
        raise ValueError("bubblewrap did not say which process it started")

    def _waits(self, handle: int) -> bool:
        """Wait until this can be read; True where the attempt is over."""
        poll = select.poll()
        poll.register(self._stop, select.POLLIN)
        poll.register(handle, select.POLLIN)
        return any(ready == self._stop for ready, _ in poll.poll())

    # The proxy -------------------------------------------------------------------------------------------------

    def _accept(self, listen: socket.socket) -> None:
        with listen:
            while not self._stopped.is_set() and not self._waits(listen.fileno()):
                while not self._free.acquire(timeout=1.0):
                    if self._stopped.is_set():
                        return
                try:
                    job, _ = listen.accept()
                except OSError:
                    self._free.release()
                    continue
                self._start(self._serve, job)

    def _serve(self, job: socket.socket) -> None:
        with self._lock:
            self._jobs.add(job)
        try:
            if not self._stopped.is_set():
                self._lead(job)
        except OSError:
            return  # the job left
        finally:
            with self._lock:
                self._jobs.discard(job)
            job.close()
            self._free.release()

    def _lead(self, job: socket.socket) -> None:
        try:
            head, rest = _head(job)
            wanted = asked(head)
        except Wrong as wrong:
            _answer(job, wrong.status, wrong.reason)
            return
        try:
            hub = self._opener.open(wanted.to)
        except Refusal as refusal:
            self._note(wanted.to, refusal.reason)
            _answer(job, 502 if refusal.status == 424 else 403, refusal.reason)
        except Fault as fault:
            self._blame(str(fault))
            _answer(job, 502, str(fault))
        else:
            with hub:
                self._carry(job, hub, wanted, rest)

    def _carry(self, job: socket.socket, hub: socket.socket, wanted: Asked, rest: bytes) -> None:
        carrier = Carrier(job, hub, self._stop, wanted.tunnel)
        if wanted.tunnel:
            job.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            carrier.carry(rest if wanted.tunnel else wanted.first)
        except Fault as fault:
            self._blame(f"{wanted.to}: {fault}")
        if carrier.cut:
            self._note(wanted.to, carrier.cut)
        with self._lock:
            sums = self._carried.setdefault(wanted.to, [0, 0, 0])
            for at, more in enumerate((1, carrier.sent, carrier.received)):
                sums[at] += more

    def _blame(self, fault: str) -> None:
        if not self._stopped.is_set():
            self.fault = self.fault or fault
            self._tell(fault)

    def _note(self, to: str, why: str) -> None:
        """For the job's log, and for people who look after hosts."""
        if not self._stopped.is_set():
            self._trouble.note(to.rpartition(":")[0][:253], why[:64])
            self._tell(why if to in why else f"{to}: {why}")

    def _tell(self, line: str) -> None:
        with self._lock:
            if line in self._told or len(self._told) >= _LINES:
                return
            self._told.add(line)
        self._say(f"through the hub: {line}")


def _made_in(pid: int, package: str) -> socket.socket:
    """A socket that listens in the network of this process. Raises OSError."""
    ours, theirs = socket.socketpair()
    start = f"import sys; sys.path.insert(0, {package!r}); from {_WITHIN} import main; main(*sys.argv[1:])"
    words = [sys.executable or "/usr/bin/python3", "-S", "-E", "-c", start, str(pid), str(PORT)]
    with ours:
        with theirs:
            done = subprocess.run(
                [*words, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                pass_fds=[theirs.fileno()],
                check=False,
                timeout=60,
            )
        _, handles, _, _ = socket.recv_fds(ours, 1, 1)
    if not handles:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no word"]
        raise OSError(lines[-1][-300:])
    return socket.socket(fileno=handles[0])


def _head(job: socket.socket) -> tuple[bytes, bytes]:
    """What the job says first, and what came behind it. Raises Wrong, OSError."""
    until = time.monotonic() + _HEAD_S
    data = b""
    while END not in data:
        left_s = until - time.monotonic()
        if len(data) > MOST_BYTES or left_s <= 0:
            raise Wrong(400, "the head is too large, or too slow")
        job.settimeout(left_s)
        piece = job.recv(MOST_BYTES)
        if not piece:
            raise ConnectionResetError("the job left")
        data += piece
    head, _, rest = data.partition(END)
    return head + END, rest


def _answer(job: socket.socket, status: int, reason: str) -> None:
    body = f"penstock: {reason}\n".encode("utf-8", "replace")
    head = (
        f"HTTP/1.1 {status} {_WORDS[status]}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
    )
    job.settimeout(_HEAD_S)
    job.sendall(head.encode() + b"Connection: close\r\n\r\n" + body)
