"""Standard Workload Format of the Parallel Workloads Archive: 18 numbers a line, -1 for what is not known.

https://www.cs.huji.ac.il/labs/parallel/workload/swf.html. Moments count from `UnixStartTime` of the header.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from penstock.history.report import Dropped, Report
from penstock.history.rows import Row
from penstock.history.sources import lines, opened
from penstock.history.values import number

FIELDS = 18
OUTCOMES = {1: "passed", 0: "failed", 5: "cancelled", -1: "passed"}
"""By status; 2 to 4 are parts of a job whose whole is a line of its own. Old logs have no status: -1."""
PARTS = 2, 3, 4
_START = "UnixStartTime"


def rows(paths: Sequence[Path], report: Report) -> Iterator[Row]:
    """A row per job that ran. Ids are the file's name and the job's number."""
    for path in paths:
        with opened(path, report) as stream:
            yield from _rows(lines(stream, report), path.name.split(".")[0], report)


def _rows(found: Iterator[str], archive: str, report: Report) -> Iterator[Row]:
    start_s = 0
    for place, line in enumerate(found, 1):
        if line.startswith(";"):
            start_s = _start(line, start_s)
            continue
        fields = line.split()
        if not fields:
            continue
        report.at(place)
        try:
            yield _row(_numbers(fields, report), archive, start_s, report)
        except Dropped as why:
            report.drop(why.reason, why.detail)


def _start(line: str, start_s: int) -> int:
    """What a line of the header says of when the log began, or what was known before."""
    name, _, value = line.lstrip("; ").partition(":")
    value = value.strip()
    return (
        int(value)
        if name.strip() == _START and value.isascii() and value.isdigit() and len(value) < 11
        else start_s
    )


def _numbers(fields: list[str], report: Report) -> list[float]:
    if len(fields) < FIELDS:
        raise Dropped("fewer than 18 fields", len(fields))
    if len(fields) > FIELDS:
        report.mend("more than 18 fields: the last ones left out", len(fields))
    del fields[FIELDS:]
    try:
        return list(map(int, fields))  # the usual case, three times as quick
    except ValueError:
        return [number(field) for field in fields]


def _row(fields: list[float], archive: str, start_s: int, report: Report) -> Row:
    (
        job,
        submit_s,
        wait_s,
        run_s,
        processors,
        _,
        memory_kb,
        asked,
        _,
        asked_kb,
        status,
        user,
        _,
        program,
        *rest,
    ) = fields
    queue, partition, before, _ = rest
    if status in PARTS:
        raise Dropped("a part of a job that has a line of its own")
    if run_s < 0 or (status == 5 and run_s == 0):
        raise Dropped("never ran" if status in (0, 5) else "how long it ran is not known")
    if submit_s < 0:
        raise Dropped("a moment before the log begins", submit_s)
    if wait_s < 0:
        report.mend("how long it waited is not known: taken as not at all", wait_s)
        wait_s = 0
    cores = max(0, round(processors if processors > 0 else asked))
    submitted_ms = round((start_s + submit_s) * 1000)
    started_ms = submitted_ms + round(wait_s * 1000)
    return Row(
        job_id=f"{archive}-{round(job)}",
        name=f"program-{round(program)}" if program > 0 else "",
        project=f"user-{round(user)}" if user > 0 else "",
        klass=f"queue-{round(queue)}" if queue >= 0 else "",
        branch="",
        platform=f"partition-{round(partition)}" if partition > 0 else archive,
        submitted_ms=submitted_ms,
        started_ms=started_ms,
        finished_ms=started_ms + round(run_s * 1000),
        outcome=OUTCOMES.get(round(status), "status of SWF"),
        cores=cores,
        memory_mb=_memory_mb(memory_kb if memory_kb > 0 else asked_kb, cores),
        needs=f"{archive}-{round(before)}" if before > 0 else "",
    )


def _memory_mb(kb: float, cores: int) -> int:
    """Kilobytes a processor as megabytes of the whole job; 0 = not known."""
    return -(-round(kb) * max(1, cores) // 1024) if kb > 0 else 0
