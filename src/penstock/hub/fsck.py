"""Checks the farm's books against the invariants, and the archive against its blobs. Changes nothing."""

from collections.abc import Iterator

import msgspec

from penstock.hub.context import Hub
from penstock.hub.steps import look
from penstock.model.artifact import Blob, Module
from penstock.model.books import KINDS, Books
from penstock.model.farm import Farm
from penstock.model.invariants import Violation, violations
from penstock.model.job import Job
from penstock.model.ledger import Entry
from penstock.model.states import ModuleState
from penstock.ports import Tx

PAGE = 10_000
"""Entries of the ledger that are read at once."""


def fsck(hub: Hub, digest_again: bool = False) -> list[Violation]:
    """Everything that is not as it must be; [] when all is well.

    With `digest_again` every stored object is read and digested, which takes as long as reading all of them.
    """
    books = look(hub, load_books)
    return [*violations(books), *_blobs(hub, books, digest_again)]


def load_books(tx: Tx, farm: Farm) -> Books:
    """All records from one consistent view. Memory: all of them, but for the entries of the ledger."""
    records: list[msgspec.Struct] = []
    for kind in KINDS:
        records += tx.find(kind, "key")
    return Books(farm, records, _entries(tx))


def _entries(tx: Tx) -> Iterator[Entry]:
    after: tuple[int, ...] = ()
    while page := tx.find(Entry, "key", limit=PAGE, after=after):
        yield from page
        after = (page[-1].seq,)


def _blobs(hub: Hub, books: Books, digest_again: bool) -> list[Violation]:
    """I12: what is needed is there, whole."""
    found = []
    for digest, subject in sorted(_needed(books).items()):
        size_bytes = hub.blobs.size(digest)
        blob = books.blobs.get(digest, Blob(digest=digest, size_bytes=size_bytes or 0))
        if size_bytes is None:
            found.append(Violation("I12", subject, f"{digest} is not in the blob store"))
        elif size_bytes != blob.size_bytes:
            found.append(Violation("I12", subject, f"{digest} has {size_bytes} bytes, not {blob.size_bytes}"))
        elif digest_again and not hub.blobs.verify(digest):
            found.append(Violation("I12", subject, f"{digest} is damaged"))
    return found


def _needed(books: Books) -> dict[str, str]:
    """Blobs that must be there, and who needs each: what jobs of open builds made, and what can be reused."""
    users: list[Job | Module] = [job for job in books.jobs.values() if books.builds[job.build].open]
    users += [m for m in books.modules.values() if m.state in (ModuleState.VERIFIED, ModuleState.PUBLISHED)]
    needed = {}
    for user in users:
        for digest in filter(None, (user.output, user.worktree)):
            needed[digest] = user.id if isinstance(user, Job) else f"{user.name}@{user.platform}"
    return needed
