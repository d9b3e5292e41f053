"""A tree as a tar stream that is a function of the tree alone.

`git archive` would obey the tree's own .gitattributes (export-ignore, export-subst, filters), so that what is
unpacked could differ from what was digested. So every blob is taken as it is, by its hash.
"""

import contextlib
import tarfile
from collections.abc import Iterator
from typing import IO

from penstock.forges.git.errors import Refused, Vanished
from penstock.forges.git.program import Call
from penstock.forges.git.trees import FOLDER, LINK, SUBMODULE, Entry, Listing

SOURCE_DATE_EPOCH = 315532800
"""The time of every file, 1980-01-01: the first that all archive formats can hold."""

CHUNK = 1 << 20
LONGEST_LINK = 4096


class Blobs:
    """Reads blobs by hash from one `git cat-file --batch`; use it as a context."""

    def __init__(self, call: Call) -> None:
        self.about = call.about
        self.process = call.open(["cat-file", "--batch"])

    def __enter__(self) -> "Blobs":
        return self

    def __exit__(self, *wrong: object) -> None:
        with contextlib.suppress(OSError):
            self._pipe(self.process.stdin).close()
        self._pipe(self.process.stdout).close()
        self.process.kill()
        self.process.wait()

    @staticmethod
    def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
        assert pipe is not None, "opened with pipes"
        return pipe

    def begin(self, blob: bytes) -> int:
        """Ask for a blob; its size in bytes. All of `rest` must be read before the next. Raises Vanished."""
        answer = b""
        with contextlib.suppress(OSError):
            pipe = self._pipe(self.process.stdin)
            pipe.write(blob + b"\n")
            pipe.flush()
            answer = self._pipe(self.process.stdout).readline()
        parts = answer.split()
        if len(parts) != 3 or parts[1] != b"blob":
            raise self._gone(blob)
        return int(parts[2])

    def rest(self, blob: bytes, size: int) -> Iterator[bytes]:
        """The content that `begin` announced, in chunks. Raises Vanished when it ends early."""
        pipe = self._pipe(self.process.stdout)
        while size > 0:
            chunk = pipe.read(min(size, CHUNK))
            if not chunk:
                raise self._gone(blob)
            size -= len(chunk)
            yield chunk
        pipe.read(1)

    def _gone(self, blob: bytes) -> Vanished:
        return Vanished(
            self.about,
            f"object {blob.decode()[:12]} cannot be read any more",
            "see that it stays while it is built",
        )


def tar(call: Call, listing: Listing) -> Iterator[bytes]:
    """The tar stream of a tree, folders before what is in them, in chunks. A submodule is an empty folder."""
    sent = 0
    with Blobs(call) as blobs:
        for entry in listing.sources():
            for chunk in _entry(blobs, entry):
                sent += len(chunk)
                yield chunk
    yield bytes(2 * tarfile.BLOCKSIZE + -(sent + 2 * tarfile.BLOCKSIZE) % tarfile.RECORDSIZE)


def _entry(blobs: Blobs, entry: Entry) -> Iterator[bytes]:
    head = tarfile.TarInfo(entry.path.decode("utf-8", "surrogateescape"))
    head.mtime = SOURCE_DATE_EPOCH
    if entry.mode in (FOLDER, SUBMODULE):
        head.type, head.mode = tarfile.DIRTYPE, 0o755
        yield _block(head)
        return
    size = blobs.begin(entry.blob)
    if entry.mode == LINK:
        if size > LONGEST_LINK:
            raise Refused(
                blobs.about,
                "a symbolic link of its tree is longer than any system takes",
                "make the commit anew",
            )
        head.type, head.mode = tarfile.SYMTYPE, 0o777
        head.linkname = b"".join(blobs.rest(entry.blob, size)).decode("utf-8", "surrogateescape")
        yield _block(head)
        return
    head.mode, head.size = 0o755 if entry.mode == b"100755" else 0o644, size
    yield _block(head)
    yield from blobs.rest(entry.blob, size)
    yield bytes(-size % tarfile.BLOCKSIZE)


def _block(head: tarfile.TarInfo) -> bytes:
    return head.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
