"""The normal form: what is read, what is mended, what is dropped and why; the columns that come of it."""

import csv
import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from penstock.history import normal, sources, tables, writing
from penstock.history.cleaning import Cleaning
from penstock.history.importing import import_history
from penstock.history.records import recorded
from penstock.history.report import Report, Unreadable
from penstock.history.rows import COLUMNS, Row
from penstock.model.workload import Workload

GOOD: dict[str, Any] = {
    "job_id": "a",
    "name": "compile",
    "platform": "linux",
    "submitted_s": 1_700_000_000,
    "started_s": 1_700_000_060.5,
    "finished_s": 1_700_000_100,
    "outcome": "passed",
}


def written(folder: Path, *rows: dict[str, Any], name: str = "history.csv") -> Path:
    """A CSV file of these rows; what a row does not say is as in GOOD."""
    path = folder / name
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows({**GOOD, **row} for row in rows)
    return path


def loaded(folder: Path, *rows: dict[str, Any]) -> tuple[Workload, dict[str, int]]:
    """The workload of these rows."""
    return normal.load([written(folder, *rows)])


def needs_of(workload: Workload, row: int) -> Sequence[str]:
    """The ids of the jobs that a row needs."""
    return [
        workload.ids[need] for need in workload.needs[workload.needs_from[row] : workload.needs_from[row + 1]]
    ]


def test_a_row_as_columns(tmp_path: Path) -> None:
    workload, dropped = loaded(
        tmp_path, {"project": "p", "class": "c", "branch": "b", "cores": 4, "memory_mb": 512}
    )
    assert (workload.jobs, dropped) == (1, {})
    assert workload.ids == ["a"]
    assert workload.submitted_ms[0] == 1_700_000_000_000
    assert workload.started_ms[0] == 1_700_000_060_500
    assert workload.duration_ms[0] == 39_500
    assert (workload.cores[0], workload.memory_mb[0]) == (4, 512)
    assert (workload.names, workload.projects, workload.classes) == (["compile"], ["p"], ["c"])
    assert (workload.branches, workload.platforms) == (["b"], ["linux"])
    assert (list(workload.needs_from), list(workload.needs)) == ([], [])


def test_rows_come_in_order_of_submission(tmp_path: Path) -> None:
    workload, _ = loaded(
        tmp_path,
        {"job_id": "late", "submitted_s": 1_700_000_020, "name": "x"},
        {"job_id": "early", "submitted_s": 1_700_000_010, "name": "y", "needs": "late"},
        {"job_id": "late too", "submitted_s": 1_700_000_020, "name": "z"},
    )
    assert workload.ids == ["early", "late", "late too"]
    assert [workload.names[index] for index in workload.name] == ["y", "x", "z"]
    assert needs_of(workload, 0) == ["late"]


def test_needs_that_cannot_be_met_are_counted(tmp_path: Path) -> None:
    workload, dropped = loaded(
        tmp_path,
        {"job_id": "a", "needs": "b gone b"},
        {"job_id": "b", "needs": "c"},
        {"job_id": "c", "needs": "b c d"},
        {"job_id": "d", "outcome": "skipped"},
    )
    assert dropped == {
        "skipped": 1,
        "needs: a job that is not there": 2,
        "needs: a job that needs it in turn": 3,
    }
    assert needs_of(workload, 0) == ["b"]
    assert not needs_of(workload, 1)
    assert not needs_of(workload, 2)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"started_s": "", "finished_s": ""}, "never ran"),
        ({"outcome": "skipped"}, "skipped"),
        ({"finished_s": ""}, "began, but has no end"),
        ({"started_s": ""}, "ended, but has no start"),
        ({"finished_s": 1_700_000_001}, "ended before it began"),
        ({"submitted_s": ""}, "no moment of submission"),
        ({"submitted_s": "-1"}, "a moment before 1970"),
        ({"submitted_s": "nan"}, "not a number where a number belongs"),
        ({"submitted_s": "inf"}, "not a number where a number belongs"),
        ({"submitted_s": "1e300"}, "a number that is too large"),
        ({"submitted_s": "1_700_000_000"}, "not a number where a number belongs"),
        ({"submitted_s": "yesterday"}, "not a number where a number belongs"),
        ({"finished_s": "9999999999"}, "a moment after 2100"),
        ({"outcome": "great"}, "an outcome that is none of passed, failed, error, cancelled, skipped"),
        ({"job_id": ""}, "no job_id"),
        ({"job_id": "first"}, "a job_id that came before"),
    ],
)
def test_why_a_row_is_left_out(tmp_path: Path, row: dict[str, Any], reason: str) -> None:
    path = written(tmp_path, {"job_id": "first"}, row)
    report = Report()
    workload, dropped = normal.load([path], report)
    assert (workload.ids, dropped) == (["first"], {reason: 1})
    assert (report.read, report.kept) == (2, 1)
    assert report.examples[reason].startswith(f"{path}:3")


@pytest.mark.parametrize(
    ("row", "what", "as_if"),
    [
        (
            {"submitted_s": 1_700_000_099},
            "began before it was submitted: taken as submitted when it began",
            {"submitted_s": 1_700_000_060.5},
        ),
        (
            {"submitted_s": 1_700_000_000_000},
            "a moment in milliseconds instead of seconds: read as milliseconds",
            {},
        ),
        ({"cores": "-2"}, "cores is no whole number from 0: taken as not known", {}),
        ({"cores": "NaN"}, "cores is no whole number from 0: taken as not known", {}),
        ({"memory_mb": "1.5"}, "memory_mb is no whole number from 0: taken as not known", {}),
    ],
)
def test_what_is_mended_is_counted(
    tmp_path: Path, row: dict[str, Any], what: str, as_if: dict[str, Any]
) -> None:
    report = Report()
    mended, dropped = normal.load([written(tmp_path, row)], report)
    assert (report.mended, dropped) == ({what: 1}, {})
    assert mended == normal.load([written(tmp_path, as_if)])[0]


@pytest.mark.parametrize("name", ["o.csv", "o.csv.gz", "o.jsonl", "o.ndjson.gz", "o.parquet"])
def test_every_form_says_the_same(tmp_path: Path, name: str) -> None:
    source = written(
        tmp_path,
        {},
        {"job_id": 'ü, "x"\n', "name": "c\rr", "needs": "a"},
        {"job_id": "b", "started_s": "", "finished_s": ""},
    )
    out = tmp_path / name
    report = import_history(normal.rows, [source], out)
    assert (report.read, report.kept) == (3, 3), "what never ran has its place in the normal form"
    assert normal.load([out]) == normal.load([source])
    first = out.read_bytes()
    import_history(normal.rows, [source], out)
    assert out.read_bytes() == first, "equal rows, equal files"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["history.csv", name])


def test_columns_in_any_order_and_too_many(tmp_path: Path) -> None:
    path = tmp_path / "h.csv"
    path.write_text(
        "\ufeffplatform,colour,outcome,finished_s,started_s,submitted_s,job_id\n"
        "linux,red,passed,30,20,10,a\nlinux,red,passed,30,20,10,b,and,more\nlinux,red,passed\n\n"
    )
    report = Report()
    workload, dropped = normal.load([path], report)
    assert (workload.ids, list(workload.duration_ms)) == (["a", "b"], [10_000, 10_000])
    assert dropped == {"fewer fields than columns": 1}
    assert report.mended == {
        "a column that the normal form does not have: left out": 1,
        "more fields than columns: the last ones left out": 1,
    }


def test_json_lines_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    good = {**GOOD, "machine": None}
    odd = [{**GOOD, "job_id": "b", "submitted_s": True}, {**GOOD, "job_id": ["c"]}]
    lines = [json.dumps(good), "{'job_id': None}", "", "[1]", '{"job_id": NaN}', *map(json.dumps, odd)]
    path.write_text("\n".join(lines))
    workload, dropped = normal.load([path])
    assert workload.ids == ["a"]
    assert dropped == {
        "a line that is not JSON": 2,
        "a line that is no JSON object": 1,
        "not a number where a number belongs": 1,
        "not text where text belongs": 1,
    }


def test_bytes_that_are_not_utf8_are_shown_as_such(tmp_path: Path) -> None:
    path = tmp_path / "h.csv"
    path.write_bytes(",".join(COLUMNS).encode() + b"\na,caf\xe9,,,,linux,10,20,30,passed,,,,,\n")
    report = Report()
    workload, _ = normal.load([path], report)
    assert workload.names == ["caf\ufffd"]
    assert report.mended == {"a line that is not UTF-8: what could not be read is U+FFFD": 1}


def cut(folder: Path) -> Path:
    """A history whose compressed data ends early."""
    path = folder / "cut.csv.gz"
    path.write_bytes(
        gzip.compress(written(folder, *({"job_id": str(n)} for n in range(999))).read_bytes())[:-40]
    )
    return path


def other(name: str, data: bytes) -> Any:
    """Makes a file of these bytes."""

    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(data)
        return path

    return make


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (cut, "the compressed data ends early; fetch the file again"),
        (
            other("h.csv.gz", gzip.compress(b"job_id")[:10] + b"\xff" * 20),
            "the compressed data is damaged; fetch the file again",
        ),
        (other("h.csv", b""), "h.csv:1: the file is empty; it begins with the names of its columns"),
        (
            other("h.csv", b"job_id,platform\n"),
            "h.csv:1: no column 'submitted_s'; the columns are job_id, name, ",
        ),
        (
            other("h.csv", b"job_id,job_id,platform,submitted_s,started_s,finished_s,outcome\n"),
            "'job_id' is there twice",
        ),
        (other("h.csv", "job_id".encode("utf-16")), "h.csv:1: the text is UTF-16; save it as UTF-8"),
        (other("h.parquet", b"PAR1 or not"), "h.parquet: not Parquet that can be read ("),
        (other("h.xlsx", b""), "h.xlsx: the file name does not say its form; use .csv, "),
        (lambda folder: folder / "nothing.csv", "nothing.csv: no such file or directory"),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path: Path, make: Any, line: str) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text("before")
    with pytest.raises(Unreadable) as told:
        import_history(normal.rows, [make(tmp_path)], out)
    assert line in str(told.value)
    assert "\n" not in str(told.value)
    assert out.read_text() == "before", "no half-written history"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_parquet_with_other_types(tmp_path: Path) -> None:
    path = tmp_path / "h.parquet"
    moments = [10, 20, 30]
    table = pyarrow.table(
        {
            "job_id": pyarrow.array([1, 2, 3], "int64"),
            "platform": pyarrow.array(["linux"] * 3).dictionary_encode(),
            "submitted_s": pyarrow.array(moments, "uint8"),
            "started_s": pyarrow.array(moments, "float32"),
            "finished_s": ["20", None, "x"],
            "outcome": ["passed"] * 3,
            "when": pyarrow.array(moments, pyarrow.timestamp("s")),
        }
    )
    pyarrow.parquet.write_table(table, path)
    report = Report()
    workload, dropped = normal.load([path], report)
    assert (workload.ids, list(workload.duration_ms)) == (["1"], [10_000])
    assert dropped == {"began, but has no end": 1, "not a number where a number belongs": 1}
    assert report.examples["began, but has no end"] == f"{path}:2"
    assert report.mended == {normal.STRANGE: 1}


def test_what_does_not_say_where_it_ran_or_wants_too_much(tmp_path: Path) -> None:
    report = Report()
    out = tmp_path / "out.csv"
    import_history(normal.rows, [written(tmp_path, {"platform": ""})], out)
    workload, _ = normal.load([out], report)
    assert (workload.platforms, report.mended) == (["unknown"], {})
    report = Report()
    row = Row("a", "", "", "", "", "linux", 1, 2, 3, "passed", cores=10**12, memory_mb=10**30)
    cleaned = Cleaning(report).cleaned(row)
    assert (cleaned.cores, cleaned.memory_mb) == (0, 0)
    assert report.mended == {"more cores or memory than there can be: taken as not known": 1}


def test_lines_and_documents_have_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "LINE_BYTES_MAX", 200)
    monkeypatch.setattr(sources, "DOCUMENT_BYTES_MAX", 400)
    with pytest.raises(Unreadable, match=r"history.csv:2: a line of more than 64 MiB"):
        normal.load([written(tmp_path, {"name": "x" * 300})])
    page = tmp_path / "page.json"
    page.write_text("[" + " " * 500)
    with pytest.raises(Unreadable, match=r"page.json: more than 1 GiB in one JSON document; split the file"):
        list(recorded(page, Report()))


def test_a_field_that_never_ends_is_one_row_that_is_no_csv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "FIELD_BYTES_MAX", 300)
    path = written(tmp_path, {}, {"job_id": "b", "name": "x" * 301}, {"job_id": "c"})
    workload, dropped = normal.load([path])
    assert (workload.ids, dropped) == (["a", "c"], {"not CSV": 1})
    path.write_text('"' + "x" * 301)
    with pytest.raises(Unreadable, match=r"history.csv:1: not CSV \(field larger than field limit"):
        normal.load([path])


def test_parquet_is_written_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "BATCH_ROWS", 2)
    source, out = written(tmp_path, *({"job_id": str(n)} for n in range(5))), tmp_path / "out.parquet"
    import_history(normal.rows, [source], out)
    assert normal.load([out]) == normal.load([source])
    assert pyarrow.parquet.ParquetFile(out).num_row_groups == 3
