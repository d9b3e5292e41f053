"""Which problems are the user's input (a line each, exit 2), and which are the world's (one line, exit 3)."""

import errno

from penstock.bills.problems import BadBill
from penstock.config.mistakes import Mistake, Mistakes
from penstock.history.report import Unreadable
from penstock.hub.context import NotFound, Refused
from penstock.policy.changed import UnknownModule
from penstock.policy.planning import PlanningError
from penstock.ports import FarmFailed, ForgeError, Locked, StoreError
from penstock.wire.client import HubError, Unreachable

EXTRAS = {"numpy": "sim", "numba": "sim", "pyarrow": "sim", "distributed": "dask", "libvirt": "libvirt"}
"""What only some commands need, and the part of the package that brings it."""


def lines_of(problem: Exception) -> list[str] | None:
    """What to print for a problem that the user can mend, one line each; None for a fault of ours."""
    if isinstance(problem, Mistakes):
        return [_one_line(mistake) for mistake in problem.mistakes]
    if isinstance(
        problem,
        (BadBill, Mistake, PlanningError, UnknownModule, ForgeError, NotFound, Refused, Locked, Unreadable),
    ):
        return [_one_line(problem)]
    if isinstance(problem, ModuleNotFoundError) and (
        extra := EXTRAS.get((problem.name or "").partition(".")[0])
    ):
        return [f"penstock: this needs {problem.name}, which is not installed: install penstock[{extra}]"]
    return None


def farm_line(problem: Exception) -> str | None:
    """What to print when the farm could not go on: a full disk, a damaged database, agents that die. None for the rest."""
    if isinstance(problem, OSError) and problem.errno in (errno.ENOSPC, errno.EDQUOT):
        where = f": {problem.filename}" if problem.filename else ""
        return f"penstock: the disk is full{where}; make room and run the same command again"
    if isinstance(problem, (FarmFailed, StoreError, Unreachable, HubError)):
        return _one_line(problem)
    return None


def _one_line(problem: Exception) -> str:
    return "penstock: " + " ".join(str(problem).split())
