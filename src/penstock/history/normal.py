"""The normal form: CSV, JSON Lines or Parquet by file name, each of the first two also with `.gz`."""

from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from typing import IO, Any

from penstock.history.cleaning import Cleaning, runs_only
from penstock.history.columns import Columns
from penstock.history.records import objects
from penstock.history.report import Dropped, Report, Unreadable
from penstock.history.rows import COLUMNS, REQUIRED, Row
from penstock.history.sources import opened
from penstock.history.tables import table, whole_row
from penstock.history.values import count, moment_ms, text
from penstock.model.workload import Workload

SUFFIXES = (".csv", ".jsonl", ".ndjson", ".parquet")
BATCH_ROWS = 65_536
COLUMN_SET = frozenset(COLUMNS)
STRANGE = "a column that the normal form does not have: left out"
Record = Sequence[Any]
"""Values in the order of COLUMNS."""


def load(paths: Sequence[Path], report: Report | None = None) -> tuple[Workload, dict[str, int]]:
    """Every run in `paths` as columns, in order of submission, and why rows and needs were left out.

    Rows that never ran or were skipped are left out: nothing is known of how long they would have taken. A given
    `report` also has what was mended. Unreadable when a file is not in the normal form.
    """
    report = report or Report()
    columns = Columns()
    keep = columns.add
    cleaning = Cleaning(report)
    for row in rows(paths, report):
        try:
            keep(runs_only(cleaning.cleaned(row)))
        except Dropped as why:
            report.drop(why.reason, why.detail)
    report.kept = len(columns.ids)
    workload, needs_dropped = columns.workload()
    return workload, {**dict(report.dropped), **needs_dropped}


def rows(paths: Sequence[Path], report: Report) -> Iterator[Row]:
    """The rows of files in the normal form, in the order of the files."""
    for path in paths:
        reading = _reading(path)
        for record in reading(path, report):
            try:
                row = _row(record, report)
            except Dropped as why:
                report.drop(why.reason, why.detail)
            else:
                yield row


def form_of(path: Path) -> str:
    """Which suffix of SUFFIXES a file name has, `.gz` apart; Unreadable for another."""
    suffixes = path.suffixes
    last = suffixes[-2:-1] if suffixes[-1:] == [".gz"] else suffixes[-1:]
    if not last or last[0] not in SUFFIXES or (last[0] == ".parquet" and suffixes[-1] == ".gz"):
        raise Unreadable(
            str(path),
            None,
            "the file name does not say its form",
            "use .csv, .jsonl (both also .gz) or .parquet",
        )
    return last[0]


def _reading(path: Path) -> Callable[[Path, Report], Iterator[Record]]:
    return {".csv": _csv, ".parquet": _parquet}.get(form_of(path), _json_lines)


def _row(record: Record, report: Report) -> Row:
    job_id, name, project, klass, branch, platform, submitted, started, finished, *rest = record
    outcome, machine, cores, memory_mb, attempt, needs = rest
    return Row(
        text(job_id),
        text(name),
        text(project),
        text(klass),
        text(branch),
        text(platform),
        moment_ms(submitted, report),
        moment_ms(started, report),
        moment_ms(finished, report),
        text(outcome),
        text(machine),
        count(cores, "cores", report),
        count(memory_mb, "memory_mb", report),
        count(attempt, "attempt", report),
        text(needs),
    )


def _known(names: Sequence[str], report: Report) -> list[int]:
    """For each of COLUMNS where it is among `names`, or one behind the last; Unreadable when a required one is missing."""
    for name in REQUIRED:
        if name not in names:
            raise Unreadable(
                report.file, report.line, f"no column {name!r}", f"the columns are {', '.join(COLUMNS)}"
            )
    if twice := next((name for name in COLUMNS if names.count(name) > 1), None):
        raise Unreadable(report.file, report.line, f"the column {twice!r} is there twice")
    for name in names:
        if name not in COLUMNS:
            report.mend(STRANGE, name)
    return [names.index(name) if name in names else len(names) for name in COLUMNS]


# CSV --------------------------------------------------------------------------------------------------------


def _csv(path: Path, report: Report) -> Iterator[Record]:
    with opened(path, report) as stream:
        yield from _csv_records(stream, report)


def _csv_records(stream: IO[bytes], report: Report) -> Iterator[Record]:
    found = table(stream, report, ",")
    names = [name.strip() for name in next(found)]
    pick = itemgetter(*_known(names, report))
    for fields in found:
        if whole_row(fields, len(names), report):
            fields.append("")
            yield pick(fields)


# JSON Lines -------------------------------------------------------------------------------------------------


def _json_lines(path: Path, report: Report) -> Iterator[Record]:
    with opened(path, report) as stream:
        for found in objects(stream, report):
            if strange := found.keys() - COLUMN_SET:
                report.mend(STRANGE, min(strange))
            yield [found.get(name) for name in COLUMNS]


# Parquet ----------------------------------------------------------------------------------------------------


def _parquet(path: Path, report: Report) -> Iterator[Record]:
    import pyarrow  # type: ignore[import-untyped]
    import pyarrow.parquet  # type: ignore[import-untyped]

    with opened(path, report) as stream:
        try:
            with pyarrow.parquet.ParquetFile(stream) as found:
                names = found.schema_arrow.names
                _known(names, report)
                wanted = [name for name in COLUMNS if name in names]
                for batch in found.iter_batches(BATCH_ROWS, columns=wanted, use_threads=False):
                    yield from _batch(batch, report)
        except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as why:
            raise Unreadable(report.file, report.line, f"not Parquet that can be read ({why})") from None


def _batch(batch: Any, report: Report) -> Iterator[Record]:
    number = report.line or 0
    given = {name: batch.column(name).to_pylist() for name in batch.schema.names}
    nothing = [None] * batch.num_rows
    for record in zip(*(given.get(name, nothing) for name in COLUMNS), strict=True):
        number += 1
        report.at(number)
        yield record
