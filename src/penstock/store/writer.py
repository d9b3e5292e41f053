"""The one thread that writes on a connection: operations that wait together are committed together.

What fails is undone alone; nobody is answered before the COMMIT that makes it durable. Group commit after Gray &
Reuter, Transaction Processing, 10.3; a forced write to disk costs some milliseconds, an operation some tens of
microseconds. A transaction that met another one is run again here and nowhere else.
"""

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

import msgspec

from penstock.ports import StoreError, Tx
from penstock.store.link import Broken, Link
from penstock.store.sqltx import SqlTx

T = TypeVar("T")
PAUSES_S = (0.0, 0.01, 0.05, 0.2, 0.5)
"""The longest pause after each try of a transaction that is lost to another one, or with its connection."""


class _Request(msgspec.Struct, eq=False):
    """An operation that waits, and whom to answer."""

    operation: Callable[[Tx], Any]
    future: "Future[Any]"
    result: Any = None
    error: BaseException | None = None

    def answer(self) -> None:
        """Hand out what the operation returned or raised."""
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)
            # The frames of the error hold this request: without this they would keep each other alive.
            self.error = None


class GroupWriter:
    """Runs operations on `link`, which nobody else uses from here on. `pause` waits so many seconds."""

    def __init__(self, link: Link, pause: Callable[[float], None] = time.sleep) -> None:
        self._link = link
        self._pause = pause
        self._queue: SimpleQueue[_Request | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="penstock store writer", daemon=True)
        self._thread.start()

    def submit(self, operation: Callable[[Tx], T]) -> "Future[T]":
        """Queue an operation. Raises StoreError when the store is closed."""
        future: Future[T] = Future()
        with self._lock:
            if self._closed:
                raise StoreError("the store is closed")
            self._queue.put(_Request(operation, future))
        return future

    def refuse_inside(self) -> None:
        """Raise RuntimeError on the writer's own thread, where waiting for the writer would never end."""
        if threading.current_thread() is self._thread:
            raise RuntimeError("a store operation cannot start another: use its own transaction")

    def refuse_waiting(self, wrong: BaseException) -> None:
        """Refuse what is queued at this moment; for a link that waits for its database, on the writer's thread."""
        for _ in range(self._queue.qsize()):
            request = self._queue.get()
            if request is None:
                self._queue.put(None)
            elif request.future.set_running_or_notify_cancel():
                self._refuse([request], wrong)

    def close(self) -> None:
        """Do what is queued, then end."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        going = True
        while going:
            batch, going = self._next_batch()
            try:
                self._settle(batch)
            except BaseException as wrong:  # whatever happens, nobody waits for ever
                self._refuse(batch, wrong)
        self._link.close()

    def _next_batch(self) -> tuple[list[_Request], bool]:
        """All that waits now, at least one, and whether more may come."""
        batch: list[_Request] = []
        request = self._queue.get()
        while request is not None:
            if request.future.set_running_or_notify_cancel():
                batch.append(request)
            if len(batch) >= self._link.most:
                return batch, True
            try:
                request = self._queue.get_nowait()
            except Empty:
                return batch, True
        return batch, False

    def _settle(self, batch: list[_Request]) -> None:
        """Commit a batch and answer it. When its transaction is lost for good, each gets one of its own."""
        if not batch:
            return
        lost = self._try(batch)
        if lost is None:
            for request in batch:
                request.answer()
        elif lost.everybody or len(batch) == 1:
            self._refuse(batch, lost)
        else:
            for request in batch:
                self._settle([request])

    def _try(self, batch: list[_Request]) -> Broken | None:
        """Run a batch until it is kept, a few times. Returns why nothing of it was, None when all was."""
        careful, alone = self._link.careful, False
        for pause_s in PAUSES_S:
            lost = self._transact(batch, careful, alone)
            if lost is None or not lost.again:
                return lost
            # Who met another transaction lets nobody else in the next time, so it does not meet them for ever.
            alone = alone or lost.met
            if lost.careful and not careful:
                careful = True
            else:
                self._pause(random.uniform(0, pause_s))
        return lost

    def _transact(self, batch: list[_Request], careful: bool, alone: bool) -> Broken | None:
        """Run a batch in a transaction. Returns why nothing of it was kept."""
        try:
            self._link.begin(alone)
            for request in batch:
                self._one(request, careful, last=len(batch) == 1)
            if len(batch) == 1 and batch[0].error is not None:
                return None
            self._link.commit()
            return None
        except Broken as lost:
            return lost
        finally:
            self._link.abandon()

    def _one(self, request: _Request, careful: bool, last: bool) -> None:
        """Run one operation; what raises is undone.

        If it was not careful and wrote, it may have missed an earlier reason to raise, and there is no mark.
        """
        tx = SqlTx(self._link, writes=True, careful=careful)
        if careful and not last:
            self._link.mark()
        request.result = request.error = None
        try:
            request.result = request.operation(tx)
        except BaseException as raised:
            request.error = raised
        if tx.lost is not None:
            raise tx.lost
        if request.error is None or not tx.wrote:
            return
        if not careful:
            raise Broken(request.error, again=True, careful=True)
        if not last:
            self._link.undo()

    def _refuse(self, batch: list[_Request], wrong: BaseException) -> None:
        for request in batch:
            if not request.future.done():
                request.future.set_exception(StoreError(f"the database refused it: {wrong}"))
