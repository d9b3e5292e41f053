"""What a hostile job prints becomes pieces of plain characters."""

import time

import pytest

from penstock.web.ansi import MOST_CHARACTERS, Piece, Screen, plain


def pieces(text: str) -> list[tuple[str, str]]:
    return [tuple(piece) for piece in Screen().line(text)]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", [("plain", "")]),
        ("\x1b[31mred\x1b[0m not", [("red", "f1"), (" not", "")]),
        ("\x1b[1;4;32mgood\x1b[22m\x1b[24mthin\x1b[39mown", [("good", "b u f2"), ("thin", "f2"), ("own", "")]),
        ("\x1b[91;103mloud", [("loud", "f9 k11")]),
        ("\x1b[38;5;196mred of 256", [("red of 256", "f1")]),
        ("\x1b[38;2;10;190;120mtrue\x1b[48;5;250mgrey", [("true", "f2"), ("grey", "f2 k7")]),
        ("\x1b[38;5;999mno such\x1b[38mcut\x1b[38;5mcut", [("no such", ""), ("cut", ""), ("cut", "")]),
        ("\x1b[mreset\x1b[99999999999999999999mhuge", [("reset", ""), ("huge", "")]),
        ("10%\r50%\r100%\r", [("100%", "")]),
        ("\x1b[2J\x1b[1;1H\x1b[?25lcleared", [("cleared", "")]),
        ("\x1b]0;title\x07after\x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\", [("after", ""), ("link", "")]),
        ("\x1bPdevice control\x1b\\text\x1b_never ended", [("text", "")]),
        ("a\x00b\x07c\x7f", [("a", ""), ("␀", "mark"), ("b", ""), ("␇", "mark"), ("c", ""), ("␡", "mark")]),
        ("access\u202elevel", [("access", ""), ("‹U+202E›", "mark"), ("level", "")]),
        ("a\u200bb\ufeff\u2066", [("a", ""), ("‹U+200B›", "mark"), ("b", ""), ("‹U+FEFF›", "mark"), ("‹U+2066›", "mark")]),
        ("\x9b31mC1", [("‹U+009B›", "mark"), ("31mC1", "")]),
        ("<b>&amp;</b>\t.", [("<b>&amp;</b>\t.", "")]),
        ("cut \x1b", [("cut ", "")]),
        ("cut \x1b[3", [("cut ", ""), ("3", "")]),
    ],
)  # fmt: skip
def test_escapes_become_classes_or_nothing(text: str, shown: list[tuple[str, str]]) -> None:
    merged = [piece for piece in pieces(text) if piece[0] != "["]
    assert merged == shown


def test_colours_go_on_into_the_next_line() -> None:
    screen = Screen()
    screen.line("\x1b[31mbegins")
    assert screen.line("goes on") == [Piece("goes on", "f1")]


def test_a_long_line_is_cut_and_says_so() -> None:
    shown = Screen().line("x" * (MOST_CHARACTERS + 7))
    assert len(shown[0].text) == MOST_CHARACTERS
    assert shown[1].text == " … 7 more characters"


def test_hostile_lines_cost_no_more_than_their_length() -> None:
    begun_s = time.monotonic()
    for text in ("\x1b[" * 100_000, "\x1b]" * 100_000, "\x1b[" + ";" * 300_000, "\u202e" * 100_000):
        Screen().line(text)
    assert time.monotonic() - begun_s < 2


def test_plain_text_has_no_escapes() -> None:
    assert plain("\x1b[1ma.c:1: \x1b[31merror:\x1b[0m no\r") == "a.c:1: error: no"
