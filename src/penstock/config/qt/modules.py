"""Modules of an integration: `.gitmodules`, and each one's `dependencies.yaml` and `coin/module_config.yaml`."""

from pathlib import Path

import msgspec

from penstock.config.mistakes import Mistake
from penstock.config.qt.conditions import Condition, read_condition
from penstock.config.qt.gitmodules import Submodule, read_gitmodules
from penstock.config.qt.instructions import Step, Templates
from penstock.config.qt.machines import DEFAULT_CORES, read_machine_type
from penstock.config.qt.sources import Sources
from penstock.config.qt.tags import Table
from penstock.model import graph

CONFIG = "coin/module_config.yaml"
DEPENDENCIES = "dependencies.yaml"
FIELDS = ("version", "accept_configuration", "machine_type", "instructions")
STAGES = ("Build", "Test")
Needs = tuple[tuple[str, bool], ...]


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """One `coin/module_config.yaml`: whom it accepts, its machines' cores, what its tests do.

    `tests` is None where the file does not speak for the module's own tests: then they are taken to run.
    """

    accept: Condition | None
    machine_type: dict[str, int]
    tests: tuple[Step, ...] | None


class Module(msgspec.Struct, frozen=True, kw_only=True):
    """One module of the integration. `needs` are (module, required), all of them in the integration."""

    name: str
    needs: Needs
    config: Config
    file: str
    line: int


def read_modules(sources: Sources, root: Path) -> tuple[Module, ...]:
    """The modules of the super-repository `root` that are built, each after what it needs. Raises Mistake."""
    path = root / ".gitmodules"
    file = sources.name(path)
    listed = [one for one in read_gitmodules(sources, file, sources.text(path, root)) if one.is_built]
    folders = {one.name: folder for one in listed if (folder := _folder(root, one))}
    templates = Templates(sources, {root.name: root, "qt5": root} | folders)
    shared = _shared_config(sources, templates, root)
    needs = {one.name: _needs(sources, one, folders.get(one.name), listed) for one in listed}
    configs = {one.name: _config(sources, templates, one, folders.get(one.name), shared) for one in listed}
    by_name = {one.name: one for one in listed}
    found = []
    for name in _order(file, needs):
        one = by_name[name]
        found.append(Module(name=name, needs=needs[name], config=configs[name], file=file, line=one.line))
    return tuple(found)


def _order(file: str, needs: dict[str, Needs]) -> list[str]:
    try:
        return graph.order({name: [need for need, _ in needs[name]] for name in needs})
    except ValueError as wrong:
        raise Mistake(file, None, f"modules need each other: {wrong}", "take one dependency out") from wrong


def _folder(root: Path, one: Submodule) -> Path | None:
    """The module's folder: inside the super-repository, else beside it; None when it is in neither."""
    for folder, below in ((root / one.path, root), (root.parent / one.name, root.parent)):
        if (folder / CONFIG).exists() or (folder / DEPENDENCIES).exists():
            if not folder.resolve().is_relative_to(below.resolve()):
                raise Mistake(
                    one.file, one.line, f"the folder of {one.name} leads out of the tree", "move it here"
                )
            return folder
    return None


def _needs(sources: Sources, one: Submodule, folder: Path | None, listed: list[Submodule]) -> Needs:
    """What it needs, of the modules that are built; what is not built is noted."""
    path = folder / DEPENDENCIES if folder else None
    if folder and path and path.exists():
        file, found = sources.name(path), _read_dependencies(sources, path, folder)
    else:
        file, found = one.file, [(name, required, one.line) for name, required in one.needs]
    built = {other.name for other in listed}
    for name, required, line in found:
        if name not in built:
            kind = "required" if required else "optional"
            what = f"{one.name}: {kind} dependency {name} is not part of the integration, planned without"
            sources.note(file, line, what)
    return tuple((name, required) for name, required, _ in found if name in built)


def _read_dependencies(sources: Sources, path: Path, folder: Path) -> list[tuple[str, bool, int]]:
    """(module, required, line) of a `dependencies.yaml`; a key is a repository's path beside this one."""
    file = sources.name(path)
    top = sources.yaml(path, folder)
    table = top.get("dependencies") if isinstance(top, Table) else None
    if not isinstance(top, Table) or not (isinstance(table, Table) or table is None):
        raise Mistake(
            file, 1, "no mapping of dependencies", "write dependencies: {../qtbase: {required: true}}"
        )
    sources.unknown_keys(file, top, ("dependencies",), "dependencies")
    found = []
    for key, value in (table or {}).items():
        line = table.lines[key] if table else 1
        required = value.get("required", True) if isinstance(value, Table) else None
        if not isinstance(value, Table) or not isinstance(required, bool):
            raise Mistake(file, line, f"{key} without required: true or false", "write required: true")
        sources.unknown_keys(file, value, ("ref", "required"), f"dependency {key}")
        found.append((key.rstrip("/").rpartition("/")[2].removesuffix(".git"), required, line))
    return found


def _config(
    sources: Sources, templates: Templates, one: Submodule, folder: Path | None, shared: Config
) -> Config:
    """The module's own configuration, else that of the super-repository."""
    if folder and (folder / CONFIG).exists():
        return _read_config(sources, templates, folder, of_module=True)
    what = f"{one.name} has no {CONFIG} here: planned from .gitmodules and that of the super-repository"
    sources.note(one.file, one.line, what)
    return shared


def _shared_config(sources: Sources, templates: Templates, root: Path) -> Config:
    """That of the super-repository, for modules without one, and notes on what it cannot say for them."""
    file = sources.name(root / CONFIG)
    what = f"no default machine size in the data: {DEFAULT_CORES} cores where no machine_type or VMSizeN says more"
    sources.note(file, 1, what)
    if not (root / CONFIG).exists():
        sources.note(file, 1, "is not in the data: modules without their own accept every configuration")
        return Config(accept=None, machine_type={}, tests=None)
    what = "instructions of the super-repository's own build, not of a module: taken as something to run"
    table = sources.yaml(root / CONFIG, root)
    if isinstance(table, Table) and "instructions" in table:
        sources.note(file, table.lines["instructions"], what)
    return _read_config(sources, templates, root, of_module=False)


def _read_config(sources: Sources, templates: Templates, folder: Path, *, of_module: bool) -> Config:
    """One `coin/module_config.yaml`. That of the super-repository speaks of its own tests, not of a module's."""
    path = folder / CONFIG
    file = sources.name(path)
    table = sources.yaml(path, folder)
    if not isinstance(table, Table):
        raise Mistake(file, 1, "not a mapping", "write version, accept_configuration and instructions")
    sources.unknown_keys(file, table, FIELDS, "module configuration")
    accept = None
    if "accept_configuration" in table:
        accept = read_condition(
            sources, file, table["accept_configuration"], table.lines["accept_configuration"]
        )
    line = table.lines.get("machine_type", 1)
    return Config(
        accept=accept,
        machine_type=read_machine_type(sources, file, table.get("machine_type"), line),
        tests=_tests(sources, templates, file, table) if of_module else None,
    )


def _tests(sources: Sources, templates: Templates, file: str, table: Table) -> tuple[Step, ...] | None:
    """The steps of instructions.Test; None when the file has no instructions at all."""
    stages = table.get("instructions")
    line = table.lines.get("instructions", 1)
    if stages is None:
        return None
    if not isinstance(stages, Table):
        raise Mistake(file, line, "instructions are not a mapping", "write Build: [...] and Test: [...]")
    sources.unknown_keys(file, stages, STAGES, "instructions")
    for stage in stages:
        steps = templates.steps(file, stages.lines[stage], stages[stage])
        if stage == "Test":
            tests = steps
    return tests if "Test" in stages else ()
