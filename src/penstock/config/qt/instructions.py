"""Coin's instructions, read only far enough to tell whether a stage has anything to run on a configuration."""

import re
from pathlib import Path, PurePosixPath

import msgspec

from penstock.config.mistakes import Mistake
from penstock.config.qt.conditions import Condition, Facts, holds, read_condition
from penstock.config.qt.sources import Sources
from penstock.config.qt.tags import Include, Row, Table, Value

SETTINGS = frozenset(
    ("EnvironmentVariable", "PrependToEnvironmentVariable", "AppendToEnvironmentVariable")
    + ("ChangeDirectory", "MakeDirectory", "SetBuildDirectory")
)
"""Types that only prepare: a stage with nothing else has nothing to run."""
ACTIONS = frozenset(("ExecuteCommand", "UploadArtifact", "UploadTestArtifact", "InstallBinaryArchive"))
TEMPLATE = re.compile(r"\{\{qt/([A-Za-z0-9][A-Za-z0-9_.-]*)\}\}/(.+)")
MAX_DEPTH = 20


class Step(msgspec.Struct, frozen=True):
    """One instruction. `runs` says whether it does something by itself; a group has inner steps."""

    runs: bool = False
    inner: tuple["Step", ...] = ()
    enable_if: Condition | None = None
    disable_if: Condition | None = None


class Templates:
    """Follows `!include "{{qt/MODULE}}/FILE"` into coin/instructions of the folders that are there."""

    def __init__(self, sources: Sources, folders: dict[str, Path]) -> None:
        self.sources = sources
        self.folders = folders
        self._read: dict[Path, tuple[Step, ...]] = {}
        self._following: list[Path] = []

    def steps(self, file: str, line: int, value: Value) -> tuple[Step, ...]:
        """The steps that a list, one instruction or an include stands for. Raises Mistake."""
        if value is None:
            return ()
        if isinstance(value, Row):
            pairs = zip(value, value.lines, strict=True)
            return tuple(step for part, at in pairs for step in self.steps(file, at, part))
        if isinstance(value, Include):
            return self._included(file, value)
        if not isinstance(value, Table):
            raise Mistake(file, line, "an instruction is not a mapping", "write type: ExecuteCommand ...")
        return (self._step(file, value),)

    def _step(self, file: str, table: Table) -> Step:
        kind = str(table.get("type"))
        if kind not in SETTINGS and kind not in ACTIONS and kind != "Group":
            at = table.lines.get("type", table.line)
            self.sources.note(
                file, at, f"instruction type {kind!r} is not understood, taken as something to run"
            )
        inner = table.get("instructions")
        steps = self.steps(file, table.lines.get("instructions", table.line), inner) if inner else ()
        return Step(
            runs=kind not in SETTINGS and kind != "Group",
            inner=steps,
            enable_if=self._condition(file, table, "enable_if"),
            disable_if=self._condition(file, table, "disable_if"),
        )

    def _condition(self, file: str, table: Table, key: str) -> Condition | None:
        if key not in table:
            return None
        return read_condition(self.sources, file, table[key], table.lines[key])

    def _included(self, file: str, include: Include) -> tuple[Step, ...]:
        """What an include stands for; a file that the data lacks is noted and taken as something to run."""
        path, below = self._path(file, include)
        if path is None or below is None:
            what = f"instructions {include.path} are not in the data, taken as something to run"
            self.sources.note(file, include.line, what)
            return (Step(runs=True),)
        if path in self._following or len(self._following) >= MAX_DEPTH:
            raise Mistake(
                file, include.line, f"!include {include.path!r} leads back to itself", "take it out"
            )
        if path not in self._read:
            self._following.append(path)
            name = self.sources.name(path)
            self._read[path] = self.steps(name, 1, self.sources.yaml(path, below))
            self._following.pop()
        return self._read[path]

    def _path(self, file: str, include: Include) -> tuple[Path | None, Path | None]:
        """The file, and the folder that it must lie below; None for what the data lacks. Raises Mistake."""
        match = TEMPLATE.fullmatch(include.path)
        inner = match[2] if match else include.path
        if inner.startswith("/") or ".." in PurePosixPath(inner).parts:
            raise Mistake(
                file, include.line, f"!include {include.path!r} leads out of the tree", "take it out"
            )
        folder = self.folders.get(match[1]) if match else None
        path = folder / "coin" / "instructions" / inner if folder else None
        return (path, folder) if path is not None and path.is_file() else (None, None)


def remains(steps: tuple[Step, ...], facts: Facts) -> bool:
    """True unless every step is certainly switched off, or only prepares, on a configuration with these facts."""
    return any(_remains(step, facts) for step in steps)


def _remains(step: Step, facts: Facts) -> bool:
    if step.enable_if is not None and holds(step.enable_if, facts) is False:
        return False
    if step.disable_if is not None and holds(step.disable_if, facts) is True:
        return False
    return step.runs or remains(step.inner, facts)
