"""I12 and I17 as a world can tell them: what anybody reads is there, whole; nothing that expires comes back by itself."""

from collections.abc import Iterable, Iterator
from typing import Any

from penstock.hub.pruner import OLD_MS
from penstock.model.artifact import Blob, Inputs, Module
from penstock.model.change import Build
from penstock.model.job import Attempt, Job
from penstock.model.states import AttemptState, JobState, ModuleState
from penstock.ports import Tx
from penstock.sim.storm.bucket import Bucket
from penstock.sim.storm.witness import Watched, Witness

Row = Any
GOOD = (JobState.PASSED, JobState.REUSED)
KEPT = (ModuleState.VERIFIED, ModuleState.PUBLISHED)
BLOB_FOLLOWS = {"stored": "expiring", "expiring": "COLLECTED", "COLLECTED": "stored"}
NOT_PRUNED_MS = OLD_MS + 900_000
"""An upload of an attempt that ended so long ago ought to be gone."""


class Shelf:
    """One world's."""

    def __init__(self, store: Watched, bucket: Bucket, witness: Witness) -> None:
        self._store, self._bucket, self._witness = store, bucket, witness

    def hold(self, rows: Iterable[tuple[Row | None, Row | None]]) -> None:
        """Hold what one step wrote, and what came and went in the bucket, against it."""
        touched = set(self._bucket.take())
        for old, new in rows:
            if isinstance(new, Blob):
                touched.add(new.digest)
                self._turned(old, new)
            elif isinstance(new, Module):
                touched |= {new.output, new.worktree}
                self._began_anew(old, new)
            elif isinstance(new, Job) and new.state in GOOD:
                touched |= {new.output, new.worktree}
        touched.discard("")
        if touched:
            self._there(touched)

    def whole(self) -> None:
        """Hold all there is against it: what is read is there, what is there is in the books."""
        self._there(None)
        blobs = self._store.read(lambda tx: tx.find(Blob, "key"))
        known = {one.digest for one in blobs if one.state != "COLLECTED"} | self._store.read(_settling)
        for digest in self._bucket.objects():
            if digest not in known:
                self._witness.say("I12", digest, "is there and in no book")

    def pruned(self, wall_ms: int) -> None:
        """What got no content name is gone when nobody can be sending it any more. Clocks must have been let alone for a
        while."""
        uploads = self._bucket.uploads()
        for attempt in self._store.read(lambda tx: tx.find(Attempt, "key")):
            if attempt.settled and attempt.ended_ms < wall_ms - NOT_PRUNED_MS and attempt.id in uploads:
                self._witness.say("I12", attempt.id, "ended hours ago, and its uploads are still there")

    def _turned(self, old: Blob | None, new: Blob) -> None:
        if old is not None and new.state not in (old.state, BLOB_FOLLOWS[old.state]):
            self._witness.say("I17", new.digest, f"was {old.state} and is {new.state}")
        there = new.state == "COLLECTED" and self._bucket.holds(new.digest)
        if there and not self._store.read(lambda tx: _comes_back(tx, new.digest)):
            self._witness.say("I17", new.digest, "is COLLECTED and still there")

    def _began_anew(self, old: Module | None, new: Module) -> None:
        expiring = old is not None and old.state == ModuleState.EXPIRING
        if expiring and new.state not in (ModuleState.EXPIRING, ModuleState.COLLECTED):
            self._witness.say("I17", new.key, f"is {new.state} before it was collected")

    def _there(self, touched: set[str] | None) -> None:
        for digest, (who, state) in self._store.read(lambda tx: _needed(tx, touched)).items():
            if state != "stored":
                self._witness.say("I17", digest, f"is {state or 'unknown'}, and read by {who}")
            if not self._bucket.holds(digest):
                self._witness.say("I12", digest, f"is not there, and read by {who}")


def _comes_back(tx: Tx, digest: str) -> bool:
    """Whether what was collected is there again since, or on its way to its name: an end that waited is settled at once."""
    now = tx.get(Blob, digest)
    return (now is not None and now.state == "stored") or digest in _settling(tx)


def _settling(tx: Tx) -> set[str]:
    """What may have its name already, though the transaction that says so is still to come, from this leader or the next."""
    ends = tx.find(Attempt, "unsettled", False, AttemptState.FINISHING)
    return {output.digest for end in ends for output in end.outputs}


def _needed(tx: Tx, touched: set[str] | None) -> dict[str, tuple[str, str]]:
    """Of these digests, or of all: what must be readable, who reads it, and what the books say of it."""
    found = {digest: who for digest, who in _readers(tx) if digest and (touched is None or digest in touched)}
    blobs = {digest: tx.get(Blob, digest) for digest in found}
    return {digest: (found[digest], "" if blob is None else blob.state) for digest, blob in blobs.items()}


def _readers(tx: Tx) -> Iterator[tuple[str, str]]:
    for build in tx.find(Build, "open", True):
        for job in tx.find(Job, "build", build.id):
            if job.state in GOOD:
                yield job.output, job.id
                yield job.worktree, job.id
    for job in tx.find(Job, "open", True):
        inputs = tx.get(Inputs, job.id)
        if inputs is not None:
            yield inputs.source, job.id
            yield from ((part.digest, job.id) for part in inputs.parts)
    for state in KEPT:
        for module in tx.find(Module, "state", state):
            yield module.output, module.key
            yield module.worktree, module.key
