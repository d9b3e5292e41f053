"""What both of GitHub's formats share: how its jobs end, and when a job that is run again was submitted."""

from penstock.history.report import Dropped, Report
from penstock.history.rows import Row

OUTCOMES = {
    "success": "passed",
    "neutral": "passed",
    "failure": "failed",
    "timed_out": "failed",
    "startup_failure": "error",
    "cancelled": "cancelled",
    "stale": "cancelled",
}
"""By `conclusion`."""
NEVER_RAN = "skipped", "action_required"
_DAY_MS = 86_400_000
AGAIN = "a re-run: when it was asked for is not recorded, taken as submitted when it began"
LONG = "a wait of more than a day, which GitHub does not allow: taken as submitted when it began"


def outcome(conclusion: str) -> str:
    """The outcome of a job that ended; Dropped when it did not, or never ran."""
    if not conclusion:
        raise Dropped("not ended")
    if conclusion in NEVER_RAN:
        raise Dropped("skipped" if conclusion == "skipped" else "never ran", conclusion)
    return OUTCOMES.get(conclusion, conclusion)


def submitted(row: Row, again: bool, report: Report) -> Row:
    """The row as submitted when it could have run. GitHub ends jobs that wait for a day, so who waited longer did not wait.

    `again`: what the row has as submission is the first attempt's.
    """
    why = AGAIN if again else LONG if row.started_ms - row.submitted_ms > _DAY_MS else ""
    if not why or row.started_ms <= row.submitted_ms:
        return row
    report.mend(why, row.job_id)
    return row._replace(submitted_ms=row.started_ms)
