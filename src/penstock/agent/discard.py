"""Removing trees that a build made: folders without permissions, paths deeper than any limit, thousands of levels."""

from __future__ import annotations

import os
import stat


def discard(path: str | os.PathLike[str]) -> None:
    """Remove a file or tree of ours. Never follows links.

    Every folder is first moved up beside the outermost one, so no path grows with the depth of the tree.
    """
    top = os.fspath(path)
    try:
        if not stat.S_ISDIR(os.lstat(top).st_mode):
            os.unlink(top)
            return
    except FileNotFoundError:
        return
    pending = [top]
    while pending:
        folder = pending.pop()
        pending.extend(_empty(folder, top))
        os.rmdir(folder)


def _empty(folder: str, top: str) -> list[str]:
    """Remove the files of a folder and move its folders beside `top`; returns their new paths."""
    os.chmod(folder, 0o700)
    moved = []
    with os.scandir(folder) as entries:
        for entry in list(entries):
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.path)
                continue
            # Moving a folder rewrites its "..", for which it must be writable.
            os.chmod(entry.path, 0o700)
            target = f"{top}.{os.urandom(6).hex()}"
            os.rename(entry.path, target)
            moved.append(target)
    return moved
