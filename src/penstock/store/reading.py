"""A SQLite database that another process may be writing to: only read here, without the lock on its folder."""

import sqlite3
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

from penstock.ports import StoreError, Tx
from penstock.store.sqltx import SqlTx
from penstock.store.upgrade import connect, refuse_unless_current

T = TypeVar("T")


class SqliteReader:
    """As ports.Store, as far as reading goes. Raises StoreError for a file that is missing or of another release."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise StoreError(f"{path}: there is no such database")
        self._path = path
        self._connection = connect(path)
        try:
            # The write-ahead log lets us read what is committed while the hub goes on writing.
            self._connection.execute("PRAGMA query_only = ON")
            refuse_unless_current(self._connection, path)
        except BaseException:
            self._connection.close()
            raise

    def read(self, operation: Callable[[Tx], T]) -> T:
        """As ports.Store.read; one thread at a time."""
        try:
            self._connection.execute("BEGIN")
            return operation(SqlTx(self._connection, writes=False))
        except sqlite3.Error as wrong:
            raise StoreError(f"{self._path}: {wrong}") from wrong
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def write(self, operation: Callable[[Tx], T]) -> T:
        """Refused: raises StoreError."""
        raise StoreError(f"{self._path} was opened for reading only")

    def submit(self, operation: Callable[[Tx], T]) -> "Future[T]":
        """Refused: raises StoreError."""
        return self.write(operation)  # type: ignore[return-value]

    def close(self) -> None:
        """As ports.Store.close; may be repeated."""
        self._connection.close()
