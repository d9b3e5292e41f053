"""House rules that a program can check. Each is a function over a tree that names what breaks it."""

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Callable, Iterator
from pathlib import Path

FUNCTION_LINES_MAX = 50
FUNCTION_LINES_P95 = 40
FILE_LINES_MAX = 400
PARAMETERS_MAX = 5
PURE_ROOMS = "model", "policy", "reports"
CODE_FOLDERS = "src/penstock", "tests", "scripts", "bench"
NOT_OURS = "src/penstock/examples/"
"""Sources that the examples bring along keep their own style."""

BANNED_WORDS = frozenset(
    ("worker", "node", "task", "runner", "slave", "manager", "util", "common", "misc", "helper"),
)
ALLOWED_WORDS: dict[tuple[str, str], str] = {
    # (path below the repository, identifier): why it may be called so
}
Function = ast.FunctionDef | ast.AsyncFunctionDef
Check = Callable[[Path], Iterator[str]]


def python_files(root: Path, *folders: str) -> Iterator[Path]:
    """Our own Python files below `folders`, by default all of them."""
    for folder in folders or CODE_FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            if not path.relative_to(root).as_posix().startswith(NOT_OURS):
                yield path


def parsed(path: Path) -> ast.Module:
    """The syntax tree of one file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def place(root: Path, path: Path, line: int) -> str:
    """How a person finds it."""
    return f"{path.relative_to(root).as_posix()}:{line}"


# Sizes ------------------------------------------------------------------------------------------------------


def body_of(function: Function) -> list[ast.stmt]:
    """What a function does: its statements without the docstring."""
    first = function.body[0]
    docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return function.body[1:] if docstring else function.body


def table_lines(statements: list[ast.stmt]) -> set[int]:
    """Lines of literal lists, tuples, sets and dictionaries that go over more than one line."""
    tables = (ast.List, ast.Tuple, ast.Set, ast.Dict)
    displays = (i for s in statements for i in ast.walk(s) if isinstance(i, tables))
    return {line for i in displays for line in range(i.lineno + 1, (i.end_lineno or i.lineno) + 1)}


def function_lines(function: Function) -> int:
    """Length of a function's body: no signature, no docstring, no tables."""
    body = body_of(function)
    if not body:
        return 0
    whole = set(range(body[0].lineno, (body[-1].end_lineno or 0) + 1))
    return len(whole - table_lines(body))


def functions(tree: ast.Module) -> Iterator[Function]:
    """Every function and method, inner ones too."""
    return (item for item in ast.walk(tree) if isinstance(item, Function))


def function_sizes(root: Path, *folders: str) -> list[tuple[int, str]]:
    """Every function's length with its place, shortest first."""
    return sorted(
        (function_lines(function), f"{place(root, path, function.lineno)} {function.name}")
        for path in python_files(root, *folders)
        for function in functions(parsed(path))
    )


def percentile(sizes: list[tuple[int, str]], percent: int) -> int:
    """The length that `percent` of a hundred functions do not exceed; 0 without functions."""
    return sizes[max(0, -(-len(sizes) * percent // 100) - 1)][0] if sizes else 0


def long_functions(root: Path) -> Iterator[str]:
    """Functions that nobody can take in at one look."""
    for lines, where in function_sizes(root):
        if lines > FUNCTION_LINES_MAX and "/migrations/" not in where:  # a migration is a table
            yield f"{where} has {lines} lines, {FUNCTION_LINES_MAX} are allowed"


def long_files(root: Path) -> Iterator[str]:
    """Files that should be two."""
    for path in python_files(root):
        lines = path.read_text(encoding="utf-8").count("\n")
        if lines > FILE_LINES_MAX:
            yield f"{place(root, path, 1)} has {lines} lines, {FILE_LINES_MAX} are allowed"


def parameters(function: Function) -> int:
    """How many arguments a function takes, itself not counted."""
    given = function.args
    named = [a.arg for a in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return (
        len([name for name in named if name not in ("self", "cls")]) + bool(given.vararg) + bool(given.kwarg)
    )


def many_parameters(root: Path) -> Iterator[str]:
    """Functions of the pure rooms that want a record instead."""
    for path in python_files(root, *(f"src/penstock/{room}" for room in PURE_ROOMS)):
        for function in functions(parsed(path)):
            if parameters(function) > PARAMETERS_MAX:
                yield f"{place(root, path, function.lineno)} {function.name} takes {parameters(function)} arguments"


# Words ------------------------------------------------------------------------------------------------------


def words_of(name: str) -> set[str]:
    """The words of an identifier, whether joined by underscores or by capitals; plurals count as singular."""
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    return {word for part in parts for word in (part.lower(), part.lower().removesuffix("s"))}


def names_given(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every name that this file gives to something; what others are called is their business."""
    for item in ast.walk(tree):
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield item.lineno, item.name
        elif isinstance(item, ast.arg):
            yield item.lineno, item.arg
        elif isinstance(item, ast.Name) and isinstance(item.ctx, ast.Store):
            yield item.lineno, item.id
        elif isinstance(item, ast.Attribute) and isinstance(item.ctx, ast.Store):
            yield item.lineno, item.attr
        elif isinstance(item, ast.alias) and item.asname:
            yield item.lineno, item.asname
        elif isinstance(item, ast.ExceptHandler) and item.name:
            yield item.lineno, item.name


def banned_words(root: Path) -> Iterator[str]:
    """Names that say nothing, or that mean something else elsewhere."""
    for path in python_files(root):
        relative = path.relative_to(root).as_posix()
        named = [(1, part) for part in (*path.relative_to(root).parts[:-1], path.stem)]
        for line, name in (*named, *names_given(parsed(path))):
            found = words_of(name) & BANNED_WORDS
            if found and (relative, name) not in ALLOWED_WORDS:
                yield f"{place(root, path, line)} `{name}` uses the word {', '.join(sorted(found))}"


def bare_names(root: Path) -> Iterator[str]:
    """Modules, public classes and public functions of the pure rooms without a docstring."""
    for path in python_files(root, *(f"src/penstock/{room}" for room in PURE_ROOMS)):
        tree = parsed(path)
        if not ast.get_docstring(tree):
            yield f"{place(root, path, 1)} the module has no docstring"
        for line, name in public_without_docstring(tree.body):
            yield f"{place(root, path, line)} {name} has no docstring"


def public_without_docstring(body: list[ast.stmt], inside: str = "") -> Iterator[tuple[int, str]]:
    """Public names of a module or class that do not say what they are."""
    for item in body:
        if not isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if item.name.startswith("_"):
            continue
        if not ast.get_docstring(item):
            yield item.lineno, inside + item.name
        if isinstance(item, ast.ClassDef):
            yield from public_without_docstring(item.body, f"{item.name}.")


# What is left over ------------------------------------------------------------------------------------------


MODULE_NAME = re.compile(r"penstock(\.\w+)+(:\w+)?")


def module_name(source: Path, path: Path) -> str:
    """The name under which `path` is imported."""
    parts = path.relative_to(source).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def mentioned(tree: ast.Module) -> Iterator[str]:
    """Modules that a file imports, or names in a table such as "penstock.providers.ec2:Ec2"."""
    for item in ast.walk(tree):
        if isinstance(item, ast.Import):
            yield from (alias.name for alias in item.names)
        elif isinstance(item, ast.ImportFrom) and item.module:
            yield item.module
            yield from (f"{item.module}.{alias.name}" for alias in item.names)
        elif isinstance(item, ast.Constant) and MODULE_NAME.fullmatch(str(item.value)):
            yield str(item.value).partition(":")[0]


def dead_files(root: Path) -> Iterator[str]:
    """Modules that nothing imports, and that are neither started by name nor found in a table."""
    source = root / "src"
    files = {path: module_name(source, path) for path in python_files(root, "src/penstock")}
    used = {name for path, own in files.items() for name in mentioned(parsed(path)) if name != own}
    for path, name in files.items():
        started = path.name in ("__init__.py", "__main__.py") or "migrations" in path.relative_to(root).parts
        if not started and name not in used:
            yield f"{place(root, path, 1)} nothing imports {name}"


def comments(path: Path) -> Iterator[tuple[int, str]]:
    """The comments of a Python file, without their signs."""
    reader = io.StringIO(path.read_text(encoding="utf-8")).readline
    for token in tokenize.generate_tokens(reader):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string.lstrip("#").strip()


def is_code(comment: str) -> bool:
    """Whether a comment is a statement that somebody switched off; a formula is not."""
    try:
        body = ast.parse(comment + (" pass" if comment.endswith(":") else "")).body
    except (SyntaxError, ValueError):
        return False
    if len(body) != 1:
        return False
    match body[0]:
        case ast.Import() | ast.ImportFrom() | ast.Assert() | ast.Delete() | ast.Raise(exc=ast.Call()):
            return True
        case ast.Expr(value=ast.Call() | ast.Await()) | ast.Assign(value=ast.Call()):
            return True
        case ast.Return(value=value):
            return value is not None and not isinstance(value, ast.Name)
        case _:
            return comment.endswith(":") and " " in comment


def commented_out_code(root: Path) -> Iterator[str]:
    """Code that is neither run nor gone."""
    for path in python_files(root):
        for line, comment in comments(path):
            if is_code(comment):
                yield f"{place(root, path, line)} commented-out code: {comment}"


# Texts ------------------------------------------------------------------------------------------------------

# Put together here, so that this file does not name them.
POSTPONED = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")) + r")\b")
PLACES = re.compile(
    "|".join(
        (
            r"py" + r"pi\.org",
            r"files\.python" + r"hosted\.org",
            r"registry\.npm" + r"js\.org",
            r"deb\.deb" + r"ian\.org",
            r"--(extra-)?index" + r"-url",
            r"(?<![\w.}$)/-])/wo" + r"rk/",
            r"(?<![\w.}$)/-])/ro" + r"ot/",
        )
    )
)


def committed_files(root: Path) -> list[Path]:
    """What git keeps, or would keep; all files where there is no git."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        return sorted({root / name for name in listed.stdout.split("\0") if name and (root / name).is_file()})
    return sorted(path for path in root.rglob("*") if path.is_file())


def text_lines(root: Path) -> Iterator[tuple[Path, int, str]]:
    """Every line of every committed text that we wrote ourselves."""
    for path in committed_files(root):
        data = path.read_bytes()
        if b"\0" in data[:8192] or path.relative_to(root).as_posix().startswith(NOT_OURS):
            continue
        for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
            yield path, number, line


def postponed_work(root: Path) -> Iterator[str]:
    """Notes of work to be done, which belong where people look for work."""
    for path, number, line in text_lines(root):
        if found := POSTPONED.search(line):
            yield f"{place(root, path, number)} {found[0]}"


def foreign_places(root: Path) -> Iterator[str]:
    """Addresses and folders that are true on one machine only."""
    for path, number, line in text_lines(root):
        if found := PLACES.search(line):
            yield f"{place(root, path, number)} names {found[0]}"


CHECKS: tuple[Check, ...] = (
    long_functions,
    long_files,
    many_parameters,
    banned_words,
    bare_names,
    dead_files,
    commented_out_code,
    postponed_work,
    foreign_places,
)
