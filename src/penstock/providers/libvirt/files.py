"""What a pool keeps in its folder: for each machine its channel, its console and what it has still to be told.

What is still to be told is a file, readable by us alone, and gone when the guest has said ok. So a hub that is killed
meanwhile has it when it is back: the machine comes up with the secret that it was ordered with.
"""

import json
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

PATH_MAX = 107
"""A unix socket's path has at most so many characters (unix(7))."""
PLAIN_ID = re.compile(r"[0-9A-Za-z-]{1,64}")
PRINTED_BYTES = 1 << 16
DIED_MAX = 20
"""Consoles of machines that died by themselves are kept, the newest ones."""


class Files:
    """One pool's folder on the host of its machines, made when it is first needed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def make(self) -> None:
        """Make the folder, for its user alone. Raises OSError."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if len(str(self.channel("0" * 36).absolute())) > PATH_MAX:
            raise OSError(f"{self.folder}: too long a name for a folder of sockets")

    def channel(self, id_: str) -> Path:
        """The socket of a machine's channel."""
        return self._of(id_, "channel")

    def console(self, id_: str) -> Path:
        """What it prints while it boots, and when it dies."""
        return self._of(id_, "console")

    def printed(self, id_: str) -> str:
        """The end of what a machine printed, "" of one that is not known here."""
        if not PLAIN_ID.fullmatch(id_):
            return ""
        try:
            with self.console(id_).open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - PRINTED_BYTES))
                return file.read(PRINTED_BYTES).decode("utf-8", "replace")
        except OSError:
            return ""

    def saved(self, id_: str) -> Path:
        """Its memory, while it is made from a template."""
        return self._of(id_, "save")

    def unsaid(self, id_: str) -> dict[str, Any] | None:
        """What the machine has still to be told."""
        try:
            found: dict[str, Any] = json.loads(self._unsaid(id_).read_text())
        except (OSError, ValueError):
            return None
        return found

    def has_unsaid(self, id_: str) -> bool:
        """Whether the machine has still to be told anything."""
        return self._unsaid(id_).exists()

    def has_any(self, id_: str) -> bool:
        """Whether anything of the machine is here."""
        return self.has_unsaid(id_) or self.console(id_).exists()

    def leave(self, id_: str, message: dict[str, Any]) -> None:
        """Note what it has to be told, durably: it may be the only copy of a secret."""
        fresh = self._unsaid(id_).with_suffix(".new")
        fresh.unlink(missing_ok=True)
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w") as file:
            json.dump(message, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._unsaid(id_))

    def said(self, id_: str) -> None:
        """It was told."""
        self._unsaid(id_).unlink(missing_ok=True)

    def keep_console(self, id_: str) -> None:
        """The machine died: what it printed last is kept for people, as one of the newest."""
        with suppress(OSError):
            self.console(id_).replace(self._of(id_, "died"))
            died = sorted(self.folder.glob("*.died"), key=lambda path: path.stat().st_mtime)
            for old in died[:-DIED_MAX]:
                old.unlink()

    def remove(self, id_: str) -> None:
        """All of a machine that is gone."""
        for path in (self._unsaid(id_), self.channel(id_), self.console(id_), self.saved(id_)):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def _of(self, id_: str, what: str) -> Path:
        """Short, for the sake of sockets."""
        return self.folder / f"{id_.replace('-', '')[:16]}.{what}"

    def _unsaid(self, id_: str) -> Path:
        return self._of(id_, "say")
