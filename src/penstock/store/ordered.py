"""A sorted collection of tuples that is quick to change and to search by prefix.

A list of short sorted lists, as in sortedcontainers: adding and removing cost two binary searches and a move
of at most `2 * LOAD` pointers, so a million entries cost hardly more than a thousand.
"""

from bisect import bisect_left, insort
from typing import Any

LOAD = 512
"""A chunk that grows beyond twice this is split. Measured: 256 to 2,048 differ by less than a tenth."""


class _Top:
    """Greater than anything: closes a range of tuples with one prefix."""

    def __lt__(self, other: object) -> bool:
        return False

    def __gt__(self, other: object) -> bool:
        return True


_TOP = _Top()


class Ordered:
    """Distinct tuples in order. Fields at one position must be comparable with each other."""

    def __init__(self, entries: list[tuple[Any, ...]]) -> None:
        """Take over `entries`, in any order."""
        entries.sort()
        self._chunks = [entries[start : start + LOAD] for start in range(0, len(entries), LOAD)]
        self._lasts = [chunk[-1] for chunk in self._chunks]

    def add(self, entry: tuple[Any, ...]) -> None:
        """Put in one entry that is not there yet."""
        if not self._chunks:
            self._chunks, self._lasts = [[entry]], [entry]
            return
        at = min(bisect_left(self._lasts, entry), len(self._lasts) - 1)
        chunk = self._chunks[at]
        insort(chunk, entry)
        if len(chunk) > 2 * LOAD:
            self._chunks.insert(at + 1, chunk[LOAD:])
            self._lasts.insert(at + 1, chunk[-1])
            del chunk[LOAD:]
        self._lasts[at] = chunk[-1]

    def remove(self, entry: tuple[Any, ...]) -> None:
        """Take out one entry that is there."""
        at = bisect_left(self._lasts, entry)
        chunk = self._chunks[at]
        del chunk[bisect_left(chunk, entry)]
        if chunk:
            self._lasts[at] = chunk[-1]
        else:
            del self._chunks[at], self._lasts[at]

    def starting(
        self, prefix: tuple[Any, ...], limit: int | None, after: tuple[Any, ...] = ()
    ) -> list[tuple[Any, ...]]:
        """The entries that begin with `prefix`, in order, at most `limit` of them; those behind `after` only."""
        found: list[tuple[Any, ...]] = []
        above = (*prefix, _TOP)
        first = (*prefix, *after, _TOP) if after else prefix
        at = bisect_left(self._lasts, first)
        begin = bisect_left(self._chunks[at], first) if at < len(self._chunks) else 0
        while at < len(self._chunks) and (limit is None or len(found) < limit):
            chunk = self._chunks[at]
            end = len(chunk) if self._lasts[at] < above else bisect_left(chunk, above, begin)
            found += (
                chunk[begin:end] if limit is None else chunk[begin : min(end, begin + limit - len(found))]
            )
            if end < len(chunk):
                break
            at, begin = at + 1, 0
        return found

    def ending(
        self, prefix: tuple[Any, ...], limit: int | None, before: tuple[Any, ...] = ()
    ) -> list[tuple[Any, ...]]:
        """As `starting`, the last first; those before `before` only."""
        found: list[tuple[Any, ...]] = []
        end = (*prefix, *before) if before else (*prefix, _TOP)
        at = min(bisect_left(self._lasts, end), len(self._chunks) - 1)
        while at >= 0 and (limit is None or len(found) < limit):
            chunk = self._chunks[at]
            begin, stop = bisect_left(chunk, prefix), bisect_left(chunk, end)
            some = chunk[begin:stop][::-1]
            found += some if limit is None else some[: limit - len(found)]
            if begin > 0:
                break
            at -= 1
        return found
