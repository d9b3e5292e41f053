"""Records in PostgreSQL: one writer with group commit, readers beside it; any number of hub processes share it."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TypeVar

from penstock.ports import StoreError, Tx
from penstock.store.link import Broken
from penstock.store.postgrescommit import Writing
from penstock.store.postgreslink import READING, PostgresLink
from penstock.store.postgresschema import prepare
from penstock.store.sqltx import SqlTx
from penstock.store.writer import GroupWriter

T = TypeVar("T")
READERS = 8
"""Read connections at most; a thread that finds none waits for one."""
READ_PAUSES = (0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Seconds between the tries to connect before a read is refused."""


class PostgresStore:
    """The database at `url` (postgresql://...). Raises StoreError where it cannot be used."""

    def __init__(self, url: str, pause: Callable[[float], None] = time.sleep) -> None:
        prepare(url)
        self._url = url
        self._pause = pause
        self._busy = threading.local()
        self._readers: deque[PostgresLink] = deque()
        self._free = threading.Semaphore(READERS)
        self._closed = False
        self._link = Writing(url, pause)
        self._writer = GroupWriter(self._link, pause)
        self._link.waiting = self._writer.refuse_waiting

    def read(self, operation: Callable[[Tx], T]) -> T:
        """As ports.Store.read: a snapshot, which neither waits for writers nor holds them up.

        When its connection is lost in the middle it is run once more, on another.
        """
        self._refuse_inside()
        with self._reader() as link:
            try:
                return self._look(link, operation)
            except Broken as lost:
                if not lost.again:
                    raise
                return self._look(link, operation)

    def write(self, operation: Callable[[Tx], T]) -> T:
        """As ports.Store.write."""
        return self.submit(operation).result()

    def submit(self, operation: Callable[[Tx], T]) -> "Future[T]":
        """As ports.Store.submit. The future's callbacks run on the writer's thread: keep them short."""
        self._refuse_inside()
        return self._writer.submit(operation)

    def close(self) -> None:
        """As ports.Store.close; may be repeated."""
        self._link.give_up()
        self._writer.close()
        self._closed = True
        while self._readers:
            self._readers.pop().close()

    def _look(self, link: PostgresLink, operation: Callable[[Tx], T]) -> T:
        try:
            self._busy.reading = True
            link.begin()
            return operation(SqlTx(link, writes=False))
        finally:
            self._busy.reading = False
            link.abandon()

    def _refuse_inside(self) -> None:
        if getattr(self._busy, "reading", False):
            raise RuntimeError("a store operation cannot start another: use its own transaction")
        self._writer.refuse_inside()

    @contextmanager
    def _reader(self) -> Iterator[PostgresLink]:
        """A read connection that no other thread has. The last one used comes first: its statements are prepared."""
        if self._closed:
            raise StoreError("the store is closed")
        with self._free:
            try:
                link = self._readers.pop()
            except IndexError:
                link = PostgresLink(self._url, READING, self._pause, READ_PAUSES)
            try:
                yield link
            finally:
                if self._closed:
                    link.close()
                else:
                    self._readers.append(link)
