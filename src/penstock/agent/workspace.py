"""The folders of one attempt: made, filled, looked at for outputs, and thrown away.

Throwing away is a rename; a thread of its own removes what was thrown away, so that a slot is free at once.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import queue
import threading
from pathlib import Path
from typing import IO

from penstock.agent import sandbox
from penstock.agent.cancel import Cancel
from penstock.agent.discard import discard

NOBODY = (65534, 65534)
_TURN_S = 0.2


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
        for name in ("attempts", "trash", "finishes"):
            (self.folder / name).mkdir(exist_ok=True)
        self._sweep()
        sandbox.write_etc(self.folder / "etc")
        self._cleaner = threading.Thread(target=self._clean, name="cleaner", daemon=True)
        self._cleaner.start()

    def attempt(self, name: str) -> Workspace:
        """New folders for one attempt."""
        return Workspace(self, self.folder / "attempts" / name)

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
        """What an agent that was killed left behind."""
        for path in (self.folder / "attempts").iterdir():
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
    """The folders of one attempt. In the plain way they lie at one fixed place of the machine, one attempt at a time."""

    def __init__(self, shop: Workshop, own: Path) -> None:
        self._shop = shop
        self._own = own
        self._turn: IO[str] | None = None
        self.log = own / "log"
        if own.exists():
            shop.throw_away(own)
        own.mkdir()

    def open(self, cancel: Cancel) -> sandbox.Layout:
        """Make the folders that the commands see. The plain way waits for its turn at the fixed place.

        Raises Stopped, OSError.
        """
        base = self._own
        if self._shop.plain:
            base = fixed_place()
            self._turn = _turn(base.with_name(base.name + ".lock"), cancel)
            for path in list(base.iterdir()):
                self._shop.throw_away(path)
        base.chmod(0o711)
        layout = sandbox.plain_layout(base) if self._shop.plain else sandbox.fixed_layout(base)
        for folder in (layout.source, layout.destination, layout.home):
            folder.mkdir()
            if self._shop.owner:
                os.chown(folder, *self._shop.owner)
        layout.prefix.mkdir()
        layout.prefix.chmod(0o755)
        self.layout = layout
        return layout

    def close(self) -> None:
        """Throw everything away."""
        if self._turn is not None:
            for path in list(fixed_place().iterdir()):
                self._shop.throw_away(path)
            self._turn.close()
        self._shop.throw_away(self._own)


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
