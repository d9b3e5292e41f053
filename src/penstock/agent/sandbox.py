"""What an attempt sees: fixed paths, a fixed environment, nothing of the host but /usr and a few files of /etc.

Two ways: bubblewrap (namespaces, see docs/explanation/sandbox.md) and the plain process, which is asked for by name.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import threading
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from penstock.agent.keeper import NO_NETWORK, SANDBOX

PREFIX = "/opt/penstock"
SOURCE = "/build/src"
DESTINATION = "/build/dest"
SECRETS = "/run/secrets"
HOSTNAME = "penstock"
PIDS_MAX = 4096
TMP_MB = 4096
_SECRETS_MB = 2
_FIRST_HANDLE = 3
"""As what descriptor bubblewrap gets the first secret: 1 and 2 are the log's."""
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
_ARGUMENT_MAX = 100_000
_PROXIES = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
_FREE = ("PATH", "TZ", "LC_ALL")
"""What a platform's environment may set otherwise; it is part of every key."""
FOLDERS = {"source": "src", "destination": "dest", "prefix": "prefix", "home": "home"}
"""The folders of an attempt below its base."""


class Layout(NamedTuple):
    """Folders of one attempt on disk; `inside` says where the attempt sees them."""

    base: Path
    inside: dict[str, str]

    @property
    def source(self) -> Path:
        """The working folder."""
        return self.base / FOLDERS["source"]

    @property
    def destination(self) -> Path:
        """$DESTDIR."""
        return self.base / FOLDERS["destination"]

    @property
    def prefix(self) -> Path:
        """$PREFIX."""
        return self.base / FOLDERS["prefix"]

    @property
    def home(self) -> Path:
        """HOME."""
        return self.base / FOLDERS["home"]

    @property
    def commands(self) -> Path:
        """Where sh reads a script that is too long for an argument."""
        return self.base / "commands"


def fixed_layout(base: Path) -> Layout:
    """Paths inside are the same on every machine: namespaces make them so."""
    return Layout(
        base, {"source": SOURCE, "destination": DESTINATION, "prefix": PREFIX, "home": "/build/home"}
    )


def plain_layout(base: Path, seen: Path) -> Layout:
    """A plain attempt sees the folders below `seen`, which is `base` itself, or a mount of it at the fixed place."""
    return Layout(base, {key: str(seen / name) for key, name in FOLDERS.items()})


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
    if offer.get("secrets"):
        fixed["SECRETS"] = SECRETS
    if offer.get("proxy"):
        fixed.update(dict.fromkeys(_PROXIES, offer["proxy"]))
        fixed.update(dict.fromkeys(("no_proxy", "NO_PROXY"), "localhost,127.0.0.1,::1"))
    given = offer.get("environment") or {}
    return {**given, **fixed, **{key: given[key] for key in _FREE if key in given}}


def script(commands: list[str], gated: bool = False) -> str:
    """One shell for all commands, so that `cd` and variables last; each is shown before it runs.

    It says on descriptor 9, which the commands do not inherit, how far it came. `eval` keeps an unclosed quote of one
    command from swallowing the next. `gated`: begins when descriptor 3 ends (see keeper.py).
    """
    lines = ["read -r _ <&3 || :", "exec 3<&-"] if gated else []
    lines += ["exec 9>&2 2>&1", "umask 022", "echo begin >&9"]
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


class Root:
    """The root folder of attempts without a network, made once: one mount for what were two dozen.

    What it copies of the host's /etc is copied anew when that changed (`current`); `usr` are the mounts over it, as the host
    is then.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stamp: Any = None
        self._usr_stamp: Any = None
        self.usr: list[str] = []
        self._lock = threading.Lock()
        self.etc = folder / "etc"
        self.empty = folder / "empty"
        folder.mkdir(exist_ok=True)
        write_etc(self.etc)
        self.empty.mkdir(exist_ok=True)

    def current(self) -> Path:
        """The root folder, as the host is now."""
        stamp = [_stamp(f"/etc/{name}") for name in _ETC]
        usr_stamp = _stamp("/"), _stamp("/usr")
        with self._lock:
            if usr_stamp != self._usr_stamp:
                self.usr, self._usr_stamp = _usr(self.empty, links=False), usr_stamp
            if stamp != self._stamp:
                self._path = self._folder / f"root-{os.urandom(4).hex()}"
                _write_root(self._path)
                self._stamp = stamp
            return self._path


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _write_root(root: Path) -> None:
    for name in (
        "usr",
        "opt/penstock",
        "proc",
        "dev",
        "tmp",
        "run",
        "var",
        "build/src",
        "build/dest",
        "build/home",
    ):
        (root / name).mkdir(parents=True)
    (root / "build/commands").touch()
    (root / "var/tmp").symlink_to("/tmp")
    for name in _USR_LINKS:
        if os.path.islink("/" + name):
            (root / name).symlink_to(os.readlink("/" + name))
        elif os.path.isdir("/" + name):
            (root / name).mkdir()
    write_etc(root / "etc")
    (root / "etc/os-release").symlink_to("../usr/lib/os-release")
    for name in _ETC:
        _copy(Path("/etc") / name, root / "etc" / name)


def _copy(path: Path, target: Path) -> None:
    try:
        if path.is_dir():
            shutil.copytree(path, target, symlinks=True)
        else:
            shutil.copyfile(path, target)
    except OSError:
        # Not there, or not for us to read: then the attempt does without, as it would by a mount.
        return


def bubblewrap(offer: dict[str, Any], layout: Layout, root: Root, tmp_mb: int = TMP_MB) -> list[str]:
    """The argument list that runs the offer's commands in namespaces of their own."""
    full = offer.get("network") == "full"
    arguments = [SANDBOX, *([] if full else [NO_NETWORK]), "--unshare-user", "--unshare-ipc"]
    arguments += ["--unshare-pid", "--unshare-uts", "--unshare-cgroup-try"]
    arguments += _through_the_hub(offer)
    arguments += ["--uid", str(_UID), "--gid", str(_UID), "--hostname", HOSTNAME]
    arguments += ["--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    # What the keeper gives it (process.py) is all set anew here: there is nothing to clear, which old ones cannot.
    arguments += _each("--setenv", environment(offer, layout))
    if full:
        arguments += [*_usr(root.empty), *_etc(root.etc, bool(offer.get("proxy")))]
        arguments += ["--dir", "/run", "--symlink", "/tmp", "/var/tmp"]
    else:
        arguments += ["--ro-bind", str(root.current()), "/", *root.usr]
    arguments += ["--proc", "/proc", *_settings(), "--dev", "/dev"]
    arguments += [*_limited(tmp_mb, "/dev/shm"), "--remount-ro", "/dev", *_limited(tmp_mb, "/tmp", "1777")]
    base = str(layout.base)
    for name in ("source", "destination", "home"):
        arguments += ["--bind", f"{base}/{FOLDERS[name]}", layout.inside[name]]
    arguments += ["--ro-bind", f"{base}/{FOLDERS['prefix']}", PREFIX]
    arguments += _handed(offer.get("secrets") or [])
    shell, long = _shell(script(offer["commands"]), layout, "/build/commands")
    arguments += ["--ro-bind", str(layout.commands), "/build/commands"] if long else []
    arguments += ["--remount-ro", "/"] if full else []
    return [*arguments, "--chdir", SOURCE, "--", *shell]


def _settings() -> list[str]:
    """Settings of the kernel are read-only. They belong to root, and what an agent that is root starts is that outside of its
    namespace, capabilities or not: it could write core_pattern, which names a program that runs as root on the machine."""
    return [] if os.geteuid() else ["--ro-bind", "/proc/sys", "/proc/sys"]


def _limited(size_mb: int, path: str, mode: str = "") -> list[str]:
    """A file system in memory. Old ones (0.4 of Debian 11) can neither limit it nor say its mode."""
    words = ["--perms", mode] if mode and _knows("--perms") else []
    words += ["--size", str(size_mb << 20)] if _knows("--size") else []
    return [*words, "--tmpfs", path]


def _handed(secrets: list[str]) -> list[str]:
    """A file in memory for each secret, from the descriptors that the sandbox is started with."""
    if not secrets:
        return []
    words = [*_limited(_SECRETS_MB, "/run"), "--dir", SECRETS]
    for handle, name in enumerate(secrets, _FIRST_HANDLE):
        words += ["--perms", "0400"] if _knows("--perms") else []
        words += ["--file", str(handle), f"{SECRETS}/{name}"]
    return [*words, "--remount-ro", "/run"]


def _through_the_hub(offer: dict[str, Any]) -> list[str]:
    """A network with nothing in it, that bubblewrap tells of before it begins, and waits for a proxy in it (forward.py)."""
    if not offer.get("proxy"):
        return []
    first = _FIRST_HANDLE + len(offer.get("secrets") or [])
    return ["--unshare-net", "--info-fd", str(first), "--block-fd", str(first + 1)]


@cache
def _knows(option: str) -> bool:
    """Whether this machine's bubblewrap has an option."""
    told = subprocess.run(["bwrap", "--help"], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return option.encode() in told.stdout + told.stderr


def _shell(text: str, layout: Layout, seen: str) -> tuple[list[str], bool]:
    """The shell and its script, as an argument where it fits, else in a file; True for the file."""
    if len(text.encode("utf-8", "surrogatepass")) < _ARGUMENT_MAX and "\0" not in text:
        return ["/bin/sh", "-e", "-c", text, seen], False
    layout.commands.write_text(text)
    layout.commands.chmod(0o644)
    return ["/bin/sh", "-e", seen], True


def _each(option: str, pairs: dict[str, str]) -> list[str]:
    return [word for key in sorted(pairs) for word in (option, key, pairs[key])]


def _usr(empty: Path, links: bool = True) -> list[str]:
    """/usr read-only without /usr/local, which belongs to the machine's owner and to no package."""
    words = ["--ro-bind", "/usr", "/usr"]
    if os.path.isdir("/usr/local"):
        words += ["--ro-bind", str(empty), "/usr/local"]
    for name in _USR_LINKS:
        path = "/" + name
        if os.path.islink(path):
            words += ["--symlink", os.readlink(path), path] if links else []
        elif os.path.isdir(path):
            words += ["--ro-bind", path, path]
    return words


def _etc(own: Path, proxied: bool) -> list[str]:
    words = ["--dir", "/etc", "--symlink", "../usr/lib/os-release", "/etc/os-release"]
    # Behind a proxy nobody is there to resolve a name: who tries is told so at once.
    for name in _ETC + (_ETC_NETWORK[1:] if proxied else _ETC_NETWORK):
        words += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    for name in sorted(_OWN_ETC):
        words += ["--ro-bind", str(own / name), f"/etc/{name}"]
    return words


def plain(
    offer: dict[str, Any], layout: Layout, owner: tuple[int, int] | None
) -> tuple[list[str], dict[str, str], dict[str, Any]]:
    """The same script as an ordinary process: arguments, environment, and where and as whom the keeper runs it."""
    seen = os.path.join(os.path.dirname(layout.inside["source"]), "commands")
    shell, _ = _shell(script(offer["commands"], gated=owner is not None), layout, seen)
    return shell, environment(offer, layout), {"folder": layout.inside["source"], "owner": owner}
