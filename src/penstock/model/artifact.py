"""What is kept: blobs by content, modules by key, and failures that are remembered."""

import msgspec

from penstock.model.job import Trust
from penstock.model.states import ModuleState


class Module(msgspec.Struct, frozen=True, kw_only=True):
    """A built part (or a passed test) that can be reused, named by the digest of everything that went into it.

    One row per (trust, key). While it is `building`, `producer` is the job that makes it and others wait for
    it. `output`, `worktree`: blob digests, "" for a test. `other_output` is a later, different output of the
    same key: the module is then shown as not reproducible.
    """

    trust: Trust
    key: str
    state: ModuleState
    producer: str
    name: str = ""
    platform: str = ""
    kind: str = "build"
    output: str = ""
    worktree: str = ""
    other_output: str = ""
    created_ms: int = 0
    expires_ms: int = 0
    version: int = 0


class Part(msgspec.Struct, frozen=True, order=True):
    """One installed tree that $PREFIX holds: whose it is, its blob and the size of that."""

    module: str
    platform: str
    digest: str
    size_bytes: int


class Inputs(msgspec.Struct, frozen=True, kw_only=True):
    """What a job's attempts may read: everything that $PREFIX holds, and `source`, the blob that the working
    folder comes from ("" when it is the source itself). Written when the job is ready; no row when it is empty.
    """

    job: str
    source: str = ""
    parts: tuple[Part, ...] = ()
    version: int = 0


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A key that failed: automatic intake does not run it again until `until_ms` (wall clock)."""

    trust: Trust
    key: str
    job: str
    reason: str
    until_ms: int
    version: int = 0


class Blob(msgspec.Struct, frozen=True, kw_only=True):
    """One object of the blob store. `state`: "stored", "expiring" or "COLLECTED" (I17)."""

    digest: str
    size_bytes: int
    state: str = "stored"
    created_ms: int = 0
    version: int = 0
