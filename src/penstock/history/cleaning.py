"""What every run must be, whichever system it comes from: checked once, for all of them."""

from penstock.history.report import Dropped, Report
from penstock.history.rows import OUTCOMES, Row
from penstock.history.values import COUNT_MAX, LATEST_S, MS
from penstock.model.workload import UNKNOWN

_LATEST_MS = LATEST_S * MS
NO_PLATFORM = "unknown"
"""The platform of what does not say where it ran; a farm.toml can have one of this name."""


class Cleaning:
    """Checks rows one by one. Remembers which ids it has seen: about 120 bytes a row."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._seen: set[str] = set()

    def cleaned(self, row: Row) -> Row:
        """The row, mended where that is safe; Dropped with the reason where it is not.

        A row that never ran is right: it has neither start nor end.
        """
        if row.submitted_ms == UNKNOWN:
            raise Dropped("no moment of submission")
        if row.submitted_ms >= _LATEST_MS or row.finished_ms >= _LATEST_MS:
            raise Dropped("a moment after 2100")
        if row.outcome not in OUTCOMES:
            raise Dropped("an outcome that is none of passed, failed, error, cancelled, skipped", row.outcome)
        if row.started_ms != UNKNOWN or row.finished_ms != UNKNOWN:
            row = self._ran(row)
        if row.cores > COUNT_MAX or row.memory_mb > COUNT_MAX:
            self._report.mend("more cores or memory than there can be: taken as not known")
            row = row._replace(cores=0, memory_mb=0)
        return self._named(row)

    def _ran(self, row: Row) -> Row:
        if row.finished_ms == UNKNOWN:
            raise Dropped("began, but has no end")
        if row.started_ms == UNKNOWN:
            raise Dropped("ended, but has no start")
        if row.finished_ms < row.started_ms:
            raise Dropped("ended before it began")
        if row.started_ms < row.submitted_ms:
            self._report.mend("began before it was submitted: taken as submitted when it began")
            return row._replace(submitted_ms=row.started_ms)
        return row

    def _named(self, row: Row) -> Row:
        if not row.job_id:
            raise Dropped("no job_id")
        if row.job_id in self._seen:
            raise Dropped("a job_id that came before", row.job_id)
        self._seen.add(row.job_id)
        if row.platform:
            return row
        self._report.mend(f"no platform: taken as {NO_PLATFORM!r}", row.job_id)
        return row._replace(platform=NO_PLATFORM)


def runs_only(row: Row) -> Row:
    """The row when it ran; Dropped with the reason when it did not. Times of what was skipped mean nothing."""
    if row.outcome == "skipped":
        raise Dropped("skipped")
    if not row.ran:
        raise Dropped("never ran")
    return row
