"""Farms with guards, for tests of the hub: what was spent, what is in force, what was ordered."""

from decimal import Decimal

import msgspec
from farms import TestFarm
from guards import HOUR_MS
from renting import BURST

from penstock.model.ledger import Account, Guarding, Ledger, Tally
from penstock.model.machine import Machine
from penstock.model.rules import Budget, Guard, Platform, Pool, Rules
from penstock.model.states import GuardState, Power
from penstock.model.units import DAY_MS, MICROS_PER_UNIT
from penstock.ports import Tx

S = GuardState
OWN = Pool(name="own", provider="owned", platforms=("linux",))
MONTH = Budget(name="month", amount=Decimal(300))
SOON = {"hold_ms": HOUR_MS, "cooldown_ms": HOUR_MS, "exempt": ("release",)}


def rules(*guards: Guard, pools: tuple[Pool, ...] = (BURST,)) -> Rules:
    return Rules(platforms={"linux": Platform(name="linux")}, pools=pools, guards=guards, budgets=(MONTH,))


def spend(farm: TestFarm, a_day: int, pool: str = "burst") -> None:
    """So much was spent on each of the last whole days, as the books have it."""
    today = farm.clock.wall // DAY_MS
    days = {
        day: Tally(
            day=day,
            project="",
            platform="",
            pool=pool,
            klass="",
            account=Account.DIRECT,
            outcome="",
            amount_micros=a_day * MICROS_PER_UNIT,
        )
        for day in range(today - 28, today)
    }

    def write(tx: Tx) -> None:
        for one in tx.find(Tally, "key"):
            tx.delete(one)
        for one in days.values():
            tx.insert(one)
        known = tx.get(Ledger, "ledger")
        if known is None:
            tx.insert(Ledger(day=today, from_ms=(today - 28) * DAY_MS, until_ms=farm.clock.wall))
        else:
            tx.replace(msgspec.structs.replace(known, day=today, until_ms=farm.clock.wall))

    farm.store.write(write)


def state(farm: TestFarm, name: str = "g") -> GuardState:
    row: Guarding | None = farm.get(Guarding, name)
    return row.state if row else S.STANDBY


def until(farm: TestFarm, wanted: GuardState, most_ms: int = 3 * HOUR_MS) -> None:
    for _ in range(most_ms // 30_000):
        if state(farm) == wanted:
            return
        farm.tick(30_000)
    raise AssertionError(f"never {wanted}: {state(farm)}")


def powers(farm: TestFarm) -> list[str]:
    return sorted(str(one.power) for one in farm.all(Machine) if one.power != Power.GONE)


def waits(farm: TestFarm, hours: float = 1) -> list[str]:
    """Let time pass; the machines that are there then."""
    for _ in range(int(hours * 60)):
        farm.tick(30_000)
        farm.tick(30_000)
    return powers(farm)


def fire(farm: TestFarm) -> None:
    """The guard is in force, as if it had fired just now; without books nothing is known that changes it."""
    fired = Guarding(name="g", state=S.ACTIVE, since_ms=1, fired_ms=1, reason="the forecast is too high")
    farm.store.write(lambda tx: tx.insert(fired))


def look(farm: TestFarm) -> None:
    """Time passes until guards are looked at; farm time goes in steps of half a minute."""
    for _ in range(3):
        farm.tick(30_000)


def ordered(farm: TestFarm, hours: float = 0.5) -> int:
    """Let time pass; how many machines were ordered meanwhile."""
    before = len(farm.all(Machine))
    waits(farm, hours)
    return len(farm.all(Machine)) - before
