"""Columns in memory, in both ways: `array('q')` for plain Python, one numpy array a table where it is compiled."""

from array import array
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from penstock.policy.capacity import blank as blanks
from penstock.policy.capacity import columns
from penstock.policy.capacity.columns import Farm, Shape


class Tables(NamedTuple):
    """How tables are made."""

    compiled: bool

    def column(self, values: Any) -> Any:
        """A column of these integers; a column or an array of them is not copied where that can be."""
        if self.compiled:
            return np.ascontiguousarray(np.asarray(values, dtype=np.int64))
        return values if isinstance(values, array) else array("q", np.asarray(values, np.int64).tobytes())

    def table(self, blanks: Sequence[int], rows: int) -> Any:
        """A table whose every row is `blanks`, a value for each field."""
        if not self.compiled:
            return tuple(array("q", [blank]) * rows for blank in blanks)
        made = np.zeros((len(blanks), rows), np.int64)  # memory that is not written to is not taken
        for field, blank in enumerate(blanks):
            if blank:
                made[field] = blank
        return made

    def rows(self, values: Sequence[Sequence[int]]) -> Any:
        """A table of these columns."""
        if self.compiled:
            return np.array(values, np.int64)
        return tuple(array("q", column) for column in values)

    def longer(self, table: Any, blanks: Sequence[int], rows: int) -> Any:
        """The same table with more rows, blank ones."""
        made = self.table(blanks, rows)
        for field, column in enumerate(table):
            made[field][: len(column)] = column
        return made

    def same(self, table: Any) -> Any:
        """A small table, made by `blank.empty`, as tables are made here."""
        if not self.compiled:
            return table
        if isinstance(table, array):
            return np.array(table)
        return np.array([np.asarray(column) for column in table])


def first_row(table: Any) -> list[int]:
    """What a blank row holds, from a table that is blank."""
    return [column[0] for column in table]


def blank(shape: Shape) -> Farm:
    """The smallest farm of this shape, to take blank rows from."""
    return blanks.empty(shape._replace(jobs=1, machines=1), 1)


def empty(tables: Tables, shape: Shape) -> Farm:
    """`blank.empty`, quick for millions of jobs."""
    small = blank(shape)
    room = shape.jobs + shape.machines * (shape.width + 1)
    return Farm(*(tables.same(part) for part in small))._replace(
        jobs=tables.table(first_row(small.jobs), shape.jobs),
        machines=tables.table(first_row(small.machines), shape.machines),
        lanes=tables.table(first_row(small.lanes), shape.machines * shape.width),
        free_rows=tables.column(np.arange(shape.machines - 1, -1, -1)),
        head=tables.column([0, 0, shape.machines, *([0] * (columns.HEAD_FIELDS - 3))]),
        levels=tables.table([-1] * shape.islands, shape.machines + 2),
        acts=tables.table([0] * columns.ACT_FIELDS, room),
        scratch=tables.table([0] * columns.SCRATCHES, blanks.sheet_rows(shape)),
    )


def more_machines(tables: Tables, farm: Farm, shape: Shape) -> Farm:
    """The farm with as many rows for machines as `shape` has; rows that are free already are used first."""
    small = blank(shape)
    had, free = len(farm.free_rows), farm.head[columns.HEAD_FREE_ROWS]
    rows = [*range(shape.machines - 1, had - 1, -1), *(int(row) for row in farm.free_rows[:free])]
    farm.head[columns.HEAD_FREE_ROWS] = len(rows)
    room = shape.jobs + shape.machines * (shape.width + 1)
    return farm._replace(
        machines=tables.longer(farm.machines, first_row(small.machines), shape.machines),
        lanes=tables.longer(farm.lanes, first_row(small.lanes), shape.machines * shape.width),
        free_rows=tables.column(rows + [0] * (shape.machines - len(rows))),
        levels=tables.longer(farm.levels, [-1] * shape.islands, shape.machines + 2),
        acts=tables.longer(farm.acts, [0] * columns.ACT_FIELDS, room),
        scratch=tables.table([0] * columns.SCRATCHES, blanks.sheet_rows(shape)),
    )
