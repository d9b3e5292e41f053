"""One connection that an attempt has through the hub: frames on the agent's side, plain bytes on the other.

Two transports of one event loop, each stopped while the other does not take more, so that a slow reader costs a buffer
and nobody's time. The agent is told how it ended (wire/frames).
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple, cast

from penstock.wire.frames import CUT, DATA, END, Frames, frame

IDLE_S = 300.0
"""A connection through which nothing went for so long, either way, is cut."""
LAST_S = 10.0
"""So long the last bytes may take to be read."""


BYTES_A_SECOND = 64 << 20
"""From all hosts together, as far as one hub process is concerned: polls are answered by the same event loop."""


class Pace:
    """When the next piece may be read, so that all together stay below the rate. Times are an event loop's."""

    def __init__(self) -> None:
        self._free_s = 0.0

    def after(self, size: int, now_s: float) -> float:
        """The moment from which the reader of so much may read on."""
        self._free_s = max(now_s, self._free_s) + size / BYTES_A_SECOND
        return self._free_s


PACE = Pace()


class Purse:
    """What all connections of one attempt may carry together."""

    def __init__(self, most_bytes: int) -> None:
        self.left_bytes = most_bytes

    def spend(self, size: int) -> bool:
        """False when there is no more."""
        self.left_bytes -= size
        return self.left_bytes >= 0


class Carried(NamedTuple):
    """Bytes to the host and from it, and why the connection was cut, "" where it was not."""

    sent: int
    received: int
    cut: str


class Far(asyncio.Protocol):
    """The side of the host. Says nothing before it has a tunnel."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.tunnel: Tunnel | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As asyncio has it."""
        self.transport = cast(asyncio.Transport, transport)
        self.transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        """As asyncio has it."""
        if self.tunnel is not None:
            self.tunnel.came(data)

    def eof_received(self) -> bool:
        """As asyncio has it: what the agent still sends goes out."""
        if self.tunnel is not None:
            self.tunnel.host_ended()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """As asyncio has it."""
        if self.tunnel is not None:
            self.tunnel.host_lost(exc)

    def pause_writing(self) -> None:
        """As asyncio has it."""
        if self.tunnel is not None:
            self.tunnel.hold(True)

    def resume_writing(self) -> None:
        """As asyncio has it."""
        if self.tunnel is not None:
            self.tunnel.hold(False)


class Tunnel(asyncio.Protocol):
    """The side of the agent, and what joins the two."""

    def __init__(self, far: Far, purse: Purse) -> None:
        self._far, self._purse = far.transport, purse
        self._near: asyncio.Transport | None = None
        self._frames = Frames()
        self._loop = asyncio.get_running_loop()
        self._sent = self._received = 0
        self._cut = ""
        self._full = self._rests = False
        self._over = self._told_end = self._heard_end = False
        self._moved_s = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self.lost = asyncio.Event()
        far.tunnel = self

    @property
    def carried(self) -> Carried:
        """What it came to."""
        return Carried(self._sent, self._received, self._cut)

    def begin(self, take: Callable[[asyncio.Protocol, str], asyncio.Transport | None], upgrade: str) -> None:
        """Take the agent's connection over; where it has gone meanwhile, it is over at once."""
        self._near = take(self, upgrade)
        if self._near is None or self._far.is_closing():
            self.cut("the host closed the connection at once")
            return
        self._timer = self._loop.call_later(IDLE_S, self._look)
        self._far.resume_reading()

    def cut(self, why: str) -> None:
        """End it at once and say why."""
        if self._over:
            return
        self._cut = why
        self._tell(CUT, why.encode())
        self._far.abort()
        self._close()

    def drop(self, why: str) -> None:
        """End it at once without a word to the agent, which takes that for a fault of the farm."""
        self._over, self._cut = True, why
        self._far.abort()
        if self._near is not None:
            self._near.abort()

    # The agent's side ------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """As asyncio has it."""
        if self._over:
            return
        try:
            for kind, piece in self._frames.feed(data):
                self._heard(kind, piece)
        except ValueError as wrong:
            self.cut(str(wrong))

    def _heard(self, kind: bytes, piece: bytes) -> None:
        if kind == DATA and not self._heard_end:
            self._sent += len(piece)
            if self._may_pass(len(piece)) and not self._far.is_closing():
                self._far.write(piece)
        elif kind == END and not self._heard_end:
            self._heard_end = True
            if not self._far.is_closing():
                self._far.write_eof()
            self._end_if_both()
        elif kind == CUT:
            self._far.abort()
            self._close()

    def connection_lost(self, exc: Exception | None) -> None:
        """As asyncio has it: the agent is gone, so the host is let go of, too."""
        if not self._over:
            self._over = True
            self._far.abort()
        if self._timer is not None:
            self._timer.cancel()
        self.lost.set()

    def pause_writing(self) -> None:
        """As asyncio has it."""
        self._full = True
        if not self._far.is_closing():
            self._far.pause_reading()

    def resume_writing(self) -> None:
        """As asyncio has it."""
        self._full = False
        self._read_on()

    # The host's side -------------------------------------------------------------------------------------------

    def came(self, data: bytes) -> None:
        """From the host."""
        self._received += len(data)
        if not self._over and self._may_pass(len(data)):
            self._tell(DATA, data)
            self._rest(len(data))

    def _rest(self, size: int) -> None:
        """One piece at a time, and all tunnels together at a pace."""
        self._rests = True
        if not self._far.is_closing():
            self._far.pause_reading()
        self._loop.call_at(PACE.after(size, self._loop.time()), self._rested)

    def _rested(self) -> None:
        self._rests = False
        self._read_on()

    def _read_on(self) -> None:
        if not (self._full or self._rests or self._over or self._far.is_closing()):
            self._far.resume_reading()

    def host_ended(self) -> None:
        """The host says nothing more."""
        if not self._over and not self._told_end:
            self._told_end = True
            self._tell(END)
            self._end_if_both()

    def host_lost(self, exc: Exception | None) -> None:
        """The host's connection is gone."""
        if exc is not None:
            self.cut(f"the host broke the connection off: {type(exc).__name__}")
        elif not self._over:
            self.host_ended()
            self._close()

    def hold(self, full: bool) -> None:
        """The host does not take more, or does again."""
        if self._near is not None and not self._near.is_closing():
            (self._near.pause_reading if full else self._near.resume_reading)()

    # Both ------------------------------------------------------------------------------------------------------

    def _may_pass(self, size: int) -> bool:
        self._moved_s = self._loop.time()
        if self._purse.spend(size):
            return True
        self.cut("this attempt has carried as many bytes as it may")
        return False

    def _look(self) -> None:
        left_s = self._moved_s + IDLE_S - self._loop.time()
        if left_s <= 0:
            self.cut(f"nothing went through for {IDLE_S:.0f} s")
        else:
            self._timer = self._loop.call_later(left_s, self._look)

    def _end_if_both(self) -> None:
        if self._heard_end and self._told_end:
            self._close()

    def _tell(self, kind: bytes, data: bytes = b"") -> None:
        if self._near is not None and not self._near.is_closing():
            self._near.write(frame(kind, data))

    def _close(self) -> None:
        """What was said is still delivered, if it is read soon."""
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
        for side in (self._far, self._near):
            if side is not None:
                side.close()
                self._loop.call_later(LAST_S, side.abort)
        if self._near is None:
            self.lost.set()
