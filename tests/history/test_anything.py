"""Whatever lies in a file: rows and a report that adds up, or one line. Nothing else, and nothing half-written."""

import gzip
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from history.samples import BITCOIN, BUILDJSON, GITHUB, GITLAB, RAN, SACCT, TREEHERDER
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.history import normal
from penstock.history.importing import import_history
from penstock.history.report import Report, Unreadable
from penstock.history.rows import COLUMNS
from penstock.wiring import HISTORIES, history_format

LINES = [form for form in HISTORIES if form not in ("firefox-ci", "buildbot")]
NUMBERS = st.one_of(
    st.sampled_from([0, -1, 1.5, 10**9, 1_384_287_332, 1_384_287_332_000, 10**30, 1e308, -0.0]),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
)
WORDS = st.sampled_from(
    ["", "passed", "success", "completed", "COMPLETED", "nan", "1e999", "2020-01-20T17:42:40Z", "0001-01-01", "17|4", "a b", "\ud7ff\x00", "\u0661\u0662", "1700000000", "-1", "\t\n\r"]
)  # fmt: skip
NAMES = st.sampled_from(
    [
        *COLUMNS,
        "id",
        "status",
        "conclusion",
        "created_at",
        "started_at",
        "completed_at",
        "finished_at",
        "run_id",
    ]
    + [
        "labels",
        "tag_list",
        "queued_duration",
        "pipeline",
        "job",
        "jobs",
        "builds",
        "properties",
        "result",
        "state",
    ]
    + ["submit_timestamp", "start_timestamp", "end_timestamp", "job_guid", "machine", "starttime", "endtime"]
    + [
        "requesttime",
        "branch",
        "buildername",
        "executingTimestamp",
        "finalStatusTimestamp",
        "creationTimestamp",
    ]
    + [
        "repo",
        "id_build",
        "job_details",
        "gh_job_id",
        "JobID",
        "Submit",
        "Start",
        "End",
        "State",
        "ReqMem",
        "JobName",
    ]
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, WORDS, st.text(max_size=9)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=8)),
    max_leaves=12,
)
RECORDS = st.lists(st.dictionaries(NAMES, VALUES, max_size=14), max_size=5)
GOOD = {
    "bitcoin-ci": BITCOIN,
    "github-jobs": GITHUB,
    "gitlab": GITLAB,
    "mozilla-buildjson": BUILDJSON,
    "treeherder": TREEHERDER,
}
CHANGES = st.lists(st.tuples(st.integers(0, 30), VALUES), max_size=2)
EVERY = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def took(form: str, data: bytes, folder: Path) -> None:
    """What `penstock history import` does with these bytes, in each form that it writes."""
    source = folder / ("source.csv" if form == "normal" else "source")
    source.write_bytes(data)
    out = folder / "out.jsonl"
    out.unlink(missing_ok=True)
    try:
        report = import_history(history_format(form), [source], out)
    except Unreadable as told:
        line = str(told)
    else:
        return fits(report, out)
    assert line.startswith(str(source))
    assert not out.exists()


def fits(report: Report, out: Path) -> None:
    """What was counted adds up, and what was written can be read and loaded without a loss."""
    assert report.read == report.kept + report.dropped.total()
    msgspec.json.encode(report.document())
    kept = [json.loads(line) for line in out.read_text().split("\n")[:-1]]
    assert len(kept) == report.kept == len({row["job_id"] for row in kept})
    workload, dropped = normal.load([out])
    for name in ("again.parquet", "again.csv"):
        again = out.with_name(name)
        assert import_history(history_format("normal"), [out], again).document()["mended"] == {}
        assert normal.load([again])[0] == workload
    assert workload.jobs + sum(n for why, n in dropped.items() if not why.startswith("needs")) == report.kept
    assert all(a <= b for a, b in zip(workload.submitted_ms, workload.submitted_ms[1:], strict=False))
    assert min(workload.duration_ms, default=0) >= 0


@pytest.mark.parametrize("form", HISTORIES)
@given(data=st.binary(max_size=200))
@EVERY
def test_any_bytes(tmp_path: Path, form: str, data: bytes) -> None:
    took(form, data, tmp_path)
    took(form, gzip.compress(data), tmp_path)


def changed(record: dict[str, Any], place: int, value: Any) -> dict[str, Any]:
    """The record with another value at one of its places, one level down where there is one."""
    inner = [name for name in ("job", "properties", "pipeline", "build") if record.get(name)]
    inner = [name for name in inner if isinstance(record[name], dict)]
    if inner and place % 2:
        return {**record, inner[0]: changed(record[inner[0]], place // 2, value)}
    name = list(record)[place % len(record)]
    return {**record, name: value}


@pytest.mark.parametrize("form", GOOD)
@given(changes=st.lists(CHANGES, min_size=1, max_size=4))
@EVERY
def test_good_records_with_something_wrong(tmp_path: Path, form: str, changes: list[list[Any]]) -> None:
    records = []
    for several in changes:
        record = GOOD[form]
        for place, value in several:
            record = changed(record, place, value)
        records.append(record)
    took(form, json.dumps([GOOD[form], *records]).encode(), tmp_path)
    took(form, "\n".join(map(json.dumps, records)).encode(), tmp_path)


@pytest.mark.parametrize("form", LINES)
@given(records=RECORDS)
@settings(EVERY, max_examples=6)
def test_any_json(tmp_path: Path, form: str, records: list[dict[str, Any]]) -> None:
    took(form, json.dumps(records).encode(), tmp_path)
    took(form, "\n".join(map(json.dumps, records)).encode(), tmp_path)


CELLS = st.one_of(WORDS, NUMBERS.map(str), st.text(max_size=6), RECORDS.map(json.dumps))
TABLES = {
    "normal": (",".join(COLUMNS), "a,n,p,c,b,linux,1700000000,1700000001,1700000002,passed,m,4,512,1,", ","),
    "github-actions": (
        "repo,id_build,branch,created_at,gh_job_id,job_details",
        "o/r,1,main,2020-01-20T17:42:40Z,7,[]",
        ",",
    ),
    "sacct": (SACCT, f"15|x|debug|lab|2|FAILED|1:0|{RAN}", "|"),
    "swf": ("; UnixStartTime: 1000", "1 10 5 20 4 -1 1024 8 60 -1 1 3 2 7 0 2 -1 -1", " "),
}
ROWS = st.lists(st.dictionaries(st.integers(0, 20), CELLS, max_size=2), max_size=6)


@pytest.mark.parametrize("form", TABLES)
@given(rows=ROWS)
@EVERY
def test_tables_with_something_wrong(tmp_path: Path, form: str, rows: list[dict[int, str]]) -> None:
    head, good, separator = TABLES[form]
    body = [head, good]
    for wrong in rows:
        fields = good.split(separator)
        body.append(separator.join(wrong.get(place, field) for place, field in enumerate([*fields, ""])))
    took(form, "\n".join(body).encode(errors="replace"), tmp_path)
