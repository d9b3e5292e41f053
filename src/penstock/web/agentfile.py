"""GET /agent.pyz: the agent as one file that Python runs, without a token. The same code gives the same bytes.

Beside each source it has what this Python makes of it: a machine with a Python of the same release need not compile, which is half of
the time to its first call where the processor is imitated. Others take the sources (importlib's _bootstrap_external, zipimport).
"""

import ast
import base64
import functools
import hashlib
import io
import marshal
import zipfile
from dataclasses import dataclass
from importlib import resources
from importlib.abc import Traversable
from importlib.util import MAGIC_NUMBER, source_hash
from typing import Any

from litestar import Request, Response, Router, get

PATH = "/agent.pyz"
_START = """\
import sys

if sys.version_info < (3, 9):
    sys.exit("penstock agent: Python 3.9 or newer is needed")
from penstock.agent.__main__ import main

sys.exit(main())
"""
_UNCHECKED = b"\x01\0\0\0"
_AT = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class AgentFile:
    """The file, and "sha256:<hex>" of it."""

    data: bytes
    digest: str


@functools.cache
def agent_file() -> AgentFile:
    """The agent with all that it imports of this package: a zip without compression, its entries in order."""
    out = io.BytesIO(b"#!/usr/bin/env python3\n")
    out.seek(0, io.SEEK_END)
    with zipfile.ZipFile(out, "w") as archive:
        sources = {**carried(), "__main__.py": _START.encode()}
        compiled = {f"{name}c": _compiled(name, text) for name, text in sources.items()}
        for name, text in sorted({**sources, **compiled}.items()):
            entry = zipfile.ZipInfo(name, _AT)
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, text)
    data = out.getvalue()
    return AgentFile(data, "sha256:" + hashlib.sha256(data).hexdigest())


def _compiled(name: str, text: bytes) -> bytes:
    """As a .pyc (PEP 552) that is never held against its source. Version 2 of marshal has no references, which would depend on what
    else this process holds."""
    code = compile(text, name, "exec", dont_inherit=True)
    return MAGIC_NUMBER + _UNCHECKED + source_hash(text) + marshal.dumps(code, 2)


def carried() -> dict[str, bytes]:
    """Path in the zip -> source: the agent, and what it names of the rest of this package, and so on."""
    found: dict[str, bytes] = {}
    agent = resources.files("penstock.agent")
    pending = [f"penstock.agent.{entry.name[:-3]}" for entry in agent.iterdir() if entry.name.endswith(".py")]
    while pending:
        path, text = _source(pending.pop())
        if path not in found:
            found[path] = text
            pending += _named(text)
    return found


def _source(module: str) -> tuple[str, bytes]:
    """Where a module lies in the zip, and its source."""
    path = next(path for path in _paths(module) if _ours(path).is_file())
    return path, _ours(path).read_bytes()


def _paths(module: str) -> list[str]:
    path = module.removesuffix(".__init__").replace(".", "/")
    return [f"{path}/__init__.py", f"{path}.py"]


def _ours(path: str) -> Traversable:
    return resources.files("penstock").joinpath(*path.split("/")[1:])


def _named(text: bytes) -> list[str]:
    """Modules of this package that a source imports, with the packages that they lie in."""
    modules: set[str] = set()
    for found in ast.walk(ast.parse(text)):
        if isinstance(found, ast.Import):
            modules |= {alias.name for alias in found.names}
        elif isinstance(found, ast.ImportFrom) and found.module:
            modules |= {found.module} | {f"{found.module}.{alias.name}" for alias in found.names}
    ours = {name for name in modules if name.split(".")[0] == "penstock"}
    ours = {name for name in ours if any(_ours(path).is_file() for path in _paths(name))}
    return sorted(
        ours | {".".join(name.split(".")[:end]) for name in ours for end in range(1, name.count(".") + 1)}
    )


def agent_file_router() -> Router:
    """The route; `If-None-Match` answers 304, `Repr-Digest` (RFC 9530) says what the bytes must come to."""
    made = agent_file()
    tag = f'"{made.digest}"'
    raw = base64.b64encode(bytes.fromhex(made.digest.removeprefix("sha256:"))).decode()
    headers = {"ETag": tag, "Repr-Digest": f"sha-256=:{raw}:", "Cache-Control": "no-cache"}

    @get("/", include_in_schema=False, sync_to_thread=False)
    def agent(request: Request[Any, Any, Any]) -> Response[bytes]:
        if tag in request.headers.get("If-None-Match", ""):
            return Response(b"", status_code=304, headers=headers)
        named = {**headers, "Content-Disposition": 'attachment; filename="agent.pyz"'}
        return Response(made.data, media_type="application/zip", headers=named)

    return Router(PATH, route_handlers=[agent])
