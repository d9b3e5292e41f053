"""`penstock` that kills itself with SIGKILL at one point: `dying.py POINT NUMBER WORDS...`.

The farm is assembled exactly as the command line does it; only the store and the blobs are watched. Points:
write (inside the n-th transaction, after its statements), commit (after it is durable, before anybody is answered),
upload (in the middle of the n-th piece of an upload), finish (before the n-th upload is finished), publish and
published (around the n-th blob getting its content name), log (after the n-th piece of a log is written).
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from penstock import wiring
from penstock.cli.app import run
from penstock.store.logs import FolderLogs


class Fate:
    """Dies at the n-th passage of its point."""

    def __init__(self, point: str, number: int) -> None:
        self._point = point
        self._number = number
        self._lock = threading.Lock()
        self._passed = 0

    def passes(self, point: str) -> None:
        """Say that this point is reached."""
        if self.due(point):
            self.strike()

    def due(self, point: str) -> bool:
        """True when this passage is the last; for those who have something to do before they die."""
        if point != self._point:
            return False
        with self._lock:
            self._passed += 1
            return self._passed == self._number

    def strike(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class Around:
    """Everything that the thing inside does; subclasses watch some of it."""

    def __init__(self, inside: Any, fate: Fate) -> None:
        self._inside = inside
        self._fate = fate

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inside, name)


class WatchedStore(Around):
    def write(self, operation: Callable[[Any], Any]) -> Any:
        return self.submit(operation).result()

    def submit(self, operation: Callable[[Any], Any]) -> "Future[Any]":
        def watched(tx: Any) -> Any:
            result = operation(tx)
            self._fate.passes("write")
            # The writer answers on its own thread, after the commit of the whole group.
            return result

        answer: Future[Any] = Future()
        self._inside.submit(watched).add_done_callback(lambda done: self._answered(done, answer))
        return answer

    def _answered(self, done: "Future[Any]", answer: "Future[Any]") -> None:
        """After the commit, and before whoever waits hears of it."""
        wrong = done.exception()
        if wrong is not None:
            answer.set_exception(wrong)
            return
        self._fate.passes("commit")
        answer.set_result(done.result())


class WatchedUpload(Around):
    def write(self, chunk: bytes) -> None:
        if self._fate.due("upload"):
            self._inside.write(chunk[: len(chunk) // 2])
            self._fate.strike()
        self._inside.write(chunk)

    def finish(self) -> Any:
        self._fate.passes("finish")
        return self._inside.finish()


class WatchedBlobs(Around):
    def upload(self, name: str) -> WatchedUpload:
        return WatchedUpload(self._inside.upload(name), self._fate)

    def publish(self, name: str, digest: str) -> None:
        self._fate.passes("publish")
        self._inside.publish(name, digest)
        self._fate.passes("published")


class WatchedLogs(FolderLogs):
    fate: Fate

    def append(self, attempt: str, offset: int, data: bytes) -> int:
        following = super().append(attempt, offset, data)
        self.fate.passes("log")
        return following


def main(point: str, number: int, words: list[str]) -> int:
    fate = Fate(point, number)
    open_store, open_blobs = wiring.open_store, wiring.open_blobs
    wiring.open_store = lambda *where: WatchedStore(open_store(*where), fate)
    wiring.open_blobs = lambda *where: WatchedBlobs(open_blobs(*where), fate)
    WatchedLogs.fate = fate
    wiring.open_logs = lambda _, folder: WatchedLogs(folder)
    return run(words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), sys.argv[3:]))
