"""farm.toml -> Rules. Every mistake is named by line; unknown keys are mistakes.

The settings, their defaults and examples: docs/reference/farm-toml.md.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from penstock.config import farm_fields as fields
from penstock.config import money_fields as money
from penstock.config.calendar_fields import CALENDAR, CALENDAR_RECORD
from penstock.config.farm_across import across
from penstock.config.farm_named import NAMED, with_groups
from penstock.config.files import read_text
from penstock.config.items import (
    Desk,
    Field,
    Fields,
    Item,
    Refused,
    listing,
    read_table,
    shown,
)
from penstock.config.pool_sizes import by_size
from penstock.config.pool_tables import value_of
from penstock.config.toml_lines import read_toml
from penstock.model.rules import Guard, Rules

SECTIONS = ("farm", "git", "storage")
"""Tables whose settings are of the farm as a whole."""


def read_farm(path: Path | str) -> Rules:
    """The rules that a farm.toml gives. Raises Mistakes, one for each thing that is wrong."""
    return rules_of(read_toml(read_text(Path(path)), str(path)), path)


def rules_of(document: Item, path: Path | str) -> Rules:
    """The rules that a farm.toml gives, once it is a tree; `path` is what mistakes name. Raises Mistakes."""
    file = Path(path)
    desk = Desk(str(path))
    found = read_table(desk, document, "farm.toml", TABLES)
    across(desk, document)
    desk.finish()
    found["rules"] = with_groups(found.get("rules", ()), found.get("groups", {}))
    found["guards"] = _each_named(found.get("guards", ()))
    sections = {key: value for one in SECTIONS for key, value in found.pop(one, {}).items()}
    return Rules(**sections, **by_size(found), folder=str(file.resolve().parent))


def _each_named(guards: tuple[Guard, ...]) -> tuple[Guard, ...]:
    """Guards without a name are called by their place."""
    return tuple(
        msgspec.structs.replace(guard, name=guard.name or f"guard-{number}")
        for number, guard in enumerate(guards, 1)
    )


def _tables(one: str, read: Callable[[Desk, Item, str], Any]) -> Callable[[Desk, Item, str], tuple[Any, ...]]:
    """Reads all [[one]] tables; a table is called by its name where it has one."""

    def read_all(desk: Desk, item: Item, where: str) -> tuple[Any, ...]:
        if not isinstance(item.value, list):
            raise Refused(f"`{one}` is {shown(item.value)}", f"write [[{one}]] with two brackets")
        return tuple(
            read(desk, element, _called(one, element))
            for element in item.value
            if _is_table(desk, one, element)
        )

    return read_all


def _is_table(desk: Desk, one: str, element: Item) -> bool:
    if not isinstance(element.value, dict):
        desk.wrong(element.line, f"`{one}` holds {shown(element.value)}", f"write a table under [[{one}]]")
    return isinstance(element.value, dict)


def _called(one: str, element: Item) -> str:
    name = value_of(element, "name")
    return f"{one} {shown(name)}" if isinstance(name, str) else f"[[{one}]]"


def _section(inner: Fields) -> Callable[[Desk, Item, str], dict[str, Any]]:
    def read(desk: Desk, item: Item, where: str) -> dict[str, Any]:
        return read_table(desk, item, where, inner)

    return read


TABLES: Fields = {
    "farm": Field(read=_section(fields.FARM), inner=fields.FARM, about="the farm as a whole"),
    "lease": Field(
        read=fields.LEASE_RECORD, inner=fields.LEASE, about="the clocks of a lease, in seconds of farm time"
    ),
    "waiting": Field(
        read=fields.WAITING_RECORD, inner=fields.WAITING, about="what waiting is worth, and the promise"
    ),
    **NAMED,
    "git": Field(read=_section(fields.GIT), inner=fields.GIT, about="where repositories may lie"),
    "pool": Field(
        read=_tables("pool", fields.POOL_RECORD),
        into="pools",
        inner=fields.POOL,
        about="interchangeable machines",
    ),
    "rule": Field(
        read=_tables("rule", fields.RULE_RECORD),
        into="rules",
        inner=fields.RULE,
        about="what a change may be; first match wins",
    ),
    "charge": Field(
        read=_tables("charge", money.CHARGE_RECORD),
        into="charges",
        inner=money.CHARGE,
        about="a fixed cost per month",
    ),
    "grant": Field(
        read=_tables("grant", money.GRANT_RECORD),
        into="grants",
        inner=money.GRANT,
        about="sponsored credit",
    ),
    "budget": Field(
        read=_tables("budget", money.BUDGET_RECORD),
        into="budgets",
        inner=money.BUDGET,
        about="an agreed limit, of money or of minutes",
    ),
    "billed": Field(
        read=_tables("billed", money.BILLED_RECORD),
        into="billed",
        inner=money.BILLED,
        about="which lines of bills are for which pool",
    ),
    "calendar": Field(
        read=_tables("calendar", CALENDAR_RECORD),
        inner=CALENDAR,
        about="times in which more or less is used than usual",
    ),
    "storage": Field(read=_section(money.STORAGE), inner=money.STORAGE, about="what keeping outputs costs"),
    "guard": Field(
        read=_tables("guard", money.GUARD_RECORD),
        into="guards",
        inner=money.GUARD,
        about="what happens, reversibly, when use or its forecast crosses a limit",
    ),
}
SETTINGS: dict[str, str] = {name: about for name, about in listing(TABLES).items() if "." in name}
"""Every setting by its dotted name ("pool.boot_s.p50") with one line on what it is for."""
