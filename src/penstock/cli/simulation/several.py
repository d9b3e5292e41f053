"""Many runs of one history, on all cores: each process has the workload once, cases go out and figures come back."""

import logging
import os
import signal
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Any

from penstock.cli.simulation.runs import Case, outcome_of
from penstock.model.workload import Workload
from penstock.ports import FarmFailed
from penstock.reports.compare import Document, Limit, policy_document

Numbered = tuple[int, Document]

_workloads: list[Workload] = []
"""Of this process: the one workload that its cases are replayed with."""


def figures_of(workload: Workload, case: Case) -> Document:
    """One run's document, without limits: those are of a farm, not of a run."""
    outcome = outcome_of(workload, case)
    return policy_document(outcome, case.rules.waiting, case.rules.currency, Limit())


def answers(workload: Workload, cases: Sequence[Case], dask: str = "") -> Iterator[Numbered]:
    """Each case's number and document, as they end. `dask`: the address of a scheduler that runs them instead."""
    if dask:
        yield from _by_dask(workload, cases, dask)
        return
    if not cases:
        return
    # What is compiled is compiled once, before there are several that would each do it.
    yield 0, figures_of(workload, cases[0])
    rest = list(enumerate(cases))[1:]
    cores = min(os.cpu_count() or 1, len(rest))
    if cores < 2:
        yield from ((number, figures_of(workload, case)) for number, case in rest)
        return
    with _pool(workload, cores) as pool:
        running = {pool.submit(_figures, case): number for number, case in rest}
        yield from ((running[done], done.result()) for done in as_completed(running))


@contextmanager
def _pool(workload: Workload, cores: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that have the workload. When the block ends early, what runs is ended and the rest never begun."""
    pool = ProcessPoolExecutor(cores, initializer=_begin, initargs=(workload,))
    try:
        yield pool
    except BaseException:
        for process in list((getattr(pool, "_processes", None) or {}).values()):
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin(workload: Workload) -> None:
    # Ctrl-C is for the process that a person began: it keeps what is done and ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _workloads[:] = [workload]


def _figures(case: Case) -> Document:
    return figures_of(_workloads[0], case)


def _by_dask(workload: Workload, cases: Sequence[Case], address: str) -> Iterator[Numbered]:
    """The same on the processes of a Dask scheduler: the workload goes to each of them once."""
    distributed = _distributed()
    try:
        client = distributed.Client(address, timeout="10s")
    except (OSError, ValueError, TimeoutError) as why:
        from penstock.cli.output import refuse

        refuse(
            f"--dask {address}: no scheduler answers there ({type(why).__name__}); write tcp://HOST:PORT of one that runs"
        )
    try:
        with client:
            (everywhere,) = client.scatter([workload], broadcast=True)
            sent = [client.submit(figures_of, everywhere, case, pure=False) for case in cases]
            numbers = {future.key: number for number, future in enumerate(sent)}
            done: Iterable[Any] = distributed.as_completed(sent)
            yield from ((numbers[future.key], future.result()) for future in done)
    except (OSError, TimeoutError, CancelledError) as why:
        # What is lost with a scheduler is told by `with` and by each future in words of its own.
        raise FarmFailed(
            f"--dask {address}: the scheduler was lost ({type(why).__name__}); what has ended is kept, run the same command again"
        ) from None


def _distributed() -> Any:
    try:
        import distributed
    except ImportError:
        from penstock.cli.output import refuse

        refuse("--dask: the package `distributed` is not installed; install penstock[dask]")
    # What it would log of a lost scheduler is said by us, in one line.
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
    return distributed
