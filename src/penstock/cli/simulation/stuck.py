"""Jobs that a replay never started: which, and why."""

from penstock.cli.simulation.inputs import Farm
from penstock.model.outcome import Outcome
from penstock.model.rules import Pool
from penstock.model.trial import Faults
from penstock.model.workload import Workload

REFUSING = ("no_capacity", "quota", "throttled", "boot_failures", "partition", "hub_away")
"""Faults that keep a machine from coming."""


def never_started(workload: Workload, outcome: Outcome, farm: Farm, faults: Faults | None) -> list[str]:
    """A line for each platform whose jobs were ready and never started, the first of them by name."""
    rows: dict[int, list[int]] = {}
    for row, (ready_ms, begun_ms) in enumerate(zip(outcome.ready_ms, outcome.first_start_ms, strict=True)):
        if ready_ms >= 0 and begun_ms < 0:
            rows.setdefault(workload.platform[row], []).append(row)
    return [
        f"{len(found):,} jobs of {workload.platforms[platform]!r} never started, the first of them"
        f" {workload.ids[found[0]]!r}: {_why(workload.platforms[platform], farm.rules.pools, faults)}"
        for platform, found in sorted(rows.items())
    ]


def _why(platform: str, pools: tuple[Pool, ...], faults: Faults | None) -> str:
    takes = [pool for pool in pools if platform in pool.platforms]
    if not any(map(_may_have_machines, takes)):
        return f"{_named([pool.name for pool in takes])} may have no machines; write more than 0"
    refusing = sorted({fault.kind for fault in (faults.faults if faults else ()) if fault.kind in REFUSING})
    if refusing:
        return f"no machine came for them, and the faults say {', '.join(refusing)}"
    return f"no machine of {_named([pool.name for pool in takes])} came or was given to them within a week"


def _may_have_machines(pool: Pool) -> bool:
    return pool.machines > 0 if pool.provider == "owned" else pool.max != 0


def _named(names: list[str]) -> str:
    return f"pool{'s' if len(names) > 1 else ''} {', '.join(map(repr, names))}"
