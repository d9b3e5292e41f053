"""The table of records names fields that there are, and records survive being written."""

import msgspec
import pytest

from penstock.model.books import KINDS
from penstock.model.records import SHAPES


@pytest.mark.parametrize("kind", SHAPES, ids=lambda kind: kind.__name__)
def test_keys_indexes_and_constraints_name_fields(kind: type[msgspec.Struct]) -> None:
    shape = SHAPES[kind]
    fields = set(kind.__struct_fields__)
    named = {*shape.key, "version"}
    for index in shape.indexes.values():
        named |= set(index)
    for columns, flag in shape.unique.values():
        named |= {*columns, flag} - {""}
    assert named <= fields


def test_tables_have_names_of_their_own() -> None:
    assert len({shape.table for shape in SHAPES.values()}) == len(SHAPES)


def test_books_are_made_of_stored_records() -> None:
    assert set(KINDS) <= set(SHAPES)
