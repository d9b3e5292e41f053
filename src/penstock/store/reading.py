"""A SQLite database that another process may be writing to: only read here, without the lock on its folder."""

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

from penstock.ports import StoreError, Tx
from penstock.store.sqlitelink import SqliteLink
from penstock.store.sqltx import SqlTx
from penstock.store.upgrade import connect, refuse_unless_current

T = TypeVar("T")


class SqliteReader:
    """As ports.Store, as far as reading goes. Raises StoreError for a file that is missing or of another release."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise StoreError(f"{path}: there is no such database")
        self._path = path
        connection = connect(path)
        try:
            # The write-ahead log lets us read what is committed while the hub goes on writing.
            connection.execute("PRAGMA query_only = ON")
            refuse_unless_current(connection, path)
        except BaseException:
            connection.close()
            raise
        self._link = SqliteLink(connection, begin="BEGIN")

    def read(self, operation: Callable[[Tx], T]) -> T:
        """As ports.Store.read; one thread at a time."""
        try:
            self._link.begin()
            return operation(SqlTx(self._link, writes=False))
        finally:
            self._link.abandon()

    def write(self, operation: Callable[[Tx], T]) -> T:
        """Refused: raises StoreError."""
        raise StoreError(f"{self._path} was opened for reading only")

    def submit(self, operation: Callable[[Tx], T]) -> "Future[T]":
        """Refused: raises StoreError."""
        raise StoreError(f"{self._path} was opened for reading only")

    def close(self) -> None:
        """As ports.Store.close; may be repeated."""
        self._link.close()
