"""The SQL of one table, put together once: what follows is only binding values."""

# ruff: noqa: S608 - the names in these texts come from model.records, values are always bound

import functools
import re
from collections.abc import Sequence
from itertools import count
from typing import Any

import msgspec

from penstock.model.records import Shape
from penstock.store.codec import Codec, shown
from penstock.store.schema import TableSchema, names, tables
from penstock.store.shapes import KEY, index_fields, order_fields, shape_of, tuple_getter

NO_LIMIT = 2**62


class Dialect(msgspec.Struct, frozen=True):
    """What databases say differently.

    `counted`: values are $1, $2, not "?". `hints`: a search names its index. `silent`: a refused statement would
    break the transaction, so careful ones change no row where others raise Violation. `rows`: so many are inserted by
    one statement at most; one where statements are sent together anyway.
    """

    counted: bool = False
    hints: bool = False
    silent: bool = False
    rows: int = 1

    def text(self, sql: str) -> str:
        """A statement with its values as this database marks them; names hold no question marks."""
        if not self.counted:
            return sql
        numbers = count(1)
        return "".join(f"${next(numbers)}" if part == "?" else part for part in re.split(r"(\?)", sql))


SQLITE = Dialect(hints=True, rows=16)
POSTGRES = Dialect(counted=True, silent=True)


class Statements:
    """How records of one type are read and written. All values are bound, never part of the text."""

    def __init__(self, dialect: Dialect, shape: Shape, table: TableSchema, codec: Codec) -> None:
        self.shape = shape
        self.codec = codec
        self._dialect = dialect
        self._encode = {column.name: column.encode for column in table.columns}
        self._at = {column.name: at for at, column in enumerate(table.columns)}
        self._columns = names(tuple(self._at))
        self._given = tuple(name for name in self._at if not (shape.numbered and name in shape.key))
        self._changed = tuple(name for name in self._at if name not in shape.key)
        self._names = tuple(self._at)
        self._finds: dict[tuple[str, int, int, bool], str] = {}
        self._sums: dict[tuple[tuple[str, ...], tuple[str, ...]], str] = {}
        self._updates: dict[tuple[int, ...], str] = {}
        self._key = tuple_getter(shape.key)
        by_key, text = _equal(shape.key), dialect.text
        self.get = text(f'SELECT {self._columns} FROM "{shape.table}" WHERE {by_key}')
        self.delete = text(f'DELETE FROM "{shape.table}" WHERE {by_key} AND "version" = ?')
        self._placings: dict[str, str] = {}
        self._inserts: dict[int, str] = {}
        insert = self._insert(1)
        self.insert = text(insert)
        self.careful_insert = text(f"{insert} ON CONFLICT DO NOTHING" if dialect.silent else insert)
        replace = self._update(self._changed)
        self.replace = text(replace)
        clashes = {name: self._clash(index.fields, index.flag) for name, index in _uniques(table)}
        self.clashes = {name: text(clash) for name, clash in clashes.items()}
        checks = clashes.values() if dialect.silent else ()
        self.careful_replace = text(replace + "".join(f" AND NOT EXISTS ({clash})" for clash in checks))

    def name(self, record: Any) -> tuple[Any, ...]:
        """What tells a record from all others of all types."""
        return self.shape.table, *self._key(record)

    def key_of(self, row: list[Any]) -> list[Any]:
        """The key's values in a row."""
        return [row[self._at[name]] for name in self.shape.key]

    def insertion(self, row: list[Any]) -> list[Any]:
        """What `insert` binds: all but a key that the database gives."""
        return row if len(self._given) == len(row) else [row[self._at[name]] for name in self._given]

    def inserting(self, count: int) -> str:
        """As `insert`, of so many rows: binds the values of one after the other."""
        found = self._inserts.get(count)
        if found is None:
            found = self._inserts[count] = self._dialect.text(self._insert(count))
        return found

    def placing(self, field: str) -> str:
        """Numbers a run of rows anew in this field, in the order of their keys. Binds what `placement` gives."""
        found = self._placings.get(field)
        if found is None:
            key = f'"{self.shape.key[0]}"'
            settings = f'"{field}" = {key} + ?, "version" = "version" + 1'
            where = f'{key} >= ? AND {key} <= ? AND "version" = ?'
            text = f'UPDATE "{self.shape.table}" SET {settings} WHERE {where}'
            found = self._placings[field] = self._dialect.text(text)
        return found

    def placement(self, run: Sequence[Any], first: int) -> list[int]:
        """What `placing` binds for records with keys that follow each other, the first of which becomes `first`."""
        begins, ends = (int(self._key(record)[0]) for record in (run[0], run[-1]))
        return [first - begins, begins, ends, int(run[0].version)]

    def searched(self, fields: tuple[str, ...], values: Sequence[Any]) -> list[Any]:
        """Values of these fields as the database takes them; there may be fewer values than fields."""
        found = []
        for field, value in zip(fields, values, strict=False):
            encode = self._encode[field]
            found.append(shown(value) if encode is None else encode(value))
        return found

    def version_of(self, row: list[Any]) -> int:
        """The version in a row."""
        return int(row[self._at["version"]])

    def versioned_key(self, row: list[Any]) -> list[Any]:
        """What `delete` binds."""
        return [*self.key_of(row), self.version_of(row)]

    def replacement(self, row: list[Any]) -> list[Any]:
        """What `replace` binds: all but the key with the version raised, then the key and the version."""
        version = self.version_of(row)
        changed = [version + 1 if name == "version" else row[self._at[name]] for name in self._changed]
        return [*changed, *self.key_of(row), version]

    def update(self, columns: tuple[int, ...]) -> str:
        """As `replace`, of these columns and the version alone: each index that holds none of them is left as it is.

        Binds what `updating` gives.
        """
        found = self._updates.get(columns)
        if found is None:
            found = self._dialect.text(self._update((*(self._names[at] for at in columns), "version")))
            self._updates[columns] = found
        return found

    def updating(self, changed: dict[int, Any], record: Any) -> list[Any]:
        """What `update` binds for these changes (codec.Codec.changes) of a record."""
        version: int = record.version
        return [*changed.values(), version + 1, *self.searched(self.shape.key, self._key(record)), version]

    def careful_replacement(self, row: list[Any]) -> list[Any]:
        """What `careful_replace` binds: it changes nothing where a constraint would forbid it."""
        if not self._dialect.silent:
            return self.replacement(row)
        clashes = [value for name in self.clashes for value in self.clash_values(name, row)]
        return [*self.replacement(row), *clashes]

    def clash_values(self, name: str, row: list[Any]) -> list[Any]:
        """What the statement of this constraint in `clashes` binds."""
        fields, flag = self.shape.unique[name]
        values = [row[self._at[field]] for field in fields]
        return [*values, *([row[self._at[flag]]] if flag else []), *self.key_of(row)]

    def find(self, index: str, count: int, after: int = 0, backwards: bool = False) -> str:
        """The search of an index by its first `count` fields, beyond `after` values of the next ones.

        Binds the values, those that it is beyond, then the limit, which may be NO_LIMIT.
        """
        found = self._finds.get((index, count, after, backwards))
        if found is None:
            found = self._dialect.text(self._find(index, count, after, backwards))
            self._finds[index, count, after, backwards] = found
        return found

    def added(self, by: tuple[str, ...], of: tuple[str, ...]) -> str:
        """The sums of `of` by `by`. Binds the first number that the key begins with, and the one that it is before."""
        found = self._sums.get((by, of))
        if found is None:
            # PostgreSQL adds up whole numbers as what is no whole number.
            sums = ", ".join(f'CAST(SUM("{name}") AS BIGINT)' for name in of)
            begins = f'"{self.shape.key[0]}" >= ? AND "{self.shape.key[0]}" < ?'
            text = f'SELECT {", ".join(filter(None, (names(by), sums)))} FROM "{self.shape.table}" WHERE {begins}'
            found = self._sums[by, of] = self._dialect.text(f"{text} GROUP BY {names(by)}")
        return found

    def read_out(self, by: tuple[str, ...], row: Sequence[Any]) -> tuple[Any, ...]:
        """A row of `added` with its values as records have them."""
        decode = [self.codec.columns[self._at[name]].decode for name in by]
        values = [one if read is None else read(one) for read, one in zip(decode, row, strict=False)]
        return (*values, *row[len(by) :])

    def _insert(self, count: int) -> str:
        row = f"({', '.join('?' * len(self._given))})"
        return f'INSERT INTO "{self.shape.table}" ({names(self._given)}) VALUES {", ".join([row] * count)}'

    def _update(self, columns: Sequence[str]) -> str:
        settings = ", ".join(f'"{name}" = ?' for name in columns)
        return f'UPDATE "{self.shape.table}" SET {settings} WHERE {_equal(self.shape.key)} AND "version" = ?'

    def _find(self, index: str, count: int, after: int, backwards: bool) -> str:
        table = self.shape.table
        # Named, because without statistics the planner may take another index and sort.
        hint = f' INDEXED BY "{table}_{index}"' if self._dialect.hints and index != KEY else ""
        fields = index_fields(self.shape, index)[:count]
        left = tuple(name for name in order_fields(self.shape, index) if name not in fields)
        beyond = f"({names(left[:after])}) {'<' if backwards else '>'} ({', '.join('?' * after)})"
        conditions = [_equal(fields)] * bool(fields) + [beyond] * bool(after)
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        order = ", ".join(f'"{name}" DESC' if backwards else f'"{name}"' for name in left)
        order = f" ORDER BY {order}" if order else ""
        return f'SELECT {self._columns} FROM "{table}"{hint}{where}{order} LIMIT ?'

    def _clash(self, fields: tuple[str, ...], flag: str) -> str:
        """Asks for another row that holds what a new one would; the flag of both must be set."""
        flagged = f' AND "{flag}" = 1 AND ? = 1' if flag else ""
        other = " OR ".join(f'"{field}" <> ?' for field in self.shape.key)
        return f'SELECT 1 FROM "{self.shape.table}" WHERE {_equal(fields)}{flagged} AND ({other})'


def _uniques(table: TableSchema) -> list[tuple[str, Any]]:
    return [(index.name, index) for index in table.indexes if index.unique]


def _equal(fields: tuple[str, ...]) -> str:
    return " AND ".join(f'"{field}" = ?' for field in fields)


@functools.cache
def statements(kind: type[msgspec.Struct], dialect: Dialect = SQLITE) -> Statements:
    """The statements of a record type. Raises TypeError for a type that is not stored."""
    return Statements(dialect, shape_of(kind), tables()[kind], Codec(kind))
