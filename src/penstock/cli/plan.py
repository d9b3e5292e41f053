"""`penstock plan` and `penstock check`: what would happen, without making it happen."""

import time
from pathlib import Path

import msgspec

from penstock.cli.output import Leave, print_json, print_table, say
from penstock.cli.place import Place, find_place
from penstock.cli.queries import opened
from penstock.config import qt
from penstock.config.asking import ask
from penstock.config.farm import read_farm
from penstock.config.identities import NOBODY, never_measured
from penstock.model.artifact import Failure, Module
from penstock.model.job import Trust
from penstock.model.plan import Plan
from penstock.model.units import decimal_text
from penstock.policy.archive import with_reuse
from penstock.policy.changed import mark_changed
from penstock.reports.plans import plan_document, plan_totals
from penstock.wiring import open_git


def run_plan(
    source: Path, changed: list[str], dirty: bool, farm: Path | None, state: Path | None, as_json: bool
) -> None:
    """Print the plan of `source`; with `changed` only these modules are taken as changed."""
    plan = (
        qt.plan_qt(qt.read_qt(source))
        if qt.is_qt(source)
        else _own_plan(source, dirty, farm, state, bool(changed))
    )
    if changed:
        plan = mark_changed(plan, changed)
    if as_json:
        print_json(plan_document(plan))
        return
    _print_plan(plan)


def _own_plan(source: Path, dirty: bool, farm: Path | None, state: Path | None, only_changed: bool) -> Plan:
    """The plan of a `.penstock.yml`, with what the archive has where there is one."""
    place = find_place(farm, state, source)
    asked = ask(source, dirty, place.rules, open_git(place.folder, place.own()))
    return asked.plan if only_changed else _with_archive(place, farm, state, asked.plan)


def _with_archive(place: Place, farm: Path | None, state: Path | None, plan: Plan) -> Plan:
    """The plan with what the archive has of it; a farm that is not there has nothing."""
    now_ms = time.time_ns() // 1_000_000
    database = place.database()
    if database is None or not database.exists():
        return with_reuse(plan, lambda trust, key: ((), None), now_ms, automatic=False)
    with opened(farm or Path(place.rules.folder) / "farm.toml", state, None) as found:

        def known(trust: Trust, key: str) -> tuple[list[Module], Failure | None]:
            said = found.read("known", f"{trust} {key}")
            return msgspec.convert(said["modules"], list[Module]), msgspec.convert(
                said["failure"], Failure | None
            )

        return with_reuse(plan, known, now_ms, automatic=False)


def _print_plan(plan: Plan) -> None:
    rows = [
        (job.id, "reused" if job.reuse else "to run", job.size.cores, " ".join(job.needs), job.reason)
        for job in plan.jobs
    ]
    print_table(("job", "is", "cores", "needs", "why"), rows)
    for unknown in plan.unknown:
        say(f"unknown: {unknown.file}:{unknown.line}: {unknown.what}")
    counts = plan_totals(plan)
    print(", ".join(f"{name} {count}" for name, count in counts.items()) + f", unknown {len(plan.unknown)}")


def run_check(farm: Path, as_json: bool) -> None:
    """Read a farm.toml and say that it is right, or name every mistake (raised, exit 2)."""
    rules = read_farm(farm)
    warnings = [NOBODY.format(name=name) for name in never_measured(rules)] if rules.address else []
    derived = {pool.name: decimal_text(pool.price_per_hour_micros) for pool in rules.pools if pool.tco}
    if as_json:
        print_json(
            {
                "name": rules.name,
                "platforms": list(rules.platforms),
                "pools": [pool.name for pool in rules.pools],
                "prices_from_tco": derived,
                "warnings": warnings,
            }
        )
    else:
        print(f"{farm}: right; platforms: {len(rules.platforms)}, pools: {len(rules.pools)}")
        for pool, price in derived.items():
            print(f"pool {pool}: {price} {rules.currency} an hour of a machine, from its tco")
    for warning in warnings:
        say(f"{farm}: warning: {warning}")
    raise Leave(0)
