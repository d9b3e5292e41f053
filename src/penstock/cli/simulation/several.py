"""Many runs of one history, on all cores: each process has the workload once, cases go out and figures come back."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager

from penstock.cli.simulation.runs import Case, outcome_of
from penstock.model.workload import Workload
from penstock.reports.compare import Document, Limit, policy_document

Numbered = tuple[int, Document]

_workloads: list[Workload] = []
"""Of this process: the one workload that its cases are replayed with."""


def figures_of(workload: Workload, case: Case) -> Document:
    """One run's document, without limits: those are of a farm, not of a run."""
    outcome = outcome_of(workload, case)
    return policy_document(outcome, case.rules.waiting, case.rules.currency, Limit())


def answers(workload: Workload, cases: Sequence[Case]) -> Iterator[Numbered]:
    """Each case's number and document, as they end. A single case, or a single core, needs no other process."""
    cores = min(os.cpu_count() or 1, len(cases))
    if cores < 2:
        yield from ((number, figures_of(workload, case)) for number, case in enumerate(cases))
        return
    # What is compiled is compiled once, before there are several that would each do it.
    yield 0, figures_of(workload, cases[0])
    with _pool(workload, cores) as pool:
        running = {pool.submit(_figures, case): number for number, case in enumerate(cases) if number}
        yield from ended(running)


def ended(running: dict[Future[Document], int]) -> Iterator[Numbered]:
    """What futures give, as they end."""
    for done in as_completed(running):
        yield running[done], done.result()


@contextmanager
def _pool(workload: Workload, cores: int) -> Iterator[Executor]:
    """Processes that have the workload; when the block ends early, what has not begun is not begun."""
    pool = ProcessPoolExecutor(cores, initializer=_begin, initargs=(workload,))
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin(workload: Workload) -> None:
    import signal

    # Ctrl-C is for the process that was started by hand: it keeps what is done and ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _workloads[:] = [workload]


def _figures(case: Case) -> Document:
    return figures_of(_workloads[0], case)
