"""Machines in the columns are brought to how they stand in truth, whatever was decided or refused meanwhile."""

from typing import Literal

import msgspec

from penstock.policy.capacity import changes, levels, lists, offers
from penstock.policy.capacity import columns as c
from penstock.policy.capacity.rows import Rows

Phase = Literal["coming", "up", "kept", "closed", "suspending", "suspended", "deleting"]
"""Closed is up, and takes nothing new: drained, silent, or not trusted. Kept is up, and nobody can switch it off."""
UP = (c.IDLE, c.OPEN, c.FULL)


class Standing(msgspec.Struct, frozen=True):
    """How a machine stands. `noticed`: it will be taken away; `ordered_ms`, `starts`: as in model.machine.Machine."""

    id: str
    pool: str
    phase: Phase
    version: int = 0
    noticed: bool = False
    ordered_ms: int = 0
    starts: int = 0


def stand(rows: Rows, one: Standing, now_ms: int) -> bool:
    """Bring one machine to how it stands. False where the columns said so already."""
    before = _picture(rows, one.id)
    if rows.farm.pools[c.POOL_OWNED][rows.pools[one.pool]]:
        _owned(rows, one, now_ms)
    else:
        _rented(rows, one, now_ms)
    return _picture(rows, one.id) != before


def vanish(rows: Rows, machine: str, now_ms: int) -> int:
    """The machine is no more; what still ran there waits again. Returns its island."""
    row, farm = rows.machines[machine], rows.farm
    width = farm.rules[c.RULE_WIDTH]
    for lane in range(row * width, row * width + width):
        if farm.lanes[c.LANE_JOB][lane] >= 0:
            changes.lost(farm, farm.lanes[c.LANE_JOB][lane], now_ms)
    island = farm.pools[c.POOL_ISLAND][farm.machines[c.MACHINE_POOL][row]]
    changes.gone(farm, row, now_ms)
    rows.forget_machine(machine)
    return island


def _picture(rows: Rows, machine: str) -> tuple[int, int] | None:
    row = rows.machines.get(machine)
    if row is None:
        return None
    return rows.farm.machines[c.MACHINE_STATE][row], rows.farm.machines[c.MACHINE_FLAGS][row]


def _owned(rows: Rows, one: Standing, now_ms: int) -> None:
    """An owned machine is there while its agent is; one that closes is kept until what runs there has ended."""
    row, farm = rows.machines.get(one.id), rows.farm
    if row is None:
        if one.phase == "up":
            rows.make_room()
            rows.called(changes.owned(rows.farm, rows.pools[one.pool], now_ms), one.id)
    elif one.phase == "up":
        farm.machines[c.MACHINE_FLAGS][row] &= ~c.DRAINED
    elif farm.machines[c.MACHINE_STATE][row] == c.IDLE:
        vanish(rows, one.id, now_ms)
    else:
        farm.machines[c.MACHINE_FLAGS][row] |= c.DRAINED


def _rented(rows: Rows, one: Standing, now_ms: int) -> None:
    if one.id not in rows.machines:
        _adopt(rows, one, now_ms)
    row = rows.machines[one.id]
    if one.phase == "coming":
        _come(rows.farm, row, now_ms)
    elif one.phase in ("up", "kept", "closed"):
        _rise(rows.farm, row, now_ms)
        _flag(rows.farm, row, one, now_ms)
    elif one.phase == "deleting":
        _go(rows.farm, row, now_ms)
    else:
        _sleep(rows.farm, row, one.phase == "suspended", now_ms)


def _adopt(rows: Rows, one: Standing, now_ms: int) -> None:
    """A machine that is there and was not ordered by this policy's word, as far as it remembers."""
    rows.make_room()
    farm, pool = rows.farm, rows.pools[one.pool]
    row = changes.boot(farm, pool, one.ordered_ms, 0)
    rows.called(row, one.id)
    farm.machines[c.MACHINE_STARTS][row] = one.starts
    farm.machines[c.MACHINE_READY_MS][row] = max(now_ms, one.ordered_ms + farm.pools[c.POOL_BOOT_MS][pool])


def _come(farm: c.Farm, row: int, now_ms: int) -> None:
    if farm.machines[c.MACHINE_STATE][row] == c.STOPPED:
        changes.resume(farm, row, now_ms, 0)


def _rise(farm: c.Farm, row: int, now_ms: int) -> None:
    """Up: it came, or what was to happen to it was refused."""
    state = farm.machines[c.MACHINE_STATE][row]
    if state in UP:
        return
    if state == c.STOPPED:
        changes.resume(farm, row, now_ms, 0)
    if state in (c.COMING, c.STOPPED):
        offers.came(farm, row, now_ms)
    else:
        levels.rise(farm, farm.machines[c.MACHINE_POOL][row], now_ms)
    changes.up(farm, row, now_ms)


def _flag(farm: c.Farm, row: int, one: Standing, now_ms: int) -> None:
    flags = farm.machines[c.MACHINE_FLAGS]
    if flags[row] & c.PINNED and one.phase != "kept" and farm.machines[c.MACHINE_STATE][row] == c.IDLE:
        levels.idle(farm, row, now_ms)  # as if it came to rest now: before, nothing could stop it
    if one.noticed:
        flags[row] |= c.NOTICED
    flags[row] = flags[row] | c.PINNED if one.phase == "kept" else flags[row] & ~c.PINNED
    if one.phase == "closed":
        flags[row] |= c.DRAINED
    elif not changes.used_up(farm, row):
        flags[row] &= ~c.DRAINED


def _sleep(farm: c.Farm, row: int, done: bool, now_ms: int) -> None:
    """Suspending, or suspended (`done`)."""
    state = farm.machines[c.MACHINE_STATE][row]
    if state == c.COMING and done:
        levels.fall(farm, farm.machines[c.MACHINE_POOL][row], now_ms)  # it was not woken after all
        lists.move(farm, row, c.STOPPED, now_ms)
        farm.machines[c.MACHINE_GONE_MS][row] = levels.gone_ms(farm, row, now_ms)
        return
    if state == c.COMING:
        changes.up(farm, row, now_ms)
    if farm.machines[c.MACHINE_STATE][row] == c.IDLE:
        changes.suspend(farm, row, now_ms, 0)
    if farm.machines[c.MACHINE_STATE][row] == c.SUSPENDING and done:
        changes.suspended(farm, row, now_ms)


def _go(farm: c.Farm, row: int, now_ms: int) -> None:
    state = farm.machines[c.MACHINE_STATE][row]
    if state in (c.OPEN, c.FULL):
        farm.machines[c.MACHINE_FLAGS][row] |= c.DRAINED
    elif state == c.SUSPENDING:
        changes.suspended(farm, row, now_ms)
        changes.delete(farm, row, now_ms, 0)
    elif state != c.DELETING:
        changes.delete(farm, row, now_ms, 0)
