"""The command line itself: exit statuses, one line for a wrong call, help without any library."""

import subprocess
import sys

import pytest

from penstock.cli import app, queries
from penstock.cli.output import Leave


def test_an_interrupted_command_ends_with_130_and_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(queries, "show_builds", interrupted)
    assert app.run(["builds"]) == 130
    assert capsys.readouterr().err == "penstock: interrupted; run the same command again to go on\n"


def test_a_command_leaves_with_the_status_that_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    def leaving(*_: object) -> None:
        raise Leave(3)

    monkeypatch.setattr(queries, "show_builds", leaving)
    assert app.run(["builds"]) == 3


def test_a_fault_of_ours_is_shown_whole_and_ends_with_3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(queries, "show_builds", broken)
    assert app.run(["builds"]) == 3
    assert "ZeroDivisionError: ours" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["build"], ["build", "--nonsense", "."], ["plan", ".", "--jobs"]]
)
def test_a_wrong_call_gets_one_line_and_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("penstock: ")
    assert said.err.count("\n") == 1


def test_help_and_version_are_no_errors(capsys: pytest.CaptureFixture[str]) -> None:
    assert [app.run([]), app.run(["--help"]), app.run(["--version"])] == [0, 0, 0]
    assert "penstock 0.1.0" in capsys.readouterr().out


def test_help_needs_no_library_of_an_adapter() -> None:
    heavy = ["litestar", "uvicorn", "sqlalchemy", "alembic", "obstore", "yaml", "jinja2"]
    program = (
        "import sys\nfrom penstock.cli.app import run\n"
        f"assert run(['--help']) == 0\nprint([name for name in {heavy} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
