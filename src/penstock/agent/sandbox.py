"""What an attempt sees: fixed paths, a fixed environment, nothing of the host but /usr and a few files of /etc.

Two ways: bubblewrap (namespaces, see docs/explanation/sandbox.md) and the plain process, which is asked for by name.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any, NamedTuple

PREFIX = "/opt/penstock"
SOURCE = "/build/src"
DESTINATION = "/build/dest"
HOSTNAME = "penstock"
PIDS_MAX = 4096
TMP_MB = 4096
_UID = 1000
_USR_LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_ETC = ("alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d")
_ETC_NETWORK = (
    "resolv.conf",
    "ssl",
    "ca-certificates",
    "ca-certificates.conf",
    "pki",
    "services",
    "protocols",
)
_OWN_ETC = {
    "passwd": f"root:x:0:0:root:/root:/usr/sbin/nologin\nbuild:x:{_UID}:{_UID}:build:/build/home:/bin/sh\n"
    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    "group": f"root:x:0:\nbuild:x:{_UID}:\nnogroup:x:65534:\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n",
    "hosts": f"127.0.0.1 localhost {HOSTNAME}\n::1 localhost\n",
}
_ABOVE = "penstock.agent.plain"
_FREE = ("PATH", "TZ", "LC_ALL")
"""What a platform's environment may set otherwise; it is part of every key."""


class Layout(NamedTuple):
    """Folders of one attempt on disk; `inside` says where the attempt sees them."""

    base: Path
    inside: dict[str, str]

    @property
    def source(self) -> Path:
        """The working folder."""
        return self.base / "src"

    @property
    def destination(self) -> Path:
        """$DESTDIR."""
        return self.base / "dest"

    @property
    def prefix(self) -> Path:
        """$PREFIX."""
        return self.base / "prefix"

    @property
    def home(self) -> Path:
        """HOME."""
        return self.base / "home"

    @property
    def commands(self) -> Path:
        """The script that sh reads."""
        return self.base / "commands"


def fixed_layout(base: Path) -> Layout:
    """Paths inside are the same on every machine: namespaces make them so."""
    return Layout(
        base, {"source": SOURCE, "destination": DESTINATION, "prefix": PREFIX, "home": "/build/home"}
    )


def plain_layout(base: Path) -> Layout:
    """Without namespaces the attempt sees the folders where they are."""
    names = {"source": "src", "destination": "dest", "prefix": "prefix", "home": "home"}
    return Layout(base, {key: str(base / name) for key, name in names.items()})


def environment(offer: dict[str, Any], layout: Layout) -> dict[str, str]:
    """The whole environment of the commands; nothing of the agent's own gets in."""
    fixed = {
        "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
        "TMPDIR": "/tmp",
        "TZ": "UTC",
        "LC_ALL": "C.UTF-8",
        "HOME": layout.inside["home"],
        "SOURCE_DATE_EPOCH": str(offer.get("source_date_epoch", 315532800)),
        "CORES": str(offer.get("cores", 1)),
        "PLATFORM": offer["platform"],
        "PREFIX": layout.inside["prefix"],
        "DESTDIR": layout.inside["destination"],
    }
    given = offer.get("environment") or {}
    return {**given, **fixed, **{key: given[key] for key in _FREE if key in given}}


def script(commands: list[str]) -> str:
    """One shell for all commands, so that `cd` and variables last; each is shown before it runs.

    It says on descriptor 9, which the commands do not inherit, how far it came. `eval` keeps an unclosed quote of one
    command from swallowing the next.
    """
    lines = ["exec 9>&2 2>&1", "umask 022", "echo begin >&9"]
    for number, command in enumerate(commands, 1):
        quoted = shlex.quote(command)
        lines += [f"echo {number} >&9", f"printf '+ %s\\n' {quoted}", f"eval {quoted} 9>&-"]
    return "\n".join([*lines, "echo end >&9", ""])


def write_etc(folder: Path) -> None:
    """The files of /etc that are ours rather than the host's, so that no host shows through."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in _OWN_ETC.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o644)


def bubblewrap(
    offer: dict[str, Any], layout: Layout, etc: Path, status: int, tmp_mb: int = TMP_MB
) -> list[str]:
    """The argument list that runs layout.commands. `status`: descriptor for what bwrap reports of itself."""
    full = offer.get("network") == "full"
    arguments = [
        "bwrap",
        "--unshare-user",
        "--unshare-ipc",
        "--unshare-pid",
        "--unshare-uts",
        "--unshare-cgroup-try",
    ]
    arguments += [] if full else ["--unshare-net"]
    arguments += [
        "--uid",
        str(_UID),
        "--gid",
        str(_UID),
        "--hostname",
        HOSTNAME,
        "--die-with-parent",
        "--new-session",
    ]
    arguments += ["--cap-drop", "ALL", "--json-status-fd", str(status)]
    arguments += ["--clearenv", *_each("--setenv", environment(offer, layout))]
    arguments += [*_system(), *_etc(etc, full), "--proc", "/proc", "--dev", "/dev"]
    arguments += ["--size", str(tmp_mb << 20), "--tmpfs", "/dev/shm", "--remount-ro", "/dev"]
    arguments += ["--perms", "1777", "--size", str(tmp_mb << 20), "--tmpfs", "/tmp"]
    arguments += ["--dir", "/run", "--symlink", "/tmp", "/var/tmp"]
    for name in ("source", "destination", "home"):
        arguments += ["--bind", str(getattr(layout, name)), layout.inside[name]]
    arguments += [
        "--ro-bind",
        str(layout.prefix),
        PREFIX,
        "--ro-bind",
        str(layout.commands),
        "/build/commands",
    ]
    return [*arguments, "--remount-ro", "/", "--chdir", SOURCE, "--", "/bin/sh", "-e", "/build/commands"]


def _each(option: str, pairs: dict[str, str]) -> list[str]:
    return [word for key in sorted(pairs) for word in (option, key, pairs[key])]


def _system() -> list[str]:
    """/usr read-only without /usr/local, which belongs to the machine's owner and to no package."""
    words = ["--ro-bind", "/usr", "/usr"]
    if os.path.isdir("/usr/local"):
        words += ["--size", "4096", "--tmpfs", "/usr/local", "--remount-ro", "/usr/local"]
    for name in _USR_LINKS:
        path = "/" + name
        if os.path.islink(path):
            words += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            words += ["--ro-bind", path, path]
    return words


def _etc(own: Path, full: bool) -> list[str]:
    words = ["--dir", "/etc", "--symlink", "../usr/lib/os-release", "/etc/os-release"]
    for name in _ETC + (_ETC_NETWORK if full else ()):
        words += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    for name in sorted(_OWN_ETC):
        words += ["--ro-bind", str(own / name), f"/etc/{name}"]
    return words


def plain(offer: dict[str, Any], layout: Layout, owner: tuple[int, int] | None) -> list[str]:
    """The argument list that runs the same script as an ordinary process below plain.py."""
    order = {
        "parent": os.getpid(),
        "folder": str(layout.source),
        "environment": environment(offer, layout),
        "owner": owner,
        "arguments": ["/bin/sh", "-e", str(layout.commands)],
    }
    # The folder, or the zip file, that holds the package: the same code must be found without PYTHONPATH.
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    start = f"import sys; sys.path.insert(0, {package!r}); from {_ABOVE} import main; main(sys.argv[1])"
    return [sys.executable or "/usr/bin/python3", "-S", "-E", "-c", start, json.dumps(order)]


def joining(joins: list[str], arguments: list[str]) -> list[str]:
    """The same command, entering control groups first. A shell does it: code of ours after a fork among threads may hang."""
    if not joins:
        return arguments
    enter = (
        'n=$1; shift; while [ "$n" -gt 0 ]; do echo 0 >"$1" || exit 125; shift; n=$((n-1)); done; exec "$@"'
    )
    return ["/bin/sh", "-c", enter, "sh", str(len(joins)), *joins, *arguments]
