"""Records in SQLite: one writer with group commit, readers beside it, one process per state folder."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from penstock.ports import StoreError, Tx
from penstock.store.lock import FolderLock
from penstock.store.sqlitelink import SqliteLink
from penstock.store.sqltx import SqlTx
from penstock.store.upgrade import connect, prepare
from penstock.store.writer import GroupWriter

T = TypeVar("T")
READERS_KEPT = 8
"""Idle read connections that are kept; more are opened when more threads read at once."""


class SqliteStore:
    """The database file `path`. Its folder is locked: raises ports.Locked; ports.StoreError for a wrong file."""

    def __init__(self, path: Path) -> None:
        path = path.resolve()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._lock = FolderLock(path.parent)
        self._busy = threading.local()
        self._readers: deque[SqliteLink] = deque()
        self._closed = False
        try:
            prepare(path)
            self._writer = GroupWriter(SqliteLink(connect(path)))
        except BaseException:
            self._lock.release()
            raise

    def read(self, operation: Callable[[Tx], T]) -> T:
        """As ports.Store.read: a snapshot, which neither waits for the writer nor holds it up."""
        if getattr(self._busy, "reading", False):
            raise RuntimeError("a store operation cannot start another: use its own transaction")
        self._writer.refuse_inside()
        with self._reader() as link:
            try:
                self._busy.reading = True
                link.begin()
                return operation(SqlTx(link, writes=False))
            finally:
                self._busy.reading = False
                link.abandon()

    def write(self, operation: Callable[[Tx], T]) -> T:
        """As ports.Store.write."""
        return self.submit(operation).result()

    def submit(self, operation: Callable[[Tx], T]) -> Future[T]:
        """As ports.Store.submit. The future's callbacks run on the writer's thread: keep them short."""
        if getattr(self._busy, "reading", False):
            raise RuntimeError("a store operation cannot start another: use its own transaction")
        self._writer.refuse_inside()
        return self._writer.submit(operation)

    def close(self) -> None:
        """As ports.Store.close; may be repeated."""
        self._writer.close()
        self._closed = True
        while self._readers:
            self._readers.pop().close()
        self._lock.release()

    @contextmanager
    def _reader(self) -> Iterator[SqliteLink]:
        """A read connection that no other thread has. The last one used comes first: its cache is warm."""
        if self._closed:
            raise StoreError("the store is closed")
        try:
            link = self._readers.pop()
        except IndexError:
            link = SqliteLink(connect(self._path), begin="BEGIN")
        try:
            yield link
        finally:
            self._give_back(link)

    def _give_back(self, link: SqliteLink) -> None:
        """Keep an idle connection for the next reader, unless there are enough of them."""
        if self._closed or len(self._readers) >= READERS_KEPT:
            link.close()
        else:
            self._readers.append(link)
