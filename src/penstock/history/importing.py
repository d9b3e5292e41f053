"""Another system's history into the normal form: read, cleaned, written, one row at a time."""

from collections.abc import Sequence
from pathlib import Path

from penstock.history.cleaning import Cleaning
from penstock.history.report import Dropped, Report, Unreadable
from penstock.history.rows import Rows
from penstock.history.writing import writing


def import_history(rows: Rows, paths: Sequence[Path], out: Path) -> Report:
    """Read `paths` with `rows` and write `out` in the normal form. Unreadable says what to mend; `out` is then as it was."""
    report = Report()
    cleaned = Cleaning(report).cleaned
    with writing(out) as write:
        for row in rows(paths, report):
            try:
                write(cleaned(row))
            except Dropped as why:
                report.drop(why.reason, why.detail)
            else:
                report.kept += 1
        if report.read and not report.kept:
            raise Unreadable(str(paths[0]), None, _none_kept(report))
    return report


def _none_kept(report: Report) -> str:
    """What to look at where a file that could be read holds nothing that ran."""
    why = ", ".join(f"{count} {reason}" for reason, count in report.dropped.items())
    return f"none of {report.read} rows can be kept ({why}); is the FORMAT the right one?"
