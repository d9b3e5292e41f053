"""Results of a sweep, kept as they come: a second run of the same sweep skips what is there, a wider one adds to it.

A file of JSON lines, named by a digest of what all its cells have in common: the history, faults, and the sources that make figures of
them: a version is not enough for who changes Penstock itself.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

import penstock
from penstock.cli.output import refuse
from penstock.cli.simulation.grid import Cell
from penstock.reports.compare import Document

ROOMS = ("model", "policy", "sim", "reports", "history")
"""Where what makes figures lies."""


class Line(msgspec.Struct):
    """One cell's result. `cell`: the digest of what it was replayed with."""

    cell: str
    settings: dict[str, str]
    document: Document


def _sources() -> Iterator[Path]:
    """All files of ours that a figure hangs on, in one order everywhere."""
    home = Path(penstock.__file__).parent
    for room in ROOMS:
        yield from sorted((home / room).rglob("*.py"))


def digest_of(files: Sequence[Path]) -> str:
    """What a results file is named by: the bytes of these files, and the version and sources that made it."""
    told = hashlib.sha256(penstock.__version__.encode())
    for path in _sources():
        told.update(path.read_bytes())
    for path in files:
        with path.open("rb") as stream:
            told.update(hashlib.file_digest(stream, "sha256").digest())
    return told.hexdigest()[:32]


def name_of(cell: Cell) -> str:
    """The digest of one cell: its farm, its policy, its seed."""
    case = msgspec.json.encode(
        [msgspec.structs.replace(cell.case.rules, folder=""), *cell.case[1:]], order="sorted"
    )
    return hashlib.sha256(case).hexdigest()[:32]


class Kept:
    """The results of one file."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / f"{name}.jsonl"
        self.found: dict[str, Document] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._read()
            self._stream = self.path.open("ab")
        except OSError as why:
            refuse(
                f"{self.path}: cannot be written: {(why.strerror or str(why)).lower()}; name a folder with --results"
            )

    def _read(self) -> None:
        """What is there. A line that was being written when its process was killed is left out, and cut off."""
        if not self.path.exists():
            return
        whole = self.path.read_bytes()
        end = whole.rfind(b"\n") + 1
        if end < len(whole):
            self.path.write_bytes(whole[:end])
        for text in whole[:end].splitlines():
            try:
                line = msgspec.json.decode(text, type=Line)
            except msgspec.DecodeError:
                continue
            self.found[line.cell] = line.document

    def keep(self, cell: Cell, document: Document) -> None:
        """One more result: on disk when this returns."""
        name = name_of(cell)
        self.found[name] = document
        self._stream.write(msgspec.json.encode(Line(name, cell.settings, document)) + b"\n")
        self._stream.flush()

    def close(self) -> None:
        """Nothing more comes. Where nothing came at all, no file is left behind."""
        self._stream.close()
        if not self.found:
            self.path.unlink(missing_ok=True)
            with suppress(OSError):
                self.path.parent.rmdir()
