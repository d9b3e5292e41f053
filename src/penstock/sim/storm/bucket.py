"""An object store in memory that fails as real ones do, under the hub's own blob store, and sees what gets a content name (I12)."""

import hashlib
from collections.abc import Callable, Iterator
from random import Random
from typing import TypeVar

from penstock.model.artifact import Blob
from penstock.ports import Away
from penstock.sim.storm.provider import Court
from penstock.store.objects import CutOff, Listed, Objects, Writer

T = TypeVar("T")
CONTENT = "sha256/"
ADDRESS = "bucket:"


class Bucket(Objects):
    """One farm's. `fails`: the share of calls that get no answer; half of them are carried out. `now`: true time."""

    def __init__(self, seed: int, now: Callable[[], int], court: Court) -> None:
        super().__init__(None, "the bucket", signs=True)
        self.fails = 0.0
        self._chance, self._now, self._court = Random(f"bucket {seed}"), now, court
        self._there: dict[str, bytes] = {}
        self._read: set[str] = set()
        self._signed: dict[str, int] = {}
        self._changed: dict[str, None] = {}

    # What the hub calls

    def put(self, path: str, data: bytes) -> None:
        """As Objects.put."""
        self._call(lambda: self._written(path, bytes(data)))

    def size(self, path: str) -> int | None:
        """As Objects.size."""
        return self._call(lambda: len(self._there[path]) if path in self._there else None)

    def open(self, path: str, start: int = 0, end: int | None = None) -> tuple[int, Iterator[memoryview]]:
        """As Objects.open."""
        data = self._call(lambda: self._there[path])
        return len(data), self._chunks(path, data)

    def copy(self, source: str, target: str) -> None:
        """As Objects.copy."""
        self._call(lambda: self._copied(source, target))

    def delete(self, paths: list[str]) -> None:
        """As Objects.delete; a lost answer leaves some of them."""
        for path in paths:
            self._call(lambda path=path: self._removed(path))  # type: ignore[misc]

    def below(self, folder: str) -> Listed:
        """As Objects.below."""
        begin = f"{folder}/"
        return self._call(
            lambda: [(path, len(data)) for path, data in self._there.items() if path.startswith(begin)]
        )

    def writer(self, path: str) -> Writer:
        """As Objects.writer."""
        return Parts(self, path)

    def sign(self, path: str, valid_s: int) -> str:
        """As Objects.sign."""
        self._signed[path] = self._now() + valid_s * 1000
        return ADDRESS + path

    # What agents call

    def sent(self, url: str, data: bytes) -> bool:
        """Somebody puts this by a ticket. False where it is none any more."""
        path = url.removeprefix(ADDRESS)
        if self._now() >= self._signed.get(path, 0):
            return False
        self._call(lambda: self._put(path, data))
        return True

    # What is looked at

    def holds(self, digest: str) -> bool:
        """Whether there is an object of this name. Nothing but what is whole ever gets one."""
        return _path(digest) in self._there

    def objects(self) -> list[str]:
        """Digests of all objects."""
        return sorted(f"sha256:{path.rpartition('/')[2]}" for path in self._there if path.startswith(CONTENT))

    def uploads(self) -> set[str]:
        """Attempts of which something lies there that has no content name."""
        return {path.split("/")[1] for path in self._there if not path.startswith(CONTENT)}

    def take(self) -> list[str]:
        """Digests whose objects came or went since the last time."""
        changed, self._changed = self._changed, {}
        return list(changed)

    # What happens

    def _call(self, act: Callable[[], T]) -> T:
        drawn = self._chance.random() if self.fails else 1.0
        if drawn < self.fails / 2:
            raise Away("the bucket does not answer")
        answer = act()
        if drawn < self.fails:
            raise Away("the bucket has done it, and its answer is lost")
        return answer

    def _chunks(self, path: str, data: bytes) -> Iterator[memoryview]:
        half = len(data) // 2
        yield memoryview(data)[:half]
        if self.fails and self._chance.random() < self.fails:
            raise CutOff(f"the bucket: {path} ended after {half} of {len(data)} bytes")
        yield memoryview(data)[half:]
        if self._there.get(path) is data:
            self._read.add(path)

    def _written(self, path: str, data: bytes) -> None:
        """The hub has these bytes, so it can have digested them."""
        self._put(path, data)
        self._read.add(path)

    def _copied(self, source: str, target: str) -> None:
        self._put(target, self._there[source], source)

    def _put(self, path: str, data: bytes, source: str = "") -> None:
        if path.startswith(CONTENT):
            self._named(path, data, source)
        self._there[path] = data
        self._read.discard(path)

    def _removed(self, path: str) -> None:
        if self._there.pop(path, None) is not None and path.startswith(CONTENT):
            self._changed[f"sha256:{path.rpartition('/')[2]}"] = None

    def _named(self, path: str, data: bytes, source: str) -> None:
        """I12: what gets a content name is whole, is that content, and was read by the hub. I17: not while it expires."""
        digits = path.rpartition("/")[2]
        digest = f"sha256:{digits}"
        self._changed[digest] = None
        if hashlib.sha256(data).hexdigest() != digits:
            self._court.breach("I12", digest, f"names {len(data)} bytes that are something else")
        if source not in self._read:
            self._court.breach("I12", digest, "got its name before it was read and digested")
        row = self._court.look(lambda tx: tx.get(Blob, digest))
        if row is not None and row.state == "expiring":
            self._court.breach("I17", digest, "is published while it expires")


class Parts(Writer):
    """An object on its way in; there as a whole or not at all."""

    def __init__(self, bucket: Bucket, path: str) -> None:
        self._bucket, self._to = bucket, path
        self._parts: list[bytes] = []

    def write(self, chunk: bytes) -> None:
        """As Writer.write."""
        self._parts.append(bytes(chunk))

    def close(self) -> None:
        """As Writer.close."""
        self._bucket.put(self._to, b"".join(self._parts))


def _path(digest: str) -> str:
    digits = digest.removeprefix("sha256:")
    return f"{CONTENT}{digits[:2]}/{digits}"
