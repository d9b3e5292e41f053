"""Bare trees of Debian releases, as a machine that has nothing but Python: fetched once, entered by pivot_root.

A plain chroot will not do: user namespaces are refused in it, so bubblewrap fails.
"""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

PACKAGES = "python3,libpython3-stdlib,bubblewrap,dash,coreutils,base-files"
ENTER = """
set -e
mount --make-rprivate /
mount --bind "$1" "$1"
for name in proc sys dev; do mount --rbind /$name "$1/$name"; done
mount --bind "$2" "$1/mnt"
mount -t tmpfs none "$1/var/tmp" 2>/dev/null || { mkdir -p "$1/var/tmp"; mount -t tmpfs none "$1/var/tmp"; }
cd "$1"
pivot_root . srv
python3 -I -S -c 'import ctypes; assert ctypes.CDLL(None).umount2(b"/srv", 2) == 0'
shift 2
exec /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
"""


def archive() -> str:
    """Where this machine's own packages come from."""
    texts = [path.read_text() for path in Path("/etc/apt").glob("sources.list*") if path.is_file()]
    texts += [path.read_text() for path in Path("/etc/apt/sources.list.d").glob("*.sources")]
    lines = [line for text in texts for line in text.splitlines() if not line.startswith("#")]
    found = [word for line in lines for word in re.findall(r"https?://\S+/debian/?(?=\s|$)", line)]
    return found[0] if found else ""


def tree(release: str) -> Path:
    """The tree of a release. Raises OSError with the reason why it cannot be had."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path(tempfile.gettempdir()) / f"penstock-{os.getuid()}")
    folder = cache / "penstock-trees" / f"{release}-1"
    if not folder.exists():
        fresh = folder.with_name(f"{folder.name}.{os.getpid()}.new")
        fresh.parent.mkdir(parents=True, exist_ok=True)
        try:
            _fetch(release, fresh)
            fresh.rename(folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return folder


def _fetch(release: str, folder: Path) -> None:
    mirror = archive()
    if not mirror:
        raise OSError("/etc/apt names no archive of Debian")
    words = [
        "mmdebstrap",
        "--mode=root",
        "--variant=extract",
        f"--include={PACKAGES}",
        release,
        str(folder),
        mirror,
    ]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    if ended.returncode:
        raise OSError(f"mmdebstrap {release}: {ended.stderr.strip().splitlines()[-1]}")
    for name in ("bin", "sbin", "lib", "lib64"):
        if not (folder / name).exists() and (folder / "usr" / name).exists():
            (folder / name).symlink_to(f"usr/{name}")
    for name in ("proc", "sys", "dev", "mnt", "srv", "tmp", "var/tmp"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    if not (folder / "bin/sh").exists():
        (folder / "bin/sh").symlink_to("dash")


def entered(release: Path, given: Path, *command: str) -> list[str]:
    """The command line that runs a command in a tree, where the folder `given` is /mnt."""
    return ["unshare", "--mount", "sh", "-c", ENTER, "enter", str(release), str(given), *command]
