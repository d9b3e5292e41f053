"""When machines were up and when they were coming, from the event lines of a run: the only place where that stands."""

from collections import defaultdict

import msgspec

from penstock.reports.load import Span

OF_MACHINES = frozenset(("request", "up", "suspend", "resume", "delete", "gone", "reclaim"))


class Event(msgspec.Struct):
    """What is read of a line."""

    t_ms: int
    kind: str
    machine: str | None = None
    pool: str | None = None


class Machines:
    """Takes event lines as they are written. Spans by pool: `up`, ready for jobs; `coming`, asked for and not ready."""

    def __init__(self) -> None:
        self.up: dict[str, list[Span]] = defaultdict(list)
        self.coming: dict[str, list[Span]] = defaultdict(list)
        self.orders: dict[str, list[int]] = defaultdict(list)
        self._since: dict[str, tuple[str, str, int]] = {}
        self._rest = b""
        self._decode = msgspec.json.Decoder(Event).decode

    def take(self, data: bytes) -> None:
        """Some whole or broken lines."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        for text in whole:
            # Most lines are of jobs; decoding only the others is four times as quick.
            if b'"machine"' in text and not (b'"kind":"start"' in text or b'"kind":"end"' in text):
                self._event(self._decode(text))

    def _event(self, event: Event) -> None:
        if event.kind not in OF_MACHINES or not event.machine or not event.pool:
            return
        self._leave(event.machine, event.t_ms)
        if event.kind in ("request", "resume"):
            self.orders[event.pool].append(event.t_ms)
            self._since[event.machine] = ("coming", event.pool, event.t_ms)
        elif event.kind == "up":
            self._since[event.machine] = ("up", event.pool, event.t_ms)

    def _leave(self, machine: str, now_ms: int) -> None:
        state, pool, since_ms = self._since.pop(machine, ("", "", now_ms))
        if since_ms < now_ms:
            (self.up if state == "up" else self.coming)[pool].append((since_ms, now_ms))

    def end(self, now_ms: int) -> None:
        """The run is over: what is still up was up until now."""
        for machine in list(self._since):
            self._leave(machine, now_ms)
