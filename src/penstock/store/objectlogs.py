"""Logs in an object store, where any hub process appends and reads.

    logs/<attempt>/<offset>          a piece: the bytes from there on, created once
    logs/<attempt>/<offset>-<end>    neighbouring pieces joined; the pieces it holds are removed after it is there

A piece is only ever created, at the end of what is there, so of two hubs that append at once one wins and the other
looks again. Joined pieces hold what the pieces held, so any hub may join at any time and be killed at any moment:
pieces that overlap say the same, and where they do not (an agent that tells two hubs two things), all readers believe
the one that begins first.
"""

import re
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from penstock.ports import StoreError
from penstock.store.logs import checked, fresh_part, is_attempt
from penstock.store.objects import Objects

MANY = 32
"""So many pieces of one attempt are joined: an agent that prints all the time sends two a second."""
REMEMBERED = 1000
"""Attempts whose end is remembered; others are looked up."""
_TURNS = 8
_PIECE = re.compile(r"([0-9]{16})(?:-([0-9]{16}))?")


class Piece(NamedTuple):
    """One object of a log: where its bytes begin and end, and from where on they are read."""

    first: int
    end: int
    path: str
    start: int


class ObjectLogs:
    """As ports.LogStore. What it remembers of an attempt is a hint: a wrong one costs another look."""

    def __init__(self, objects: Objects, many: int = MANY) -> None:
        self._objects = objects
        self._many = many
        self._ends: OrderedDict[str, tuple[int, int]] = OrderedDict()
        self._lock = threading.Lock()

    def size(self, attempt: str) -> int:
        """As ports.LogStore.size."""
        return self._look(attempt)[0]

    def append(self, attempt: str, offset: int, data: bytes) -> int:
        """As ports.LogStore.append. Usually one call to the store, and a few more for every MANY-th piece."""
        checked(attempt)
        end, count = self._remembered(attempt) or self._look(attempt)
        if offset > end:
            end, count = self._look(attempt)
        for _ in range(_TURNS):
            fresh = fresh_part(data, offset, end)
            if not fresh:
                return end
            if self._objects.create(_path(attempt, end), fresh):
                return self._appended(attempt, end + len(fresh), count + 1)
            # Another hub was faster, or this very piece came before an answer was lost.
            end, count = self._look(attempt)
        raise StoreError(f"the log of {attempt} cannot be written: the piece at {end} is there and is not")

    def read(self, attempt: str, offset: int, most_bytes: int) -> bytes:
        """As ports.LogStore.read."""
        for _ in range(_TURNS):
            chain = chained(self._pieces(attempt))
            try:
                return b"".join(self._parts(chain, offset, offset + most_bytes))
            except KeyError:
                continue  # joined meanwhile
        raise StoreError(f"the log of {attempt} cannot be read: its pieces change all the time")

    def attempts(self) -> Iterator[str]:
        """As ports.LogStore.attempts."""
        return (name for name in self._objects.folders("logs") if is_attempt(name))

    def delete(self, attempt: str) -> None:
        """As ports.LogStore.delete."""
        with self._lock:
            self._ends.pop(checked(attempt), None)
        self._objects.delete([path for path, _ in self._objects.below(f"logs/{attempt}")])

    def join(self, attempt: str) -> None:
        """Put the last pieces together, as many as are no larger than what follows them. Safe at any time.

        So a byte is written again at most a few times, however long the log grows. Raises StoreError.
        """
        pieces = self._pieces(attempt)
        chain = chained(pieces)
        run = tail(chain)
        if len(run) > 1:
            start, end = run[0].start, run[-1].end
            joined = Piece(start, end, _path(attempt, start, end), start)
            self._objects.put_stream(joined.path, self._parts(run, start, end))
            if self._objects.size(joined.path) != end - start:
                raise StoreError(f"the log of {attempt} was not joined")
            pieces, chain = [*pieces, joined], chained([*pieces, joined])
        self._objects.delete(covered(pieces, chain))
        self._remember(attempt, chain[-1].end if chain else 0, len(chain))

    def _appended(self, attempt: str, end: int, count: int) -> int:
        self._remember(attempt, end, count)
        if count >= self._many:
            try:
                self.join(attempt)
            except (KeyError, StoreError):
                # What was appended is there. Whoever joins next does this, too.
                self._remember(attempt, end, 0)
        return end

    def _parts(self, chain: Sequence[Piece], start: int, end: int) -> Iterator[bytes]:
        """The bytes from `start` to before `end`, from pieces that follow each other."""
        for piece in chain:
            begin, stop = max(start, piece.start), min(end, piece.end)
            if begin < stop:
                _, chunks = self._objects.open(piece.path, begin - piece.first, stop - piece.first)
                yield from (bytes(chunk) for chunk in chunks)

    def _look(self, attempt: str) -> tuple[int, int]:
        """End of the log and number of its pieces, as they are now."""
        pieces = self._pieces(attempt)
        chain = chained(pieces)
        return self._remember(attempt, chain[-1].end if chain else 0, len(pieces))

    def _pieces(self, attempt: str) -> list[Piece]:
        return read_names(self._objects.below(f"logs/{checked(attempt)}"))

    def _remembered(self, attempt: str) -> tuple[int, int] | None:
        with self._lock:
            return self._ends.get(attempt)

    def _remember(self, attempt: str, end: int, count: int) -> tuple[int, int]:
        with self._lock:
            self._ends[attempt] = (end, count)
            self._ends.move_to_end(attempt)
            if len(self._ends) > REMEMBERED:
                self._ends.popitem(last=False)
        return end, count


def read_names(found: Iterable[tuple[str, int]]) -> list[Piece]:
    """Pieces from what a listing says; what is called otherwise is not ours."""
    pieces = []
    for path, size in found:
        named = _PIECE.fullmatch(path.rpartition("/")[2])
        if named and int(named[2] or int(named[1]) + size) == int(named[1]) + size:
            pieces.append(Piece(int(named[1]), int(named[1]) + size, path, int(named[1])))
    return pieces


def chained(pieces: Iterable[Piece]) -> list[Piece]:
    """The pieces that make up a log, each to be read from where the one before it ends.

    Of two that overlap the one that begins first is read to its end, of two that begin together the longer one.
    """
    chain: list[Piece] = []
    end = 0
    for piece in sorted(pieces, key=lambda piece: (piece.first, -piece.end, piece.path)):
        if piece.first <= end < piece.end:
            chain.append(piece._replace(start=end))
            end = piece.end
    return chain


def tail(chain: Sequence[Piece]) -> Sequence[Piece]:
    """The last pieces, as far back as each is no longer than all that follow it."""
    if not chain:
        return chain
    begin = len(chain) - 1
    while begin and chain[begin - 1].end - chain[begin - 1].start <= chain[-1].end - chain[begin].start:
        begin -= 1
    return chain[begin:]


def covered(pieces: Iterable[Piece], chain: Sequence[Piece]) -> list[str]:
    """Paths of pieces that nobody reads, because one that is read holds all of them."""
    used = {piece.path for piece in chain}
    return [
        piece.path
        for piece in pieces
        if piece.path not in used
        and any(other.first <= piece.first and piece.end <= other.end for other in chain)
    ]


def _path(attempt: str, start: int, end: int | None = None) -> str:
    joined = "" if end is None else f"-{end:016d}"
    return f"logs/{attempt}/{start:016d}{joined}"
