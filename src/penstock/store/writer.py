"""The one thread that writes: operations that wait together are committed together.

Each operation runs in a savepoint, so that what fails is undone alone; nobody is answered before the COMMIT
that makes it durable. Group commit after Gray & Reuter, Transaction Processing, 10.3; a forced write to disk
costs some milliseconds, an operation some tens of microseconds.
"""

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

import msgspec

from penstock.ports import StoreError, Tx
from penstock.store.sqltx import SqlTx

T = TypeVar("T")
BATCH_MAX = 128
"""Operations in one transaction at most: bounds how long the first waits for the last."""


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
    """Runs operations on `connection`, which nobody else uses from here on."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
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
        self._connection.close()

    def _next_batch(self) -> tuple[list[_Request], bool]:
        """All that waits now, at least one, and whether more may come."""
        batch: list[_Request] = []
        request = self._queue.get()
        while request is not None:
            if request.future.set_running_or_notify_cancel():
                batch.append(request)
            if len(batch) >= BATCH_MAX:
                return batch, True
            try:
                request = self._queue.get_nowait()
            except Empty:
                return batch, True
        return batch, False

    def _settle(self, batch: list[_Request]) -> None:
        """Commit a batch and answer it. When its transaction is lost, each operation gets one of its own."""
        if not batch:
            return
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as wrong:
            # Somebody else holds the database: to try again for each would make all wait in turn.
            self._refuse(batch, wrong)
            return
        lost = self._transact(batch)
        if lost is not None and len(batch) > 1:
            for request in batch:
                self._settle([request])
        elif lost is not None:
            self._refuse(batch, lost)
        else:
            for request in batch:
                request.answer()

    def _transact(self, batch: list[_Request]) -> sqlite3.Error | None:
        """Run a batch in the transaction that was begun. Returns why nothing of it was kept, None when all was."""
        try:
            for request in batch:
                self._one(request)
            self._connection.execute("COMMIT")
            return None
        except sqlite3.Error as wrong:
            return wrong
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _one(self, request: _Request) -> None:
        """Run one operation in its savepoint."""
        execute = self._connection.execute
        tx = SqlTx(self._connection, writes=True)
        execute("SAVEPOINT one")
        request.result = request.error = None
        try:
            request.result = request.operation(tx)
        except BaseException as raised:
            request.error = raised
        if tx.lost is not None:
            raise tx.lost
        if request.error is not None:
            execute("ROLLBACK TO one")
        execute("RELEASE one")

    def _refuse(self, batch: list[_Request], wrong: BaseException) -> None:
        for request in batch:
            if not request.future.done():
                request.future.set_exception(StoreError(f"the database refused it: {wrong}"))
