"""One run: a history on a farm under a policy, its events written where they are wanted, its figures as a document."""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from penstock.cli.output import refuse
from penstock.cli.simulation.inputs import Farm, Inputs
from penstock.model.outcome import Outcome
from penstock.model.rules import Rules
from penstock.model.trial import Faults, Policy
from penstock.model.workload import Workload
from penstock.reports.compare import Document, Limit, policy_document, undercut

Sink = Callable[[bytes], object]
"""Takes the event lines of a run, some at a time, in order."""


class Case(NamedTuple):
    """What one run is given, all of it: equal cases give equal outcomes."""

    rules: Rules
    policy: Policy
    seed: int
    faults: Faults | None
    mode: str = "quick"


class Run(NamedTuple):
    """A run that has ended. `wrong`: why its bill cannot be right, "" when it can."""

    key: str
    farm: Farm
    policy: Policy
    outcome: Outcome
    document: Document
    wrong: str


def outcome_of(workload: Workload, case: Case, sink: Sink | None = None) -> Outcome:
    """Replay the workload. Here, not at the top, is where numpy and numba come in."""
    if case.mode == "full":
        from penstock.sim.world import simulate
    else:
        from penstock.sim.run import simulate

    return simulate(workload, case.rules, case.policy, case.seed, case.faults, sink)


def run(
    inputs: Inputs, key: str, farm: Farm, policy: Policy, limit: Limit, sinks: Sequence[Sink] = ()
) -> Run:
    """One policy on one farm; its event lines go to all of `sinks`."""
    sink = _all(sinks) if len(sinks) > 1 else next(iter(sinks), None)
    outcome = outcome_of(
        inputs.workload, Case(farm.rules, policy, inputs.seed, inputs.faults, inputs.mode), sink
    )
    document = policy_document(outcome, farm.rules.waiting, farm.rules.currency, limit)
    return Run(key, farm, policy, outcome, document, undercut(outcome, farm.rules.pools))


def _all(sinks: Sequence[Sink]) -> Sink:
    def take(data: bytes) -> None:
        for sink in sinks:
            sink(data)

    return take


def check_out(out: Path | None) -> None:
    """Refuse now what could not be written after an hour."""
    if out and out.is_dir():
        refuse(f"{out}: cannot be written: it is a folder; name a file")
    if out and not os.access(out.parent, os.W_OK):
        why = "its folder is not yours" if out.parent.is_dir() else f"there is no folder {out.parent}"
        refuse(f"{out}: cannot be written: {why}; name a file in a folder of yours")


@contextmanager
def written(out: Path) -> Iterator[Sink]:
    """A function that takes bytes; when the block ends well, `out` has them all, else it is as it was before."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{out.name}.", dir=out.parent)
    except OSError as why:
        refuse(
            f"{out}: cannot be written: {(why.strerror or str(why)).lower()}; name a file in a folder of yours"
        )
    beside = Path(name)
    try:
        with os.fdopen(handle, "wb", buffering=1 << 20) as stream:
            yield stream.write
        beside.chmod(0o666 & ~_umask())
        _put(beside, out)
    finally:
        beside.unlink(missing_ok=True)


def _put(beside: Path, out: Path) -> None:
    try:
        beside.replace(out)
    except OSError as why:
        refuse(f"{out}: cannot be written: {(why.strerror or str(why)).lower()}; name a file")


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
