"""The image of virtual machines, made once for each state of what it is made from and kept in build/image."""

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from penstock.providers.image import tree

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "build" / "image"
PROGRAMS = ("mkfs.erofs", "dpkg-deb", "apt-get", "cpio", "lz4")
_KEEP = 3


def digest() -> str:
    """Of all that goes into the image and is ours."""
    found = hashlib.sha256()
    for folder in (tree.GUEST.parent / "image", tree.GUEST):
        for path in sorted(folder.glob("*.py")):
            found.update(path.name.encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:16]


def image(*options: str) -> Path:
    """The image's folder; about ten seconds the first time. Raises OSError with the reason why it cannot be had."""
    KEPT.mkdir(parents=True, exist_ok=True)
    mark = hashlib.sha256("\0".join(options).encode()).hexdigest()[:8] if options else "plain"
    folder = KEPT / f"{digest()}-{mark}"
    with (KEPT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _make(folder, options)
    return folder


def _make(folder: Path, options: tuple[str, ...]) -> None:
    words = [sys.executable, "-m", "penstock.providers.image", str(folder), *options]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=600, check=False)
    if ended.returncode:
        raise OSError(ended.stderr.strip())
    made = sorted((path for path in KEPT.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime)
    for old in made[:-_KEEP]:
        shutil.rmtree(old, ignore_errors=True)
