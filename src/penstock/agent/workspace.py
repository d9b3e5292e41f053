"""The folders of the slots: made, filled, looked at for outputs, and thrown away.

Throwing away is a rename; a thread of its own removes what was thrown away, so that a slot is free at once. A folder
that nobody touched serves the next attempt: making and removing folders costs more than starting a program.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import itertools
import os
import queue
import stat
import threading
from collections.abc import Collection
from pathlib import Path
from typing import IO

from penstock.agent import sandbox
from penstock.agent.cancel import Cancel
from penstock.agent.discard import discard
from penstock.agent.untouched import FEW, Mark, Unpacked, same, seen

NOBODY = (65534, 65534)
_TURN_S = 0.2
_SMALL = 1 << 20


class Busy(Exception):
    """The folder belongs to another agent, or to another user."""


class Workshop:
    """All folders below one work folder, which one agent has for itself.

    `group_prefix` begins the names of its control groups and of no other agent's: one that starts removes what it
    left, and must not remove what its neighbour is about to use.
    """

    def __init__(self, folder: Path, plain: bool) -> None:
        self.folder = folder.resolve()
        self.plain = plain
        self.group_prefix = f"penstock-{hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:16]}-"
        self.owner = NOBODY if plain and os.geteuid() == 0 else None
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = lock_file(self.folder / "lock")
        self._trash: queue.SimpleQueue[Path | None] = queue.SimpleQueue()
        for name in ("slots", "trash", "finishes"):
            (self.folder / name).mkdir(exist_ok=True)
        self._sweep()
        self.root = sandbox.Root(self.folder / "sandbox")
        self._cleaner = threading.Thread(target=self._clean, name="cleaner", daemon=True)
        self._cleaner.start()

    def slot(self, number: int, own_place: bool = True) -> Workspace:
        """The folders of one slot. Without `own_place` plain attempts share the fixed place of the machine."""
        return Workspace(self, self.folder / "slots" / str(number), own_place)

    def throw_away(self, path: Path) -> None:
        """Move it out of the way; it is removed later."""
        target = self.folder / "trash" / os.urandom(8).hex()
        try:
            os.rename(path, target)
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            # The fixed place of plain attempts may lie on another disk: then it is moved aside there.
            target = path.with_name(target.name)
            os.rename(path, target)
        self._trash.put(target)

    def close(self) -> None:
        """Finish removing and let go of the folder."""
        self._trash.put(None)
        self._cleaner.join()
        self._lock.close()

    def _sweep(self) -> None:
        """What an agent that was killed left behind; `attempts` is what the release before made."""
        old = [path for name in ("slots", "attempts") for path in (self.folder / name).glob("*")]
        for path in [*old, self.folder / "sandbox"]:
            self.throw_away(path)
        for path in (self.folder / "trash").iterdir():
            self._trash.put(path)

    def _clean(self) -> None:
        while True:
            path = self._trash.get()
            if path is None:
                return
            try:
                discard(path)
            except OSError:
                # Tried again at the next start; there is nobody to tell.
                continue


class Workspace:
    """The folders of one slot, used by one attempt after another.

    A plain attempt sees them at one fixed place of the machine: through a mount of the slot's keeper, or, where that
    cannot be had, because they lie there, for one attempt of the machine at a time.
    """

    def __init__(self, shop: Workshop, own: Path, own_place: bool) -> None:
        self._shop = shop
        self._shared = shop.plain and not own_place
        self._turn: IO[str] | None = None
        self._made: dict[str, tuple[object, ...]] = {}
        self._left_clean = False
        self._marks: dict[str, Mark] = {}
        own.mkdir()
        self.log = own / "log"
        self.base = fixed_place() if self._shared else own / "place"
        self.base.mkdir(exist_ok=True)
        self.base.chmod(0o711)
        self._where = str(self.base)
        self._source = Unpacked(f"{self._where}/src")
        seen = fixed_place() if shop.plain else self.base
        self.place = (str(self.base), str(seen)) if shop.plain and own_place else None
        self.layout = sandbox.plain_layout(self.base, seen) if shop.plain else sandbox.fixed_layout(self.base)

    def open(self, cancel: Cancel, source: tuple[str, int] | None = None) -> sandbox.Layout:
        """Make the folders that the commands see. Where slots share a place it waits for its turn.

        All are empty; where the last attempt left the `source` that is wanted as it was, it is there (`has`). Raises Stopped,
        OSError.
        """
        if self._shared:
            self._turn = _turn(self.base.with_name(self.base.name + ".lock"), cancel)
            self._made, self._marks = {}, {}
            self._source.forget()
        wanted = {"src": self._shop.owner, "dest": self._shop.owner, "home": self._shop.owner, "prefix": None}
        if not self._left_clean:
            self._clear(wanted)
        self._left_clean = False
        if self._source.key not in (None, source):
            self._empty_source()
        for name, owner in wanted.items():
            if name not in self._made:
                self._make(name, owner)
        return self.layout

    def has(self, source: tuple[str, int]) -> bool:
        """Whether this source lies in its folder."""
        return self._source.key == source

    def filled(self, source: tuple[str, int]) -> None:
        """This source was unpacked there; nothing has run yet."""
        self._source.note(source)

    def renew(self, name: str) -> None:
        """An empty folder again, whatever is in it now."""
        self._shop.throw_away(self.base / name)
        self._make(name, None if name == "prefix" else self._shop.owner)

    def close(self) -> None:
        """Throw away what the attempt left."""
        self._clear(() if self._turn is not None else tuple(self._made))
        # Nobody else can write here once a sandbox has ended; of plain attempts that is not sure.
        self._left_clean = not self._shop.plain
        if self._turn is not None:
            self._turn.close()
            self._turn = None

    def _clear(self, kept: Collection[str]) -> None:
        """Throw away all but these folders, which are kept where they are as they were made, or can be made so again."""
        now = seen(self._where)
        alone = same(self._marks.get(""), now)
        there = list(self._made) if alone else os.listdir(self._where)
        for name in there:
            if name not in kept or not self._as_made(name):
                self._shop.throw_away(self.base / name)
                self._made.pop(name, None)
        for name in self._made.keys() - set(there):
            del self._made[name]
        self._marks[""] = now if len(self._made) == len(there) else seen(self._where)

    def _empty_source(self) -> None:
        """What lies there is not what is wanted."""
        self._source.forget()
        if "src" in self._made and not self._as_made("src"):
            self._shop.throw_away(self.base / "src")
            del self._made["src"]

    def _make(self, name: str, owner: tuple[int, int] | None) -> None:
        path = f"{self._where}/{name}"
        os.mkdir(path)
        os.chmod(path, 0o755)
        if owner:
            os.chown(path, *owner)
        self._made[name] = _state(path)

    def _as_made(self, name: str) -> bool:
        """Whether a folder is as plain and empty as when it was made; small files are removed, except of a source that is whole."""
        made = self._made.get(name)
        path = f"{self._where}/{name}"
        if made is None:
            return False
        if name == "src" and self._source.whole():
            return True
        if same(self._marks.get(name), seen(path)):
            return True
        if made != _state(path) or not _emptied(path):
            return False
        self._marks[name] = seen(path)
        return True


def _emptied(path: str) -> bool:
    """Whether a folder is empty; a few small files in it are removed first."""
    with os.scandir(path) as entries:
        found = list(itertools.islice(entries, FEW + 1))
    if len(found) > FEW or any(_is_large(entry) for entry in found):
        return False
    for entry in found:
        os.unlink(entry.path)
    return True


def _is_large(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False) or entry.stat(follow_symlinks=False).st_size > _SMALL


def _state(path: str) -> tuple[object, ...]:
    """All that an attempt could have left on a folder itself: kind and mode, owner, access lists."""
    found = os.lstat(path)
    more = os.listxattr(path) if stat.S_ISDIR(found.st_mode) else []
    return found.st_ino, found.st_mode, found.st_uid, found.st_gid, tuple(sorted(more))


def fixed_place() -> Path:
    """Where plain attempts run: the same path on all machines, as paths get built into what is built."""
    place = Path(f"/var/tmp/penstock-{os.geteuid()}")
    try:
        place.mkdir(mode=0o711)
    except FileExistsError:
        found = place.lstat()
        if place.is_symlink() or not place.is_dir() or found.st_uid != os.geteuid():
            raise Busy(f"{place} is not ours: remove it") from None
    return place


def _turn(path: Path, cancel: Cancel) -> IO[str]:
    """The lock on the fixed place; another agent of this machine may be at work there."""
    while True:
        try:
            return lock_file(path)
        except Busy:
            # A lock cannot be waited for together with a stop order.
            if cancel.wait(_TURN_S):
                cancel.check()


def lock_file(path: Path) -> IO[str]:
    """Hold a lock on a file until it is closed. Raises Busy where another has it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    file = os.fdopen(handle, "r+")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise Busy(f"{path.parent} is used by another agent") from None
    return file
