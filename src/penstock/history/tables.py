"""Tables of text: a header, then records of as many fields."""

import csv
from collections.abc import Iterator
from typing import IO

from penstock.history.report import Report, Unreadable
from penstock.history.sources import lines

FIELD_BYTES_MAX = 16 * 1024 * 1024


def whole_row(fields: list[str], width: int, report: Report) -> bool:
    """Whether a row has a field for each of `width` columns; what it has beyond them is left out and counted."""
    if len(fields) == width:
        return True
    if len(fields) < width:
        report.drop("fewer fields than columns", len(fields))
        return False
    report.mend("more fields than columns: the last ones left out", len(fields))
    del fields[width:]
    return True


def table(stream: IO[bytes], report: Report, separator: str) -> Iterator[list[str]]:
    """The header of a CSV file, then each record as it is read and counted. What is no CSV is dropped."""
    csv.field_size_limit(FIELD_BYTES_MAX)
    reading = csv.reader(lines(stream, report), delimiter=separator)
    report.line = 1
    try:
        yield next(reading)
    except StopIteration:
        raise Unreadable(
            report.file, 1, "the file is empty", "it begins with the names of its columns"
        ) from None
    except csv.Error as why:
        raise Unreadable(report.file, 1, f"not CSV ({why})") from None
    while True:
        try:
            for fields in reading:
                if fields:
                    report.at(reading.line_num)
                    yield fields
            return
        except csv.Error:
            report.at(reading.line_num)
            report.drop("not CSV")
