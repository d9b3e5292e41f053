"""What a job printed, for a browser: colours as classes, every other control removed or shown as a mark.

A log is hostile: it may hold markup, terminal escapes, invisible characters that turn text around, and lines of any
length. So text comes out as pieces of plain characters with class names of ours; templates escape the characters.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

MOST_CHARACTERS = 4000
"""What is shown of one line; the rest is counted."""

_ESCAPE = re.compile(
    r"""\x1b\[ (?P<parameters> [0-?]* ) [ -/]* (?P<final> [@-~] )   # CSI, of which only "m" means something here
      | \x1b [\]PX^_] .*? (?: \x07 | \x1b\\ | $ )                   # OSC, DCS, SOS, PM, APC: to their end, or the line's
      | \x1b [ -/]* [0-~]                                           # two characters, such as a reset
      | \x1b                                                        # one that was cut off
    """,
    re.X | re.S,
)
_MARKED = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""Controls, and what is invisible or turns the direction of text."""
_STYLES = {1: "b", 2: "dim", 3: "i", 4: "u", 7: "rev", 9: "s"}
_ENDS = {22: ("b", "dim"), 23: ("i",), 24: ("u",), 27: ("rev",), 29: ("s",)}
_CUBE = (0, 95, 135, 175, 215, 255)
_BASIC = (
    (0, 0, 0), (205, 49, 49), (13, 188, 121), (229, 229, 16), (36, 114, 200), (188, 63, 188), (17, 168, 205),
    (229, 229, 229), (102, 102, 102), (241, 76, 76), (35, 209, 139), (245, 245, 67), (59, 142, 234),
    (214, 112, 214), (41, 184, 219), (255, 255, 255),
)  # fmt: skip
"""The sixteen colours that a reader's style sheet gives; others are shown as the nearest of them."""


class Piece(NamedTuple):
    """Characters of one look. `classes` are ours, "" for plain text."""

    text: str
    classes: str = ""


class Screen:
    """Colours as they are carried from line to line."""

    def __init__(self) -> None:
        self._styles: set[str] = set()
        self._ink = ""
        self._paper = ""

    def line(self, text: str) -> list[Piece]:
        """One line, without its end, as pieces. What was overwritten after a carriage return is left out."""
        shown = text.rstrip("\r").rpartition("\r")[2]
        cut = len(shown) - MOST_CHARACTERS
        pieces = list(self._pieces(shown[:MOST_CHARACTERS]))
        if cut > 0:
            pieces.append(Piece(f" … {cut} more characters", "mark"))
        return pieces

    def _pieces(self, text: str) -> Iterator[Piece]:
        at = 0
        for escape in _ESCAPE.finditer(text):
            yield from self._plain(text[at : escape.start()])
            if escape["final"] == "m":
                self._set(escape["parameters"])
            at = escape.end()
        yield from self._plain(text[at:])

    def _plain(self, text: str) -> Iterator[Piece]:
        """Text between escapes; what cannot be seen is shown by its number."""
        classes = " ".join(part for part in (*sorted(self._styles), self._ink, self._paper) if part)
        at = 0
        for mark in _MARKED.finditer(text):
            if mark.start() > at:
                yield Piece(text[at : mark.start()], classes)
            yield Piece(_name(mark[0]), "mark")
            at = mark.end()
        if at < len(text):
            yield Piece(text[at:], classes)

    def _set(self, parameters: str) -> None:
        """One SGR sequence: numbers that turn looks on and off; those that are not known change nothing."""
        numbers = [_number(part) for part in re.split("[;:]", parameters)]
        while numbers:
            first = numbers.pop(0)
            if first in (38, 48):
                colour = _extended(numbers)
                self._colour("f" if first == 38 else "k", colour)
            else:
                self._simple(first)

    def _simple(self, number: int) -> None:
        if number == 0:
            self._styles.clear()
            self._ink = self._paper = ""
        elif number in _STYLES:
            self._styles.add(_STYLES[number])
        elif number in _ENDS:
            self._styles.difference_update(_ENDS[number])
        elif 30 <= number <= 39 or 90 <= number <= 97:
            self._colour("f", _sixteen(number, 30))
        elif 40 <= number <= 49 or 100 <= number <= 107:
            self._colour("k", _sixteen(number, 40))

    def _colour(self, which: str, colour: int | None) -> None:
        named = "" if colour is None else f"{which}{colour}"
        if which == "f":
            self._ink = named
        else:
            self._paper = named


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 4 else 0 if not text else -1


def _sixteen(number: int, base: int) -> int | None:
    """30 to 37 and 90 to 97 are colours 0 to 15; 39 is the reader's own."""
    if number == base + 9:
        return None
    return number - base if number < base + 8 else number - base - 60 + 8


def _extended(numbers: list[int]) -> int | None:
    """What follows 38 or 48: `5;N` of 256 colours, or `2;R;G;B`; taken from the front of `numbers`."""
    kind = numbers.pop(0) if numbers else -1
    if kind == 5 and numbers:
        return _of_256(numbers.pop(0))
    if kind == 2 and len(numbers) >= 3:
        return _nearest((numbers.pop(0), numbers.pop(0), numbers.pop(0)))
    return None


def _of_256(number: int) -> int | None:
    if not 0 <= number <= 255:
        return None
    if number < 16:
        return number
    if number >= 232:
        grey = 8 + 10 * (number - 232)
        return _nearest((grey, grey, grey))
    red, rest = divmod(number - 16, 36)
    return _nearest((_CUBE[red], _CUBE[rest // 6], _CUBE[rest % 6]))


def _nearest(colour: tuple[int, int, int]) -> int:
    return min(range(16), key=lambda n: sum((a - b) ** 2 for a, b in zip(colour, _BASIC[n], strict=True)))


def _name(character: str) -> str:
    """How a character that cannot be seen is shown: ␀ for C0 controls, U+202E for others."""
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"‹U+{code:04X}›"


def plain(text: str) -> str:
    """One line without any look, for places that show a few words of a log."""
    return "".join(piece.text for piece in Screen().line(text))
