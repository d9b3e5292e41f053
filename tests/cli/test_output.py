"""What a terminal is shown: signs beside colours, and nothing that a job could make it do."""

import sys

import pytest

from penstock.cli import output


@pytest.fixture
def terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> pytest.CaptureFixture[str]:
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda _: True, raising=False)
    for name, value in (("TERM", "dumb"), ("NO_COLOR", "1"), ("COLUMNS", "80")):
        monkeypatch.setenv(name, value)
    return capsys


def test_states_have_their_signs_and_other_cells_none(terminal: pytest.CaptureFixture[str]) -> None:
    output.print_table(
        ("job", "state", "why"), [("running", "FAILED", "failed"), ("b", "unheard-of", "[red]\x1b[2J")]
    )
    out = terminal.readouterr().out
    assert "✗ FAILED" in out
    assert "✗ failed" not in out
    assert "▸ running" not in out
    assert "[red]\\x1b[2J" in out
    assert "\x1b[2J" not in out


def test_sentences_are_wrapped_between_words_and_indented(terminal: pytest.CaptureFixture[str]) -> None:
    output.print_sentences(["First.", "word " * 20, "\x1b]0;title\x07[b]"])
    lines = [line.rstrip() for line in terminal.readouterr().out.splitlines()]
    assert lines[0] == "First."
    assert all(len(line) <= 80 for line in lines)
    assert lines[1].startswith("  word")
    assert lines[2].startswith("  word")
    assert lines[3] == "  \\x1b]0;title\\x07[b]"


def test_a_pipe_gets_the_lines_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_sentences(["one", "two " * 40])
    assert capsys.readouterr().out == "one\n" + "two " * 40 + "\n"


def test_a_style_is_found_whatever_the_case() -> None:
    assert [output.style_of(state) for state in ("PASSED", "failed", "mine")] == ["green", "bold red", ""]
