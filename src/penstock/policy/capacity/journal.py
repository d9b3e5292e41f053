"""What the capacity policy was told, as bytes, so that every decision can be made once more.

A journal begins with the columns as they were, and the rules that they were filled from; then each line says what was new.
Decided again from these, every act and every column comes out as it was, to the byte.
"""

import zlib
from collections.abc import Iterator, Sequence

import msgspec

from penstock.model.curb import Curb
from penstock.model.decision import Decision
from penstock.model.pool_power import Control
from penstock.model.rules import Pool, Rules
from penstock.model.snapshot import Ask
from penstock.policy.capacity import view
from penstock.policy.capacity.rows import Rows, unpacked
from penstock.policy.capacity.setting import Choice
from penstock.policy.capacity.standing import Standing
from penstock.policy.capacity.view import Ended, Failure, Found, Lost, Seen, Wanted


class Start(msgspec.Struct, frozen=True):
    """What a journal begins with. Of the rules only what columns are filled from; `content` as Rows.pack gives it.

    `versions` of machines and `curbs` are what else is known of rows."""

    rules: Rules
    choice: Choice
    content: bytes
    versions: dict[str, int]
    curbs: tuple[Curb, ...]


class Line(msgspec.Struct, frozen=True, array_like=True):
    """One call of the policy. `asks`: those that got a row since the line before, in order; `fresh`: waiting jobs that no
    line named yet, numbered on; `waiting`: their numbers, None = as in the line before, and `curbs` likewise. `called`: the
    names that machines ordered by it have got, by row."""

    now_ms: int
    asks: tuple[Ask, ...]
    fresh: tuple[Wanted, ...]
    waiting: tuple[int, ...] | None
    ended: tuple[Ended, ...]
    lost: tuple[Lost, ...]
    failed: tuple[tuple[str, Failure], ...]
    machines: tuple[Standing, ...]
    gone: tuple[str, ...]
    running: tuple[Found, ...]
    later: tuple[str, ...]
    curbs: tuple[Curb, ...] | None
    called: tuple[tuple[int, str], ...] = ()


class Made(msgspec.Struct, frozen=True):
    """A decision that was made once more: of what, what it says, and the digest of the columns afterwards."""

    seen: Seen
    decision: Decision
    memory: str


def packed_start(rows: Rows, rules: Rules, choice: Choice) -> bytes:
    """The beginning of a journal, before the policy is told anything more. Where the farm's data are is left out."""
    bare = Rules(pools=tuple(map(_bare, rules.pools)), waiting=rules.waiting)
    return msgspec.json.encode(Start(bare, choice, rows.pack(), rows.machine_versions, rows.curbs))


def _bare(pool: Pool) -> Pool:
    """The pool without what its switches are and who may use them: only that it has some counts."""
    controls = tuple(Control(machine=one.machine, address="") for one in pool.controls)
    return msgspec.structs.replace(pool, controls=controls) if controls else pool


class Writer:
    """Lines of one journal, in the order in which the policy is told. `lines` are those that were not taken yet."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._asks = len(rows.asks)
        self._numbers: dict[str, tuple[Wanted, int]] = {}
        self._count = 0
        self._waiting: tuple[int, ...] = ()
        self._curbs = rows.curbs
        self.lines: list[Line] = []

    def tell(self, seen: Seen) -> None:
        """What the policy is about to be told."""
        asks = self._rows.asks
        fresh: list[Wanted] = []
        waiting = tuple(self._number(one, fresh) for one in seen.waiting)
        line = Line(
            seen.now_ms,
            tuple(asks[self._asks :]),
            tuple(fresh),
            None if waiting == self._waiting else waiting,
            seen.ended,
            seen.lost,
            seen.failed,
            seen.machines,
            seen.gone,
            seen.running,
            seen.later,
            None if seen.curbs == self._curbs else seen.curbs,
        )
        self._waiting, self._curbs = waiting, seen.curbs
        self.lines.append(line)

    def _number(self, one: Wanted, fresh: list[Wanted]) -> int:
        """The number of a job as it waits now; one that changed gets a new one. By id: hashing all of it costs more."""
        known = self._numbers.get(one.job)
        if known is None or known[0] != one:
            known = self._numbers[one.job] = (one, self._count)
            self._count += 1
            fresh.append(one)
        return known[1]

    def told(self, called: Sequence[tuple[int, str]]) -> None:
        """The policy has decided, and these machines that it ordered have got their names."""
        self._asks = len(self._rows.asks)
        self.lines[-1] = msgspec.structs.replace(self.lines[-1], called=tuple(called))

    def take(self) -> bytes:
        """The lines that were not taken yet, as bytes."""
        lines, self.lines = self.lines, []
        return zlib.compress(msgspec.json.encode(lines), 6)


class Reader:
    """Decides again, from the beginning of a journal on."""

    def __init__(self, start: bytes) -> None:
        begun = msgspec.json.decode(start, type=Start)
        self._rows = unpacked(begun.content, begun.rules, begun.choice)
        self._rows.curb(begun.curbs)
        self._rows.machine_versions.update(begun.versions)
        self._wanted: list[Wanted] = []
        self._waiting: tuple[Wanted, ...] = ()
        self._curbs = begun.curbs

    def again(self, lines: bytes) -> Iterator[Made]:
        """The decisions of these lines, which follow those before."""
        for line in msgspec.json.decode(zlib.decompress(lines), type=list[Line]):
            seen = self._seen(line)
            for ask in line.asks:
                self._rows.know(ask)
            decision = view.decide(self._rows, seen)
            for row, machine in line.called:
                self._rows.called(row, machine)
            yield Made(seen, decision, self._rows.digest() if decision.places or decision.power else "")

    def _seen(self, line: Line) -> Seen:
        self._wanted += line.fresh
        if line.waiting is not None:
            self._waiting = tuple(self._wanted[number] for number in line.waiting)
        if line.curbs is not None:
            self._curbs = line.curbs
        return Seen(
            now_ms=line.now_ms,
            ended=line.ended,
            lost=line.lost,
            failed=line.failed,
            machines=line.machines,
            gone=line.gone,
            running=line.running,
            waiting=self._waiting,
            later=line.later,
            curbs=self._curbs,
        )
