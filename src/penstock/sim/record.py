"""The lines of a run: JSON, one event each, and the digest of the very bytes."""

import hashlib
from collections.abc import Callable, Sequence
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from penstock.model.outcome import KINDS
from penstock.sim.engine.world import LINE_FIELDS

Sink = Callable[[bytes], object]


class Record:
    """Turns columns of lines into bytes, digests them, and hands them on."""

    def __init__(self, ids: Sequence[str], pools: Sequence[str], sink: Sink | None) -> None:
        self.ids, self.sink = ids, sink
        self.pools = [quoted(pool) for pool in pools]
        self.stems = [pool[:-1] + "-" for pool in self.pools]
        self.digest = hashlib.sha256()

    def take(self, lines: Any, count: int) -> None:
        """The first `count` lines of the columns."""
        columns = [lines[field][:count].tolist() for field in range(LINE_FIELDS)]
        told = "".join(map(self._line, *columns)).encode("ascii")
        self.digest.update(told)
        if self.sink is not None:
            self.sink(told)

    def _line(self, t_ms: int, kind: int, job: int, attempt: int, pool: int, number: int) -> str:
        told = f'{{"t_ms":{t_ms},"kind":"{KINDS[kind]}","job":'
        told += quoted(self.ids[job]) if job >= 0 else "null"
        if pool < 0:
            return told + ',"attempt":null,"machine":null,"pool":null}\n'
        tried = attempt if attempt >= 0 else "null"
        return f'{told},"attempt":{tried},"machine":{self.stems[pool]}{number}","pool":{self.pools[pool]}}}\n'

    def text(self) -> str:
        """The digest of all lines so far."""
        return f"sha256:{self.digest.hexdigest()}"
