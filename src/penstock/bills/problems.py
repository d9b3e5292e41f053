"""What is wrong with a bill: with the whole file, or with one row."""

import msgspec


class BadBill(Exception):
    """A file of which nothing is loaded. As text one line: where, what, what to write instead.

    `rejected`: the first rows that could not be read, at most MOST_REJECTED; empty where the file as a whole is wrong.
    """

    def __init__(self, where: str, what: str, rejected: "tuple[Rejected, ...]" = ()) -> None:
        super().__init__(f"{where}: {what}")
        self.rejected = rejected


class BadRow(Exception):
    """A value that cannot be what stands there. `column` is its name in the file, `why` quotes no more than 60 characters."""

    def __init__(self, column: str, why: str) -> None:
        super().__init__(column, why)
        self.column, self.why = column, why


class Rejected(msgspec.Struct, frozen=True):
    """A row that could not be read: its file, its line (from 1, the header is line 1), its column, and why."""

    file: str
    row: int
    column: str
    why: str

    def __str__(self) -> str:
        return f"row {self.row}, column {self.column}: {self.why}"


MOST_REJECTED = 20
"""Bad rows that are named; with so many the rest of the file is not read."""


def quoted(text: str) -> str:
    """Text from outside as people see it, 60 characters at most."""
    shown = repr(text)
    return shown if len(shown) <= 60 else shown[:57] + "..."
