"""The connection to libvirt: opened when it is needed and again when it is gone; no call takes longer than a port may.

libvirt's own client waits for ever on a daemon that hangs. So whatever a caller waits for is done in a thread of its own, and
one that does not end is left behind together with its connection.
"""

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import libvirt

from penstock.ports import NoAnswer, NoCapacity, ProviderError, Throttled, UnknownMachine

T = TypeVar("T")
Connection = Any
"""A libvirt.virConnect: the library has no types."""
CALL_S = 4.5
"""Ports allow five seconds."""
SETTLE_S = 1.0
"""A daemon that was started again finds its machines for so long: what is asked of one meanwhile may be half done.
Seen: a `destroy` that ended the machine and said that there is none."""
_BUSY = (libvirt.VIR_ERR_OPERATION_TIMEOUT, libvirt.VIR_ERR_RESOURCE_BUSY)
_AWAY = (
    libvirt.VIR_ERR_NO_CONNECT,
    libvirt.VIR_ERR_RPC,
    libvirt.VIR_ERR_INVALID_CONN,
    libvirt.VIR_ERR_SYSTEM_ERROR,
    libvirt.VIR_ERR_AUTH_FAILED,
    libvirt.VIR_ERR_INTERNAL_ERROR,
)
_quiet = threading.Lock()


class Link:
    """One pool's. Any number of threads may call."""

    def __init__(self, uri: str, call_s: float = CALL_S) -> None:
        self._uri, self._call_s = uri, call_s
        self._lock = threading.Lock()
        self._open: Connection | None = None
        self._acts_from_s = 0.0
        with _quiet:  # or each error would also be printed by the library
            libvirt.registerErrorHandler(lambda _context, _error: None, None)

    def within(self, what: str, act: Callable[[], T]) -> T:
        """What `act` gives, if it does so in the time that a port allows. `what`: the call in a word. Raises ProviderError:
        NoAnswer where it takes longer; it may be carried out all the same."""
        answer: list[T] = []
        wrong: list[BaseException] = []

        def make() -> None:
            try:
                answer.append(act())
            except BaseException as problem:  # it belongs to who asks
                wrong.append(problem)

        thread = threading.Thread(target=make, name=f"libvirt {what}", daemon=True)
        thread.start()
        thread.join(self._call_s)
        if wrong:
            raise wrong[0]
        if not answer:
            self._drop()
            raise NoAnswer(f"{self._uri}: {what}: no answer in {self._call_s:g} s")
        return answer[0]

    def call(self, what: str, act: Callable[[Connection], T]) -> T:
        """What `act` gives on the connection, however long that takes. Raises ProviderError."""
        try:
            return act(self._connected())
        except libvirt.libvirtError as problem:
            raise self._as_port(what, problem) from problem

    def change(self, what: str, act: Callable[[Connection], T]) -> T:
        """As `call`, for what changes a machine: not in the first second after a daemon came back."""
        self.call("connect", lambda connection: connection.isAlive())
        left_s = self._acts_from_s - time.monotonic()
        if left_s > 0:
            time.sleep(min(left_s, SETTLE_S))
        return self.call(what, act)

    def _connected(self) -> Connection:
        with self._lock:
            if self._open is not None and self._open.isAlive() == 1:
                return self._open
            again = self._open is not None
            self._open = None
            self._open = libvirt.open(self._uri)
            if again:
                self._acts_from_s = time.monotonic() + SETTLE_S
            return self._open

    def _drop(self) -> None:
        """Never use this connection again: a thread may be held in it for ever. Nor its lock."""
        self._lock, self._open = threading.Lock(), None

    def _as_port(self, what: str, problem: libvirt.libvirtError) -> ProviderError:
        """What it means to a caller, in one line."""
        text = " ".join(f"{self._uri}: {what}: {problem}".split())
        code = problem.get_error_code()
        if code == libvirt.VIR_ERR_NO_DOMAIN:
            return UnknownMachine(text)
        if code in _BUSY:
            return Throttled(text)
        if code in _AWAY and what not in STARTS:
            return NoAnswer(text)
        if what in STARTS:
            return NoAnswer(text) if code in _AWAY[:3] else NoCapacity(text)
        return NoAnswer(text)


STARTS = ("start", "restore")
"""Calls that the host refuses when it has no room, memory above all."""
