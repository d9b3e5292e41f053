"""The lines of a run: JSON, one event each, and the digest of the very bytes."""

import hashlib
from collections.abc import Callable, Sequence
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

import numpy as np

from penstock.model.outcome import KINDS
from penstock.sim.engine import text
from penstock.sim.engine.world import LINE_FIELDS

Sink = Callable[[bytes], object]
Write = Callable[..., int]
FIXED = ('{"t_ms":', "null", ',"attempt":', "null", ',"machine":')
NOTHING = ',"attempt":null,"machine":null,"pool":null}\n'


class Record:
    """Turns columns of lines into bytes, digests them, and hands them on. `write`: the compiled text.write."""

    def __init__(
        self, ids: Sequence[str], pools: Sequence[str], sink: Sink | None, write: Write | None = None
    ) -> None:
        self.ids, self.sink = ids, sink
        self.pools = [quoted(pool) for pool in pools]
        self.stems = [pool[:-1] + "-" for pool in self.pools]
        self.digest = hashlib.sha256()
        self.texts = Texts(self, write) if write else None

    def take(self, lines: Any, count: int) -> None:
        """The first `count` lines of the columns."""
        told = self.texts.bytes(lines, count) if self.texts else self._bytes(lines, count)
        self.digest.update(told)
        if self.sink is not None:
            self.sink(bytes(told))

    def _bytes(self, lines: Any, count: int) -> bytes:
        columns = [lines[field][:count].tolist() for field in range(LINE_FIELDS)]
        return "".join(map(self._line, *columns)).encode("ascii")

    def _line(self, t_ms: int, kind: int, job: int, attempt: int, pool: int, number: int) -> str:
        told = f'{{"t_ms":{t_ms},"kind":"{KINDS[kind]}","job":'
        told += quoted(self.ids[job]) if job >= 0 else "null"
        if pool < 0:
            return told + NOTHING
        tried = attempt if attempt >= 0 else "null"
        return f'{told},"attempt":{tried},"machine":{self.stems[pool]}{number}","pool":{self.pools[pool]}}}\n'

    def text(self) -> str:
        """The digest of all lines so far."""
        return f"sha256:{self.digest.hexdigest()}"


class Texts:
    """What lines are put together from, as bytes for compiled code."""

    def __init__(self, record: Record, write: Write) -> None:
        kinds = [f',"kind":"{kind}","job":' for kind in KINDS]
        pools = [f'","pool":{pool}' for pool in record.pools]
        before = [*FIXED, NOTHING, "}\n", *kinds, *record.stems, *pools]
        stems = len(before) - 2 * len(pools)
        self.first = np.array([stems, stems + len(pools), len(before)], np.int64)
        jobs, of_jobs = _quoted(record.ids)
        lengths = np.concatenate((_lengths(before), of_jobs))
        self.starts = np.concatenate(([0], np.cumsum(lengths)))
        self.parts = np.frombuffer(("".join(before) + jobs).encode("ascii"), np.uint8)
        longest = int(lengths[: len(before)].max(initial=0)), int(lengths[len(before) :].max(initial=0))
        self.room = text.LONGEST + 3 * longest[0] + longest[1]
        self.write = write
        self.out = np.empty(0, np.uint8)

    def bytes(self, lines: Any, count: int) -> Any:
        """The lines, in a buffer that lasts until the next call."""
        if len(self.out) < count * self.room:
            self.out = np.empty(count * self.room, np.uint8)
        used = self.write(lines, count, self.parts, self.starts, self.first, self.out)
        return self.out[:used]


def _quoted(texts: Sequence[str]) -> tuple[str, Any]:
    """All texts in quotes, one behind the other, and how long each is."""
    whole, lengths = "".join(texts), _lengths(texts)
    if len(quoted(whole)) == len(whole) + 2:  # no sign of any of them is written otherwise
        return ('"' + '""'.join(texts) + '"' if texts else ""), lengths + 2
    escaped = [quoted(text) for text in texts]
    return "".join(escaped), _lengths(escaped)


def _lengths(texts: Sequence[str]) -> Any:
    return np.fromiter(map(len, texts), np.int64, len(texts))
