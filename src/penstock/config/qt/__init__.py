"""Qt as it is: the plan of an integration from the super-repository's own files (docs/reference/qt.md)."""

from pathlib import Path

from penstock.config.mistakes import Mistake
from penstock.config.qt.modules import read_modules
from penstock.config.qt.planned import QtInput, plan_qt
from penstock.config.qt.platforms import ENTRY, Configuration, read_configurations
from penstock.config.qt.sources import Sources
from penstock.model import graph

__all__ = ["QtInput", "is_qt", "plan_qt", "read_qt"]


def is_qt(folder: Path) -> bool:
    """True for a Qt super-repository folder, and for a folder that holds one beside its modules."""
    return _root(folder) is not None


def read_qt(folder: Path) -> QtInput:
    """Everything that a plan is made of. Raises Mistake (file, line, what, instead) for malformed input."""
    root = _root(folder)
    if root is None:
        raise Mistake(
            str(folder), None, f"no Qt super-repository: no .gitmodules beside {ENTRY}", "name its folder"
        )
    root = root.resolve()
    sources = Sources(root.parent)
    configurations = _ordered(read_configurations(sources, root))
    modules = read_modules(sources, root)
    unknown = tuple(sorted(set(sources.notes)))
    return QtInput(modules=modules, configurations=configurations, unknown=unknown)


def _root(folder: Path) -> Path | None:
    """The super-repository: the folder itself, its qt5, or the one folder in it that is one."""
    try:
        inside = sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError:
        return None
    for root in (folder, folder / "qt5", *inside):
        if _is_there(root / ".gitmodules") and _is_there(root / ENTRY):
            return root
    return None


def _is_there(path: Path) -> bool:
    """False for what may not be looked at, too."""
    try:
        return path.is_file()
    except OSError:
        return False


def _ordered(configurations: tuple[Configuration, ...]) -> tuple[Configuration, ...]:
    """Each after those it depends on. Raises Mistake for a circle."""
    by_id = {configuration.id: configuration for configuration in configurations}
    try:
        order = graph.order({name: one.depends for name, one in by_id.items()})
    except ValueError as wrong:
        first = configurations[0]
        what = f"platform dependencies lead back to themselves: {wrong}"
        raise Mistake(first.file, None, what, "take one of them out") from wrong
    return tuple(by_id[name] for name in order)
