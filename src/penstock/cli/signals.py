"""Signals as words for a loop that waits, and what systemd is told."""

import os
import select
import signal
import socket
from types import FrameType

WORDS = {signal.SIGTERM: "stop", signal.SIGINT: "stop", signal.SIGHUP: "reload"}


class Signals:
    """While inside, these signals only leave a word; a second "stop" ends the process as it always does."""

    def __enter__(self) -> "Signals":
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._before = {number: signal.signal(number, self._note) for number in WORDS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self._read)
        os.close(self._write)

    def wait(self, timeout_s: float) -> str:
        """The next word, "" when there is none within that time."""
        if not select.select([self._read], [], [], timeout_s)[0]:
            return ""
        number = signal.Signals(os.read(self._read, 1)[0])
        return WORDS[number]

    def _note(self, number: int, _: FrameType | None) -> None:
        # A handler runs between two instructions of the main thread, which may hold any lock: only this is safe.
        os.write(self._write, bytes([number]))
        if WORDS[signal.Signals(number)] == "stop":
            signal.signal(number, self._before[signal.Signals(number)])


def tell_systemd(*lines: str) -> None:
    """sd_notify(3): "READY=1", "WATCHDOG=1", "STOPPING=1"; nothing where systemd did not ask for it."""
    name = os.environ.get("NOTIFY_SOCKET", "")
    if not name.startswith(("/", "@")):
        return
    address = "\0" + name[1:] if name.startswith("@") else name
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notify:
        try:
            notify.sendto("\n".join(lines).encode(), address)
        except OSError:
            return
