"""Sources straight from public git repositories: a bare mirror each, where this machine has git.

The hub need not send what the machine can fetch itself. Nothing is believed: the files that come out are those that the
job's key names, object by object, or the hub is asked after all. git is run as the hub runs it (docs/decisions/0090):
one protocol, no prompts, no hooks, no settings of this machine, no program that a repository names.
"""

from __future__ import annotations

import fcntl
import hashlib
import ipaddress
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from penstock.agent.discard import discard
from penstock.wire.tarheads import END, FILE, FOLDER, SYMLINK, Head, encode, padding

Check = Callable[[], object]
_FETCH_S = 300.0
_LOOK_S = 0.2
_CHUNK = 1 << 20
_LINK_MAX = 4096
_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_MANIFEST = b".penstock.yml"
_KINDS = {b"040000": FOLDER, b"160000": FOLDER, b"120000": SYMLINK}
_SETTINGS = {
    "safe.directory": "*",
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.attributesFile": "/dev/null",
    "core.askPass": "true",
    "credential.helper": "",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "submodule.recurse": "false",
    "fetch.recurseSubmodules": "false",
    "http.followRedirects": "false",
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "60",
}
_FIXED = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LC_ALL": "C",
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_LITERAL_PATHSPECS": "1",
}

_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
_PROXIES = ("https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY")


class Doubt(Exception):
    """The mirror cannot give what the job names: the hub is asked. `host`: whose download failed, "" for none."""

    def __init__(self, why: str, host: str = "") -> None:
        super().__init__(why)
        self.host = host


class Mirrors:
    """The mirrors below `folder`, the least recently used going first at a start when they exceed `size_max` bytes."""

    def __init__(self, folder: Path, size_max: int, protocol: str = "https") -> None:
        self._folder = folder
        self._protocol = protocol
        self.usable = shutil.which("git", path=_FIXED["PATH"]) is not None
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._shrink(size_max)

    def stream(self, git: dict[str, Any], key: str, check: Check) -> Iterator[bytes]:
        """The packed source whose files have the digest `key`. Raises Doubt, also in the middle; what `check` raises."""
        url, commit, tree = str(git.get("url")), str(git.get("commit")), str(git.get("tree"))
        host, settings = self._host(url)
        if not (_HASH.fullmatch(commit) and _HASH.fullmatch(tree) and key.startswith("sha256:")):
            raise Doubt("the offer names no commit, tree and digest")
        name = hashlib.sha256(url.encode()).hexdigest()[:32] + f"-{len(tree)}"
        mirror = self._folder / f"{name}.git"
        with (self._folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (mirror / "HEAD").exists():
                form = "sha256" if len(tree) == 64 else "sha1"
                self._git(
                    ["init", "--quiet", "--bare", "--template=", f"--object-format={form}", str(mirror)],
                    check,
                )
            os.utime(mirror)
            if not self._has(mirror, tree, check):
                try:
                    self._git(_fetch_words(mirror, url, commit), check, settings)
                except Doubt as doubt:
                    raise Doubt(f"cannot fetch from {host}: {doubt}", host) from None
        listed = self._git([f"--git-dir={mirror}", "ls-tree", "-r", "-t", "-z", "--full-tree", tree], check)
        entries = [_entry(record) for record in listed.split(b"\0") if record]
        if _digest(entries) != key:
            raise Doubt(f"tree {tree[:12]} of {url} is not the source that the job names")
        return _packed(mirror, entries, check)

    def _host(self, url: str) -> tuple[str, dict[str, str]]:
        """The host of an address that is taken, and what git is told of it. Raises Doubt."""
        parts = urlsplit(url)
        if (
            parts.scheme != self._protocol
            or parts.username
            or parts.password
            or parts.query
            or parts.fragment
        ):
            raise Doubt(f"{url} is not the address of a public repository")
        host = parts.hostname or ""
        return host, _told_of(host, parts.port or 443) if self._protocol == "https" else {}

    def _has(self, mirror: Path, tree: str, check: Check) -> bool:
        try:
            self._git([f"--git-dir={mirror}", "cat-file", "-e", f"{tree}^{{tree}}"], check)
        except Doubt:
            return False
        return True

    def _git(self, words: list[str], check: Check, settings: dict[str, str] | None = None) -> bytes:
        process = _started(words, self._protocol, settings)
        try:
            for _ in range(int(_FETCH_S / _LOOK_S)):
                check()
                try:
                    out, errors = process.communicate(timeout=_LOOK_S)
                except subprocess.TimeoutExpired:
                    continue
                if process.returncode:
                    raise Doubt(_first_line(errors))
                return out
            raise Doubt(f"git did not end in {_FETCH_S:.0f} s")
        finally:
            _end(process)

    def _shrink(self, size_max: int) -> None:
        found = sorted(self._folder.glob("*.git"), key=lambda path: path.stat().st_mtime)
        sizes = {path: _size(path) for path in found}
        for path in found:
            if sum(sizes.values()) > size_max:
                discard(path)
                del sizes[path]


class _Entry:
    """One record of ls-tree: mode and object as git writes them, path from the top."""

    def __init__(self, mode: bytes, blob: bytes, path: bytes) -> None:
        self.mode = mode
        self.blob = blob
        self.path = path


def _entry(record: bytes) -> _Entry:
    head, _, path = record.partition(b"\t")
    mode, _, blob = head.split(b" ")
    return _Entry(mode, blob, path)


def _digest(entries: list[_Entry]) -> str:
    """As the hub defines a source's digest: every file and link with its object, the manifest at the top left out."""
    total = hashlib.sha256()
    for entry in entries:
        if entry.mode != b"040000" and entry.path != _MANIFEST:
            kind = b"commit" if entry.mode == b"160000" else b"blob"
            total.update(b"%b %b %b\t%b\0" % (entry.mode, kind, entry.blob, entry.path))
    return "sha256:" + total.hexdigest()


def _packed(mirror: Path, entries: list[_Entry], check: Check) -> Iterator[bytes]:
    """The tar stream: what it may name is the unpacker's to judge, as with any other."""
    process = _started([f"--git-dir={mirror}", "cat-file", "--batch"], "none")
    try:
        for entry in entries:
            check()
            if entry.path != _MANIFEST:
                yield from _one(process, entry)
        yield END
    except OSError as error:
        raise Doubt(f"git ended: {error}") from None
    finally:
        _end(process)


def _one(process: subprocess.Popen[bytes], entry: _Entry) -> Iterator[bytes]:
    kind = _KINDS.get(entry.mode, FILE)
    if kind == FOLDER:
        yield encode(Head(entry.path, FOLDER, 0o755, 0, b""))
        return
    out, size = _asked(process, entry.blob)
    seen = hashlib.new("sha1" if len(entry.blob) == 40 else "sha256", b"blob %d\0" % size)
    if kind == SYMLINK:
        if size > _LINK_MAX:
            raise Doubt("a link is longer than any system takes")
        target = out.read(size)
        seen.update(target)
        yield encode(Head(entry.path, SYMLINK, 0o777, 0, target))
    else:
        mode = 0o755 if entry.mode == b"100755" else 0o644
        yield encode(Head(entry.path, FILE, mode, size, b""))
        left = size
        while left:
            piece = out.read(min(left, _CHUNK))
            if not piece:
                raise Doubt("git ended in the middle of a file")
            left -= len(piece)
            seen.update(piece)
            yield piece
        yield bytes(padding(size))
    out.read(1)
    if seen.hexdigest().encode() != entry.blob:
        raise Doubt(f"object {entry.blob[:12].decode()} is damaged")


def _asked(process: subprocess.Popen[bytes], blob: bytes) -> tuple[IO[bytes], int]:
    assert process.stdin
    assert process.stdout
    process.stdin.write(blob + b"\n")
    process.stdin.flush()
    words = process.stdout.readline().split()
    if len(words) != 3 or words[1] != b"blob":
        raise Doubt(f"object {blob[:12].decode()} is missing")
    return process.stdout, int(words[2])


def _fetch_words(mirror: Path, url: str, commit: str) -> list[str]:
    words = [f"--git-dir={mirror}", "fetch", "--quiet", "--depth=1", "--no-tags", "--no-write-fetch-head"]
    return [*words, "--no-auto-maintenance", "--", url, f"+{commit}:refs/penstock/{commit}"]


def _started(
    words: list[str], protocol: str, settings: dict[str, str] | None = None
) -> subprocess.Popen[bytes]:
    told = {**_SETTINGS, **(settings or {})}
    environment = {**_FIXED, "GIT_ALLOW_PROTOCOL": protocol, "GIT_CONFIG_COUNT": str(len(told))}
    for number, (name, value) in enumerate(told.items()):
        environment[f"GIT_CONFIG_KEY_{number}"] = name
        environment[f"GIT_CONFIG_VALUE_{number}"] = value
    environment |= {name: os.environ[name] for name in _PROXIES if name in os.environ}
    try:
        return subprocess.Popen(
            ["git", "--no-pager", *words],
            env=environment,
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Whoever speaks no protocol is read piece by piece, and nobody reads its complaints meanwhile.
            stderr=subprocess.DEVNULL if protocol == "none" else subprocess.PIPE,
        )
    except OSError as error:
        raise Doubt(f"git cannot be started: {error.strerror}") from None


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    for pipe in (process.stdin, process.stdout, process.stderr):
        try:
            if pipe:
                pipe.close()
        except OSError:
            # What was not written any more is not missed.
            continue
    process.wait()


def _told_of(host: str, port: int) -> dict[str, str]:
    """An agent may stand in a network that the job's author cannot reach: no address in it is taken. Raises Doubt.

    git is told the address that was looked at: a second answer of the name server cannot lead elsewhere. A git before
    2.37 does not listen, and a proxy looks names up itself.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Doubt(f"{host}: {error}", host) from None
    numbers = [str(one[4][0]) for one in found]
    if not numbers or not all(_is_public(number) for number in numbers):
        raise Doubt(f"{host} is no public address")
    if host in numbers:
        return {}
    number = f"[{numbers[0]}]" if ":" in numbers[0] else numbers[0]
    return {"http.curloptResolve": f"{host}:{port}:{number}"}


def _is_public(number: str) -> bool:
    """As forges.git.network.public: an IPv4 address can hide in several kinds of IPv6 address."""
    found = ipaddress.ip_address(number.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        hidden = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if hidden is not None or found in _TRANSLATED:
            return hidden is not None and _is_public(str(hidden))
    return found.is_global and not found.is_multicast


def _first_line(errors: bytes | None) -> str:
    lines = (errors or b"").decode("utf-8", "replace").strip().splitlines()
    return "".join(sign if sign.isprintable() else "?" for sign in (lines or ["git failed"])[0])[:300]


def _size(folder: Path) -> int:
    return sum((Path(base) / name).lstat().st_size for base, _, names in os.walk(folder) for name in names)
