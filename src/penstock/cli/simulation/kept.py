"""Results of a sweep, kept as they come: a second run of the same sweep skips what is there, a wider one adds to it.

A file of JSON lines, named by a digest of what all its cells have in common: the history, the farm, faults, this version.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from penstock import __version__
from penstock.cli.output import refuse
from penstock.cli.simulation.grid import Cell
from penstock.reports.compare import Document


class Line(msgspec.Struct):
    """One cell's result. `cell`: the digest of what it was replayed with."""

    cell: str
    settings: dict[str, str]
    document: Document


def digest_of(files: Sequence[Path]) -> str:
    """What a results file is named by: the bytes of these files, and the version that made it."""
    told = hashlib.sha256(__version__.encode())
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
        """Nothing more comes."""
        self._stream.close()
