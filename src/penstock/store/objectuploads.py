"""Uploads into an object store, and how their objects are called.

uploads/<attempt>/<output>/<token>.open         an upload has begun; removed when a newer one takes the name
uploads/<attempt>/<output>/<token>              its bytes, there as a whole or not at all
uploads/<attempt>/<output>/<token>.<hex>        they were digested, as this
uploads/<attempt>/<output>/<token>.sent         bytes that an agent put there itself, with a ticket
uploads/<attempt>/<output>/<token>-<again>      our own copy of them, which no ticket names
uploads/<attempt>/<output>/<token>-<again>.<hex>    it was digested, as this
"""

import hashlib
import os
from collections.abc import Iterator

from penstock.ports import StoreError
from penstock.store.blobnames import upload_parts
from penstock.store.objects import Objects

OPEN, SENT = ".open", ".sent"
_TOKEN_DIGITS = 16


def folder_of(name: str) -> str:
    """Where the objects of an upload lie. Raises ValueError for a name that is not ATTEMPT/OUTPUT."""
    return "uploads/" + "/".join(upload_parts(name))


def begin(objects: Objects, folder: str) -> str:
    """Mark that an upload begins. Returns its path, to which everything of it adds a suffix."""
    path = f"{folder}/{os.urandom(_TOKEN_DIGITS // 2).hex()}"
    objects.put(path + OPEN, b"")
    return path


def family(folder: str, path: str) -> str:
    """What all objects of one upload begin with."""
    return path[: len(folder) + 1 + _TOKEN_DIGITS]


def taken(folder: str) -> StoreError:
    """What is said to an upload that came too late."""
    return StoreError(f"a newer upload has taken the name {folder.removeprefix('uploads/')}")


def digest_chunks(chunks: Iterator[memoryview]) -> tuple[str, int]:
    """Digits of the digest, and the size, of what comes."""
    sha256, size = hashlib.sha256(), 0
    for chunk in chunks:
        sha256.update(chunk)
        size += len(chunk)
    return sha256.hexdigest(), size


def receive(objects: Objects, folder: str) -> tuple[str, int]:
    """Copy what an agent put there to a name that its ticket does not reach, digest the copy and mark it as finished.

    A repeat gives the first answer again. Raises KeyError where nothing was put; StoreError when a newer upload has
    taken the name meanwhile.
    """
    found = objects.below(folder)
    paths = {path for path, _ in found}
    begun = sorted(path.removesuffix(OPEN) for path in paths if path.endswith(OPEN))
    for path, size in found:
        mark = f"{path}."
        done = [other for other in paths if other.startswith(mark) and not other.endswith((OPEN, SENT))]
        if done and family(folder, path) in begun and "-" in path.rpartition("/")[2]:
            return f"sha256:{done[0].removeprefix(mark)}", size
    for path in begun:
        if path + SENT in paths:
            return _digest_sent(objects, folder, path)
    raise KeyError(folder)


def _digest_sent(objects: Objects, folder: str, path: str) -> tuple[str, int]:
    # Each reading has a copy of its own: of two at once, the later must not write under the earlier one's mark.
    own = f"{path}-{os.urandom(_TOKEN_DIGITS // 2).hex()}"
    objects.copy(path + SENT, own)
    digits, size = digest_chunks(objects.open(own)[1])
    if objects.size(path + OPEN) is None:
        objects.delete([own])
        raise taken(folder)
    objects.put(f"{own}.{digits}", b"")
    objects.delete([path + SENT])
    return f"sha256:{digits}", size


class ObjectUpload:
    """As ports.Upload: one object under a name with a token of its own."""

    def __init__(self, objects: Objects, folder: str) -> None:
        self._objects = objects
        self._folder = folder
        self._path = begin(objects, folder)
        self._sha256 = hashlib.sha256()
        self._size = 0
        self._writer = objects.writer(self._path)
        self._ended = False

    def write(self, chunk: bytes) -> None:
        """As ports.Upload.write."""
        self._check()
        self._writer.write(chunk)
        self._sha256.update(chunk)
        self._size += len(chunk)

    def finish(self) -> tuple[str, int]:
        """As ports.Upload.finish."""
        self._check()
        self._ended = True
        self._writer.close()
        if self._objects.size(self._path + OPEN) is None:
            self._objects.delete([self._path])
            raise taken(self._folder)
        digits = self._sha256.hexdigest()
        self._objects.put(f"{self._path}.{digits}", b"")
        return f"sha256:{digits}", self._size

    def abandon(self) -> None:
        """As ports.Upload.abandon. The parts are put together first: there is no other way to be rid of them.

        What a store that does not answer keeps of it is named by `uploads`, and pruned later.
        """
        if self._ended:
            return
        self._ended = True
        try:
            self._writer.close()
            self._objects.delete([self._path, self._path + OPEN])
        except StoreError:
            return

    def _check(self) -> None:
        if self._ended:
            raise StoreError(f"the upload {self._folder.removeprefix('uploads/')} has ended")
