"""Which files the patterns of `artifacts` name, gathered into a tree of their own.

`$DESTDIR/...` is looked up below the destination and kept at its path there; everything else is relative to the working
folder. `*` and `?` stay within one folder, `**` goes through any number; a folder that is named is kept whole.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from penstock.agent.sandbox import Layout
from penstock.wire.trees import TreeError

_DESTINATION = re.compile(r"\$DESTDIR(?![A-Za-z0-9_])|\$\{DESTDIR\}")


def gather(patterns: list[str], layout: Layout, target: Path) -> list[str]:
    """Link what the patterns name into `target`; returns patterns that named nothing. Raises TreeError."""
    empty = []
    for pattern in patterns:
        root, relative = _place(pattern, layout)
        found = False
        for name in _matches(root, relative):
            _bring(root / name, target / name, name)
            found = True
        if not found:
            empty.append(pattern)
    return empty


def _place(pattern: str, layout: Layout) -> tuple[Path, str]:
    root = layout.source
    start = _DESTINATION.match(pattern)
    relative = pattern
    if start:
        root, relative = layout.destination, pattern[start.end() :].lstrip("/")
        relative = relative.replace("${PREFIX}", layout.inside["prefix"]).replace(
            "$PREFIX", layout.inside["prefix"]
        )
        relative = relative.lstrip("/") or "**"
    if relative.startswith("/") or ".." in relative.split("/"):
        raise TreeError(f"{pattern}: artifacts lie in the working folder or below $DESTDIR")
    return root, relative.rstrip("/")


def _matches(root: Path, pattern: str) -> Iterator[str]:
    expression = re.compile(translate(pattern), re.DOTALL)
    pending = [""]
    while pending:
        folder = pending.pop()
        with os.scandir(root / folder) as entries:
            for entry in entries:
                name = os.path.join(folder, entry.name)
                if expression.fullmatch(name):
                    yield name
                if entry.is_dir(follow_symlinks=False):
                    pending.append(name)


def translate(pattern: str) -> str:
    """The pattern as a regular expression that matches what it names and all that lies below."""
    parts = []
    for part in pattern.split("/"):
        if part == "**":
            parts.append("(?:[^/]+/)*")
        elif part not in ("", "."):
            parts.append(_part(part) + "/")
    whole = "".join(parts)
    if whole.endswith("(?:[^/]+/)*"):
        return whole[: -len("(?:[^/]+/)*")] + ".+"
    return whole[:-1] + "(?:/.*)?"


def _part(part: str) -> str:
    out = ""
    for piece in re.findall(r"\*+|\?|\[[^\]/]+\]|.", part, re.DOTALL):
        if piece[0] == "*":
            out += "[^/]*"
        elif piece == "?":
            out += "[^/]"
        elif piece[0] == "[" and len(piece) > 1:
            inner = piece[1:-1].replace("\\", r"\\").replace("[", r"\[")
            out += "[" + ("^" + inner[1:] if inner[0] in "!^" else inner) + "]"
        else:
            out += re.escape(piece)
    return out


def _bring(path: Path, target: Path, name: str) -> None:
    """A hard link costs nothing; what is neither file, folder nor link is refused when the tree is packed."""
    if path.is_dir() and not path.is_symlink():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(path, target, follow_symlinks=False)
    except FileExistsError:
        if not os.path.samestat(path.lstat(), target.lstat()):
            raise TreeError(f"{name}: lies both in the working folder and below $DESTDIR") from None
