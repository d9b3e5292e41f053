"""A farm copied while it runs, and put into an empty place.

A backup is the records of one instant, then all blobs and logs that they speak of: blobs never change under their
names and are not deleted while a record needs them, so the records come first. Restored, the same farm begins a
new incarnation, frozen: `penstock thaw` says whether it is the farm itself or a copy of it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any

import msgspec

from penstock.hub.context import Hub, NotFound, Refused
from penstock.hub.ender import keep_back, unsettled
from penstock.hub.steps import Step
from penstock.model.artifact import Blob
from penstock.model.farm import Event, Farm
from penstock.model.job import Attempt, Job
from penstock.model.machine import Machine, Session
from penstock.model.records import SHAPES
from penstock.model.states import AttemptState, JobState, SessionState
from penstock.ports import BlobStore, LogStore, StoreError, Tables, Tx

TOGETHER = 500
"""Records written in one transaction while a farm is restored."""
LOG_PIECE_BYTES = 1 << 20
FORMAT = 1
REASON = "may have run after the backup was taken; release it if it has not"


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup says of itself. `tables` counts the records of each table."""

    format: int
    farm: str
    uid: str
    incarnation: str
    release: str
    taken_ms: int
    time_ms: int
    tables: dict[str, int]


@dataclass(frozen=True)
class Place:
    """Where a farm is copied to or from."""

    tables: Tables
    blobs: BlobStore
    logs: LogStore


@dataclass
class Copied:
    """What was copied. `problems`: what could not be, each a sentence."""

    records: int = 0
    blobs: int = 0
    blobs_bytes: int = 0
    logs: int = 0
    logs_bytes: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass
class _Wanted:
    """What the records of a backup speak of."""

    blobs: list[Blob] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)

    def note(self, record: msgspec.Struct) -> None:
        """Remember what has to be copied for this record."""
        if isinstance(record, Blob) and record.state == "stored":
            self.blobs.append(record)
        elif isinstance(record, Attempt) and record.log_bytes:
            self.logs.append(record.id)


def backup(hub: Hub, logs: LogStore, place: Place, release: str) -> Copied:
    """Copy the farm as it is at one instant; what `place` has already is not copied again.

    Raises NotFound where there is no farm, StoreError where the records cannot be read or written.
    """
    wanted, copied = _Wanted(), Copied()
    about = hub.store.read(lambda tx: _dump(tx, hub, place.tables, wanted, release))
    copied.records = sum(about.tables.values())
    _copy_blobs(hub.blobs, place.blobs, wanted.blobs, copied)
    _copy_logs(logs, place.logs, wanted.logs, copied)
    # Only now: a backup that was broken off has nothing that says it is one.
    place.tables.seal(msgspec.json.encode(about))
    return copied


def restore(hub: Hub, logs: LogStore, place: Place) -> Copied:
    """Put a backup into the farm's empty store, frozen and under a new incarnation.

    The farm's own row is written last: what was broken off is no farm. Raises Refused for a store that has records
    already, StoreError for a backup that is damaged or newer than this release.
    """
    about = read_about(place.tables)
    _refuse_used(hub)
    wanted, copied = _Wanted(), Copied()
    farms: list[Farm] = []
    for kind in SHAPES:
        records = _records(place.tables, kind, about)
        if kind is Farm:
            farms += [record for record in records if isinstance(record, Farm)]
        else:
            copied.records += _load(hub, map(_unbound, records), wanted)
    if len(farms) != 1:
        raise StoreError("the backup is damaged: it has no farm")
    _copy_blobs(place.blobs, hub.blobs, wanted.blobs, copied)
    _copy_logs(place.logs, logs, wanted.logs, copied)
    _begin(hub, farms[0], about)
    copied.records += 1
    return copied


def read_about(tables: Tables) -> About:
    """What a backup says of itself. Raises StoreError for one that is incomplete, damaged or of a later format."""
    try:
        about = msgspec.json.decode(tables.about(), type=About)
    except msgspec.DecodeError as wrong:
        raise StoreError(f"the backup is damaged: {wrong}") from wrong
    if about.format > FORMAT:
        raise StoreError(f"the backup has format {about.format}: release {about.release} or newer reads it")
    return about


def _dump(tx: Tx, hub: Hub, tables: Tables, wanted: _Wanted, release: str) -> About:
    """Write all records of one consistent view."""
    farm = tx.get(Farm, "farm")
    if farm is None:
        raise NotFound("farm", "farm")
    counts = {}
    for kind, shape in SHAPES.items():
        counts[shape.table] = tables.write(shape.table, _lines(_all(tx, kind), wanted))
    return About(
        format=FORMAT,
        farm=farm.name,
        uid=farm.uid,
        incarnation=farm.incarnation,
        release=release,
        taken_ms=hub.clock.wall_ms(),
        time_ms=farm.time_ms,
        tables=counts,
    )


def _all(tx: Tx, kind: type[msgspec.Struct]) -> Iterator[msgspec.Struct]:
    """All records of a kind in the order of their keys; memory holds some hundred of them."""
    key = SHAPES[kind].key
    after: tuple[Any, ...] = ()
    while found := tx.find(kind, "key", limit=TOGETHER, after=after):
        yield from found
        after = tuple(getattr(found[-1], name) for name in key)


def _lines(records: Iterable[msgspec.Struct], wanted: _Wanted) -> Iterator[bytes]:
    encoder = msgspec.json.Encoder()
    for record in records:
        wanted.note(record)
        yield encoder.encode(record)


def _records(tables: Tables, kind: type[msgspec.Struct], about: About) -> Iterator[msgspec.Struct]:
    """The records of one table. Fields that this release does not know are dropped, those that it adds have defaults."""
    table = SHAPES[kind].table
    if table not in about.tables:
        return  # the release that wrote it had no such table
    decoder = msgspec.json.Decoder(kind)
    count = 0
    for line in tables.read(table):
        count += 1
        try:
            yield decoder.decode(line)
        except msgspec.DecodeError as wrong:
            raise StoreError(f"the backup is damaged: {table}, record {count}: {wrong}") from wrong
    if count != about.tables[table]:
        raise StoreError(f"the backup is damaged: {table} has {count} records, not {about.tables[table]}")


def _unbound(record: msgspec.Struct) -> msgspec.Struct:
    """A record without what tied it to calls of the farm before: no session goes on under a new incarnation."""
    if isinstance(record, Session):
        return msgspec.structs.replace(record, state=SessionState.GONE, open=False)
    if isinstance(record, Machine):
        return msgspec.structs.replace(record, session="", accepting=False)
    return record


def _refuse_used(hub: Hub) -> None:
    def count(tx: Tx) -> list[str]:
        return [shape.table for kind, shape in SHAPES.items() if tx.find(kind, "key", limit=1)]

    if used := hub.store.read(count):
        raise Refused(f"the place is not empty ({', '.join(used)}): restore into a new one", stop=False)


def _load(hub: Hub, records: Iterator[msgspec.Struct], wanted: _Wanted) -> int:
    """Insert records as they were, some hundred in one transaction. Returns how many."""
    count = 0
    while chunk := list(islice(records, TOGETHER)):
        hub.store.write(partial(_insert, records=chunk))
        for record in chunk:
            wanted.note(record)
        count += len(chunk)
    return count


def _insert(tx: Tx, records: Sequence[msgspec.Struct]) -> None:
    for record in records:
        tx.insert(record)


def _begin(hub: Hub, farm: Farm, about: About) -> None:
    """The farm's row, last: a new incarnation, frozen. What must never run twice is held: it may have run since."""
    restored = msgspec.structs.replace(
        farm,
        incarnation=hub.entropy.token(5),
        adopted=(*farm.adopted, farm.incarnation),
        leader="",
        leader_epoch=farm.leader_epoch + 1,
        frozen=True,
        frozen_reason="restored from a backup; thaw it with --adopt (it is the farm) or --as-copy",
        address="",
        version=0,
    )

    def write(tx: Tx) -> None:
        tx.insert(restored)
        step = Step(tx, hub, restored)
        for job in tx.find(Job, "open", True):
            if job.spec.retry == "never" and job.state != JobState.HELD and not _finishing(step, job):
                keep_back(step, job, REASON)
        step.tell(Event(kind="farm", state="restored", reason=f"from a backup of release {about.release}"))
        step.end()

    hub.store.write(write)


def _finishing(step: Step, job: Job) -> bool:
    """True when its end is recorded already: then there is nothing to ask a person."""
    attempt = unsettled(step, job)
    return attempt is not None and attempt.state == AttemptState.FINISHING


def _copy_blobs(source: BlobStore, target: BlobStore, blobs: Sequence[Blob], copied: Copied) -> None:
    for blob in blobs:
        if target.size(blob.digest) == blob.size_bytes:
            continue
        problem = _copy_blob(source, target, blob)
        if problem:
            copied.problems.append(problem)
        else:
            copied.blobs += 1
            copied.blobs_bytes += blob.size_bytes


def _copy_blob(source: BlobStore, target: BlobStore, blob: Blob) -> str:
    """Copy one object, digested on the way. Returns why it could not be, "" when it was."""
    name = f"copy-{blob.digest.partition(':')[2][:32]}/object"
    try:
        chunks = source.read(blob.digest)
    except KeyError:
        return f"{blob.digest} is not in the blob store"
    upload = target.upload(name)
    try:
        for chunk in chunks:
            upload.write(chunk)
        digest, _ = upload.finish()
    except BaseException:
        upload.abandon()
        raise
    if digest != blob.digest:
        target.discard(name)
        return f"{blob.digest} is damaged"
    target.publish(name, digest)
    return ""


def _copy_logs(source: LogStore, target: LogStore, attempts: Sequence[str], copied: Copied) -> None:
    for attempt in attempts:
        before = target.size(attempt)
        after = _copy_log(source.read, target.append, attempt, before)
        copied.logs += after > before
        copied.logs_bytes += after - before


def _copy_log(
    read: Callable[[str, int, int], bytes],
    append: Callable[[str, int, bytes], int],
    attempt: str,
    offset: int,
) -> int:
    while piece := read(attempt, offset, LOG_PIECE_BYTES):
        offset = append(attempt, offset, piece)
    return offset
