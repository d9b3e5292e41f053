"""Tables of text as a stream of rows, bounded in every direction: lines, fields, columns, and what unpacking may yield."""

import csv
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from penstock.bills.problems import BadBill

MOST_FIELD = 1 << 20
MOST_LINE_BYTES = 4 << 20
MOST_COLUMNS = 2000
"""Amazon's reports with every product column have several hundred."""
MOST_BYTES = 256 << 30
MOST_RATIO = 200
FREE_BYTES = 64 << 20
"""So much may be unpacked whatever the ratio; beyond it at most MOST_RATIO times what was read of the file."""
_GZIP = b"\x1f\x8b"
_WIDE = (b"\xff\xfe", b"\xfe\xff")
_ZIP = b"PK\x03\x04"


class Source:
    """One file being read: its name for people, its digest so far, and which line its reader is at."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self.line = 1
        self.bytes = 0
        self._digest = hashlib.sha256()

    @property
    def digest(self) -> str:
        """Of the bytes as they came; whole once all rows were read."""
        return f"sha256:{self._digest.hexdigest()}"

    def seen(self, piece: bytes) -> None:
        """Count and digest a piece of the file."""
        self.bytes += len(piece)
        self._digest.update(piece)

    def bad(self, what: str, line: int | None = None) -> BadBill:
        """The whole file is wrong; `line` says where it was seen."""
        return BadBill(self.name if line is None else f"{self.name}: row {line}", what)


class _Seen(io.RawIOBase):
    """A file that tells its source of every byte that is read."""

    def __init__(self, file: IO[bytes], source: Source) -> None:
        self._file, self._source = file, source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._file.read(len(buffer))
        self._source.seen(piece)
        buffer[: len(piece)] = piece
        return len(piece)


@contextmanager
def opened(path: Path) -> Iterator[tuple[Source, IO[bytes]]]:
    """The file's bytes, unpacked when it is gzip (known by its first bytes). Raises BadBill when it cannot be read."""
    source = Source(path)
    try:
        with path.open("rb") as raw, io.BufferedReader(_Seen(raw, source), 1 << 18) as stream:
            start = stream.peek(4)[:4]
            if start == _ZIP:
                raise source.bad("is a zip archive; unpack it and give the CSV files")
            if start[:2] != _GZIP:
                yield source, stream
            else:
                with gzip.GzipFile(fileobj=stream) as packed:
                    yield source, io.BufferedReader(cast(Any, packed), 1 << 18)
    except EOFError:
        raise source.bad("the compressed data ends early; fetch the file again", source.line) from None
    except (zlib.error, gzip.BadGzipFile):
        raise source.bad("the compressed data is damaged; fetch the file again", source.line) from None
    except OSError as why:
        raise source.bad((why.strerror or str(why)).lower()) from None


def rows(source: Source, stream: IO[bytes]) -> Iterator[list[str]]:
    """The header, then each row with as many fields as it; empty lines are left out. `source.line` is where a row ended.

    Raises BadBill for what is no table of text.
    """
    csv.field_size_limit(MOST_FIELD)
    reader = csv.reader(_lines(source, stream), strict=True)
    width = 0
    try:
        for fields in reader:
            if not fields:
                continue
            source.line = reader.line_num
            if not width:
                width = len(fields)
                if width > MOST_COLUMNS:
                    raise source.bad(f"has {width} columns; {MOST_COLUMNS} at most", 1)
            if len(fields) != width:
                raise source.bad(f"has {len(fields)} fields, its header has {width}", source.line)
            yield fields
    except csv.Error as why:
        raise source.bad(f"is no CSV: {why}", reader.line_num) from None


def _lines(source: Source, stream: IO[bytes]) -> Iterator[str]:
    unpacked, number = 0, 0
    while raw := stream.readline(MOST_LINE_BYTES):
        number += 1
        unpacked += len(raw)
        if number == 1:
            if raw[:2] in _WIDE:
                raise source.bad("is UTF-16; save it as UTF-8", 1)
            raw = raw.removeprefix(b"\xef\xbb\xbf")
        if len(raw) >= MOST_LINE_BYTES:
            raise source.bad("is longer than 4 MiB", number)
        if unpacked > FREE_BYTES and unpacked > min(MOST_BYTES, source.bytes * MOST_RATIO):
            raise source.bad("unpacks to more than a bill can be; nothing is loaded", number)
        if b"\0" in raw:
            raise source.bad("has a NUL byte; save it as UTF-8 text", number)
        try:
            yield raw.decode()
        except UnicodeDecodeError:
            raise source.bad("is not UTF-8; save it as UTF-8", number) from None
