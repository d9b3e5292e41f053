"""Runs that other systems record under one id: the same job tried again."""

from penstock.history.report import Dropped, Report
from penstock.history.rows import Row

AGAIN = "tried again: taken as submitted when the attempt before ended"


class Attempts:
    """Numbers the runs of each job as they come, and gives each an id of its own."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._last: dict[str, tuple[int, int, int]] = {}

    def numbered(self, job: str, row: Row) -> Row:
        """The row as attempt 1, 2 and so on of `job`; Dropped when it repeats the run before.

        A later attempt became runnable when the one before had ended, whatever the record says.
        """
        before = self._last.get(job)
        attempt = before[0] + 1 if before else 1
        if before and before[1:] == (row.started_ms, row.finished_ms):
            raise Dropped("a run that came before", job)
        self._last[job] = attempt, row.started_ms, row.finished_ms
        if before is None:
            return row._replace(attempt=1)
        row = row._replace(
            attempt=attempt, job_id=f"{row.job_id}.{attempt}" if row.job_id == job else row.job_id
        )
        if row.submitted_ms < before[2] <= row.started_ms:
            self._report.mend(AGAIN, job)
            return row._replace(submitted_ms=before[2])
        return row
