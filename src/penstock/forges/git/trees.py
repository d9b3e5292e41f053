"""What a git tree holds: its entries, checked, and the digest that stands for them in keys."""

import hashlib
from collections.abc import Iterable, Iterator

import msgspec

from penstock.forges.git.errors import NoSuchFile, Refused

MANIFEST = b".penstock.yml"
FOLDER, LINK, SUBMODULE = b"040000", b"120000", b"160000"
MODES = {FOLDER, LINK, SUBMODULE, b"100644", b"100755", b"100664"}


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One entry of a tree: mode as git writes it, object, path below the tree's top."""

    mode: bytes
    blob: bytes
    path: bytes


class Listing(msgspec.Struct, frozen=True):
    """A tree object and all below it, folders before what is in them."""

    tree: str
    entries: tuple[Entry, ...]

    def digest(self) -> str:
        """sha256 over "mode type object TAB path NUL" of all that is no folder, `.penstock.yml` at the top left out.

        These are the records of `git ls-tree -r -z --full-tree`. A submodule is there by its commit alone.
        """
        total = hashlib.sha256()
        for entry in self.sources():
            if entry.mode != FOLDER:
                kind = b"commit" if entry.mode == SUBMODULE else b"blob"
                total.update(b"%b %b %b\t%b\0" % (entry.mode, kind, entry.blob, entry.path))
        return "sha256:" + total.hexdigest()

    def sources(self) -> Iterator[Entry]:
        """The entries that a job gets to see."""
        return (entry for entry in self.entries if entry.path != MANIFEST)

    def entry(self, path: str) -> Entry | None:
        """The entry with this path."""
        wanted = path.encode("utf-8", "surrogateescape")
        return next((entry for entry in self.entries if entry.path == wanted), None)

    def inside(self, path: str, about: str) -> "Listing":
        """The listing of a folder below this one, paths from there. Raises NoSuchFile when it is none."""
        if path == ".":
            return self
        found = self.entry(path)
        if found is None or found.mode != FOLDER:
            what = "is no folder of it" if found is None else _kind(found)
            raise NoSuchFile(about, f"{path!r} {what}", "name a folder that is committed")
        start = found.path + b"/"
        below = (entry for entry in self.entries if entry.path.startswith(start))
        moved = tuple(Entry(entry.mode, entry.blob, entry.path[len(start) :]) for entry in below)
        return Listing(found.blob.decode(), moved)


def _kind(entry: Entry) -> str:
    kinds = {SUBMODULE: "is a submodule, which is not fetched", LINK: "is a symbolic link"}
    return kinds.get(entry.mode, "is a file")


def listing(tree: str, listed: bytes, about: str) -> Listing:
    """The output of `git ls-tree -r -t -z --full-tree` as a listing. Raises Refused for a tree made to deceive.

    Refused are names that leave the tree or lie in a `.git`, names given twice, and entries below what is no
    folder: git itself never makes them, an unpacker might follow them.
    """
    entries = tuple(_entries(listed))
    folders = {b""}
    seen: set[bytes] = set()
    for entry in entries:
        above, _, name = entry.path.rpartition(b"/")
        wrong = name in (b"", b".", b"..") or name.lower() == b".git" or entry.mode not in MODES
        if wrong or above not in folders or entry.path in seen:
            shown = entry.path.decode("utf-8", "backslashreplace")
            raise Refused(
                about, f"its tree {tree} holds {shown!r}, which no git writes", "make the commit anew"
            )
        seen.add(entry.path)
        if entry.mode == FOLDER:
            folders.add(entry.path)
    return Listing(tree, entries)


def _entries(listed: bytes) -> Iterable[Entry]:
    for line in listed.split(b"\0")[:-1]:
        head, _, path = line.partition(b"\t")
        mode, _, blob = head.split(b" ")
        yield Entry(mode, blob, path)
