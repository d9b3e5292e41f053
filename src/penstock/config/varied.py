"""A farm.toml with some of its settings otherwise: `pool.own.machines` = `20`, `waiting.target.seconds` = `300`.

Settings are changed in the tree before it is read, so that a value means, and is refused for, what it would be in the file.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from penstock.config.farm import TABLES, rules_of
from penstock.config.files import read_text
from penstock.config.items import Item, near, shown
from penstock.config.mistakes import Mistake, Mistakes
from penstock.config.toml_lines import read_toml
from penstock.model.rules import Rules

NAMED = ("pool", "charge", "grant")
"""Tables written as [[pool]] of which one is meant by its name."""


def read_varied(path: Path, settings: Mapping[str, str]) -> Rules:
    """The rules of a farm.toml with these settings, each by its dotted name and as the text of its value."""
    document = read_toml(read_text(path), str(path))
    rules_of(document, path)
    for key, text in settings.items():
        document = varied(document, key, text)
    try:
        return rules_of(document, path)
    except Mistakes as wrong:
        # The file itself was right, so what is wrong is the change.
        told = ", ".join(f"{key}={text}" for key, text in settings.items())
        raise Mistakes([Mistake(told, None, one.what, one.instead) for one in wrong.mistakes]) from None


def varied(document: Item, key: str, text: str) -> Item:
    """The tree with one setting otherwise. Raises Mistakes when the farm has nothing of that name."""
    table, _, rest = key.partition(".")
    if table not in TABLES or not rest:
        raise _refused(key, f"there is no setting {shown(key)}", near(table, TABLES))
    tables = document.value
    inner = tables.get(table, Item([] if table in NAMED else {}, 1))
    changed = _listed(inner, rest, key, text) if isinstance(inner.value, list) else _set(inner, rest, text)
    return Item({**tables, table: changed}, document.line)


def _listed(tables: Item, rest: str, key: str, text: str) -> Item:
    """The table of a list that is meant by its name; names may hold points, so the longest that fits counts."""
    names = {_name(one): n for n, one in enumerate(tables.value)}
    found = max((name for name in names if rest.startswith(f"{name}.")), key=len, default=None)
    if found is None:
        table = key.partition(".")[0]
        raise _refused(
            key, f"there is no {table} of that name", near(rest.partition(".")[0], filter(None, names))
        )
    changed = list(tables.value)
    changed[names[found]] = _set(changed[names[found]], rest[len(found) + 1 :], text)
    return Item(changed, tables.line)


def _name(table: Item) -> str:
    named = table.value.get("name") if isinstance(table.value, dict) else None
    return str(named.value) if named else ""


def _set(table: Item, key: str, text: str) -> Item:
    """A table with one value otherwise, in it or in a table below it."""
    here: dict[str, Item] = table.value if isinstance(table.value, dict) else {}
    known = max((name for name in here if key.startswith(f"{name}.")), key=len, default=None)
    first, _, rest = (known, ".", key[len(known) + 1 :]) if known else key.partition(".")
    inner = here.get(first, Item({}, table.line))
    return Item({**here, first: _set(inner, rest, text) if rest else _value(text, table.line)}, table.line)


def _value(text: str, line: int) -> Item:
    """A value as TOML has it; what is none is text, so that `avoid` needs no quotes on a command line."""
    try:
        found: Any = read_toml(f"value = {text}", "").value.get("value")
    except Mistakes:
        found = None
    return Item(found.value if found else text, line)


def _refused(key: str, what: str, instead: str) -> Mistakes:
    return Mistakes([Mistake(f"--vary {key}", None, what, instead)])
