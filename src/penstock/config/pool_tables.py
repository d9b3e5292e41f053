"""What pools of all providers that make machines are checked for alike: the table of their provider, and the way to the hub."""

from typing import Any, NamedTuple

from penstock.config.items import Desk, Item, shown


class Needs(NamedTuple):
    """What a provider needs of its pools: the name of its table, what to write in it, and what its machines are called."""

    provider: str
    write: str
    machines: str


def value_of(table: Item, key: str) -> Any:
    """What is written under a key, None where nothing is."""
    inner = table.value.get(key) if isinstance(table.value, dict) else None
    return inner.value if inner else None


def own_table(desk: Desk, pool: Item, farm: Any, needs: Needs) -> Item | None:
    """The table of the pool's own provider, where there is one to look into. `farm`: what [farm] holds, None where it is not
    there. A file without the hub's address is one for simulations, which need no account and no host."""
    name = needs.provider
    table: Item | None = pool.value.get(name) if isinstance(pool.value, dict) else None
    provider = value_of(pool, "provider")
    if provider != name:
        if table is not None:
            what = f"`{name}` in a pool of provider {shown(provider)}"
            desk.wrong(table.line, what, f'write provider = "{name}", or remove the table')
        return None
    served = isinstance(farm, dict) and "address" in farm
    if table is None:
        if served:
            desk.wrong(
                pool.line, f"provider {name} needs a table [pool.{name}]", f"write {needs.write} in it"
            )
        return None
    if not served and "serves" not in pool.value:  # those call the system that they work for
        what = f"{needs.machines} must know where the hub is"
        desk.wrong(table.line, what, 'write address = "https://..." in [farm]')
    return table
