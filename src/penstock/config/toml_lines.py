"""Where each value of a TOML text stands.

tomllib, the standard library's reader, decides what a text means and refuses what is malformed, but keeps no
positions; neither does tomlkit. So this walks over the signs of a text that tomllib has accepted, and only
finds lines: it need not judge, and where it should ever lose its way a value has the line of its table.
"""

import re
import tomllib
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from penstock.config.items import Item
from penstock.config.mistakes import Mistake, Mistakes

Path = tuple[str | int, ...]

SIGNS = re.compile(
    r'''(?P<text>"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\\n])*"|'[^'\n]*')'''
    r"""|(?P<newline>\n)|(?P<skip>[ \t\r]+|\#[^\n]*)|(?P<mark>[\[\]{}=,.])|(?P<bare>[^\s\[\]{}=,.#"']+)""",
    re.S,
)


def read_toml(text: str, file: str) -> Item:
    """A TOML text as a tree of items, numbers with a point as Decimal. Raises Mistakes."""
    try:
        values = tomllib.loads(text, parse_float=Decimal)
        lines = Lines(text).find()
    except tomllib.TOMLDecodeError as wrong:
        what, line = _told(str(wrong), text)
        raise Mistakes([Mistake(file, line, what, "see https://toml.io for how to write it")]) from None
    except (ValueError, RecursionError):
        raise Mistakes([Mistake(file, None, "a number too long or tables too deep to read")]) from None
    return _item(values, (), 1, lines)


def _told(message: str, text: str) -> tuple[str, int]:
    """tomllib's message without its place, and the line of it."""
    found = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", message)
    what = message[: found.start()] if found else message
    last = text.rstrip("\n").count("\n") + 1
    return f"not TOML: {what}", int(found[1]) if found and found[1] else last


def _item(value: Any, path: Path, line: int, lines: dict[Path, int]) -> Item:
    own = lines.get(path, line)
    if isinstance(value, dict):
        return Item({key: _item(inner, (*path, key), own, lines) for key, inner in value.items()}, own)
    if isinstance(value, list):
        return Item([_item(inner, (*path, n), own, lines) for n, inner in enumerate(value)], own)
    return Item(value, own)


class Lines:
    """Walks over one text and notes for each path of keys and list positions the line where it begins."""

    def __init__(self, text: str) -> None:
        self.signs = self._signs(text)
        self.kind, self.sign, self.line = "newline", "", 0
        self.lines: dict[Path, int] = {(): 1}
        self.lists: dict[Path, int] = {}

    @staticmethod
    def _signs(text: str) -> Iterator[tuple[str, str, int]]:
        line = 1
        for found in SIGNS.finditer(text):
            kind = found.lastgroup or ""
            if kind != "skip":
                yield kind, found[0], line
            line += found[0].count("\n")
        yield "end", "", line

    def find(self) -> dict[Path, int]:
        """The lines of all paths."""
        table: Path = ()
        self._next()
        while self.kind != "end":
            if self.sign == "[":
                table = self._header()
            elif self.kind in ("text", "bare"):
                self._pair(table)
            else:
                self._next()
        return self.lines

    def _next(self) -> None:
        self.kind, self.sign, self.line = next(self.signs, ("end", "", self.line))

    def _skip(self) -> None:
        while self.kind == "newline":
            self._next()

    def _header(self) -> Path:
        line = self.line
        self._next()
        is_list = self.sign == "["
        if is_list:
            self._next()
        *outer, last = self._keys()
        path: Path = ()
        for key in outer:
            path = self._last_of((*path, key))
            self._note(path, line)
        path = (*path, last)
        if not is_list:
            return self._note(self._last_of(path), line)
        self._note(path, line)
        number = self.lists[path] = self.lists.get(path, -1) + 1
        return self._note((*path, number), line)

    def _last_of(self, path: Path) -> Path:
        """A table of a list of tables stands for the last one so far."""
        return (*path, self.lists[path]) if path in self.lists else path

    def _note(self, path: Path, line: int) -> Path:
        self.lines.setdefault(path, line)
        return path

    def _keys(self) -> list[str]:
        """The dotted key that begins here; what comes after its closing brackets or its equals sign is next."""
        keys: list[str] = []
        while self.kind in ("text", "bare") or self.sign == ".":
            if self.kind == "text":
                keys += tomllib.loads(f"{self.sign} = 0")
            elif self.kind == "bare":
                keys.append(self.sign)
            self._next()
        while self.sign in ("]", "="):
            is_equals = self.sign == "="
            self._next()
            if is_equals:
                break
        return keys or [""]

    def _pair(self, table: Path) -> None:
        line, path = self.line, table
        for key in self._keys():
            path = self._note((*path, key), line)
        self._value(path)

    def _value(self, path: Path) -> None:
        """Pass over one value, noting what is inside it."""
        if self.sign == "{" and self.kind == "mark":
            self._inside("}", path)
        elif self.sign == "[" and self.kind == "mark":
            self._inside("]", path)
        else:
            while self.kind not in ("newline", "end") and self.sign not in (",", "]", "}"):
                self._next()

    def _inside(self, close: str, path: Path) -> None:
        number = 0
        self._next()
        self._skip()
        while self.kind != "end" and self.sign != close:
            if close == "}":
                self._pair(path)
            else:
                self._note((*path, number), self.line)
                self._value((*path, number))
                number += 1
            while self.sign == "," or self.kind == "newline":
                self._next()
        self._next()
