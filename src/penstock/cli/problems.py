"""Which problems are the user's input: each becomes one line, and exit 2."""

from penstock.config.mistakes import Mistake, Mistakes
from penstock.hub.context import NotFound, Refused
from penstock.policy.changed import UnknownModule
from penstock.policy.planning import PlanningError
from penstock.ports import ForgeError, Locked


def lines_of(problem: Exception) -> list[str] | None:
    """What to print for a problem that the user can mend, one line each; None for a fault of ours."""
    if isinstance(problem, Mistakes):
        return [_one_line(mistake) for mistake in problem.mistakes]
    if isinstance(problem, (Mistake, PlanningError, UnknownModule, ForgeError, NotFound, Refused, Locked)):
        return [_one_line(problem)]
    return None


def _one_line(problem: Exception) -> str:
    return "penstock: " + " ".join(str(problem).split())
