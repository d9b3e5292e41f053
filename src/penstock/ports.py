"""What the hub needs of the world, as protocols. Adapters fulfil them; wiring picks which."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

import msgspec

from penstock.model.job import Source
from penstock.model.rented import Listing, Notice, Offer, Order

R = TypeVar("R", bound=msgspec.Struct)
T = TypeVar("T")


class StoreError(Exception):
    """The store could not do it; nothing of the operation was kept."""


class Stale(StoreError):
    """The record is no longer what it was when it was read: decide again from what is there now."""


class Duplicate(StoreError):
    """A unique constraint forbids it; `constraint` names the key or the constraint of model.records."""

    def __init__(self, constraint: str) -> None:
        super().__init__(f"already there: {constraint}")
        self.constraint = constraint


class Away(StoreError):
    """A store elsewhere did not answer, or not to the end: the next time it may. Nothing is wrong with the farm."""


class Locked(StoreError):
    """Another process has the state folder."""


class Clock(Protocol):
    """Two clocks: one to label what happened, one to measure."""

    def wall_ms(self) -> int:
        """Milliseconds since 1970 in UTC; may jump."""

    def monotonic_ms(self) -> int:
        """Milliseconds that only go forward."""


class Entropy(Protocol):
    """Chance, for ids and tokens."""

    def token(self, size_bytes: int = 16) -> str:
        """A fresh random string of lower-case letters and digits that carries `size_bytes` of chance."""


class Tx(Protocol):
    """One transaction. Reads see its own writes; nothing is visible outside before it ends."""

    def get(self, kind: type[R], *key: Any) -> R | None:
        """The record with this primary key, or None."""

    def find(
        self,
        kind: type[R],
        index: str,
        *values: Any,
        limit: int | None = None,
        after: tuple[Any, ...] = (),
        backwards: bool = False,
    ) -> list[R]:
        """Records whose leading index fields equal `values`, ordered by the remaining index fields, then the key.

        The index "key" is the primary key itself. `backwards`: the last first. `after`: only what comes after these
        values of the remaining fields, or of the first of them, in the order asked for: how long lists are read in
        pages. Raises ValueError for a search that the shape does not have.
        """

    def added(
        self, kind: type[msgspec.Struct], by: tuple[str, ...], of: tuple[str, ...], first: int, end: int
    ) -> list[tuple[Any, ...]]:
        """Sums of the whole numbers `of` for each combination of values in the fields `by`, as one row of both, in order.

        Added up are records whose key begins with a number from `first` to before `end`. A database does it without
        reading them out. Raises ValueError for fields that are not there or cannot be searched by, and for no numbers.
        """

    def insert(self, record: msgspec.Struct) -> None:
        """Add a record. Raises Duplicate (then nothing of this insert is kept, the transaction goes on).

        Where several constraints forbid it, the key is named first, then the first one in the shape. A numbered
        key is given by the store, whatever the record says; numbers rise and are never given twice.
        """

    def replace(self, record: msgspec.Struct) -> None:
        """Write a record over the one with its key and its `version`, which is then raised by one.

        Raises Stale when the stored version is another, or the row is gone; else Duplicate, as `insert` does.
        """

    def append(self, records: Sequence[msgspec.Struct]) -> None:
        """As `insert` for each, in order, for records of one kind that the store numbers: together they cost less.

        Raises TypeError for other kinds, and for a mixture.
        """

    def place(self, records: Sequence[msgspec.Struct], field: str, first: int) -> None:
        """Write `first`, `first` + 1 and so on into this field of numbered records, as `replace` would, in order.

        Raises Stale when one of them is not as it was read: then the operation is to be given up, for some may be
        written. Raises TypeError for other kinds, and for a mixture.
        """

    def delete(self, record: msgspec.Struct) -> None:
        """Remove the record with this key and version. Raises Stale."""


class Store(Protocol):
    """Durable records. Any number of threads may call it. An operation cannot start another: RuntimeError."""

    def read(self, operation: Callable[[Tx], T]) -> T:
        """Run `operation` on one consistent view, without writing (TypeError)."""

    def write(self, operation: Callable[[Tx], T]) -> T:
        """Run `operation` in a transaction and return after it is durable.

        It may be run more than once (serialisation failures are retried here and nowhere else), so it has no
        effect but through its transaction. What it raises undoes it, and only it, and is raised again here.
        """

    def submit(self, operation: Callable[[Tx], T]) -> Future[T]:
        """As `write`, without waiting: the future ends when `operation` is durable, or with what it raised."""

    def close(self) -> None:
        """Finish what was begun and let go of the database and the lock. Then everything raises StoreError."""


class Upload(Protocol):
    """One object on its way in, under a name of its own that no reader knows."""

    def write(self, chunk: bytes) -> None:
        """Add bytes; they are digested as they come."""

    def finish(self) -> tuple[str, int]:
        """End it. Returns (digest "sha256:<hex>", size in bytes) as read here, not as the sender says.

        Raises StoreError when a newer upload has taken the name meanwhile.
        """

    def abandon(self) -> None:
        """Drop what came so far. Harmless after `finish`."""


class Ticket(msgspec.Struct, frozen=True):
    """Leave to put one object of at most `most_bytes` at `url`, by this method and with these headers.

    `valid_s`: for how long, from when it was given. Whoever has it can do no more, and needs nothing else.
    """

    method: str
    url: str
    headers: dict[str, str]
    valid_s: int
    most_bytes: int


class BlobStore(Protocol):
    """Immutable objects by content, and uploads that are not yet such objects (I12).

    Names of uploads are "ATTEMPT/OUTPUT" in letters, digits, ".", "_" and "-"; digests are "sha256:<64 hex>".
    Anything else raises ValueError.
    """

    def upload(self, name: str) -> Upload:
        """Begin an upload under the attempt's own name ("attempt-id/tree"); an older one of that name goes."""

    @property
    def direct(self) -> bool:
        """Whether `ticket` gives tickets."""

    def ticket(self, name: str, valid_s: int) -> Ticket | None:
        """Begin an upload that goes past us; an older one of that name goes. None where the store takes none."""

    def receive(self, name: str) -> tuple[str, int]:
        """Read what came by the last ticket, and mark it as finished: (digest, size) as `Upload.finish` gives them.

        What its sender puts there later changes nothing any more. A repeat gives the first answer again. Raises
        KeyError where nothing came.
        """

    def publish(self, name: str, digest: str) -> None:
        """Give a finished upload its content name. Repeats are harmless.

        Raises KeyError when neither an upload that ended with this digest nor the object is there.
        """

    def size(self, digest: str) -> int | None:
        """Size in bytes of a stored object, or None."""

    def read(self, digest: str) -> Iterator[bytes]:
        """The object in chunks of at most 1 MiB. Raises KeyError, at once and not at the first chunk."""

    def verify(self, digest: str) -> bool:
        """Read the object and digest it again: False when it is damaged or missing. For fsck."""

    def digests(self) -> Iterator[str]:
        """All stored objects, for fsck and pruning."""

    def uploads(self) -> Iterator[str]:
        """Names of all unfinished or unpublished uploads."""

    def delete(self, digest: str) -> None:
        """Remove an object; a missing one is no error."""

    def discard(self, name: str) -> None:
        """Remove an upload; a missing one is no error."""


class LogStore(Protocol):
    """What attempts printed, by byte offset; appending twice changes nothing.

    Attempts are named in at most 64 letters, digits, "_" and "-"; anything else raises ValueError.
    """

    def size(self, attempt: str) -> int:
        """Bytes that are there; 0 for an attempt that printed nothing."""

    def append(self, attempt: str, offset: int, data: bytes) -> int:
        """Add `data` that begins at `offset`. Returns the offset expected next; a gap is not written."""

    def attempts(self) -> Iterator[str]:
        """All attempts that printed something, in order."""

    def delete(self, attempt: str) -> None:
        """Remove a log; a missing one is no error."""

    def read(self, attempt: str, offset: int, most_bytes: int) -> bytes:
        """At most `most_bytes` from `offset` on; empty at the end."""


class Tables(Protocol):
    """Records of a farm as lines of bytes, table by table: written once, sealed, then only read."""

    def write(self, table: str, lines: Iterable[bytes]) -> int:
        """Write one table. Returns how many lines. Raises StoreError."""

    def read(self, table: str) -> Iterator[bytes]:
        """The lines of a table as they were written. Raises StoreError for one that is damaged."""

    def seal(self, about: bytes) -> None:
        """Say that all tables are written, with a JSON object that tells what they are."""

    def about(self) -> bytes:
        """What `seal` was given. Raises StoreError where nothing is sealed."""


class Marks(Protocol):
    """A few small named texts beside the blobs, which may be written over."""

    def read(self, name: str) -> bytes | None:
        """The text, None while there is none. Raises StoreError."""

    def write(self, name: str, text: bytes) -> None:
        """Write it over; durable when it returns. Raises StoreError."""


class Notifier(Protocol):
    """Wakes whoever waits for something to change; a hint, never the truth."""

    def wake(self, topic: str) -> None:
        """Tell that something about `topic` ("machine:ID", "farm") changed."""


class FarmFailed(Exception):
    """The farm cannot go on: what happened, and where to look; as text one line."""


class ForgeError(Exception):
    """A repository is not as asked: which one, what is wrong, what to do instead; as text one line."""

    def __init__(self, repository: str, what: str, instead: str = "") -> None:
        super().__init__(repository, what, instead)
        self.repository, self.what, self.instead = repository, what, instead

    def __str__(self) -> str:
        return f"{self.repository}: {self.what}" + (f"; {self.instead}" if self.instead else "")


class Forge(Protocol):
    """Where source trees come from. Any number of threads may call it. All raise ForgeError."""

    def resolve(self, repository: str, ref: str = "HEAD", dirty: bool = False, path: str = ".") -> Source:
        """What a ref is now: its commit, the tree of the folder `path` in it, and the digest of that.

        `dirty`: the working tree as it is instead, of a repository on this machine.
        """

    def inside(self, source: Source, path: str) -> Source:
        """A folder of a source that is resolved already."""

    def read_file(self, source: Source, name: str, max_bytes: int) -> bytes:
        """One file of a source, whole; one that is larger is an error."""

    def archive(self, source: Source) -> Iterator[bytes]:
        """The source as a tar stream, a function of its digest alone, `.penstock.yml` at its top left out."""


class ProviderError(Exception):
    """A provider did not do it, and says why; nothing was made or changed."""


class NoCapacity(ProviderError):
    """It has no such machine now."""


class QuotaReached(ProviderError):
    """It gives this account no more. `shared`: until something goes, perhaps somebody else's: it is soon worth asking again."""

    shared = False


class Throttled(ProviderError):
    """Too many calls: later."""


class UnknownMachine(ProviderError):
    """It has no machine of that id, or not any more."""


class NoAnswer(ProviderError):
    """It did not answer in time: the call may have been carried out."""


class Provider(Protocol):
    """Who gives machines. Each call begins something and returns; `list` tells how far it is. Calls take at most 5 s, and
    their library repeats nothing. All raise ProviderError; any number of threads may call."""

    def offers(self) -> tuple[Offer, ...]:
        """What it could give now, the one to be taken first at first."""

    def create(self, order: Order) -> str:
        """Begin a machine, give its id. The same token again gives the same machine, also one that is gone."""

    def resume(self, id_: str) -> None:
        """Wake a stopped machine; one that is coming or up already is no error."""

    def suspend(self, id_: str) -> None:
        """Stop a machine, keep its disk; one that is stopping or stopped already is no error."""

    def delete(self, id_: str) -> None:
        """Give a machine back in whatever state it is; one that is going or gone is no error."""

    def list(self) -> Listing:
        """All that it has with tags of any farm, those that are gone for a while, too. It may be behind."""

    def notices(self) -> tuple[Notice, ...]:
        """Machines that it will take back soon."""

    def console(self, id_: str) -> str:
        """The last that a machine printed on its console, at most 64 kB; "" where nothing is kept of that."""
