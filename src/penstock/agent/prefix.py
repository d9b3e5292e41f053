"""$PREFIX: the installed trees of everything a job needs, merged into one folder.

Each tree is downloaded and unpacked once per machine and kept by digest; an attempt's $PREFIX is made of hard links to
the kept files, which takes no time and no space. That is safe where the attempt cannot write through a link: the sandbox
binds the folder read-only, and a plain attempt of root's runs as another user, who cannot write to files without write
permission for others. A plain attempt with the agent's own user could, so there nothing is kept (`keep=False`).
"""

from __future__ import annotations

import filecmp
import hashlib
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from penstock.agent.discard import discard
from penstock.agent.sources import Damaged
from penstock.wire.trees import TreeError, pack
from penstock.wire.untar import unpack

_BOOT = Path("/proc/sys/kernel/random/boot_id")
# Nobody but the owner may write to a kept file, whatever the tree says: see above.
_MODES = 0o755
Fetch = Callable[[str, Callable[[Callable[[int], bytes]], None]], None]
"""fetch(digest, consume): hands the tree's stream to `consume(read)`, again for each try."""


class Conflict(Exception):
    """Two modules install different content at one path of $PREFIX."""


class Trees:
    """The kept trees of one machine, the least recently used ones going first when they exceed `size_max`."""

    def __init__(self, folder: Path, prefix: str, size_max: int = 20 << 30) -> None:
        self._folder = folder
        self._prefix = prefix
        self._size_max = size_max
        self._boot = _boot()
        self._lock = threading.Lock()
        self._sizes: dict[str, int] = {}
        self._building: dict[str, threading.Lock] = {}
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._recall()

    def compose(self, inputs: list[dict[str, Any]], target: Path, fetch: Fetch, keep: bool = True) -> None:
        """Fill `target` with the trees of `inputs`. Raises Conflict, Damaged, TreeError, OSError."""
        owners: dict[str, str] = {}
        for given in inputs:
            name = f"{given['module']} ({given['platform']})"
            with self._one(given["digest"]):
                tree = self._get(given["digest"], fetch)
                link_tree(tree, target, name, owners)
                if not keep:
                    self._forget(given["digest"])
        for folder, _folders, _files in os.walk(target, topdown=False):
            os.utime(folder, (315532800, 315532800))
        self._shrink()

    def _one(self, digest: str) -> threading.Lock:
        with self._lock:
            return self._building.setdefault(digest, threading.Lock())

    def _get(self, digest: str, fetch: Fetch) -> Path:
        tree = self._folder / _hex(digest)
        if not self._trusted(digest, tree):
            discard(tree)
            fetch(digest, lambda read: self._unpack(read, digest, tree))
        os.utime(tree)
        return tree

    def _trusted(self, digest: str, tree: Path) -> bool:
        """Whether the kept tree can be used. After a power cut files may be empty: then its digest is taken again."""
        if digest not in self._sizes:
            return False
        note = tree.with_suffix(".boot")
        if note.read_text() == self._boot:
            return True
        try:
            same = pack(tree, absolute={self._prefix: ""})[0] == digest
        except TreeError:
            same = False
        if same:
            note.write_text(self._boot)
        else:
            self._forget(digest)
        return same

    def _unpack(self, read: Callable[[int], bytes], digest: str, tree: Path) -> None:
        fresh = tree.with_suffix(".new")
        discard(fresh)
        fresh.mkdir()
        size, seen = unpack_verified(read, digest, fresh, absolute={self._prefix: ""}, mode_mask=_MODES)
        assert seen == digest
        tree.with_suffix(".boot").write_text(self._boot)
        os.rename(fresh, tree)
        with self._lock:
            self._sizes[digest] = size

    def _forget(self, digest: str) -> None:
        with self._lock:
            self._sizes.pop(digest, None)
        tree = self._folder / _hex(digest)
        discard(tree.with_suffix(".boot"))
        discard(tree)

    def _shrink(self) -> None:
        """Attempts that use a tree hold links of their own: removing it takes nothing from them."""
        while True:
            with self._lock:
                sizes = dict(self._sizes)
            if sum(sizes.values()) <= self._size_max or len(sizes) < 2:
                return
            oldest = min(sizes, key=lambda digest: _used(self._folder / _hex(digest)))
            with self._one(oldest):
                self._forget(oldest)

    def _recall(self) -> None:
        for path in sorted(self._folder.iterdir()):
            if path.suffix:
                if path.suffix != ".boot" or not path.with_suffix("").is_dir():
                    discard(path)
            elif path.with_suffix(".boot").exists():
                self._sizes["sha256:" + path.name] = _size(path)
            else:
                discard(path)


def unpack_verified(
    read: Callable[[int], bytes], digest: str, folder: Path, **options: Any
) -> tuple[int, str]:
    """Unpack a stream and compare its digest; returns (size in bytes, digest). Raises Damaged."""
    seen, size = hashlib.sha256(), 0

    def reading(most: int) -> bytes:
        nonlocal size
        piece = read(most)
        seen.update(piece)
        size += len(piece)
        return piece

    unpack(reading, folder, **options)
    found = "sha256:" + seen.hexdigest()
    if digest.startswith("sha256:") and found != digest:
        raise Damaged(f"{digest} was asked for, {found} came")
    return size, found


def link_tree(tree: Path, target: Path, owner: str, owners: dict[str, str]) -> None:
    """Merge one tree into `target`; `owners` remembers who brought which path. Raises Conflict."""
    pending = [""]
    while pending:
        folder = pending.pop()
        with os.scandir(tree / folder) as entries:
            for entry in entries:
                name = os.path.join(folder, entry.name)
                if _merge(entry, target / name, name, owner, owners):
                    pending.append(name)


def _merge(entry: os.DirEntry[str], path: Path, name: str, owner: str, owners: dict[str, str]) -> bool:
    """Bring one entry in; True for a folder, whose content comes next."""
    folder = entry.is_dir(follow_symlinks=False)
    try:
        if folder:
            path.mkdir()
            path.chmod(0o755)
        elif entry.is_symlink():
            os.symlink(os.readlink(entry.path), path)
        else:
            os.link(entry.path, path)
        owners[name] = owner
    except FileExistsError:
        if not _same(Path(entry.path), path):
            text = f"{name} is installed with different content by {owners.get(name, '?')} and by {owner}"
            raise Conflict(text) from None
    return folder


def _same(first: Path, second: Path) -> bool:
    one, two = first.lstat(), second.lstat()
    if stat.S_IFMT(one.st_mode) != stat.S_IFMT(two.st_mode):
        return False
    if stat.S_ISDIR(one.st_mode):
        return True
    if stat.S_ISLNK(one.st_mode):
        return os.readlink(first) == os.readlink(second)
    return one.st_mode == two.st_mode and filecmp.cmp(first, second, shallow=False)


def _boot() -> str:
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return "unknown"


def _hex(digest: str) -> str:
    found = digest.partition(":")[2]
    if len(found) != 64 or found.strip("0123456789abcdef"):
        raise Damaged(f"{digest} is no digest")
    return found


def _used(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _size(folder: Path) -> int:
    return sum((Path(base) / name).lstat().st_size for base, _, names in os.walk(folder) for name in names)
