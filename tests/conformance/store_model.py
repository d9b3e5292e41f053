"""The contract as a plain dictionary: what a store must answer to any sequence of transactions."""

from collections.abc import Callable
from typing import Any

import msgspec
from conformance.samples import attempt
from conformance.store_suite import Driver
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from penstock.model.farm import Event
from penstock.model.job import Attempt, Edge
from penstock.model.records import SHAPES
from penstock.ports import Duplicate, Stale, Tx

Rows = dict[tuple[type, tuple[Any, ...]], Any]
KINDS = (Attempt, Edge, Event)


def taken(row: Any, fields: tuple[str, ...], flag: str) -> tuple[Any, ...] | None:
    """What a row holds of a constraint."""
    if flag and not getattr(row, flag):
        return None
    return tuple(getattr(row, field) for field in fields)


class Model:
    """Every rule of ports.Tx, by looking at all rows each time. Outcomes are words: "ok", "Stale", a constraint."""

    def __init__(self) -> None:
        self.rows: Rows = {}
        self.last_number = 0

    def copy(self) -> "Model":
        made = Model()
        made.rows, made.last_number = dict(self.rows), self.last_number
        return made

    def clash(self, place: tuple[type, tuple[Any, ...]], row: Any) -> str:
        for name, constraint in SHAPES[type(row)].unique.items():
            mine = taken(row, *constraint)
            others = (old for at, old in self.rows.items() if at[0] is type(row) and at != place)
            if mine is not None and any(taken(old, *constraint) == mine for old in others):
                return name
        return ""

    def apply(self, verb: str, row: Any) -> str:
        shape = SHAPES[type(row)]
        if verb == "insert" and shape.numbered:
            self.last_number += 1
            row = msgspec.structs.replace(row, **{shape.key[0]: self.last_number})
        place = (type(row), tuple(getattr(row, field) for field in shape.key))
        old = self.rows.get(place)
        if verb == "insert" and old is not None:
            return "key"
        if verb != "insert" and (old is None or old.version != row.version):
            return "Stale"
        if verb == "delete":
            del self.rows[place]
            return "ok"
        if verb == "replace":
            row = msgspec.structs.replace(row, version=row.version + 1)
        if found := self.clash(place, row):
            return found
        self.rows[place] = row
        return "ok"

    def find(self, kind: type, index: str, given: tuple[Any, ...]) -> list[Any]:
        shape = SHAPES[kind]
        fields = shape.key if index == "key" else shape.indexes[index]
        rows = [row for (of, _), row in self.rows.items() if of is kind]
        rows = [row for row in rows if tuple(getattr(row, field) for field in fields[: len(given)]) == given]
        return sorted(rows, key=lambda row: [getattr(row, field) for field in (*fields, *shape.key)])


def applied(tx: Tx, verb: str, row: Any) -> str:
    """The same on a store, its answer in the model's words."""
    try:
        getattr(tx, verb)(row)
    except Stale:
        return "Stale"
    except Duplicate as refused:
        return refused.constraint
    return "ok"


def last_number(tx: Tx) -> int:
    """The number that was given last; a number is spent on that."""
    tx.insert(Event())
    last = tx.find(Event, "key")[-1]
    tx.delete(last)
    return int(last.seq)


FEW = st.integers(0, 2)
ROWS = st.one_of(
    st.builds(
        attempt,
        st.sampled_from("abcd"),
        job=st.sampled_from("xy"),
        n=FEW,
        slot=FEW,
        live=st.booleans(),
        settled=st.booleans(),
        version=FEW,
    ),
    st.builds(Edge, st.sampled_from("ab"), st.sampled_from("ab"), st.booleans(), FEW),
    st.builds(Event, seq=st.integers(0, 6), job=st.sampled_from("xy"), version=FEW),
)
STEPS = st.lists(st.tuples(st.sampled_from(("insert", "insert", "replace", "delete")), ROWS), max_size=6)


class Undone(Exception):
    """Raised at the end of a transaction that is to leave nothing."""


class StoreMachine(RuleBasedStateMachine):
    """Random transactions on a store and on the model. A subclass says which store: `driver` makes it."""

    driver: Callable[[], Driver]

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.driven = type(self).driver()

    def teardown(self) -> None:
        self.driven.store.close()

    @rule(steps=STEPS)
    def commit(self, steps: list[tuple[str, Any]]) -> None:
        number, told = self.driven.store.write(
            lambda tx: (last_number(tx), [applied(tx, *step) for step in steps])
        )
        self.align(self.model, number)
        assert told == [self.model.apply(*step) for step in steps]

    @rule(steps=STEPS)
    def undo(self, steps: list[tuple[str, Any]]) -> None:
        trial, told = self.model.copy(), []

        def operation(tx: Tx) -> None:
            told[:] = [last_number(tx), *(applied(tx, *step) for step in steps)]
            raise Undone

        try:
            self.driven.store.write(operation)
        except Undone:
            self.align(trial, told[0])
            assert told[1:] == [trial.apply(*step) for step in steps]

    @staticmethod
    def align(model: Model, number: int) -> None:
        """Numbers of undone inserts, and of a first try, may be left out or given again: only what was kept counts."""
        assert number > model.last_number
        model.last_number = number

    @rule()
    def reopen(self) -> None:
        if self.driven.durable:
            self.driven.reopen()

    @rule(kind=st.sampled_from(KINDS), data=st.data(), limit=st.none() | FEW, backwards=st.booleans())
    def search(self, kind: type, data: st.DataObject, limit: int | None, backwards: bool) -> None:
        index = data.draw(st.sampled_from(["key", *SHAPES[kind].indexes]))
        row = data.draw(ROWS.filter(lambda row: isinstance(row, kind)))
        fields = SHAPES[kind].key if index == "key" else SHAPES[kind].indexes[index]
        given = tuple(getattr(row, field) for field in fields[: data.draw(st.integers(0, len(fields)))])
        left = [
            field
            for field in dict.fromkeys((*fields, *SHAPES[kind].key))
            if field not in fields[: len(given)]
        ]
        left = left[: data.draw(st.integers(0, len(left)))]
        after = tuple(getattr(data.draw(ROWS.filter(lambda row: isinstance(row, kind))), one) for one in left)
        found = self.driven.store.read(
            lambda tx: tx.find(kind, index, *given, limit=limit, after=after, backwards=backwards)
        )
        wanted = self.model.find(kind, index, given)[:: -1 if backwards else 1]
        if after:
            places = [tuple(getattr(row, one) for one in left) for row in wanted]
            wanted = [
                row
                for row, place in zip(wanted, places, strict=True)
                if (place < after if backwards else place > after)
            ]
        assert found == wanted[:limit]

    @invariant()
    def all_rows_are_those_of_the_model(self) -> None:
        for kind in KINDS:
            assert self.driven.store.read(lambda tx, kind=kind: tx.find(kind, "key")) == self.model.find(
                kind, "key", ()
            )
