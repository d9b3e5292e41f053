"""From figures to states of guards: what is armed, asks a person, is in force, cools down.

A guard is armed while its limit is crossed, and fires when that was so for as long as its rule says; one that needs a
person's word asks then. What it does stays in force until the limit was not crossed for its cooldown, its period ended,
or a person took it back, which holds until the period ends. What is not known changes nothing.
"""

from collections.abc import Callable, Collection, Mapping

import msgspec

from penstock.model.curb import Figure
from penstock.model.ledger import Guarding
from penstock.model.rules import Guard, Rules
from penstock.model.states import GUARD, GuardState, step
from penstock.policy.budgets.crossing import Reading, read, watched

IN_FORCE = (GuardState.ACTIVE, GuardState.COOLING)
"""States in which a guard does what it is for."""
NOTIFY = "notify:"
NEW_PERIOD = "a new period has begun"


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a guard. `alerts`: who is to be told of it, as its acts say."""

    before: Guarding
    after: Guarding
    alerts: tuple[str, ...] = ()


def decide(
    rules: Rules, rows: Mapping[str, Guarding], figures: Mapping[str, Figure], now_ms: int
) -> tuple[Turn, ...]:
    """What changes at `now_ms` of farm time, in order; () when all is as it should be. `rows`: guards by name."""
    turns: list[Turn] = []
    for guard in rules.guards:
        row = rows.get(guard.name) or Guarding(name=guard.name)
        reading = read(guard, rules, figures)
        ended = _ended(watched(guard, rules), figures)
        while (after := _after(guard, row, ended, reading, now_ms)) is not None:
            turns.append(Turn(before=row, after=after, alerts=_alerts(guard, row, after)))
            row = after
    return tuple(turns)


def approved(row: Guarding, who: str, now_ms: int) -> Guarding:
    """The guard after a person said yes: in force. One that was undone may act again as its limit says. Raises NotAllowed
    where nothing was asked."""
    if row.undone:
        return msgspec.structs.replace(row, undone=False, approved_by="", reason=f"{who} lets it act again")
    return _turned(row, GuardState.ACTIVE, row.reason, now_ms, approved_by=who)


def undone(row: Guarding, who: str, why: str, now_ms: int) -> Guarding:
    """The guard after a person took it back: nothing until its period ends. Raises NotAllowed for one that stands by."""
    reason = f"{who} took it back until its period ends" + (f": {why}" if why else "")
    return _turned(row, GuardState.STANDBY, reason, now_ms, undone=True)


def due_ms(guard: Guard, row: Guarding) -> int | None:
    """When time alone moves it on, if its limit stays as it is (farm time); None where time does not."""
    if row.state == GuardState.ARMED:
        return row.since_ms + guard.hold_ms
    return row.since_ms + guard.cooldown_ms if row.state == GuardState.COOLING else None


def _after(
    guard: Guard, row: Guarding, ended: Callable[[str], bool], reading: Reading | None, now_ms: int
) -> Guarding | None:
    """The next step, None where there is none now."""
    if row.period and ended(row.period):
        return _renewed(row, now_ms)
    if row.undone or reading is None:
        return None
    return _crossed(guard, row, reading, now_ms) if reading.crossed else _clear(guard, row, reading, now_ms)


def _ended(names: Collection[str], figures: Mapping[str, Figure]) -> Callable[[str], bool]:
    """Whether a period of a grant or budget is over, by its key; where its figure is not known it is not."""

    def ended(key: str) -> bool:
        name = key.rpartition(" ")[0]
        return name not in names or (name in figures and figures[name].key != key)

    return ended


def _renewed(row: Guarding, now_ms: int) -> Guarding:
    if row.state == GuardState.STANDBY:
        return msgspec.structs.replace(row, undone=False, period="", reason=NEW_PERIOD)
    return _turned(row, GuardState.STANDBY, NEW_PERIOD, now_ms, period="")


def _crossed(guard: Guard, row: Guarding, reading: Reading, now_ms: int) -> Guarding | None:
    """While the limit is crossed: armed, then in force, or asking for it."""
    known = {"figures": _kept(reading)}
    if row.state == GuardState.STANDBY:
        return _turned(row, GuardState.ARMED, reading.said(), now_ms, period=reading.figure.key, **known)
    if row.state == GuardState.ARMED and now_ms - row.since_ms >= guard.hold_ms:
        fires = GuardState.PENDING if guard.approval == "manual" else GuardState.ACTIVE
        return _turned(row, fires, reading.said(), now_ms, **known)
    if row.state == GuardState.COOLING:
        return _turned(row, GuardState.ACTIVE, reading.said(), now_ms, **known)
    return None


def _clear(guard: Guard, row: Guarding, reading: Reading, now_ms: int) -> Guarding | None:
    """While the limit is not crossed: nothing is asked any more; what is in force cools down."""
    known = {"figures": _kept(reading)}
    if row.state in (GuardState.ARMED, GuardState.PENDING):
        return _turned(row, GuardState.STANDBY, reading.said(), now_ms, period="", **known)
    if row.state == GuardState.ACTIVE:
        return _turned(row, GuardState.COOLING, reading.said(), now_ms, **known)
    if row.state == GuardState.COOLING and now_ms - row.since_ms >= guard.cooldown_ms:
        return _turned(row, GuardState.STANDBY, reading.said(), now_ms, period="", **known)
    return None


def _turned(row: Guarding, state: GuardState, reason: str, now_ms: int, **changes: object) -> Guarding:
    """One step by the table; what is in force keeps its beginning, what is not has none."""
    step(GUARD, row.state, state)
    fired_ms = (row.fired_ms or max(1, now_ms)) if state in IN_FORCE else 0
    about = {} if state in IN_FORCE else {"approved_by": ""}
    return msgspec.structs.replace(
        row,
        **(about | {"state": state, "since_ms": now_ms, "fired_ms": fired_ms, "reason": reason} | changes),
    )


def _kept(reading: Reading) -> str:
    """The figures as they are kept with the guard."""
    figure = reading.figure
    document = {
        "budget": figure.budget,
        "period": figure.period,
        "unit": figure.unit,
        "amount": str(figure.amount),
        "used": str(figure.used),
        "forecast": None if figure.forecast is None else str(figure.forecast),
        "percent": f"{reading.percent:.2f}",
    }
    return msgspec.json.encode(document).decode()


def _alerts(guard: Guard, before: Guarding, after: Guarding) -> tuple[str, ...]:
    """Who is told: of what fires, of what waits for a word, and of what is in force no more."""
    fires = after.state in (GuardState.ACTIVE, GuardState.PENDING) and before.state != GuardState.COOLING
    ends = after.state == GuardState.STANDBY and before.state in IN_FORCE
    if not fires and not ends:
        return ()
    return tuple(act.removeprefix(NOTIFY) for act in guard.then if act.startswith(NOTIFY))
