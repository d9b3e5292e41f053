"""The rooms keep to their layers, and the agent carries nothing but the standard library."""

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CARRIED = "penstock.agent", "penstock.wire"
"""What the agent may import of ours; of the wire only what it does import."""


def lint_imports(tree: Path) -> subprocess.CompletedProcess[str]:
    """Check the contracts of `.importlinter` against the package in `tree`/src."""
    environment = os.environ | {"PYTHONPATH": str(tree / "src"), "COLUMNS": "200"}
    program = Path(sys.executable).with_name("lint-imports")
    command = [program, "--config", tree / ".importlinter", "--no-cache"]
    return subprocess.run(
        command, cwd=tree, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def broken(output: str) -> str:
    """The part of the linter's output that a person wants to see."""
    return output[output.find("Broken contracts") :] if "Broken contracts" in output else output


def test_imports_point_down_only() -> None:
    result = lint_imports(ROOT)
    assert result.returncode == 0, broken(result.stdout + result.stderr)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package that a test may spoil."""
    shutil.copy(ROOT / ".importlinter", tmp_path)
    skipped = shutil.ignore_patterns("__pycache__", "examples")
    shutil.copytree(ROOT / "src" / "penstock", tmp_path / "src" / "penstock", ignore=skipped)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("model/planted.py", "import penstock.hub", "Imports point down only"),
        ("policy/planted.py", "import random", "decided without a clock, chance"),
        ("reports/planted.py", "from time import monotonic", "decided without a clock, chance"),
        ("hub/planted.py", "import penstock.store", "Imports point down only"),
        ("hub/planted.py", "import sqlite3", "Only the store speaks to a database"),
        ("policy/planted.py", "import obstore", "Only the store knows where blobs lie"),
        ("hub/planted.py", "import litestar", "Only the web room"),
        ("store/planted.py", "import rich", "Only the command line talks to a terminal"),
        ("surplus/__init__.py", "", "Imports point down only"),
    ],
)
def test_a_planted_violation_is_caught(copy: Path, file: str, line: str, contract: str) -> None:
    planted = copy / "src" / "penstock" / file
    planted.parent.mkdir(exist_ok=True)
    planted.write_text(line + "\n", encoding="utf-8")
    result = lint_imports(copy)
    assert result.returncode != 0
    assert contract in broken(result.stdout), result.stdout


def test_providers_know_nothing_of_each_other(copy: Path) -> None:
    for name, text in {"left": "", "right": "from penstock.providers import left\n"}.items():
        (copy / "src" / "penstock" / "providers" / f"{name}.py").write_text(text, encoding="utf-8")
    result = lint_imports(copy)
    assert "A provider can be added or removed" in broken(result.stdout), result.stdout


def module_file(source: Path, module: str) -> Path | None:
    """Where `module` lies below `source`, None when it is not a module of ours."""
    path = source.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def imported(source: Path, tree: ast.Module) -> Iterator[str]:
    """The modules that `tree` imports by their full names; relative imports come out as they stand."""
    for item in ast.walk(tree):
        if isinstance(item, ast.Import):
            yield from (alias.name for alias in item.names)
        elif isinstance(item, ast.ImportFrom):
            name = "." * item.level + (item.module or "")
            yield name
            inner = (f"{name}.{alias.name}" for alias in item.names)
            yield from (module for module in inner if module_file(source, module))


def carried_files(source: Path) -> dict[Path, list[str]]:
    """What goes into agent.pyz, with the modules that each file imports."""
    waiting = sorted((source / "penstock" / "agent").rglob("*.py"))
    found: dict[Path, list[str]] = {}
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found[path] = list(imported(source, ast.parse(path.read_text(encoding="utf-8"))))
        below = [name for name in found[path] if name.startswith(CARRIED)]
        parents = {name.rsplit(".", 1)[0] for name in below if "." in name}
        waiting += [file for name in {*below, *parents} if (file := module_file(source, name))]
    return found


def foreign_imports(source: Path) -> list[str]:
    """Imports of the agent that a bare Python would not find."""
    return [
        f"{path.relative_to(source)} imports {name}"
        for path, names in carried_files(source).items()
        for name in names
        if name != "__future__"
        and name != "penstock"
        and not name.startswith(CARRIED)
        and name.partition(".")[0] not in sys.stdlib_module_names
    ]


NEWER_MODULES = {"tomllib"}
NEWER_NAMES = {
    ("datetime", "UTC"),
    ("enum", "StrEnum"),
    ("itertools", "pairwise"),
    ("typing", "Self"),
    ("typing", "TypeAlias"),
    ("typing", "ParamSpec"),
    ("typing", "Never"),
    ("typing", "assert_never"),
    ("typing", "NotRequired"),
    ("typing", "Required"),
    ("asyncio", "TaskGroup"),
    ("asyncio", "timeout"),
    ("asyncio", "Runner"),
    ("contextlib", "aclosing"),
    ("contextlib", "chdir"),
    ("types", "NoneType"),
    ("types", "UnionType"),
}
NEWER_ARGUMENTS = {"slots", "kw_only"}
"""Arguments of @dataclass that Python 3.10 brought; zip(strict=) is looked at apart."""


def newer_names(tree: ast.Module) -> Iterator[str]:
    """What of the standard library, used in `tree`, Python 3.9 has not."""
    for item in ast.walk(tree):
        if isinstance(item, ast.ImportFrom):
            pairs = {(item.module or "", alias.name) for alias in item.names}
            yield from (f"line {item.lineno}: {'.'.join(pair)}" for pair in sorted(pairs & NEWER_NAMES))
        elif isinstance(item, ast.Attribute) and isinstance(item.value, ast.Name):
            if (item.value.id, item.attr) in NEWER_NAMES:
                yield f"line {item.lineno}: {item.value.id}.{item.attr}"
        elif isinstance(item, ast.Import):
            yield from (f"line {item.lineno}: {a.name}" for a in item.names if a.name in NEWER_MODULES)
        elif isinstance(item, ast.Call) and isinstance(item.func, ast.Name):
            banned = {"zip": {"strict"}, "dataclass": NEWER_ARGUMENTS}.get(item.func.id, set())
            yield from (f"line {item.lineno}: {k.arg}=" for k in item.keywords if k.arg in banned)


def annotations(tree: ast.Module) -> Iterator[ast.expr]:
    """The types that stand beside arguments, results and variables."""
    for item in ast.walk(tree):
        for field in ("annotation", "returns"):
            if isinstance(below := getattr(item, field, None), ast.expr):
                yield below


def runtime_unions(tree: ast.Module) -> Iterator[str]:
    """`X | Y` as a type where Python 3.9 would compute it."""
    future = any(isinstance(i, ast.ImportFrom) and i.module == "__future__" for i in tree.body)
    quiet = {id(inner) for below in annotations(tree) for inner in ast.walk(below)}
    for item in ast.walk(tree):
        if isinstance(item, ast.BinOp) and isinstance(item.op, ast.BitOr):
            with_none = any(isinstance(i, ast.Constant) and i.value is None for i in (item.left, item.right))
            if (id(item) in quiet and not future) or (id(item) not in quiet and with_none):
                yield f"line {item.lineno}: X | Y is computed"


def too_new(text: str) -> list[str]:
    """What of `text` Python 3.9 would refuse."""
    try:
        tree = ast.parse(text, feature_version=(3, 9))
    except SyntaxError as error:
        return [f"line {error.lineno}: {error.msg}"]
    newer = [f"line {i.lineno}: match" for i in ast.walk(tree) if isinstance(i, ast.Match)]
    newer += [f"line {i.lineno}: except*" for i in ast.walk(tree) if isinstance(i, ast.TryStar)]
    return sorted({*newer, *newer_names(tree), *runtime_unions(tree)})


def test_the_agent_is_standard_library_only() -> None:
    assert foreign_imports(ROOT / "src") == []


def test_the_agent_runs_on_python_3_9() -> None:
    files = carried_files(ROOT / "src")
    found = {str(path.relative_to(ROOT)): too_new(path.read_text(encoding="utf-8")) for path in files}
    assert {path: what for path, what in found.items() if what} == {}


@pytest.mark.parametrize(
    "text",
    [
        "match x:\n    case 1: pass\n",
        "try:\n    pass\nexcept* OSError:\n    pass\n",
        "def f(x: int | None) -> None: ...\n",
        "Name = int | None\n",
        "import tomllib\n",
        "from enum import StrEnum\n",
        "import datetime\nnow = datetime.UTC\n",
        "from dataclasses import dataclass\n@dataclass(slots=True)\nclass A: ...\n",
        "zip([1], [2], strict=True)\n",
        "from __future__ import annotations\nName = int | None\n",
    ],
)
def test_newer_python_is_seen(text: str) -> None:
    assert too_new(text) != []


def test_older_python_is_let_through() -> None:
    assert too_new("from __future__ import annotations\ndef f(x: int | None) -> int: return x | 1\n") == []


def test_a_foreign_import_of_the_agent_is_seen(tmp_path: Path) -> None:
    files = {
        "agent/__init__.py": "",
        "agent/loop.py": "import json, msgspec\nfrom penstock.wire import client\n",
        "wire/__init__.py": "",
        "wire/client.py": "from penstock.model import job\nimport http.client\n",
        "wire/unused.py": "import litestar\n",
    }
    for name, text in files.items():
        path = tmp_path / "penstock" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert sorted(foreign_imports(tmp_path)) == [
        "penstock/agent/loop.py imports msgspec",
        "penstock/wire/client.py imports penstock.model",
    ]
