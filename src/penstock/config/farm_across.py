"""What can only be seen across the tables of farm.toml: names given twice, names of nothing, limits that contradict."""

import re
from collections.abc import Collection, Mapping

from penstock.config.farm_named import repositories_once
from penstock.config.items import Desk, Item, near, shown
from penstock.config.pool_ec2 import check_ec2
from penstock.config.pool_foreign import check_foreign
from penstock.config.pool_kubernetes import check_kubernetes
from penstock.config.pool_libvirt import check_libvirt
from penstock.config.pool_power import switches
from penstock.config.pool_sizes import check_names, sized_names
from penstock.config.pool_tables import value_of
from penstock.model.rules import Rules
from penstock.policy.planning import CLASSES

UNIQUE = (("pool",), ("charge",), ("guard",), ("grant", "budget"))
"""Tables whose names are all different; a guard names a grant or a budget, so these two are told apart."""

Pools = Mapping[str, Item]


def across(desk: Desk, document: Item) -> None:
    """Notes every mistake of that kind."""
    pools = listed(document, "pool")
    names = {value_of(pool, "name"): pool for pool in pools if isinstance(value_of(pool, "name"), str)}
    for kinds in UNIQUE:
        _twice(desk, [(kind, table) for kind in kinds for table in listed(document, kind)])
    platforms = value_of(document, "platform")
    for pool in pools:
        _names_known(desk, pool, "platforms", platforms if isinstance(platforms, dict) else {}, "platform")
        _limits(desk, pool)
        check_libvirt(desk, pool, value_of(document, "farm"))
        check_ec2(desk, pool, value_of(document, "farm"))
        check_kubernetes(desk, pool, value_of(document, "farm"))
    switches(desk, pools)
    check_foreign(desk, pools)
    sized = sized_names(pools)
    check_names(desk, names, sized)
    of_sizes = {name: names[pool] for pool, several in sized.items() for name in several}
    single = {name: pool for name, pool in names.items() if name not in sized} | of_sizes
    _pools_known(desk, document, names | of_sizes, single)
    repositories_once(desk, value_of(document, "project"))
    _money(desk, document, single)


def listed(document: Item, one: str) -> list[Item]:
    """The [[one]] tables."""
    found = value_of(document, one)
    return found if isinstance(found, list) else []


def _twice(desk: Desk, tables: list[tuple[str, Item]]) -> None:
    first: dict[str, int] = {}
    for kind, table in tables:
        name = value_of(table, "name")
        if isinstance(name, str):
            line = table.value["name"].line
            if name in first:
                what = f"a second {kind} is called {shown(name)}, as on line {first[name]}"
                desk.wrong(line, what, "give it another name")
            first.setdefault(name, line)


def _names_known(desk: Desk, table: Item, key: str, known: Collection[str], what: str) -> None:
    named = value_of(table, key)
    for element in named if isinstance(named, list) else []:
        _known(desk, element, known, what)


def _known(desk: Desk, named: Item, known: Collection[str], what: str) -> None:
    example = '[platform."{}"]' if what == "platform" else '[[pool]] with name = "{}"'
    if isinstance(named.value, str) and named.value not in known:
        instead = near(named.value, known) if known else "add " + example.format(named.value)
        desk.wrong(named.line, f"there is no {what} {shown(named.value)}", instead)


def _pools_known(desk: Desk, document: Item, pools: Pools, single: Pools) -> None:
    """Every pool that something names. `single`: those of one size; the others are only known where several may be named."""
    gives = (rule.value.get("give") for rule in listed(document, "rule") if isinstance(rule.value, dict))
    several = [*filter(None, gives), *listed(document, "grant"), *listed(document, "budget")]
    for table in several:
        _names_known(desk, table, "pools", pools, "pool")
    for table in (*listed(document, "charge"), *listed(document, "billed")):
        named = table.value.get("pool") if isinstance(table.value, dict) else None
        if named:
            _known(desk, named, single, "pool")


def _limits(desk: Desk, pool: Item) -> None:
    least, most = value_of(pool, "min"), value_of(pool, "max")
    if isinstance(least, int) and isinstance(most, int) and least > most:
        desk.wrong(pool.value["min"].line, f"`min` is {least}, above `max` {most}", "write min at most max")
    if value_of(pool, "memory_mb") is not None and value_of(pool, "cores") is None:
        desk.wrong(pool.value["memory_mb"].line, "`memory_mb` without `cores`", "write cores = N beside it")
    if value_of(pool, "reaches") and value_of(pool, "network") != "hub-only":
        line = pool.value["reaches"].line
        desk.wrong(
            line, "`reaches` in a pool that reaches everything", 'write network = "hub-only" beside it'
        )


def _money(desk: Desk, document: Item, pools: Pools) -> None:
    for pool in listed(document, "pool"):
        _priced_once(desk, pool)
    agreed = [value_of(table, "name") for one in ("grant", "budget") for table in listed(document, one)]
    for number, guard in enumerate(listed(document, "guard"), 1):
        _acts(desk, guard, pools)
        _watches(desk, guard, [name for name in agreed if isinstance(name, str)])
        _place_taken(desk, guard, number)
    for budget in listed(document, "budget"):
        _counted(desk, budget)
    held_in = _currency(document)
    for grant in listed(document, "grant"):
        _days(desk, grant)
        _exchanged(desk, grant, held_in)


def _priced_once(desk: Desk, pool: Item) -> None:
    if value_of(pool, "tco") is None:
        return
    provider = value_of(pool, "provider")
    if provider not in (None, "owned"):
        what = f"`tco` is of machines that are owned, provider is {shown(provider)}"
        desk.wrong(pool.value["tco"].line, what, "write price_per_hour instead")
    if value_of(pool, "price_per_hour") is not None:
        line = pool.value["price_per_hour"].line
        desk.wrong(line, "`price_per_hour` beside `tco`, from which it follows", "leave one of them out")


def _acts(desk: Desk, guard: Item, pools: Pools) -> None:
    acts = value_of(guard, "then")
    for act in acts if isinstance(acts, list) else []:
        kind, _, rest = act.value.partition(":") if isinstance(act.value, str) else ("", "", "")
        named = rest.partition("=")[0] if kind == "cap" else rest
        if kind in ("cap", "drain") and named not in pools:
            desk.wrong(act.line, f"there is no pool {shown(named)} to {kind}", near(named, pools))
        if kind == "class_off" and named not in CLASSES:
            desk.wrong(act.line, f"there is no class {shown(named)} to switch off", near(named, CLASSES))


def _watches(desk: Desk, guard: Item, agreed: Collection[str]) -> None:
    named = value_of(guard, "budget")
    if isinstance(named, str) and named not in agreed:
        instead = near(named, agreed) if agreed else f'add [[budget]] with name = "{named}"'
        desk.wrong(guard.value["budget"].line, f"there is no grant or budget {shown(named)}", instead)


def _place_taken(desk: Desk, guard: Item, number: int) -> None:
    """Guards without a name are called by their place: another one's place is nobody's name."""
    name = str(value_of(guard, "name"))
    if name.startswith("guard-") and name[6:].isdecimal() and name != f"guard-{number}":
        line = guard.value["name"].line
        desk.wrong(line, f"guard {number} is called as one in place {name[6:]}", "give it another name")


def _counted(desk: Desk, budget: Item) -> None:
    if value_of(budget, "factor") is not None and value_of(budget, "unit") in (None, "money"):
        line = budget.value["factor"].line
        desk.wrong(
            line, "`factor` counts minutes, the budget is of money", 'write unit = "minutes" beside it'
        )


def _days(desk: Desk, grant: Item) -> None:
    first, last = str(value_of(grant, "from")), str(value_of(grant, "until"))
    if first > last and value_of(grant, "until") is not None and value_of(grant, "from") is not None:
        line = grant.value["until"].line
        desk.wrong(line, f"the grant ends on {last}, before it begins on {first}", "swap the dates")


def _currency(document: Item) -> str:
    """The farm's currency as it is written, the default where it is not."""
    table = document.value.get("farm")
    written = value_of(table, "currency") if table else None
    return written if isinstance(written, str) else Rules().currency


def _exchanged(desk: Desk, grant: Item, held_in: str) -> None:
    other = value_of(grant, "currency")
    if isinstance(other, str) and re.fullmatch("[A-Z]{3}", other) and other != held_in:
        line = grant.value["currency"].line
        what = f"the grant is in {other}, the farm in {held_in}, and no rate of exchange is known"
        desk.wrong(line, what, f"write what it is in {held_in}")
