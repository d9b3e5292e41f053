"""Records of other systems, one by one: lists in a JSON document, JSON Lines, or pages of an interface."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from penstock.history.report import Dropped, Report, Unreadable
from penstock.history.rows import Row
from penstock.history.sources import document, opened

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


def listed(path: Path, report: Report) -> Iterator[Record]:
    """The objects of a file that is one JSON list; what is no object in it is dropped. Unreadable when it is no list."""
    with opened(path, report) as stream:
        found = document(stream, report)
    if not isinstance(found, list):
        raise Unreadable(
            report.file, None, "not a JSON list", "it begins with [ and has an object for each job"
        )
    yield from of_objects(found, report)


def of_objects(found: list[Any], report: Report) -> Iterator[Record]:
    """The objects of a list, counted by their number in it."""
    for number, item in enumerate(found, 1):
        report.at(number)
        if isinstance(item, dict):
            yield item
        else:
            report.drop("no JSON object")
