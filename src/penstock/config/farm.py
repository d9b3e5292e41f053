"""farm.toml -> Rules. Every mistake is named by line; unknown keys are mistakes.

The settings, their defaults and examples: docs/reference/farm-toml.md.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from penstock.config import farm_fields as fields
from penstock.config.farm_named import NAMED, repositories_once, with_groups
from penstock.config.files import read_text
from penstock.config.items import (
    Desk,
    Field,
    Fields,
    Item,
    Refused,
    listing,
    near,
    read_table,
    shown,
)
from penstock.config.toml_lines import read_toml
from penstock.model.rules import Rules


def read_farm(path: Path | str) -> Rules:
    """The rules that a farm.toml gives. Raises Mistakes, one for each thing that is wrong."""
    return rules_of(read_toml(read_text(Path(path)), str(path)), path)


def rules_of(document: Item, path: Path | str) -> Rules:
    """The rules that a farm.toml gives, once it is a tree; `path` is what mistakes name. Raises Mistakes."""
    file = Path(path)
    desk = Desk(str(path))
    found = read_table(desk, document, "farm.toml", TABLES)
    _across(desk, document)
    desk.finish()
    found["rules"] = with_groups(found.get("rules", ()), found.get("groups", {}))
    return Rules(**found.pop("farm", {}), **found.pop("git", {}), **found, folder=str(file.resolve().parent))


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
    name = _get(element, "name")
    return f"{one} {shown(name)}" if isinstance(name, str) else f"[[{one}]]"


def _get(item: Item, key: str) -> Any:
    """What a table has under `key`, whatever it is; None when it is no table or has none."""
    inner = item.value.get(key) if isinstance(item.value, dict) else None
    return inner.value if inner else None


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
        read=_tables("charge", fields.CHARGE_RECORD),
        into="charges",
        inner=fields.CHARGE,
        about="a fixed cost per month",
    ),
    "grant": Field(
        read=_tables("grant", fields.GRANT_RECORD),
        into="grants",
        inner=fields.GRANT,
        about="sponsored credit",
    ),
    "guard": Field(
        read=_tables("guard", fields.GUARD_RECORD),
        into="guards",
        inner=fields.GUARD,
        about="what happens, reversibly, when a forecast crosses a limit",
    ),
}
SETTINGS: dict[str, str] = {name: about for name, about in listing(TABLES).items() if "." in name}
"""Every setting by its dotted name ("pool.boot_s.p50") with one line on what it is for."""


def _across(desk: Desk, document: Item) -> None:
    """What can only be seen across tables: names given twice, names of nothing, limits that contradict."""
    platforms = _get(document, "platform")
    pools = _get(document, "pool")
    pools = pools if isinstance(pools, list) else []
    names = {_get(pool, "name") for pool in pools if isinstance(_get(pool, "name"), str)}
    for one in ("pool", "charge", "grant"):
        _twice(desk, one, _get(document, one))
    for pool in pools:
        _names_known(desk, pool, "platforms", platforms if isinstance(platforms, dict) else {}, "platform")
        _limits(desk, pool)
    for rule in _get(document, "rule") or []:
        give = rule.value.get("give") if isinstance(rule, Item) and isinstance(rule.value, dict) else None
        if give:
            _names_known(desk, give, "pools", names, "pool")
    repositories_once(desk, _get(document, "project"))
    for guard in _listed(document, "guard"):
        _caps(desk, guard, names)
    for grant in _listed(document, "grant"):
        _days(desk, grant)


def _listed(document: Item, one: str) -> list[Item]:
    found = _get(document, one)
    return found if isinstance(found, list) else []


def _twice(desk: Desk, one: str, tables: Any) -> None:
    first: dict[str, int] = {}
    for table in tables if isinstance(tables, list) else []:
        name = _get(table, "name")
        if isinstance(name, str):
            line = table.value["name"].line
            if name in first:
                desk.wrong(
                    line,
                    f"a second {one} is called {shown(name)}, as on line {first[name]}",
                    "give it another name",
                )
            first.setdefault(name, line)


def _names_known(desk: Desk, table: Item, key: str, known: Any, what: str) -> None:
    named = _get(table, key)
    example = '[platform."{}"]' if what == "platform" else '[[pool]] with name = "{}"'
    for element in named if isinstance(named, list) else []:
        if isinstance(element.value, str) and element.value not in known:
            instead = near(element.value, known) if known else "add " + example.format(element.value)
            desk.wrong(element.line, f"there is no {what} {shown(element.value)}", instead)


def _limits(desk: Desk, pool: Item) -> None:
    least, most = _get(pool, "min"), _get(pool, "max")
    if isinstance(least, int) and isinstance(most, int) and least > most:
        desk.wrong(pool.value["min"].line, f"`min` is {least}, above `max` {most}", "write min at most max")
    if _get(pool, "memory_mb") is not None and _get(pool, "cores") is None:
        desk.wrong(pool.value["memory_mb"].line, "`memory_mb` without `cores`", "write cores = N beside it")


def _caps(desk: Desk, guard: Item, pools: set[str]) -> None:
    acts = _get(guard, "then")
    for act in acts if isinstance(acts, list) else []:
        if isinstance(act.value, str) and act.value.startswith("cap:"):
            pool = act.value[4:].partition("=")[0]
            if pool not in pools:
                desk.wrong(act.line, f"there is no pool {shown(pool)} to cap", near(pool, pools))


def _days(desk: Desk, grant: Item) -> None:
    first, last = str(_get(grant, "from")), str(_get(grant, "until"))
    if first > last and _get(grant, "until") is not None and _get(grant, "from") is not None:
        desk.wrong(
            grant.value["until"].line,
            f"the grant ends on {last}, before it begins on {first}",
            "swap the dates",
        )
