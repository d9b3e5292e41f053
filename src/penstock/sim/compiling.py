"""Compiles the policy and the event loop from outside: the very functions that a hub runs, none of them marked.

Every function of the modules that the loop reaches is copied with globals in which functions and modules of the set are
replaced by what numba makes of them; numba compiles each when it is first called, and keeps what it made in a folder
named by the digest of all sources that went into it, because by itself it notices only changes of one file.
"""

import hashlib
import marshal
import os
import re
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from penstock.sim.pruning import prune

ROOMS = ("penstock.policy.capacity", "penstock.sim.engine")
Modules = dict[str, ModuleType]


def reached(*first: ModuleType) -> Modules:
    """`first` and all modules of ROOMS that they use, by name."""
    found: Modules = {}
    waiting = list(first)
    while waiting:
        module = waiting.pop()
        if module.__name__ in found or not module.__name__.startswith(ROOMS):
            continue
        found[module.__name__] = module
        for value in vars(module).values():
            home = value if isinstance(value, ModuleType) else sys.modules.get(_home(value))
            if home is not None:
                waiting.append(home)
    return dict(sorted(found.items()))


def _home(value: Any) -> str:
    return value.__module__ if isinstance(value, FunctionType) else ""


def digest(modules: Modules) -> str:
    """Of all sources of the set and of what compiles them."""
    # numba itself takes half a second to import, and a short run goes without
    from importlib.metadata import version

    told = hashlib.sha256(f"{version('numba')} {version('numpy')} {sys.version}".encode())
    for name, text in _sources(modules).items():
        told.update(name.encode())
        told.update(text)
    # a file may have been changed since it was imported: what is compiled counts, not what would be now
    for _, function in _functions(modules):
        told.update(marshal.dumps(function.__code__, 2))
    return told.hexdigest()[:32]


def _sources(modules: Modules) -> dict[str, bytes]:
    """The texts of the set, and of what it imports numbers from: those are compiled in."""
    found: dict[str, bytes] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in found or not name.startswith(ROOMS):
            continue
        found[name] = Path(str(sys.modules[name].__file__)).read_bytes()
        waiting += [other.decode() for other in re.findall(rb"^from ([\w.]+) import", found[name], re.M)]
    return dict(sorted(found.items()))


def folder(modules: Modules) -> Path | None:
    """Where compiled code is kept; None where nothing can be written. Made for its owner alone."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    path = Path(base) / "penstock" / digest(modules)
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path if os.access(path, os.W_OK) and path.stat().st_uid == os.getuid() else None
    except OSError:
        return None


def is_cached(modules: Modules) -> bool:
    """Whether the set was compiled before."""
    path = folder(modules)
    return path is not None and (path / "whole").exists()


_made: dict[str, Modules] = {}


def compiled(modules: Modules) -> Modules:
    """The same modules with every function compiled when it is first called; made once in a process."""
    sources = digest(modules)
    if sources not in _made:
        _made[sources] = _compiled(modules)
    return _made[sources]


def _compiled(modules: Modules) -> Modules:
    import numba

    # no checks of bounds or of overflow are added: integers wrap as in C, and none here comes near 2^63
    make = partial(numba.njit, error_model="numpy", no_cfunc_wrapper=True)
    inner = {name: ModuleType(name) for name in modules}
    # what only compiled code calls needs no way in from Python: of so many columns that would be most of what is compiled;
    # and it is kept as a part of what calls it
    bare = make(no_cpython_wrapper=True)
    functions = {id(f): _once(bare(_copy(f, inner[name]))) for name, f in _functions(modules)}
    for name, module in modules.items():
        for key, value in vars(module).items():
            if not key.startswith("__"):
                setattr(inner[name], key, _replaced(value, inner, functions))
    kept = partial(_kept, make, folder(modules))
    return {name: _Outer(module, inner[name], kept) for name, module in modules.items()}


def _kept(make: Callable[..., Any], cache: Path | None, function: FunctionType) -> Any:
    """What calls the function from Python; compiled code is kept in `cache`."""
    import numba

    if cache is not None:
        numba.config.CACHE_DIR = str(cache)  # type: ignore[attr-defined]
    return make(cache=cache is not None)(function)


class _Outer(ModuleType):
    """A module whose functions can be called from Python; each is made ready when it is first asked for."""

    def __init__(self, module: ModuleType, inner: ModuleType, make: Callable[[FunctionType], Any]) -> None:
        super().__init__(module.__name__)
        self._of = module, inner, make

    def __getattr__(self, name: str) -> Any:
        module, inner, make = self._of
        value = getattr(module, name)
        if isinstance(value, FunctionType):
            value = make(_copy(value, inner, "called "))
        setattr(self, name, value)
        return value


def _once(dispatcher: Any) -> Any:
    """Calls with a constant use what was compiled for any number; numba would compile a function for each constant."""
    from numba.core.types import unliteral

    found = dispatcher.get_call_template
    dispatcher.get_call_template = lambda args, kws: found(tuple(map(unliteral, args)), kws)
    return dispatcher


def _functions(modules: Modules) -> list[tuple[str, FunctionType]]:
    return [
        (name, value)
        for name, module in modules.items()
        for value in vars(module).values()
        if isinstance(value, FunctionType) and value.__module__ == name
    ]


def _copy(function: FunctionType, into: ModuleType, as_what: str = "") -> FunctionType:
    """The function with the globals of another module; `as_what`: kept apart from its other copies when stored."""
    copy = FunctionType(function.__code__, vars(into), function.__name__, function.__defaults__)
    copy.__module__, copy.__qualname__ = function.__module__, as_what + function.__qualname__
    return copy


def _replaced(value: Any, made: Modules, functions: Mapping[int, Any]) -> Any:
    if isinstance(value, ModuleType):
        return made.get(value.__name__, value)
    return functions.get(id(value), value)


def remember(modules: Modules) -> None:
    """The whole set has been compiled: the next run need not hesitate."""
    path = folder(modules)
    if path is not None:
        (path / "whole").touch()
        prune(path)
