"""What a simulation is given: a history, farms, policies. Everything is read and checked before anything runs."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from penstock.cli.output import refuse
from penstock.cli.simulation.policies import policies_of
from penstock.config.farm import read_farm
from penstock.config.items import near
from penstock.model.rules import Rules
from penstock.model.trial import Faults, Policy
from penstock.model.workload import Workload

DEFAULT_SEED = 1


class Farm(NamedTuple):
    """A farm to replay on, and what it is called in results."""

    name: str
    rules: Rules


class Inputs(NamedTuple):
    """All of it. `limits`: "quick" or "full"; `mode`: "quick", or "full" for the hub's own services."""

    workload: Workload
    dropped: dict[str, int]
    farms: tuple[Farm, ...]
    policies: tuple[Policy, ...]
    seed: int
    faults: Faults | None
    limits: str
    mode: str = "quick"


class Asked(NamedTuple):
    """The same as on the command line."""

    history: Sequence[Path]
    farms: Sequence[Path]
    policies: Sequence[str] = ()
    seed: int = DEFAULT_SEED
    faults: Path | None = None
    limits: str = "quick"
    mode: str = "quick"


def read(asked: Asked) -> Inputs:
    """Read everything. Bad input raises, or refuses in one line."""
    if asked.limits not in ("quick", "full"):
        refuse(f"--limits: there is no {asked.limits!r}; write quick or full")
    if asked.mode not in ("quick", "full"):
        refuse(f"--mode: there is no {asked.mode!r}; write quick or full")
    farms = farms_of(asked.farms)
    policies = policies_of(asked.policies)
    for path in asked.history:
        if not path.is_file():
            refuse(f"{path}: there is no such file; name a history that `penstock history import` wrote")
    faults = faults_of(asked.faults, farms) if asked.faults else None
    workload, dropped = load(asked.history)
    return Inputs(workload, dropped, farms, policies, asked.seed, faults, asked.limits, asked.mode)


def load(paths: Sequence[Path]) -> tuple[Workload, dict[str, int]]:
    """The history, and why rows were left out."""
    from penstock.history.normal import load as load_normal

    workload, dropped = load_normal(paths)
    if not workload.jobs:
        why = ", ".join(f"{count} {reason}" for reason, count in dropped.items()) or "it is empty"
        refuse(f"{paths[0]}: no job that ran ({why}); name a history with jobs that have a start and an end")
    return workload, dropped


def farms_of(paths: Sequence[Path]) -> tuple[Farm, ...]:
    """Each farm by its name; where two are called alike, by the names of their files."""
    found = [(read_farm(path), path) for path in paths]
    names = [rules.name for rules, _ in found]
    if len(set(names)) < len(names):
        names = [path.stem for _, path in found]
    if len(set(names)) < len(names):
        refuse("--farm: two farms have one name and one file name; change `name` under [farm] in one of them")
    for rules, path in found:
        if not rules.pools:
            refuse(f"{path}: no [[pool]]; a farm without machines runs nothing, write one")
    return tuple(Farm(name, rules) for name, (rules, _) in zip(names, found, strict=True))


def faults_of(path: Path, farms: Sequence[Farm]) -> Faults:
    """What goes wrong, as a file says. Raises Mistakes; refuses a pool that a farm does not have."""
    from penstock.config.faults import read_faults

    found = read_faults(path)
    for farm in farms:
        names = [pool.name for pool in farm.rules.pools]
        for fault in found.faults:
            if fault.pool and fault.pool not in names:
                refuse(f"{path}: farm {farm.name} has no pool {fault.pool!r}; {near(fault.pool, names)}")
    return found


def key_of(policy: Policy, farm: Farm, farms: Sequence[Farm]) -> str:
    """What a run is called in results: its policy's name, with several farms NAME@FARM."""
    return policy.name if len(farms) == 1 else f"{policy.name}@{farm.name}"


def beside(path: Path, key: str) -> Path:
    """`events.jsonl` of a run called `key` as `events.KEY.jsonl`: with signs that every file system takes."""
    safe = re.sub(r"[^\w.@+-]", "_", key, flags=re.ASCII)
    return path.with_name(f"{path.stem}.{safe}{path.suffix}")
