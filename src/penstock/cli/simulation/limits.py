"""What no schedule can undercut on a farm, for its column in results."""

from penstock.model.rules import Rules
from penstock.model.workload import Workload
from penstock.reports.compare import Limit

QUICK_JOBS_MOST = 20_000
"""Up to so many jobs the limits at the promise are computed unasked: seconds; above, --limits full asks for them."""


def limit_of(workload: Workload, rules: Rules, limits: str) -> Limit:
    """The limits of one farm. `limits`: "quick" or "full"."""
    return Limit()
