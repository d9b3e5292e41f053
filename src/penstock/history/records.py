"""Records of other systems, one by one: lists in a JSON document, JSON Lines, or pages of an interface."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import msgspec

from penstock.history.report import Dropped, Report
from penstock.history.rows import Row
from penstock.history.sources import BOM, document, lines, opened

Record = dict[str, Any]
Make = Callable[[Record, Report], Row]


def made(records: Iterable[Record], make: Make, report: Report) -> Iterator[Row]:
    """What `make` makes of each record; one that it refuses (Dropped) is counted."""
    for record in records:
        try:
            row = make(record, report)
        except Dropped as why:
            report.drop(why.reason, why.detail)
        else:
            yield row


def recorded(path: Path, report: Report, pages: str = "") -> Iterator[Record]:
    """The objects of a JSON list, of JSON Lines, or of pages: objects that hold a list under the name `pages`.

    What is no object is dropped. Unreadable when a document is cut short.
    """
    with opened(path, report) as stream:
        first = stream.read(64).removeprefix(BOM.encode()).lstrip()
    with opened(path, report) as stream:
        if first.startswith(b"["):
            yield from _listed(document(stream, report), report)
        elif first.startswith((b"{\n", b"{\r")):  # one document over many lines
            yield from _listed(_paged(document(stream, report), pages), report)
        else:
            for found in objects(stream, report):
                yield from _turned(found, pages, report)


def _paged(found: Any, pages: str) -> list[Any]:
    inner = found.get(pages)
    return inner if isinstance(inner, list) else [found]


def _turned(found: Record, pages: str, report: Report) -> Iterator[Record]:
    """The objects of a page, or the object itself when it is none."""
    inner = found.get(pages)
    if not isinstance(inner, list):
        yield found
        return
    report.read -= 1
    yield from _listed(inner, report)


def _listed(found: Any, report: Report) -> Iterator[Record]:
    """The objects of a list, counted by their number in it."""
    for number, item in enumerate(found, 1):
        report.at(number)
        if isinstance(item, dict):
            yield item
        else:
            report.drop("no JSON object")


def objects(stream: IO[bytes], report: Report) -> Iterator[Record]:
    """The objects of JSON Lines; a line that is none is dropped, an empty one is nothing."""
    decode = msgspec.json.Decoder().decode
    for number, line in enumerate(lines(stream, report), 1):
        if not line.strip():
            continue
        report.at(number)
        try:
            found = decode(line)
        except (msgspec.DecodeError, RecursionError):
            report.drop("a line that is not JSON", line[:60])
            continue
        if isinstance(found, dict):
            yield found
        else:
            report.drop("a line that is no JSON object")
