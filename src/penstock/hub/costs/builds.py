"""What builds cost: those of some days, by project; and one with its jobs and attempts."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from penstock.hub.context import Hub, NotFound
from penstock.hub.costs import reading
from penstock.hub.costs.ranges import range_document
from penstock.hub.costs.reading import Days
from penstock.hub.costs.rows import build_line
from penstock.hub.steps import look
from penstock.model.change import Build
from penstock.model.farm import Farm
from penstock.model.job import Attempt, Job
from penstock.model.ledger import BuildCost, Entry
from penstock.model.units import decimal_text, seconds
from penstock.ports import Tx
from penstock.reports import costs
from penstock.reports.buildcosts import Unit, per_project

Document = dict[str, Any]
DEFINITIONS = {
    "mean, p50, p90": "of builds that passed: direct costs of all attempts, failed and retried ones included",
    "each": "direct costs of all builds, those that did not pass included, divided by those that passed",
    "loaded": "all that was spent on the project on these days, idle and overhead included, divided by builds that passed",
}


class Found(NamedTuple):
    """What one look gives: what builds cost, the builds themselves, all that was spent on each project, until when."""

    costs: list[BuildCost]
    builds: dict[str, Build]
    loaded: dict[str, int]
    until_ms: int | None


def builds(hub: Hub, days: Days, top: int = 20) -> Document:
    """Cost per successful build of each project, and the `top` dearest builds; of builds that were created on these days."""
    found = look(hub, lambda tx, farm: _found(hub, tx, days))
    states = {name: build.state for name, build in found.builds.items()}
    dearest = sorted(found.costs, key=lambda cost: (-cost.amount_micros, cost.build))[:top]
    return {
        "schema": 1,
        **range_document(days),
        "currency": hub.rules.currency,
        "entered_until_s": None if found.until_ms is None else seconds(found.until_ms),
        "projects": [_unit_line(unit) for unit in per_project(found.costs, states, found.loaded)],
        "builds": [{**build_line(cost), "state": _state(found, cost.build)} for cost in dearest],
        "definitions": DEFINITIONS,
    }


def build(hub: Hub, name: str) -> Document:
    """One build: its jobs and their attempts, what each cost, and how much of it is entered. Raises NotFound."""
    return look(hub, lambda tx, farm: _build(hub, (tx, farm), name))


def _found(hub: Hub, tx: Tx, days: Days) -> Found:
    rows = costs.report(reading.summed(tx, days, ("project",)), ("project",), reading.paid_by_use(hub.rules))
    return Found(
        reading.build_costs(tx, days),
        reading.builds(tx, days),
        {row.key[0]: row.loaded_micros for row in rows},
        reading.entered_until_ms(tx),
    )


def _state(found: Found, name: str) -> str | None:
    return str(found.builds[name].state) if name in found.builds else None


def _unit_line(unit: Unit) -> Document:
    return {
        "project": unit.project,
        "builds": unit.builds,
        "passed": unit.passed,
        "spent": decimal_text(unit.spent_micros),
        "mean": _text(unit.mean_micros),
        "p50": _text(unit.p50_micros),
        "p90": _text(unit.p90_micros),
        "each": _text(unit.each_micros),
        "loaded": _text(unit.loaded_micros),
    }


def _text(amount_micros: int | None) -> str | None:
    return None if amount_micros is None else decimal_text(amount_micros)


def _build(hub: Hub, view: tuple[Tx, Farm], name: str) -> Document:
    tx, _ = view
    there, cost = tx.get(Build, name), tx.get(BuildCost, name)
    if there is None:
        raise NotFound("build", name)
    attempts, entered = (
        _by(tx.find(Attempt, "build", name), "job"),
        _by(tx.find(Entry, "build", name), "attempt"),
    )
    jobs = [
        _job_line(job, attempts[job.id], entered) for job in tx.find(Job, "build", name) if job.id in attempts
    ]
    settled = [one for some in attempts.values() for one in some if one.settled]
    return {
        "schema": 1,
        "build": name,
        "state": str(there.state),
        "currency": hub.rules.currency,
        "cost": decimal_text(sum(one.cost_micros for one in settled)),
        "running": sum(not one.settled for some in attempts.values() for one in some),
        "entered": build_line(cost) if cost else None,
        "jobs": jobs,
    }


def _by(records: Sequence[Any], field: str) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for record in records:
        found[getattr(record, field)].append(record)
    return found


def _job_line(job: Job, attempts: Sequence[Attempt], entered: dict[str, list[Entry]]) -> Document:
    return {
        "job": job.id,
        "name": job.name,
        "platform": job.spec.platform,
        "state": str(job.state),
        "cost": decimal_text(sum(one.cost_micros for one in attempts if one.settled)),
        "attempts": [
            _attempt_line(one, entered.get(one.id, [])) for one in sorted(attempts, key=lambda one: one.n)
        ],
    }


def _attempt_line(attempt: Attempt, entered: Sequence[Entry]) -> Document:
    """`cost` as `penstock explain` says it, null while it runs; `entered` in so many entries."""
    return {
        "attempt": attempt.id,
        "n": attempt.n,
        "pool": attempt.pool,
        "machine": attempt.machine,
        "state": str(attempt.state),
        "price_per_hour": decimal_text(attempt.price_per_hour_micros),
        "held_s": seconds(sum(entry.quantity for entry in entered)),
        "cost": decimal_text(attempt.cost_micros) if attempt.settled else None,
        "entered": decimal_text(sum(entry.amount_micros for entry in entered)),
        "entries": len(entered),
    }
