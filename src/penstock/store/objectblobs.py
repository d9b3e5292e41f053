"""Blobs in an object store: S3 and its like through obstore, and memory for tests.

    uploads/<attempt>/<output>/<token>.open    an upload has begun; removed when a newer one takes the name
    uploads/<attempt>/<output>/<token>         its bytes, there as a whole or not at all
    uploads/<attempt>/<output>/<token>.<hex>   they were digested, as this
    sha256/<aa>/<hex>                          an object

Objects are only ever created, with one content for one name. Nothing here needs more than put, get, list, copy
and delete, because stores differ in everything else.
"""

import hashlib
import os
from collections.abc import Iterator
from typing import Any

import obstore

from penstock.ports import StoreError
from penstock.store.blobnames import CHUNK, digest_hex, in_pieces, is_hex, upload_parts

PART_BYTES = 8 << 20
PARTS_AT_ONCE = 4
"""Bounds the memory of one upload to 32 MiB; S3 takes parts of 5 MiB and more."""


class ObjectUpload:
    """As ports.Upload: one object under a name with a token of its own."""

    def __init__(self, store: Any, folder: str) -> None:
        self._store = store
        self._folder = folder
        self._path = f"{folder}/{os.urandom(8).hex()}"
        self._sha256 = hashlib.sha256()
        self._size = 0
        obstore.put(store, f"{self._path}.open", b"")
        self._writer: Any = obstore.open_writer(
            store, self._path, buffer_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE
        )

    def write(self, chunk: bytes) -> None:
        """As ports.Upload.write."""
        # obstore keeps the buffer itself until the part is sent, and a sender may fill it anew: what is stored
        # would not be what was digested. For `bytes` this copies nothing.
        self._open_writer().write(bytes(chunk))
        self._sha256.update(chunk)
        self._size += len(chunk)

    def finish(self) -> tuple[str, int]:
        """As ports.Upload.finish."""
        self._open_writer().close()
        self._writer = None
        if _size(self._store, f"{self._path}.open") is None:
            _delete(self._store, [self._path])
            raise StoreError(f"a newer upload has taken the name {self._folder.removeprefix('uploads/')}")
        digits = self._sha256.hexdigest()
        obstore.put(self._store, f"{self._path}.{digits}", b"")
        return f"sha256:{digits}", self._size

    def abandon(self) -> None:
        """As ports.Upload.abandon. The parts are put together first: there is no other way to be rid of them."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
            _delete(self._store, [self._path, f"{self._path}.open"])

    def _open_writer(self) -> Any:
        if self._writer is None:
            raise StoreError(f"the upload {self._folder.removeprefix('uploads/')} has ended")
        return self._writer


class ObjectBlobs:
    """As ports.BlobStore, on any store of obstore."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def upload(self, name: str) -> ObjectUpload:
        """As ports.BlobStore.upload."""
        self.discard(name)
        return ObjectUpload(self._store, _folder(name))

    def publish(self, name: str, digest: str) -> None:
        """As ports.BlobStore.publish: a copy inside the store."""
        mark, target = f".{digest_hex(digest)}", _object(digest)
        found = [path for path in self._list(_folder(name)) if path.endswith(mark)]
        size = self.size(digest)
        if not found:
            if size is None:
                raise KeyError(f"neither an upload {name} of {digest} nor that object is there")
            return
        source = found[0].removesuffix(mark)
        # As in a folder: an object of another size is replaced, not believed.
        if size is None or size != _size(self._store, source):
            self._copy(source, target)
        _delete(self._store, [found[0], source, f"{source}.open"])

    def _copy(self, source: str, target: str) -> None:
        """Copy inside the store; whoever publishes the same upload at the same time may have done it already."""
        try:
            obstore.copy(self._store, source, target)
        except FileNotFoundError:
            if _size(self._store, target) is None:
                raise KeyError(target) from None

    def size(self, digest: str) -> int | None:
        """As ports.BlobStore.size."""
        return _size(self._store, _object(digest))

    def read(self, digest: str) -> Iterator[bytes]:
        """As ports.BlobStore.read."""
        try:
            found = obstore.get(self._store, _object(digest))
        except FileNotFoundError:
            raise KeyError(digest) from None
        return in_pieces(memoryview(chunk) for chunk in found.stream(min_chunk_size=CHUNK))

    def verify(self, digest: str) -> bool:
        """As ports.BlobStore.verify."""
        sha256 = hashlib.sha256()
        try:
            for chunk in self.read(digest):
                sha256.update(chunk)
        except KeyError:
            return False
        return sha256.hexdigest() == digest_hex(digest)

    def digests(self) -> Iterator[str]:
        """As ports.BlobStore.digests, in order."""
        names = sorted(path.rpartition("/")[2] for path in self._list("sha256"))
        return (f"sha256:{name}" for name in names if is_hex(name))

    def uploads(self) -> Iterator[str]:
        """As ports.BlobStore.uploads, in order."""
        return iter(sorted({"/".join(path.split("/")[1:3]) for path in self._list("uploads")}))

    def delete(self, digest: str) -> None:
        """As ports.BlobStore.delete."""
        _delete(self._store, [_object(digest)])

    def discard(self, name: str) -> None:
        """As ports.BlobStore.discard."""
        _delete(self._store, self._list(_folder(name)))

    def _list(self, folder: str) -> list[str]:
        return [str(found["path"]) for page in obstore.list(self._store, folder) for found in page]


def _folder(name: str) -> str:
    return "uploads/" + "/".join(upload_parts(name))


def _object(digest: str) -> str:
    digits = digest_hex(digest)
    return f"sha256/{digits[:2]}/{digits}"


def _size(store: Any, path: str) -> int | None:
    try:
        return int(obstore.head(store, path)["size"])
    except FileNotFoundError:
        return None


def _delete(store: Any, paths: list[str]) -> None:
    """Remove objects; missing ones are no error in any backend."""
    for path in paths:
        try:
            obstore.delete(store, path)
        except FileNotFoundError:
            continue
