"""Where guards of budgets stand and why, and what people say to them: yes, and no."""

from collections.abc import Mapping
from typing import Any

import msgspec

from penstock.hub.context import Hub, NotFound, Refused
from penstock.hub.costs.agreed import Agreed
from penstock.hub.costs.trial import trial
from penstock.hub.explain.told import span
from penstock.hub.guardian import write
from penstock.hub.steps import Step, change, look
from penstock.model.curb import Figure
from penstock.model.farm import Farm
from penstock.model.ledger import Guarding
from penstock.model.rules import Guard
from penstock.model.states import GuardState
from penstock.model.units import seconds
from penstock.policy.budgets import guarding
from penstock.policy.budgets.crossing import Reading, condition, read, watched
from penstock.policy.budgets.guarding import IN_FORCE, due_ms
from penstock.ports import Tx

Document = dict[str, Any]


def guards(hub: Hub, name: str | None = None, dry_run: bool = False) -> Document:
    """Each guard of farm.toml, or the one with this name. `dry_run`: also what would become of the queue if those that are
    not in force fired now. Raises NotFound."""
    chosen = [guard for guard in hub.rules.guards if name in (None, guard.name)]
    if name is not None and not chosen:
        raise NotFound("guard", name)

    def load(tx: Tx, farm: Farm) -> Document:
        rows = {row.name: row for row in tx.find(Guarding, "key")}
        found = Agreed().figures(hub, tx, farm)
        lines = []
        for guard in chosen:
            row = rows.get(guard.name) or Guarding(name=guard.name)
            line = _line(hub, farm, guard, row, found)
            if dry_run:
                fires = row.state not in IN_FORCE
                line["dry_run"] = trial(hub, tx, farm, guard) if fires else None
            lines.append(line)
        return {
            "schema": 1,
            "now_s": seconds(hub.clock.wall_ms()),
            "currency": hub.rules.currency,
            "guards": lines,
        }

    return look(hub, load)


def approve(hub: Hub, name: str, who: str) -> Document:
    """A person says yes to a guard that asks, or lets one act again that was taken back. Raises NotFound; Refused where
    nothing was asked."""

    def act(step: Step) -> Document:
        row = _row(step, hub, name)
        if row.state in IN_FORCE:
            return _done(row, changed=False)
        if row.state != GuardState.PENDING and not row.undone:
            raise Refused(f"guard {name} asks for nothing: it is {row.state}", stop=False)
        return _said(step, row, guarding.approved(row, who or "a person", step.now_ms))

    return change(hub, act)


def undo(hub: Hub, name: str, who: str, why: str = "") -> Document:
    """A person takes a guard back until its period ends. Raises NotFound; Refused for one that stands by."""

    def act(step: Step) -> Document:
        row = _row(step, hub, name)
        if row.undone:
            return _done(row, changed=False)
        if row.state == GuardState.STANDBY:
            raise Refused(f"guard {name} stands by: there is nothing to take back", stop=False)
        return _said(step, row, guarding.undone(row, who or "a person", why, step.now_ms))

    return change(hub, act)


def _row(step: Step, hub: Hub, name: str) -> Guarding:
    if name not in {guard.name for guard in hub.rules.guards}:
        raise NotFound("guard", name)
    return step.tx.get(Guarding, name) or Guarding(name=name)


def _said(step: Step, before: Guarding, after: Guarding) -> Document:
    write(step, after, ())
    return _done(after, changed=True)


def _done(row: Guarding, changed: bool) -> Document:
    return {"guard": row.name, "state": str(row.state), "changed": changed, "reason": row.reason}


def _line(hub: Hub, farm: Farm, guard: Guard, row: Guarding, figures: Mapping[str, Figure]) -> Document:
    reading = read(guard, hub.rules, figures)
    return {
        "name": guard.name,
        "state": str(row.state),
        "in_force": row.state in IN_FORCE,
        "since_s": _moment(hub, farm, row.since_ms),
        "in_force_since_s": _moment(hub, farm, row.fired_ms),
        "reason": row.reason,
        "next": _next(guard, row, reading, farm.time_ms),
        "when": guard.when,
        "for_s": seconds(guard.hold_ms),
        "cooldown_s": seconds(guard.cooldown_ms),
        "approval": guard.approval,
        "approved_by": row.approved_by,
        "undone": row.undone,
        "then": list(guard.then),
        "exempt": list(guard.exempt),
        "limit_percent": float(condition(guard.when)[1]),
        "percent": None if reading is None else round(float(reading.percent), 2),
        "crossed": None if reading is None else reading.crossed,
        "watched": [
            _figure(figures[name], worst=reading is not None and reading.figure.budget == name)
            for name in watched(guard, hub.rules)
            if name in figures
        ],
        "decided_on": msgspec.json.decode(row.figures) or None,
    }


def _moment(hub: Hub, farm: Farm, at_ms: int) -> float | None:
    """A moment of farm time by the clock on the wall, as near as farm time tells it."""
    return seconds(hub.clock.wall_ms() - max(0, farm.time_ms - at_ms)) if at_ms else None


def _figure(figure: Figure, worst: bool) -> Document:
    return {
        "name": figure.budget,
        "period": figure.period,
        "unit": figure.unit,
        "amount": f"{figure.amount:f}",
        "used": f"{figure.used:f}",
        "forecast": None if figure.forecast is None else f"{figure.forecast:f}",
        "counts": worst,
    }


def _next(guard: Guard, row: Guarding, reading: Reading | None, now_ms: int) -> str:
    """What happens next, and what a person can do."""
    due = due_ms(guard, row)
    left = "" if due is None else f"in {span(due - now_ms)}" if due > now_ms else "within a minute"
    if row.undone:
        return f"nothing until its period ends; `penstock costs approve {guard.name}` lets it act again"
    if row.state == GuardState.ARMED:
        then = "asks for a person's word" if guard.approval == "manual" else "fires"
        return f"{then} {left}, unless it falls below its limit before"
    if row.state == GuardState.PENDING:
        return f"waits for a person: `penstock costs approve {guard.name}`"
    if row.state == GuardState.ACTIVE:
        after = span(guard.cooldown_ms)
        return f"ends {after} after it fell below its limit; `penstock costs undo {guard.name}` takes it back"
    if row.state == GuardState.COOLING:
        return f"ends {left}, if it stays below its limit"
    if reading is None:
        return "nothing is known yet of what it watches"
    return f"is armed above {reading.limit} %"
