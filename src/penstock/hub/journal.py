"""Keeps what the capacity policy was told, so that each of its decisions can be made once more; and gives it to who asks."""

from collections.abc import Sequence
from functools import partial

from penstock.hub.context import Hub
from penstock.hub.steps import Step, lead
from penstock.model.decision import Decided, Journal
from penstock.model.units import DAY_MS
from penstock.policy.capacity.journal import Writer, packed_start
from penstock.policy.capacity.rows import Rows
from penstock.policy.capacity.setting import Choice
from penstock.policy.capacity.view import Seen
from penstock.ports import Tx

AGAIN = 500
"""After so many decisions that were acted upon a journal begins anew, so that older ones can be let go."""
MANY = 200
"""So many lines are written though nothing was decided."""
KEPT_MS = 36 * 3_600_000
"""Decisions are kept for so long, of farm time: yesterday can be decided again until noon."""
KEPT_LEAST, KEPT_MOST = 10_000, 200_000
"""However few or many they are."""
LET_GO = 8
"""Rows that are let go in one transaction at most: more than come."""
assert KEPT_MS > DAY_MS


class Journalist:
    """One leader's."""

    def __init__(self, hub: Hub, choice: Choice) -> None:
        self._hub, self._choice = hub, choice
        self._writer: Writer | None = None
        self._start = b""
        self._acted = 0

    def tell(self, rows: Rows, seen: Seen) -> None:
        """What the policy is about to be told."""
        if self._writer is None or (self._acted >= AGAIN and not self._writer.lines):
            self._start = packed_start(rows, self._hub.rules, self._choice)
            self._writer, self._acted = Writer(rows), 0
        self._writer.tell(seen)

    def told(self, called: Sequence[tuple[int, str]]) -> None:
        """The policy has decided, and these machines that it ordered have got their names."""
        assert self._writer is not None
        self._writer.told(called)

    def quiet(self, now_ms: int) -> None:
        """Nothing was acted upon: what the policy was told is written when it is much."""
        assert self._writer is not None
        self._writer.told(())
        if len(self._writer.lines) >= MANY:
            lead(self._hub, partial(_write, rows=self._rows(now_ms), made=None))

    def write(self, made: Decided) -> None:
        """A decision that was acted upon, with what it was made from."""
        self._acted += 1
        lead(self._hub, partial(_write, rows=self._rows(made.at_ms), made=made))

    def _rows(self, now_ms: int) -> list[Journal]:
        assert self._writer is not None
        start, self._start = self._start, b""
        begun = [Journal(at_ms=now_ms, begins=True, content=start)] if start else []
        return [*begun, Journal(at_ms=now_ms, content=self._writer.take())]


def _write(step: Step, rows: Sequence[Journal], made: Decided | None) -> None:
    *begun, lines = rows
    for row in begun:
        step.tx.insert(row)
    seq = 0
    if made is not None:
        step.tx.insert(made)
        seq = step.tx.find(Decided, "key", limit=1, backwards=True)[0].seq
        _let_go(step, Decided, seq, KEPT_LEAST, KEPT_MOST)
    step.tx.insert(_about(lines, seq))
    newest = step.tx.find(Journal, "key", limit=1, backwards=True)[0].seq
    _let_go(step, Journal, newest, KEPT_LEAST, KEPT_MOST)


def _about(lines: Journal, seq: int) -> Journal:
    return Journal(at_ms=lines.at_ms, decided=seq, content=lines.content)


def _let_go(step: Step, kind: type[Decided] | type[Journal], newest: int, least: int, most: int) -> None:
    """Let go of what is old, or too much."""
    for row in step.tx.find(kind, "key", limit=LET_GO):
        count = newest - row.seq
        if count < least or (count < most and row.at_ms > step.now_ms - KEPT_MS):
            return
        step.tx.delete(row)


def journal_page(tx: Tx, after: int, limit: int) -> tuple[list[Journal], dict[int, Decided]]:
    """The next rows of the journal, and the decisions that they lead to, by `seq`."""
    rows = tx.find(Journal, "key", limit=limit, after=(after,) if after else ())
    wanted = {row.decided for row in rows if row.decided}
    found = {seq: tx.get(Decided, seq) for seq in sorted(wanted)}
    return rows, {seq: made for seq, made in found.items() if made is not None}
