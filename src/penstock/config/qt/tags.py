"""Qt's YAML: values that know their lines, `!include` kept as a value, and limits for hostile files.

The events of PyYAML's C parser are put together here without recursion: composing deeply nested text with
the library itself overflows the C stack, and expanding aliases costs memory without bound.
"""

import re
from collections.abc import Iterator

import msgspec
import yaml

from penstock.config.mistakes import Mistake

MAX_BYTES = 512 * 1024
MAX_DEPTH = 40
MAX_VALUES = 20_000
"""Limits of one file: its size, how deep values nest, how many there are once every alias is written out."""

INTEGER = re.compile(r"[-+]?[0-9]{1,15}")
TRUE = ("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON")
FALSE = ("false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF")
BOOLEANS = dict.fromkeys(TRUE, True) | dict.fromkeys(FALSE, False)
NULLS = ("", "~", "null", "Null", "NULL")


class Include(msgspec.Struct, frozen=True):
    """`!include "path"`: not followed here."""

    path: str
    line: int


class Table(dict[str, "Value"]):
    """A mapping; `line` is where it begins, `lines` where each key is written (from 1)."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[str, int] = {}


class Row(list["Value"]):
    """A sequence; `line` is where it begins, `lines` where each entry does (from 1)."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: list[int] = []


Value = Table | Row | Include | str | int | bool | None


class Document(msgspec.Struct, frozen=True):
    """What a file says, and the tags in it that nobody here knows (line, tag)."""

    value: Value
    odd: tuple[tuple[int, str], ...] = ()


def parse(text: str, file: str) -> Document:
    """The one document of `text`. Raises Mistake (with `file` and the line) for anything malformed or too big."""
    if len(text) > MAX_BYTES:
        raise Mistake(file, None, f"larger than {MAX_BYTES} bytes", "no file of Qt's comes near that")
    builder = _Builder(file)
    try:
        for event in _events(text):
            builder.take(event)
    except yaml.YAMLError as wrong:
        mark = getattr(wrong, "problem_mark", None)
        line = mark.line + 1 if mark else None
        what = getattr(wrong, "problem", None) or str(wrong).splitlines()[0]
        raise Mistake(file, line, f"not YAML: {what}", "") from wrong
    return Document(builder.root, tuple(builder.odd))


def _events(text: str) -> Iterator[yaml.Event]:
    """The events of libyaml, one by one; they come without recursion."""
    loader = yaml.CSafeLoader(text)
    try:
        while event := loader.get_event():
            yield event
    finally:
        loader.dispose()


class _Open(msgspec.Struct):
    """A collection that is being read: the key that waits for its value, and where counting began."""

    value: Table | Row
    anchor: str | None
    before: int
    key: str | None = None
    key_line: int = 0
    merged: set[str] = msgspec.field(default_factory=set)


class _Builder:
    """Puts events together. Every value counts, and an alias counts as all that it stands for."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.root: Value = None
        self.odd: list[tuple[int, str]] = []
        self.stack: list[_Open] = []
        self.count = 0
        self.documents = 0
        self.anchors: dict[str, tuple[Value, int]] = {}

    def take(self, event: yaml.Event) -> None:
        """One event of the stream."""
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event, line)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event.anchor or "", line)
        elif isinstance(event, yaml.MappingStartEvent):
            self._open(Table(line), event, line)
        elif isinstance(event, yaml.SequenceStartEvent):
            self._open(Row(line), event, line)
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            self._close()
        elif isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                raise self._wrong(line, "a second document in one file", "keep one, without '---' between")

    def _wrong(self, line: int, what: str, instead: str = "") -> Mistake:
        return Mistake(self.file, line, what, instead)

    def _add(self, size: int, line: int) -> None:
        self.count += size
        if self.count > MAX_VALUES:
            raise self._wrong(line, f"more than {MAX_VALUES} values once aliases are written out", "")

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> None:
        self._add(1, line)
        value: Value = event.value
        if event.tag == "!include":
            value = Include(event.value, line)
        elif event.tag is not None:
            self._odd_tag(event.tag, line)
        elif event.implicit[0] and not self._wants_key():
            value = _resolved(event.value)
        if event.anchor:
            self.anchors[event.anchor] = (value, 1)
        self._place(value, line)

    def _alias(self, anchor: str, line: int) -> None:
        if anchor not in self.anchors:
            inside = any(opened.anchor == anchor for opened in self.stack)
            raise self._wrong(
                line, f"*{anchor} " + ("refers to itself" if inside else "has no anchor before it")
            )
        value, size = self.anchors[anchor]
        self._add(size, line)
        self._place(value, line)

    def _open(self, value: Table | Row, event: yaml.CollectionStartEvent, line: int) -> None:
        if event.tag is not None and event.tag != "!":
            self._odd_tag(event.tag, line)
        self._add(1, line)
        if len(self.stack) >= MAX_DEPTH:
            raise self._wrong(line, f"nested deeper than {MAX_DEPTH} levels", "")
        if self._wants_key():
            raise self._wrong(line, "a collection as a key", "write a word")
        self.stack.append(_Open(value, event.anchor, self.count - 1))

    def _close(self) -> None:
        done = self.stack.pop()
        if done.anchor:
            self.anchors[done.anchor] = (done.value, self.count - done.before)
        self._place(done.value, done.value.line)

    def _wants_key(self) -> bool:
        return bool(self.stack) and isinstance(self.stack[-1].value, Table) and self.stack[-1].key is None

    def _place(self, value: Value, line: int) -> None:
        """Put a finished value where it belongs: the root, a row, a key or the value of a key."""
        if not self.stack:
            self.root = value
            return
        top = self.stack[-1]
        if isinstance(top.value, Row):
            top.value.append(value)
            top.value.lines.append(line)
        elif top.key is None:
            if not isinstance(value, str):
                raise self._wrong(line, "a key that is not a word", "put it in quotes")
            top.key, top.key_line = value, line
        else:
            self._set(top, top.value, top.key, value)
            top.key = None

    def _set(self, top: _Open, table: Table, key: str, value: Value) -> None:
        """One key of a mapping; `<<` merges what is not there yet, and gives way to what is written."""
        if key == "<<":
            for merged in value if isinstance(value, Row) else [value]:
                if not isinstance(merged, Table):
                    raise self._wrong(top.key_line, "<< merges mappings only", "name an anchor of a mapping")
                self._add(len(merged), top.key_line)
                for name in [name for name in merged if name not in table]:
                    top.merged.add(name)
                    table[name], table.lines[name] = merged[name], merged.lines[name]
            return
        if key in table and key not in top.merged:
            raise self._wrong(top.key_line, f"{key!r} is written twice in one mapping", "keep one of them")
        top.merged.discard(key)
        table[key], table.lines[key] = value, top.key_line

    def _odd_tag(self, tag: str, line: int) -> None:
        if tag.startswith("tag:yaml.org,2002:") and tag.rpartition(":")[2] in ("str", "seq", "map"):
            return
        self.odd.append((line, tag.replace("tag:yaml.org,2002:", "!!")))


def _resolved(text: str) -> Value:
    """A plain scalar: truth, whole number, nothing, or the text as it stands."""
    if text in BOOLEANS:
        return BOOLEANS[text]
    if text in NULLS:
        return None
    return int(text) if INTEGER.fullmatch(text) else text
