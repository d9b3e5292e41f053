"""Compiled code of older sources goes: each change of a source would else leave some megabytes behind for ever."""

import re
import shutil
import time
from pathlib import Path

KEPT = 4
"""How many folders stay, the newest."""
IN_USE_S = 3600
"""What was made within this time stays, too: another process may be compiling it."""


def prune(newest: Path, now_s: float | None = None) -> None:
    """Remove folders of compiled code beside `newest`, which stays. What cannot be removed stays as well."""
    moment_s = time.time() if now_s is None else now_s
    beside = [path for path in newest.parent.iterdir() if path != newest and _is_ours(path)]
    for path in sorted(beside, key=_made_s, reverse=True)[KEPT - 1 :]:
        if moment_s - _made_s(path) > IN_USE_S:
            shutil.rmtree(path, ignore_errors=True)


def _is_ours(path: Path) -> bool:
    return bool(re.fullmatch(r"[0-9a-f]{32}", path.name)) and path.is_dir() and not path.is_symlink()


def _made_s(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # another process was quicker
        return 0.0
