"""Values of a file with the lines they stand on, and the tables of fields that they are read by.

farm.toml and .penstock.yml both become a tree of `Item`; from there on one way of reading serves both, so
that the same mistake is told in the same words.
"""

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from penstock.config.mistakes import Mistake, Mistakes


class Item(msgspec.Struct, frozen=True):
    """One value and its line, counted from 1. `value`: text, number, bool, None, date, or list or dict of Item.

    An entry of a dict stands on the line of its key.
    """

    value: Any
    line: int


class Refused(Exception):
    """A value that cannot be taken: what is wrong and what to write instead. `line` None = that of its item."""

    def __init__(self, what: str, instead: str = "", line: int | None = None) -> None:
        super().__init__(what, instead, line)
        self.what, self.instead, self.line = what, instead, line


class Desk:
    """One file on the desk: collects its mistakes, so that all of them are told at once."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.found: list[Mistake] = []

    def wrong(self, line: int | None, what: str, instead: str = "") -> None:
        """Note one mistake and go on."""
        self.found.append(Mistake(self.file, line, what, instead))

    def finish(self) -> None:
        """Raise Mistakes when there was any."""
        if self.found:
            raise Mistakes(self.found)


Read = Callable[[Desk, Item, str], Any]
"""Takes a desk, an item and the item's name in words; returns what the item means or raises Refused."""


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One key that a table may have: how it is read and what it is for.

    `into`: the name in the record when it differs from the key. `inner`: the fields of a table below it,
    for listings.
    """

    read: Read
    about: str
    required: bool = False
    into: str = ""
    inner: Mapping[str, "Field"] = {}


Fields = Mapping[str, Field]


def near(word: str, known: Iterable[str]) -> str:
    """What to write instead of an unknown word: the nearest known one, else all of them."""
    names = sorted(known)
    found = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if found:
        return f"did you mean `{found[0]}`?"
    return "write one of " + ", ".join(f"`{name}`" for name in names[:40]) if names else "remove it"


def shown(value: Any) -> str:
    """A value of the file as a person would name it, short."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "a table"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def read_table(desk: Desk, item: Item, where: str, fields: Fields) -> dict[str, Any]:
    """All fields of one table, by their names in the record; mistakes go to the desk and leave their field out.

    Raises Refused when the item is no table.
    """
    if not isinstance(item.value, dict):
        raise Refused(f"{where} is {shown(item.value)}", "write a table of " + _listed(fields))
    found: dict[str, Any] = {}
    for key, value in item.value.items():
        field = fields.get(key)
        if field is None:
            desk.wrong(value.line, f"{where} has no `{key}`", near(key, fields))
            continue
        with Noted(desk, value):
            found[field.into or key] = field.read(desk, value, f"`{key}` of {where}")
    for key, field in fields.items():
        if field.required and key not in item.value:
            desk.wrong(item.line, f"{where} lacks `{key}`", f"write {key}: {field.about}")
    return found


def _listed(fields: Fields) -> str:
    return ", ".join(f"`{key}`" for key in fields)


class Noted:
    """A block in which a Refused becomes a mistake on the desk: `with Noted(desk, item): ...`."""

    def __init__(self, desk: Desk, item: Item) -> None:
        self.desk, self.item = desk, item

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, refused: object, trace: object) -> bool:
        if not isinstance(refused, Refused):
            return False
        self.desk.wrong(refused.line or self.item.line, refused.what, refused.instead)
        return True


def record(make: Callable[..., Any], fields: Fields) -> Read:
    """Reads a table into `make(**fields)`; None when the table has mistakes, which are on the desk then."""

    def read(desk: Desk, item: Item, where: str) -> Any:
        before = len(desk.found)
        found = read_table(desk, item, where, fields)
        return make(**found) if len(desk.found) == before else None

    return read


def each(read: Read, what: str = "a list", empty: bool = True) -> Read:
    """Reads a list into a tuple, every element by `read`; elements with mistakes are left out."""

    def read_all(desk: Desk, item: Item, where: str) -> tuple[Any, ...]:
        if not isinstance(item.value, list):
            raise Refused(f"{where} is {shown(item.value)}", f"write {what}")
        if not item.value and not empty:
            raise Refused(f"{where} is empty", f"write {what}")
        found = []
        for number, element in enumerate(item.value, 1):
            with Noted(desk, element):
                found.append(read(desk, element, f"element {number} of {where}"))
        return tuple(found)

    return read_all


def listing(fields: Fields, before: str = "") -> dict[str, str]:
    """Dotted name of every field and what it is for, tables below tables included."""
    names: dict[str, str] = {}
    for key, field in fields.items():
        names[before + key] = field.about
        names |= listing(field.inner, f"{before}{key}.")
    return names
