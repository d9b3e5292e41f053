"""Pools whose machines have several sizes: each size becomes a pool of its own, so that plans, prices and books know what fits.

What names such a pool in a list (who may use what, grants, budgets) means all its sizes.
"""

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from penstock.config.items import Desk, Item, shown
from penstock.config.pool_tables import value_of
from penstock.model.pool_libvirt import HOSTS_OWN, Libvirt, MachineSize
from penstock.model.rules import Pool
from penstock.model.units import Size

NAMING = ("rules", "grants", "budgets")
"""Tables that name pools in lists."""


def name_of(pool: str, cores: Any, memory_mb: Any) -> str:
    """What one size of a pool is called."""
    return f"{pool}-{cores}x{memory_mb}"


def by_size(found: Mapping[str, Any]) -> dict[str, Any]:
    """The tables of a farm.toml without mistakes, with a pool for each size."""
    pools = {pool.name: _each(pool) for pool in found.get("pools", ())}
    done = dict(found) | {"pools": tuple(one for several in pools.values() for one in several)}
    for key in NAMING:
        if key in found:
            done[key] = tuple(_renamed(one, pools) for one in found[key])
    return done


def _renamed(one: Any, pools: Mapping[str, tuple[Pool, ...]]) -> Any:
    names = [sized.name for name in one.pools for sized in pools.get(name, ())]
    others = [name for name in one.pools if name not in pools]
    return msgspec.structs.replace(one, pools=tuple(dict.fromkeys(names + others)))


def _each(pool: Pool) -> tuple[Pool, ...]:
    """The pools of a pool, the smallest first: what costs the same is taken in their order."""
    said = pool.libvirt
    if said is None or not said.sizes:
        return (pool,)
    sizes = sorted(said.sizes, key=lambda one: (one.cores, one.memory_mb))
    return tuple(_sized(pool, said, one) for one in sizes)


def _sized(pool: Pool, said: Libvirt, size: MachineSize) -> Pool:
    part = max(
        size.cores / max(one.cores for one in said.sizes),
        size.memory_mb / max(one.memory_mb for one in said.sizes),
    )
    price, stopped = size.price_per_hour_micros, pool.stopped_price_per_hour_micros
    cores = HOSTS_OWN if said.host_cores is None else said.host_cores
    return msgspec.structs.replace(
        pool,
        name=name_of(pool.name, size.cores, size.memory_mb),
        size=Size(size.cores, size.memory_mb),
        max=_most(pool, said, size),
        price_per_hour_micros=round(pool.price_per_hour_micros * part) if price is None else price,
        stopped_price_per_hour_micros=None if stopped is None else round(stopped * part),
        libvirt=msgspec.structs.replace(said, sizes=(), host_cores=cores),
    )


def _most(pool: Pool, said: Libvirt, size: MachineSize) -> int | None:
    """Machines that may be there: no more than the host has room for, where farm.toml says what it has and none sleeps."""
    limits = [pool.max if size.max is None else size.max]
    if pool.resume is None:
        limits += [said.host_cores // size.cores] if said.host_cores else []
        limits += [said.host_memory_mb // size.memory_mb] if said.host_memory_mb else []
    return min((limit for limit in limits if limit is not None), default=None)


# Before that, while there may be mistakes


def sized_names(pools: Collection[Item]) -> dict[str, list[str]]:
    """For each pool with sizes, by its name: what they are called."""
    found = {}
    for pool in pools:
        named, sizes = value_of(pool, "name"), _sizes_of(pool)
        if sizes and isinstance(named, str):
            found[named] = [
                name_of(named, value_of(one, "cores"), value_of(one, "memory_mb")) for one in sizes
            ]
    return found


def check_names(desk: Desk, pools: Mapping[str, Item], sized: Mapping[str, list[str]]) -> None:
    """No other pool may be called as a size of one is."""
    for named, several in sized.items():
        for name in several:
            if name in pools:
                what = f"{shown(name)} is what a size of pool {shown(named)} is called"
                desk.wrong(pools[name].value["name"].line, what, "give it another name")


def _sizes_of(pool: Item) -> list[Item]:
    table = pool.value.get("libvirt") if isinstance(pool.value, dict) else None
    sizes = value_of(table, "sizes") if table is not None else None
    return [one for one in sizes if isinstance(one.value, dict)] if isinstance(sizes, list) else []


def check_sizes(desk: Desk, pool: Item, table: Item) -> None:
    """What contradicts sizes, and sizes that never fit or are there twice."""
    sizes = _sizes_of(pool)
    for key in ("cores", "memory_mb", "min") if sizes else ():
        if value_of(pool, key) is not None:
            what = f"`{key}` of a pool whose machines have several sizes"
            desk.wrong(
                pool.value[key].line, what, "remove it" if key == "min" else "write it in each of `sizes`"
            )
    seen = set()
    for one in sizes:
        shape = (value_of(one, "cores"), value_of(one, "memory_mb"))
        if shape in seen:
            desk.wrong(
                one.line, f"a second size with cores = {shape[0]} and memory_mb = {shape[1]}", "remove it"
            )
        seen.add(shape)
        for key in ("cores", "memory_mb"):
            _fits(desk, one, key, value_of(table, f"host_{key}"))


def _fits(desk: Desk, size: Item, key: str, most: Any) -> None:
    asked = value_of(size, key)
    if isinstance(asked, int) and isinstance(most, int) and asked > most:
        what = f"a size with `{key}` = {asked}, where all machines together have `host_{key}` = {shown(most)}"
        desk.wrong(size.value[key].line, what, f"write at most {most}")
