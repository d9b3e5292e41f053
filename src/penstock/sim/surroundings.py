"""What a hub needs of the world, simulated: a clock that is set, chance that is seeded, blobs that are none."""

from collections.abc import Iterator
from random import Random

from penstock.ports import StoreError, Ticket, Upload

_LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz"


class VirtualClock:
    """Both clocks show `now_ms`."""

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms

    def wall_ms(self) -> int:
        """As ports.Clock."""
        return self.now_ms

    def monotonic_ms(self) -> int:
        """As ports.Clock."""
        return self.now_ms


class Seeded:
    """Tokens that rise in the order in which they are given, so that ties by id are ties by age; and are told apart by
    what the seed gives them."""

    def __init__(self, seed: int) -> None:
        self._chance = Random(f"tokens {seed}")
        self._count = 0

    def token(self, size_bytes: int = 16) -> str:
        """As ports.Entropy."""
        self._count += 1
        rest = "".join(self._chance.choice(_LETTERS) for _ in range(4))
        return f"{self._count:09d}{rest}"


class NoBlobs:
    """A blob store of jobs that make nothing."""

    direct = False

    def upload(self, name: str) -> Upload:
        """As ports.BlobStore; nobody uploads."""
        raise StoreError("simulated jobs make nothing")

    def ticket(self, name: str, valid_s: int) -> Ticket | None:
        """As ports.BlobStore."""
        return None

    def receive(self, name: str) -> tuple[str, int]:
        """As ports.BlobStore."""
        raise KeyError(name)

    def publish(self, name: str, digest: str) -> None:
        """As ports.BlobStore."""
        raise KeyError(name)

    def size(self, digest: str) -> int | None:
        """As ports.BlobStore."""
        return None

    def read(self, digest: str) -> Iterator[bytes]:
        """As ports.BlobStore."""
        raise KeyError(digest)

    def verify(self, digest: str) -> bool:
        """As ports.BlobStore."""
        return False

    def digests(self) -> Iterator[str]:
        """As ports.BlobStore."""
        return iter(())

    def uploads(self) -> Iterator[str]:
        """As ports.BlobStore."""
        return iter(())

    def delete(self, digest: str) -> None:
        """As ports.BlobStore."""

    def discard(self, name: str) -> None:
        """As ports.BlobStore."""


class Woken:
    """Remembers what was woken, each once, in order."""

    def __init__(self) -> None:
        self.topics: dict[str, None] = {}

    def wake(self, topic: str) -> None:
        """As ports.Notifier."""
        self.topics[topic] = None

    def take(self) -> list[str]:
        """What was woken since the last time."""
        found, self.topics = list(self.topics), {}
        return found
