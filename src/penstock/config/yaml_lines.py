"""YAML as a tree of items with lines, from text that may be hostile.

Built from libyaml's events, so nothing is made that was not asked for: no tags, no objects, no key twice, depth
and expansion bounded. Plain words mean what YAML 1.2's core schema says: `yes` is text, `1:30` too.
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import yaml

from penstock.config.items import Desk, Item, shown
from penstock.config.mistakes import Mistake, Mistakes

DEEPEST = 32
"""Lists and mappings inside each other; deeper text is an attack on whoever walks over it."""

MOST_VALUES = 100_000
"""Values of a file with every alias written out: what small text can grow to without harm."""

PLAIN: tuple[tuple[re.Pattern[str], Any], ...] = (
    (re.compile(r"|~|null|Null|NULL"), lambda text: None),
    (re.compile(r"true|True|TRUE|false|False|FALSE"), lambda text: text.lower() == "true"),
    (re.compile(r"[-+]?[0-9]{1,18}"), int),
    (re.compile(r"[-+]?(\.[0-9]{1,18}|[0-9]{1,18}(\.[0-9]{0,18})?)([eE][-+]?[0-9]{1,3})?"), Decimal),
)


def read_yaml(desk: Desk, text: str) -> Item:
    """The one document of a YAML text; an empty text is an item without a value.

    Keys given twice and tags go to the desk and reading goes on; what cannot be read on raises Mistakes.
    """
    try:
        return _Tree(desk).document(yaml.parse(text, Loader=yaml.CSafeLoader))
    except yaml.MarkedYAMLError as wrong:
        mark = wrong.problem_mark or wrong.context_mark
        # What is missing at the end is told of the line after it.
        last = text.rstrip("\n").count("\n") + 1
        told = _malformed(desk.file, min(mark.line + 1, last) if mark else None, wrong.problem or "")
    except yaml.YAMLError as wrong:
        line = text.count("\n", 0, int(getattr(wrong, "position", 0) or 0)) + 1
        told = _malformed(desk.file, line, getattr(wrong, "reason", None) or "unreadable")
    raise Mistakes([*desk.found, told])


def _malformed(file: str, line: int | None, problem: str) -> Mistake:
    return Mistake(
        file, line, f"not YAML: {problem}", "indent with spaces; put text that holds `: ` or ` #` in quotes"
    )


class _Tree:
    """Builds the items of one text from its events."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.values = 0
        self.anchors: dict[str, tuple[Item, int]] = {}

    def document(self, events: Iterator[Any]) -> Item:
        self.events = events
        root = Item(None, 1)
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._stop(event, "a second document begins", "write one document, without ---")
            elif isinstance(event, yaml.NodeEvent):
                root = self._item(event, 0)
        return root

    def _item(self, event: Any, depth: int) -> Item:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, line)
        if event.tag is not None:
            self.desk.wrong(
                line, f"has the tag {shown(event.tag)}", "write plain text, numbers, lists and mappings"
            )
        before = self.values
        self._count(event, 1)
        item = Item(self._content(event, depth), line)
        if event.anchor:
            self.anchors[event.anchor] = (item, self.values - before)
        return item

    def _content(self, event: Any, depth: int) -> Any:
        if isinstance(event, yaml.ScalarEvent):
            return _scalar(event)
        if depth >= DEEPEST:
            self._stop(event, f"goes deeper than {DEEPEST} levels", "write it flatter")
        if isinstance(event, yaml.SequenceStartEvent):
            return [self._item(inner, depth + 1) for inner in self._until(yaml.SequenceEndEvent)]
        return self._mapping(depth)

    def _until(self, end: type) -> Iterator[Any]:
        for event in self.events:
            if isinstance(event, end):
                return
            yield event

    def _alias(self, event: Any, line: int) -> Item:
        if event.anchor not in self.anchors:
            self._stop(
                event,
                f"`*{event.anchor}` names no anchor before it",
                f"put &{event.anchor} before what it means",
            )
        item, values = self.anchors[event.anchor]
        self._count(event, values)
        return Item(item.value, line)

    def _count(self, event: Any, more: int) -> None:
        self.values += more
        if self.values > MOST_VALUES:
            self._stop(event, f"grows to more than {MOST_VALUES} values", "write less, with fewer aliases")

    def _mapping(self, depth: int) -> dict[str, Item]:
        found: dict[str, Item] = {}
        merged: list[Item] = []
        for event in self._until(yaml.MappingEndEvent):
            line = event.start_mark.line + 1
            if not isinstance(event, yaml.ScalarEvent):
                self._stop(event, "a key is not plain text", "write a word before the colon")
            value = self._item(next(self.events), depth + 1)
            if event.value == "<<" and not event.style:
                merged += value.value if isinstance(value.value, list) else [value]
            elif event.value in found:
                first = found[event.value].line
                self.desk.wrong(
                    line, f"`{event.value}` is there twice, first on line {first}", "write it once"
                )
            else:
                found[event.value] = Item(value.value, line)
        for item in merged:
            if not isinstance(item.value, dict):
                self._stop(event, "`<<` takes a mapping or a list of them", "name an anchor of a mapping")
            found = item.value | found
        return found

    def _stop(self, event: Any, what: str, instead: str) -> None:
        raise Mistakes([*self.desk.found, Mistake(self.desk.file, event.start_mark.line + 1, what, instead)])


def _scalar(event: Any) -> Any:
    if event.style or not event.implicit[0]:
        return event.value
    for pattern, make in PLAIN:
        if pattern.fullmatch(event.value):
            return make(event.value)
    return event.value
