"""Files as they come: compressed or not, cut short, in the wrong encoding, of any size. Read as a stream."""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import msgspec

from penstock.history.report import Report, Unreadable

LINE_BYTES_MAX = 64 * 1024 * 1024
DOCUMENT_BYTES_MAX = 1024 * 1024 * 1024
_GZIP = b"\x1f\x8b"
_WIDE = (b"\xff\xfe", b"\xfe\xff")
BOM = "\ufeff"


@contextmanager
def opened(path: Path, report: Report) -> Iterator[IO[bytes]]:
    """The file's bytes, unpacked when it is gzip (known by its first bytes). Unreadable when it cannot be read."""
    report.file, report.line = str(path), None
    try:
        with path.open("rb") as raw, _unpacked(raw) as stream:
            yield stream
    except (EOFError, zlib.error, gzip.BadGzipFile) as why:
        cut = (
            "the compressed data ends early"
            if isinstance(why, EOFError)
            else "the compressed data is damaged"
        )
        raise Unreadable(report.file, report.line, cut, "fetch the file again") from None
    except OSError as why:
        raise Unreadable(report.file, None, (why.strerror or str(why)).lower()) from None


@contextmanager
def _unpacked(raw: io.BufferedReader) -> Iterator[IO[bytes]]:
    if raw.peek(2)[:2] != _GZIP:
        yield raw
        return
    with gzip.GzipFile(fileobj=raw) as packed, io.BufferedReader(cast(Any, packed), 1 << 18) as stream:
        yield stream


def lines(stream: IO[bytes], report: Report) -> Iterator[str]:
    """Lines of text with their ends, the first without a byte order mark. Bytes that are not UTF-8 are shown as U+FFFD and counted.

    Unreadable for UTF-16 and for a line above LINE_BYTES_MAX: such a file is no text.
    """
    number = 0
    while raw := stream.readline(LINE_BYTES_MAX):
        number += 1
        if number == 1 and raw[:2] in _WIDE:
            raise Unreadable(report.file, 1, "the text is UTF-16", "save it as UTF-8")
        if len(raw) == LINE_BYTES_MAX:
            raise Unreadable(report.file, number, "a line of more than 64 MiB")
        try:
            line = raw.decode()
        except UnicodeDecodeError:
            line = raw.decode(errors="replace")
            report.mend("a line that is not UTF-8: what could not be read is U+FFFD")
        yield line.removeprefix(BOM) if number == 1 else line


def whole(stream: IO[bytes], report: Report) -> bytes:
    """All bytes of a file that only makes sense as a whole; Unreadable above DOCUMENT_BYTES_MAX."""
    data = stream.read(DOCUMENT_BYTES_MAX + 1)
    if len(data) > DOCUMENT_BYTES_MAX:
        raise Unreadable(report.file, None, "more than 1 GiB in one JSON document", "split the file")
    return data


def document(stream: IO[bytes], report: Report) -> Any:
    """A file that is one JSON document; Unreadable when it is not."""
    return decoded(whole(stream, report), report)


def decoded(data: bytes, report: Report) -> Any:
    """Bytes that are one JSON document; Unreadable when they are not."""
    try:
        return msgspec.json.decode(data.removeprefix(BOM.encode()))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as why:
        raise Unreadable(report.file, None, f"not JSON ({why})") from None
