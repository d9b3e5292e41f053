"""What a job can see of its machine, as one digest: the same digest, the same builds.

Counted: the architecture, os-release, every installed package with its version, and what the alternatives point to (which
compiler `cc` is). Not counted: the kernel, hardware, /etc and /usr/local, because the sandbox shows none of them. A
plain attempt does see /usr/local, one reason why what it builds is never trusted. Nothing here depends on the
environment or on when the machine was started.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

_OS_RELEASE = (Path("/usr/lib/os-release"), Path("/etc/os-release"))
_DPKG = Path("/var/lib/dpkg/status")
_APK = Path("/lib/apk/db/installed")
_PACMAN = Path("/var/lib/pacman/local")
_ALTERNATIVES = Path("/etc/alternatives")
_COMPILERS = (
    "cc",
    "c++",
    "gcc",
    "g++",
    "clang",
    "clang++",
    "ld",
    "as",
    "rustc",
    "go",
    "javac",
    "python3",
    "sh",
    "make",
)
_WHERE = ("/usr/bin", "/bin")


def measure() -> str:
    """ "sha256:<hex>" of all that describe() tells."""
    digest = hashlib.sha256()
    for key, lines in sorted(_facts().items()):
        digest.update(f"[{key}]\n".encode())
        for line in sorted(lines):
            digest.update(line.encode("utf-8", "surrogateescape") + b"\n")
    return "sha256:" + digest.hexdigest()


def describe() -> dict[str, Any]:
    """The same facts for people, with what the machine offers."""
    facts = _facts()
    release = dict(line.split("=", 1) for line in facts["os-release"] if "=" in line)
    return {
        "identity": measure(),
        "os": release.get("PRETTY_NAME", os.uname().sysname).strip('"'),
        "arch": os.uname().machine,
        "packages": len(facts["packages"]),
        "compilers": sorted(facts["compilers"]),
        "cores": cores(),
        "memory_mb": memory_mb(),
    }


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_mb() -> int | None:
    """Memory of the machine, or of the group that we are confined to, if that is less."""
    sizes = []
    try:
        text = Path("/proc/meminfo").read_text()
        sizes.append(int(text.split("MemTotal:", 1)[1].split()[0]) >> 10)
    except (OSError, ValueError, IndexError):
        return None
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            sizes.append(int(Path(path).read_text()) >> 20)
        except (OSError, ValueError):
            continue
    return min(sizes)


def _facts() -> dict[str, list[str]]:
    return {
        "arch": [os.uname().machine],
        "os-release": _os_release(),
        "packages": list(_packages()),
        "compilers": _compilers(),
    }


def _os_release() -> list[str]:
    for path in _OS_RELEASE:
        try:
            return [line.strip() for line in path.read_text().splitlines() if line.strip()]
        except OSError:
            continue
    return []


def _packages() -> Iterable[str]:
    """Name, version and architecture of each installed package, from the first database that is there."""
    ways: list[tuple[Callable[[], bool], Callable[[], Iterable[str]]]] = [
        (_DPKG.exists, _dpkg),
        (_APK.exists, _apk),
        (_PACMAN.is_dir, lambda: os.listdir(_PACMAN)),
        (lambda: shutil.which("rpm", path="/usr/bin:/bin") is not None, _rpm),
    ]
    for there, read in ways:
        if there():
            return read()
    return ()


def _dpkg() -> Iterable[str]:
    wanted = re.compile(rb"^(Package|Status|Version|Architecture): (.*)$", re.MULTILINE)
    for block in _DPKG.read_bytes().split(b"\n\n"):
        fields = dict(wanted.findall(block))
        if fields.get(b"Status", b"").endswith(b" installed"):
            names = (b"Package", b"Version", b"Architecture")
            yield b" ".join(fields.get(name, b"") for name in names).decode("utf-8", "surrogateescape")


def _apk() -> Iterable[str]:
    for block in _APK.read_text().split("\n\n"):
        fields = {line[0]: line[2:] for line in block.splitlines() if line[1:2] == ":"}
        if "P" in fields:
            yield f"{fields['P']} {fields.get('V', '')} {fields.get('A', '')}"


def _rpm() -> Iterable[str]:
    query = ["rpm", "-qa", "--queryformat", "%{NAME} %{EPOCHNUM}:%{VERSION}-%{RELEASE} %{ARCH}\\n"]
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}
    return subprocess.run(
        query, env=environment, capture_output=True, text=True, check=True
    ).stdout.splitlines()


def _compilers() -> list[str]:
    """What each name of a compiler comes to in the end, and every alternative: people switch compilers there."""
    found = []
    for name in _COMPILERS:
        for folder in _WHERE:
            path = os.path.join(folder, name)
            if os.path.exists(path):
                found.append(f"{name} {os.path.realpath(path)}")
                break
    try:
        names = os.listdir(_ALTERNATIVES)
        found += [f"{name} -> {os.readlink(_ALTERNATIVES / name)}" for name in names if name != "README"]
    except OSError:
        return found
    return found
