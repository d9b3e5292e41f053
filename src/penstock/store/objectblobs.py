"""Blobs in an object store: S3 and its like through obstore, and memory for tests.

    uploads/<attempt>/<output>/...      what is on its way in: objectuploads.py
    sha256/<aa>/<hex>                   an object

Objects are only ever created, with one content for one name. Nothing here needs more than put, get, list, copy
and delete, because stores differ in everything else.
"""

import hashlib
from collections.abc import Iterator

from penstock.ports import StoreError, Ticket
from penstock.store.blobnames import digest_hex, in_pieces, is_hex
from penstock.store.objects import Objects
from penstock.store.objectuploads import (
    SENT,
    ObjectUpload,
    begin,
    digest_chunks,
    family,
    folder_of,
    receive,
)

COPY_MOST_BYTES = 5_000_000_000
"""S3 copies no larger object in one call, and takes none in one PUT."""


class ObjectBlobs:
    """As ports.BlobStore, on any store of obstore."""

    def __init__(self, objects: Objects, copy_most_bytes: int = COPY_MOST_BYTES) -> None:
        self._objects = objects
        self._copy_most_bytes = copy_most_bytes

    @property
    def direct(self) -> bool:
        """As ports.BlobStore.direct: true where addresses can be signed."""
        return self._objects.signs

    def upload(self, name: str) -> ObjectUpload:
        """As ports.BlobStore.upload."""
        self.discard(name)
        return ObjectUpload(self._objects, folder_of(name))

    def ticket(self, name: str, valid_s: int) -> Ticket | None:
        """As ports.BlobStore.ticket: a signed address, of the upload's own name."""
        folder = folder_of(name)
        if not self.direct:
            return None
        self.discard(name)
        url = self._objects.sign(begin(self._objects, folder) + SENT, valid_s)
        return Ticket("PUT", url, {"Content-Type": "application/octet-stream"}, valid_s, COPY_MOST_BYTES)

    def receive(self, name: str) -> tuple[str, int]:
        """As ports.BlobStore.receive."""
        return receive(self._objects, folder_of(name))

    def publish(self, name: str, digest: str) -> None:
        """As ports.BlobStore.publish: a copy inside the store."""
        mark, target = f".{digest_hex(digest)}", _object(digest)
        folder = folder_of(name)
        sizes = dict(self._objects.below(folder))
        found = [path for path in sizes if path.endswith(mark)]
        size = self.size(digest)
        if not found:
            if size is None:
                raise KeyError(f"neither an upload {name} of {digest} nor that object is there")
            return
        source = found[0].removesuffix(mark)
        # As in a folder: an object of another size is replaced, not believed.
        if size is None or size != sizes.get(source):
            self._copy(source, target, sizes.get(source, 0))
        whole = family(folder, source)
        self._objects.delete([path for path in sizes if path.startswith(whole)])

    def _copy(self, source: str, target: str, size: int) -> None:
        """Copy inside the store; whoever publishes the same upload at the same time may have done it already."""
        try:
            if size > self._copy_most_bytes:
                self._objects.put_stream(target, self._checked(source, target))
            else:
                self._objects.copy(source, target)
        except KeyError:
            if self._objects.size(target) is None:
                raise

    def _checked(self, source: str, target: str) -> Iterator[bytes]:
        """What S3 does not copy goes through us, and gets its name only when it is still what was digested."""
        sha256 = hashlib.sha256()
        for chunk in self._objects.open(source)[1]:
            sha256.update(chunk)
            yield bytes(chunk)
        if not target.endswith(sha256.hexdigest()):
            raise StoreError(f"{source} is not what was digested: it does not become {target}")

    def size(self, digest: str) -> int | None:
        """As ports.BlobStore.size."""
        return self._objects.size(_object(digest))

    def read(self, digest: str) -> Iterator[bytes]:
        """As ports.BlobStore.read. The chunks raise StoreError where they end too early."""
        try:
            return in_pieces(self._objects.open(_object(digest))[1])
        except KeyError:
            raise KeyError(digest) from None

    def verify(self, digest: str) -> bool:
        """As ports.BlobStore.verify."""
        try:
            return digest_chunks(self._objects.open(_object(digest))[1])[0] == digest_hex(digest)
        except KeyError:
            return False

    def digests(self) -> Iterator[str]:
        """As ports.BlobStore.digests, in order."""
        names = sorted(path.rpartition("/")[2] for path, _ in self._objects.below("sha256"))
        return (f"sha256:{name}" for name in names if is_hex(name))

    def uploads(self) -> Iterator[str]:
        """As ports.BlobStore.uploads, in order."""
        return iter(sorted({"/".join(path.split("/")[1:3]) for path, _ in self._objects.below("uploads")}))

    def delete(self, digest: str) -> None:
        """As ports.BlobStore.delete."""
        self._objects.delete([_object(digest)])

    def discard(self, name: str) -> None:
        """As ports.BlobStore.discard."""
        self._objects.delete([path for path, _ in self._objects.below(folder_of(name))])


def _object(digest: str) -> str:
    digits = digest_hex(digest)
    return f"sha256/{digits[:2]}/{digits}"
