"""Writes the normal form: whole or not at all, whatever ends the writing."""

import csv
import gzip
import io
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Any, cast

import msgspec

from penstock.history.normal import BATCH_ROWS, form_of
from penstock.history.report import Unreadable
from penstock.history.rows import COLUMNS, Row
from penstock.model.workload import UNKNOWN

Write = Callable[[Row], object]
Writing = Callable[[Path], AbstractContextManager[Write]]


@contextmanager
def writing(out: Path) -> Iterator[Write]:
    """A function that takes rows; when the block ends well, `out` is there, in the form its name says.

    Until then they lie beside it under another name. Unreadable when `out` cannot be made.
    """
    write_form = FORMS[form_of(out)]
    try:
        handle, name = tempfile.mkstemp(prefix=f".{out.name}.", dir=out.parent)
        os.close(handle)
    except OSError as why:
        raise Unreadable(str(out), None, f"cannot be written: {(why.strerror or str(why)).lower()}") from None
    beside = Path(name)
    try:
        with write_form(beside, out.suffix == ".gz") as write:
            yield write
        beside.chmod(0o666 & ~_umask())
        _put(beside, out)
    finally:
        beside.unlink(missing_ok=True)


def _put(beside: Path, out: Path) -> None:
    try:
        beside.replace(out)
    except OSError as why:  # a folder of that name
        raise Unreadable(str(out), None, f"cannot be written: {(why.strerror or str(why)).lower()}") from None


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def seconds(moment_ms: int) -> int | float | None:
    """Milliseconds as seconds, whole ones as a whole number; None for UNKNOWN."""
    if moment_ms == UNKNOWN:
        return None
    return moment_ms // 1000 if moment_ms % 1000 == 0 else moment_ms / 1000


def values(row: Row) -> tuple[Any, ...]:
    """A row's values in the order of COLUMNS; None for what is not known."""
    return (
        *row[:6],
        seconds(row.submitted_ms),
        seconds(row.started_ms),
        seconds(row.finished_ms),
        row.outcome,
        row.machine,
        row.cores or None,
        row.memory_mb or None,
        row.attempt or None,
        row.needs,
    )


@contextmanager
def _bytes(path: Path, packed: bool) -> Iterator[IO[bytes]]:
    """Where bytes go; compressed ones without a name and a moment, so that equal rows give equal files."""
    with path.open("wb") as raw:
        if not packed:
            yield raw
            return
        with (
            gzip.GzipFile("", "wb", 6, raw, mtime=0) as stream,
            io.BufferedWriter(cast(Any, stream), 1 << 18) as buffered,
        ):
            yield buffered


class _Lines:
    """Lines of a csv.writer, ended by \\n alone. The writer quotes only what its own line end holds, so that one has \\r, too."""

    def __init__(self, stream: io.TextIOWrapper) -> None:
        self._put = stream.write

    def write(self, line: str) -> None:
        """Takes one line as the writer ends it."""
        self._put(line[:-2] + "\n")


@contextmanager
def _csv(path: Path, packed: bool) -> Iterator[Write]:
    with _bytes(path, packed) as stream, io.TextIOWrapper(stream, "utf-8", newline="") as text:
        put = csv.writer(_Lines(text)).writerow
        put(COLUMNS)
        yield lambda row: put(values(row))


@contextmanager
def _json_lines(path: Path, packed: bool) -> Iterator[Write]:
    encode = msgspec.json.Encoder().encode
    with _bytes(path, packed) as stream:
        yield lambda row: stream.write(encode(dict(zip(COLUMNS, values(row), strict=True))) + b"\n")


@contextmanager
def _parquet(path: Path, packed: bool) -> Iterator[Write]:
    import pyarrow  # type: ignore[import-untyped]
    import pyarrow.parquet  # type: ignore[import-untyped]

    kinds = {"submitted_s": "float64", "started_s": "float64", "finished_s": "float64"}
    kinds |= dict.fromkeys(("cores", "memory_mb", "attempt"), "int64")
    schema = pyarrow.schema([(name, kinds.get(name, "string")) for name in COLUMNS])
    waiting: list[tuple[Any, ...]] = []
    with pyarrow.parquet.ParquetWriter(path, schema, compression="zstd") as writer:

        def flush() -> None:
            columns = list(zip(*waiting, strict=True)) or [()] * len(COLUMNS)
            arrays = [pyarrow.array(c, kind.type) for c, kind in zip(columns, schema, strict=True)]
            writer.write_batch(pyarrow.record_batch(arrays, schema=schema))
            waiting.clear()

        def write(row: Row) -> None:
            waiting.append(values(row))
            if len(waiting) == BATCH_ROWS:
                flush()

        yield write
        flush()


FORMS: dict[str, Callable[[Path, bool], AbstractContextManager[Write]]] = {
    ".csv": _csv,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".parquet": _parquet,
}
"""How each suffix is written: (path, compressed) -> a context that gives a function that takes rows."""
