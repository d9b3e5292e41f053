"""What the writer and a transaction need of one connection to a database, whichever it is."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from penstock.ports import StoreError
from penstock.store.statements import Dialect


class Broken(StoreError):
    """The transaction is lost, and nothing of it was kept.

    `again`: the same may well succeed if it is run again (it met another transaction, or lost its connection).
    `careful`: then with savepoints, and with statements that look before they write. `met`: it was another
    transaction. `everybody`: whoever waits
    would meet the same, so that all are to be refused at once.
    """

    def __init__(
        self,
        wrong: object,
        again: bool = False,
        careful: bool = False,
        met: bool = False,
        everybody: bool = False,
    ) -> None:
        super().__init__(f"the transaction is lost: {wrong}")
        self.again, self.careful, self.met, self.everybody = again, careful, met, everybody


class Violation(Exception):
    """A unique constraint refused one statement; the transaction goes on without it."""


class Link(Protocol):
    """One connection. All raise Broken when the transaction is lost; then only `abandon` and `begin` are of use.

    `most` is how many operations go into one transaction at most; `careful` says that savepoints cost so little
    that there is one for each operation.
    """

    dialect: Dialect
    most: int
    careful: bool

    def begin(self, alone: bool = False) -> None:
        """Begin a transaction, on a new connection where the old one is gone.

        `alone`: wait until nobody else writes, and let nobody else write meanwhile.
        """
        ...

    def mark(self) -> None:
        """From here on `undo` can undo; what was before is settled."""
        ...

    def undo(self) -> None:
        """Undo all since `mark`."""
        ...

    def commit(self) -> None:
        """End the transaction and return when it is durable."""
        ...

    def abandon(self) -> None:
        """Undo the transaction, if there is one. Raises nothing."""
        ...

    def rows(self, sql: str, values: Sequence[Any]) -> Iterable[Sequence[Any]]:
        """Run a statement that reads."""
        ...

    def change(self, sql: str, values: Sequence[Any]) -> int:
        """Run a statement that writes. Returns how many rows it changed. Raises Violation."""
        ...

    def later(self, sql: str, values: Sequence[Any], sure: bool) -> None:
        """As `change`, without the answer: it is run before the next statement that is waited for.

        A transaction in which it does not change one row is Broken; `sure`: if it changes none it fails.
        """
        ...

    def close(self) -> None:
        """Let go of the connection."""
        ...
