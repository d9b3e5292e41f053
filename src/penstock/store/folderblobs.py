"""Blobs in a folder of this machine.

    uploads/<attempt>/<output>~<token>   bytes that are still coming
    uploads/<attempt>/<output>~<hex>     a finished upload: its name says what was digested
    sha256/<aa>/<hex>                    an object

Everything is on disk before it has the name that says so: the file is synced, then renamed, then the folder is
synced. Publishing is one rename of what `finish` digested, so another upload that takes the same name in between
cannot get in. docs/decisions/0010-blobs-in-a-folder.md says why this is not obstore.
"""

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from penstock.ports import StoreError
from penstock.store.blobnames import CHUNK, digest_hex, is_hex, upload_parts
from penstock.store.folder import Root, remove, remove_empty

_UPLOADS, _OBJECTS = "uploads", "sha256"


class FolderUpload:
    """As ports.Upload: a file of its own in the attempt's folder."""

    def __init__(self, root: Root, attempt: str, output: str) -> None:
        self._root = root
        self._attempt = attempt
        self._output = output
        self._name = f"{output}~{os.urandom(8).hex()}"
        self._sha256 = hashlib.sha256()
        self._size = 0
        self._file: BinaryIO | None = _create(root, attempt, output, self._name)

    def write(self, chunk: bytes) -> None:
        """As ports.Upload.write. Raises OSError when the disk is full."""
        file, rest = self._open_file(), memoryview(chunk)
        while rest:  # the system may take less than it is given
            rest = rest[file.write(rest) :]
        self._sha256.update(chunk)
        self._size += len(chunk)

    def finish(self) -> tuple[str, int]:
        """As ports.Upload.finish, durable. Raises StoreError when a newer upload has taken the name."""
        with self._open_file() as file:
            os.fsync(file.fileno())
        self._file = None
        digits = self._sha256.hexdigest()
        try:
            with self._root.folder(_UPLOADS, self._attempt) as folder:
                os.rename(self._name, f"{self._output}~{digits}", src_dir_fd=folder, dst_dir_fd=folder)
            self._root.sync(_UPLOADS, self._attempt)
        except FileNotFoundError:
            raise StoreError(f"a newer upload has taken the name {self._attempt}/{self._output}") from None
        return f"sha256:{digits}", self._size

    def abandon(self) -> None:
        """As ports.Upload.abandon; may be repeated, also after an error and after `finish` (then nothing goes)."""
        if self._file is None:
            return
        self._file.close()
        self._file = None
        _remove_uploads(self._root, self._attempt, (self._name,))

    def _open_file(self) -> BinaryIO:
        if self._file is None:
            raise StoreError(f"the upload {self._attempt}/{self._output} has ended")
        return self._file

    def __del__(self) -> None:
        # An upload that nobody ended leaves its bytes for `uploads` and `discard`, but not its handle.
        if file := getattr(self, "_file", None):
            file.close()


def _create(root: Root, attempt: str, output: str, name: str) -> BinaryIO:
    """A new file under an upload's name, after those of older uploads of that name have gone."""
    for _ in range(1000):
        # Another upload of the attempt that goes may take the empty folder along at any moment.
        with contextlib.suppress(FileNotFoundError), root.folder(_UPLOADS, attempt, make=True) as folder:
            for old in os.listdir(folder):
                if old.partition("~")[0] == output:
                    remove(folder, old)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            return os.fdopen(os.open(name, flags, 0o600, dir_fd=folder), "wb", buffering=0)
    raise StoreError(f"the folder of the uploads of {attempt} is removed again and again")


def _remove_uploads(root: Root, attempt: str, names: tuple[str, ...]) -> None:
    """Remove files of an attempt, and its folder when that was the last."""
    with contextlib.suppress(FileNotFoundError), root.folder(_UPLOADS) as uploads:
        with root.folder(_UPLOADS, attempt) as folder:
            for name in names:
                remove(folder, name)
        remove_empty(uploads, attempt)


class FolderBlobs:
    """As ports.BlobStore, in `folder`, which is ours alone: links in it are refused, never followed."""

    def __init__(self, folder: Path) -> None:
        self._root = Root(folder)
        for part in (_UPLOADS, _OBJECTS):
            with self._root.folder(part, make=True):
                self._root.sync(part)

    def upload(self, name: str) -> FolderUpload:
        """As ports.BlobStore.upload. Raises ValueError for a name that is not ATTEMPT/OUTPUT."""
        return FolderUpload(self._root, *upload_parts(name))

    @property
    def direct(self) -> bool:
        """As ports.BlobStore.direct: a folder is written by us alone."""
        return False

    def ticket(self, name: str, valid_s: int) -> None:
        """As ports.BlobStore.ticket: none."""
        upload_parts(name)

    def receive(self, name: str) -> tuple[str, int]:
        """As ports.BlobStore.receive: nothing comes without a ticket."""
        upload_parts(name)
        raise KeyError(name)

    def publish(self, name: str, digest: str) -> None:
        """As ports.BlobStore.publish: the very bytes that `finish` gave this digest, durable."""
        attempt, output = upload_parts(name)
        digits = digest_hex(digest)
        finished = f"{output}~{digits}"
        with contextlib.suppress(FileNotFoundError), self._root.folder(_UPLOADS, attempt) as folder:
            self._move(folder, finished, digits)
        if self.size(digest) is None:
            raise KeyError(f"neither an upload {name} of {digest} nor that object is there")
        # Also in a repeat: whoever came first may have been killed between the rename and this.
        self._root.sync(_OBJECTS, digits[:2])
        _remove_uploads(self._root, attempt, (finished,))

    def _move(self, folder: int, finished: str, digits: str) -> None:
        """Give a finished upload its content name, unless the object is there whole already."""
        size = os.stat(finished, dir_fd=folder, follow_symlinks=False).st_size
        # An object of another size is no such object (a damaged disk): it is replaced, not believed.
        if self.size(f"sha256:{digits}") == size:
            return
        with self._root.folder(_OBJECTS, digits[:2], make=True) as shelf:
            os.rename(finished, digits, src_dir_fd=folder, dst_dir_fd=shelf)

    def size(self, digest: str) -> int | None:
        """As ports.BlobStore.size. What is no regular file is not there."""
        digits = digest_hex(digest)
        try:
            with self._root.folder(_OBJECTS, digits[:2]) as shelf:
                found = os.stat(digits, dir_fd=shelf, follow_symlinks=False)
        except FileNotFoundError:
            return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def read(self, digest: str) -> Iterator[bytes]:
        """As ports.BlobStore.read, in chunks of 1 MiB; an object that is deleted meanwhile is read to its end."""
        digits = digest_hex(digest)
        if self.size(digest) is None:
            raise KeyError(digest)
        try:
            with self._root.folder(_OBJECTS, digits[:2]) as shelf:
                handle = os.open(digits, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=shelf)
        except FileNotFoundError:
            raise KeyError(digest) from None
        return _FileChunks(os.fdopen(handle, "rb", buffering=0))

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
        for shelf in self._root.names(_OBJECTS):
            found = self._root.names(_OBJECTS, shelf)
            yield from (f"sha256:{name}" for name in found if is_hex(name) and name[:2] == shelf)

    def uploads(self) -> Iterator[str]:
        """As ports.BlobStore.uploads, in order."""
        for attempt in self._root.names(_UPLOADS):
            outputs = {name.partition("~")[0] for name in self._root.names(_UPLOADS, attempt) if "~" in name}
            yield from (f"{attempt}/{output}" for output in sorted(outputs))

    def delete(self, digest: str) -> None:
        """As ports.BlobStore.delete."""
        digits = digest_hex(digest)
        with contextlib.suppress(FileNotFoundError), self._root.folder(_OBJECTS, digits[:2]) as shelf:
            remove(shelf, digits)

    def discard(self, name: str) -> None:
        """As ports.BlobStore.discard."""
        attempt, output = upload_parts(name)
        names = self._root.names(_UPLOADS, attempt)
        _remove_uploads(self._root, attempt, tuple(old for old in names if old.partition("~")[0] == output))


class _FileChunks:
    """The chunks of an open file; closed at its end, and when nobody reads on."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def __iter__(self) -> "_FileChunks":
        return self

    def __next__(self) -> bytes:
        chunk = b"" if self._file.closed else self._file.read(CHUNK)
        if not chunk:
            self._file.close()
            raise StopIteration
        return chunk

    def __del__(self) -> None:
        self._file.close()
