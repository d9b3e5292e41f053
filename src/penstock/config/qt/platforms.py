"""Configurations of `coin/platform_configs`: includes, filters, overrides, and the facts of each."""

import re
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import msgspec

from penstock.config.mistakes import Mistake
from penstock.config.qt.conditions import Fact
from penstock.config.qt.features import builds, is_known
from penstock.config.qt.gitmodules import NAME
from penstock.config.qt.machines import vm_size
from penstock.config.qt.sources import Sources, words
from penstock.config.qt.tags import Row, Table, Value

ENTRY = "coin/platform_configs/qt5.yaml"
HEADS = ("Version", "Include", "Configurations", "Overrides", "Module only")
FIELDS = frozenset(
    ("Id", "Template", "Compiler", "Features", "Configure arguments", "Environment variables")
    + ("Environment script", "Platform dependency", "Target os", "Target arch", "Target compiler")
)
TEMPLATE = re.compile(r"qtci-(linux|windows|macos)-(.+)-([A-Za-z0-9_]+)-[0-9]+")
HOSTS = {"linux": "Linux", "windows": "Windows", "macos": "MacOS"}
ARCHITECTURES = {"aarch64": "arm64", "arm": "arm64"}
SKIP = re.compile(r"(COIN_SKIP\w*)=")


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """One platform of an integration. `depends` are ids whose build of the same module it needs.

    `facts` is what conditions may ask for; `least_cores` comes from VMSizeN (0: nothing said).
    """

    id: str
    features: tuple[str, ...]
    depends: tuple[str, ...]
    facts: dict[str, Fact]
    least_cores: int
    file: str
    line: int


class Field(NamedTuple):
    """A field of a configuration and where it is written (an override lies in another file)."""

    value: Value
    file: str
    line: int


class Draft(NamedTuple):
    """A configuration as it is written, and where: `place` counts the entries of its file."""

    fields: dict[str, Field]
    file: str
    line: int
    place: int


def read_configurations(sources: Sources, root: Path) -> tuple[Configuration, ...]:
    """All that `coin/platform_configs/qt5.yaml` of the super-repository `root` brings in, included ones first.

    Raises Mistake; a configuration whose platform dependency is not there is noted and left out.
    """
    drafts = _Platforms(sources, root).of(root / ENTRY, ENTRY, 1)
    found = [_configuration(sources, name, draft) for name, draft in drafts.items()]
    while True:
        building = {one.id for one in found if builds(one.features)}
        kept = [one for one in found if building.issuperset(one.depends)]
        if len(kept) == len(found):
            return tuple(found)
        for one in found:
            for missing in [name for name in one.depends if name not in building][:1]:
                what = f"{one.id} depends on {missing}, which does not build in this integration: not planned"
                sources.note(one.file, one.line, what)
        found = kept


class _Platforms:
    """Follows includes from file to file."""

    def __init__(self, sources: Sources, root: Path) -> None:
        self.sources = sources
        self.root = root
        self.following: list[Path] = []
        self.done: dict[Path, dict[str, Draft]] = {}

    def of(self, path: Path, by: str, line: int) -> dict[str, Draft]:
        """The configurations of a file and all that it includes, by id. Raises Mistake, loops named whole."""
        if path in self.following:
            loop = [step.name for step in self.following[self.following.index(path) :]] + [path.name]
            raise Mistake(
                by, line, "Include leads back to itself: " + " -> ".join(loop), "take one of them out"
            )
        if path not in self.done:
            if not path.is_file():
                raise Mistake(by, line, f"Include: there is no {path.name}", "name a file beside this one")
            self.following.append(path)
            self.done[path] = self._all_of(path)
            self.following.pop()
        return self.done[path]

    def _all_of(self, path: Path) -> dict[str, Draft]:
        file = self.sources.name(path)
        head = self.sources.yaml(path, self.root)
        found: dict[str, Draft] = {}
        if isinstance(head, str) and head.strip().endswith(".yaml"):
            self._add(found, self._follow(path, file, head.strip(), 1))
        elif isinstance(head, Table):
            self.sources.unknown_keys(file, head, HEADS, "platform configurations")
            self._include(found, path, file, head)
            self._add(found, self._own(file, _rows(file, head, "Configurations")))
            self._override(found, file, _rows(file, head, "Overrides"))
        else:
            raise Mistake(file, 1, "not a mapping", "write Version, Include and Configurations")
        return found

    def _include(self, found: dict[str, Draft], path: Path, file: str, head: Table) -> None:
        """Every entry of Include: a file, or a file with the ids that are wanted of it."""
        given = head.get("Include")
        line = head.lines.get("Include", head.line)
        entries = given if isinstance(given, Row) else [given] if given is not None else []
        lines = given.lines if isinstance(given, Row) else [line] * len(entries)
        for entry, at in zip(entries, lines, strict=True):
            if isinstance(entry, str):
                self._add(found, self._follow(path, file, entry, at))
            elif isinstance(entry, Table):
                for name in entry:
                    self._add(found, self._chosen(path, file, name, entry))
            else:
                raise Mistake(file, at, "an Include that is no file", "write name.yaml or name.yaml: [ids]")

    def _chosen(self, path: Path, file: str, name: str, entry: Table) -> dict[str, Draft]:
        line = entry.lines[name]
        there = self._follow(path, file, name, line)
        wanted = words(file, line, entry[name], f"Include of {name}")
        for one in wanted:
            if one not in there:
                self.sources.note(file, line, f"Include: {name} has no configuration {one}")
        return {one: there[one] for one in there if one in wanted}

    def _follow(self, path: Path, file: str, name: str, line: int) -> dict[str, Draft]:
        if PurePosixPath(name).name != name or not NAME.fullmatch(name):
            what = f"Include {name[:60]!r} leads out of the folder"
            raise Mistake(file, line, what, "name a file of coin/platform_configs")
        return self.of(path.parent / name, file, line)

    def _add(self, found: dict[str, Draft], more: dict[str, Draft]) -> None:
        """Merge; what came in before by another way is the same, another one with its id is a mistake."""
        for name, draft in more.items():
            first = found.setdefault(name, draft)
            if (first.file, first.place) != (draft.file, draft.place):
                what = f"configuration {name} is there twice (first in {first.file}:{first.line})"
                raise Mistake(draft.file, draft.line, what, "give it another Id")

    def _own(self, file: str, rows: list[Table]) -> dict[str, Draft]:
        found: dict[str, Draft] = {}
        for place, row in enumerate(rows):
            self.sources.unknown_keys(file, row, FIELDS, "configuration")
            fields = {key: Field(row[key], file, row.lines[key]) for key in row}
            self._add(found, {_id(file, row, found): Draft(fields, file, row.line, place)})
        return found

    def _override(self, found: dict[str, Draft], file: str, rows: list[Table]) -> None:
        """Fields of `Overrides` take the place of those of the configuration with the same Id."""
        for row in rows:
            name = str(row.get("Id"))
            self.sources.unknown_keys(file, row, FIELDS, "override")
            if name not in found:
                self.sources.note(file, row.line, f"Overrides: there is no configuration {name}")
                continue
            draft = found[name]
            fields = draft.fields | {key: Field(row[key], file, row.lines[key]) for key in row}
            found[name] = draft._replace(fields=fields)


def _rows(file: str, head: Table, key: str) -> list[Table]:
    """The mappings of a list; nothing is an empty list."""
    rows = head.get(key)
    if rows is None:
        return []
    if not isinstance(rows, Row) or not all(isinstance(row, Table) for row in rows):
        raise Mistake(file, head.lines[key], f"{key} is not a list of mappings", "write - Id: ...")
    return [row for row in rows if isinstance(row, Table)]


def _id(file: str, row: Table, taken: dict[str, Draft]) -> str:
    """Its Id; without one a name made of template, compiler and target."""
    name = row.get("Id")
    if name is None:
        parts = [row.get(key) for key in ("Template", "Compiler", "Target os", "Target arch")]
        base = re.sub(r"[^A-Za-z0-9_.+-]", "_", "-".join(str(part) for part in parts if part))
        name = next(n for n in (base, *(f"{base}-{i}" for i in range(2, 10_000))) if n not in taken)
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise Mistake(file, row.line, f"Id {str(name)[:60]!r} is no name", "use letters, digits and '._+-'")
    return name


def _configuration(sources: Sources, name: str, draft: Draft) -> Configuration:
    fields = draft.fields
    features = _words(draft, "Features")
    for feature in features:
        if not is_known(feature):
            at = fields["Features"]
            sources.note(
                at.file, at.line, f"{name}: feature {feature!r} is not understood, taken to change no job"
            )
    for setting in _words(draft, "Environment variables"):
        if skip := SKIP.match(setting):
            at = fields["Environment variables"]
            what = f"{name}: {skip[1]} names modules that its instructions may skip; they are planned"
            sources.note(at.file, at.line, what)
    return Configuration(
        id=name,
        features=features,
        depends=_words(draft, "Platform dependency"),
        facts=_facts(sources, name, draft, features),
        least_cores=vm_size(features),
        file=draft.file,
        line=draft.line,
    )


def _words(draft: Draft, key: str) -> tuple[str, ...]:
    field = draft.fields.get(key, Field(None, draft.file, draft.line))
    return words(field.file, field.line, field.value, key)


def _text(draft: Draft, key: str) -> str:
    return " ".join(_words(draft, key))


def _facts(sources: Sources, name: str, draft: Draft, features: tuple[str, ...]) -> dict[str, Fact]:
    """What conditions may ask: the host from the template's name, the target from its fields, else the host."""
    facts: dict[str, Fact] = {"features": features, "configureArgs": _text(draft, "Configure arguments")}
    template = _text(draft, "Template")
    host = TEMPLATE.fullmatch(template)
    if host:
        arch = ARCHITECTURES.get(host[3], host[3])
        facts |= {"host.os": HOSTS[host[1]], "host.osVersion": host[2], "host.arch": arch}
    else:
        line = draft.fields["Template"].line if "Template" in draft.fields else draft.line
        sources.note(draft.file, line, f"{name}: template {template!r} is not understood, its host is open")
    facts["host.compiler"] = _text(draft, "Compiler")
    for fact in ("os", "osVersion", "arch", "compiler"):
        if f"host.{fact}" in facts:
            facts[f"target.{fact}"] = facts[f"host.{fact}"]
    if target := _text(draft, "Target os"):
        facts |= {"target.os": target.partition("_")[0], "target.osVersion": target}
    if arch := _text(draft, "Target arch"):
        facts["target.arch"] = arch
    if compiler := _text(draft, "Target compiler"):
        facts["target.compiler"] = compiler
    return facts
