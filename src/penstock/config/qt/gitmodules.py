"""`.gitmodules` of the super-repository: git's configuration format, as far as Qt uses it."""

import re

import msgspec

from penstock.config.mistakes import Mistake
from penstock.config.qt.sources import Sources

SECTION = re.compile(r'\[submodule "([^"\\]+)"\]')
SETTING = re.compile(r"([A-Za-z][A-Za-z0-9-]*)\s*=\s*(.*)")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")
"""Names of modules and configurations: they become parts of ids and paths."""
LEFT_OUT = ("ignore", "ignored", "deprecated")
TAKEN = ("essential", "addon", "preview")
PLACES = ("path", "url", "branch", "status", "depends", "recommends")


class Submodule(msgspec.Struct, frozen=True, kw_only=True):
    """One section of `.gitmodules`; `needs` are (module, required) in the order written; `line` of the section."""

    name: str
    path: str
    status: str
    needs: tuple[tuple[str, bool], ...]
    file: str
    line: int

    @property
    def is_built(self) -> bool:
        """Neither ignored nor deprecated: part of an integration of all of Qt."""
        return self.status not in LEFT_OUT


def read_gitmodules(sources: Sources, file: str, text: str) -> tuple[Submodule, ...]:
    """All submodules in the order of the file. Raises Mistake; settings not understood are noted."""
    sections: dict[str, dict[str, tuple[str, int]]] = {}
    lines: dict[str, int] = {}
    name = ""
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        if section := SECTION.fullmatch(line):
            name = _fresh(file, number, section[1], lines)
            sections[name], lines[name] = {}, number
        elif (setting := SETTING.fullmatch(line)) and name:
            sections[name][setting[1].lower()] = (setting[2].strip(), number)
        else:
            raise Mistake(
                file, number, f"not understood: {line[:60]!r}", 'write [submodule "name"] or key = value'
            )
    return tuple(_submodule(sources, file, name, sections[name], lines[name]) for name in sections)


def _fresh(file: str, line: int, name: str, lines: dict[str, int]) -> str:
    if not NAME.fullmatch(name):
        raise Mistake(
            file, line, f"{name[:60]!r} is no name of a module", "use letters, digits, '_', '-' and '.'"
        )
    if name in lines:
        raise Mistake(file, line, f"submodule {name} is there twice (line {lines[name]})", "keep one of them")
    return name


def _submodule(
    sources: Sources, file: str, name: str, settings: dict[str, tuple[str, int]], line: int
) -> Submodule:
    def words(key: str) -> list[str]:
        return settings.get(key, ("", 0))[0].split()

    path, at = settings.get("path", (name, line))
    if not all(NAME.fullmatch(part) for part in path.split("/")):
        raise Mistake(file, at, f"path {path[:60]!r} leads out of the tree", "use a folder of the repository")
    status, at = settings.get("status", ("", line))
    if status not in TAKEN and status not in LEFT_OUT:
        sources.note(file, at, f"{name}: status {status!r} is not understood, the module is planned")
    required = words("depends")
    needs = {word: word in required for word in required + words("recommends")}
    found = Submodule(name=name, path=path, status=status, needs=tuple(needs.items()), file=file, line=line)
    for key, (value, at) in settings.items():
        if key not in PLACES and found.is_built:
            sources.note(
                file, at, f"{name}: {key} = {value} is not understood, the module is planned all the same"
            )
    return found
