"""Slurm's accounting as `sacct -P` prints it: a header, then a line a job, fields separated by `|`.

Moments are ISO 8601, taken as UTC (`TZ=UTC sacct ...`: it prints the zone of its caller), or seconds since 1970.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from penstock.history.attempts import Attempts
from penstock.history.report import Dropped, Report, Unreadable
from penstock.history.rows import Row
from penstock.history.sources import lines, opened
from penstock.history.values import count, iso_ms, moment_ms, platform
from penstock.model.workload import UNKNOWN

REQUIRED = "JobID", "Submit", "Start", "End", "State"
OUTCOMES = {
    "COMPLETED": "passed",
    "FAILED": "failed",
    "TIMEOUT": "failed",
    "OUT_OF_MEMORY": "failed",
    "CANCELLED": "cancelled",
    "DEADLINE": "cancelled",
    "NODE_FAIL": "error",
    "BOOT_FAIL": "error",
    "PREEMPTED": "error",
    "REQUEUED": "error",
}
"""By the first word of `State`; all others are of jobs that have not ended."""
NOTHING = frozenset(("", "unknown", "none", "n/a"))
NOWHERE = frozenset(("", "none assigned"))
_MEMORY = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)([KMGTP]?)([cn]?)", re.ASCII)
_MIB = {"K": 1 / 1024, "": 1, "M": 1, "G": 1024, "T": 1024**2, "P": 1024**3}
Job = dict[str, str]


def rows(paths: Sequence[Path], report: Report) -> Iterator[Row]:
    """A row per job that ran; steps of jobs are left out. The platform is the partition."""
    attempts = Attempts(report)
    for path in paths:
        with opened(path, report) as stream:
            for job in _jobs(lines(stream, report), report):
                try:
                    yield attempts.numbered(job["JobID"], _row(job, report))
                except Dropped as why:
                    report.drop(why.reason, why.detail)


def _jobs(found: Iterator[str], report: Report) -> Iterator[Job]:
    names = next(found, "").rstrip("\r\n").removesuffix("|").split("|")
    for name in REQUIRED:
        if name not in names:
            raise Unreadable(
                report.file, 1, f"no column {name!r}", f"print it with sacct -P -o {','.join(REQUIRED)},..."
            )
    for place, line in enumerate(found, 2):
        if not line.strip():
            continue
        report.at(place)
        fields = line.rstrip("\r\n").split("|")
        if len(fields) == len(names) + 1 and not fields[-1]:  # sacct -p ends each line with one
            fields.pop()
        if fields := _as_many(fields, names, report):
            yield dict(zip(names, fields, strict=True))


def _as_many(fields: list[str], names: list[str], report: Report) -> list[str]:
    """As many fields as columns: a job's name may hold the separator. [] when the line is dropped."""
    more = len(fields) - len(names)
    if more == 0:
        return fields
    if more < 0 or "JobName" not in names:
        report.drop("not as many fields as columns", len(fields))
        return []
    report.mend("more fields than columns: taken as a | in JobName", len(fields))
    at = names.index("JobName")
    return [*fields[:at], "|".join(fields[at : at + more + 1]), *fields[at + more + 1 :]]


def _row(job: Job, report: Report) -> Row:
    if "." in job["JobID"]:
        raise Dropped("a step of a job")
    state = job["State"].split(" ")[0].rstrip("+")
    if state not in OUTCOMES:
        raise Dropped("not ended", job["State"])
    started_ms, finished_ms = _moment_ms(job["Start"], report), _moment_ms(job["End"], report)
    if started_ms == UNKNOWN or job.get("NodeList", "?").lower() in NOWHERE:
        raise Dropped("never ran")
    if job.get("AllocCPUS") == "0" and started_ms == finished_ms:
        raise Dropped("never ran")
    submitted_ms = _moment_ms(job["Submit"], report)
    cores = count(job.get("AllocCPUS") or job.get("NCPUS") or job.get("ReqCPUS"), "cores", report)
    return Row(
        job_id=job["JobID"],
        name=job.get("JobName", ""),
        project=job.get("Account", ""),
        klass=job.get("QOS", ""),
        branch="",
        platform=platform(job.get("Partition", "").partition(",")[0]),
        submitted_ms=max(submitted_ms, _eligible_ms(job, started_ms, report)),
        started_ms=started_ms,
        finished_ms=finished_ms,
        outcome=OUTCOMES[state],
        machine=job.get("NodeList", ""),
        cores=cores,
        memory_mb=_memory_mb(job, cores, report),
    )


def _eligible_ms(job: Job, started_ms: int, report: Report) -> int:
    """When nothing but a machine was missing any more: a job may have waited for others, or for a time of day."""
    eligible_ms = _moment_ms(job.get("Eligible", ""), report)
    return eligible_ms if eligible_ms <= started_ms else UNKNOWN


def _moment_ms(value: str, report: Report) -> int:
    if value.strip().lower() in NOTHING:
        return UNKNOWN
    return moment_ms(value, report) if value.isdigit() else iso_ms(value)


def _memory_mb(job: Job, cores: int, report: Report) -> int:
    """`ReqMem` as MiB of the whole job: of all (22.05 and later), per core ("c") or per machine ("n")."""
    asked = job.get("ReqMem", "")
    if asked in ("", "0", "?"):
        return 0
    found = _MEMORY.fullmatch(asked)
    if not found:
        report.mend("ReqMem is not a size: taken as not known", asked)
        return 0
    amount, unit, per = found.groups()
    times = {"c": cores, "n": count(job.get("NNodes"), "NNodes", report)}.get(per, 1)
    return round(float(amount) * _MIB[unit]) * max(1, times)
