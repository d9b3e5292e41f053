"""Parts of the package that only some commands need: without them one line says what to install."""

import sys
from pathlib import Path

import pytest

from penstock.cli.app import run

ROWS = "job_id,platform,submitted_s,started_s,finished_s,outcome\na,linux,0,1,2,passed\n"


def test_a_missing_part_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rows.csv").write_text(ROWS)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    out = tmp_path / "rows.parquet"
    assert run(["history", "import", "normal", str(tmp_path / "rows.csv"), "-o", str(out)]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said == ["penstock: this needs pyarrow, which is not installed: install penstock[sim]"]
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


def test_our_own_missing_module_is_no_input_of_a_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rows.csv").write_text(ROWS)
    monkeypatch.setitem(sys.modules, "penstock.history.normal", None)
    out = tmp_path / "rows.jsonl"
    assert run(["history", "import", "normal", str(tmp_path / "rows.csv"), "-o", str(out)]) == 3
    assert "Traceback" in capsys.readouterr().err
