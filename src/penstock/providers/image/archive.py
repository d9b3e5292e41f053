"""Packages from the archive that this machine's own come from, by apt with folders of its own: no root, nothing installed."""

import re
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

_LIMIT_S = 1800.0
_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"


class Broken(Exception):
    """The image cannot be made; the text is one line for whoever asked for it."""


class Archive:
    """Debian's archive for one release. `folder`: where apt keeps its lists and what it fetches, private to this build."""

    def __init__(self, folder: Path, suite: str, mirrors: Sequence[str] = ()) -> None:
        self._debs = folder / "cache" / "archives"
        for path in (self._debs / "partial", folder / "lists" / "partial", folder / "parts"):
            path.mkdir(parents=True)
        for name, text in {"status": "", "sources": sources(mirrors or own_mirrors(), suite)}.items():
            (folder / name).write_text(text)
        places = {
            "Dir::Etc::sourcelist": "sources",
            "Dir::Etc::sourceparts": "parts",
            "Dir::Etc::preferencesparts": "parts",
            "Dir::State": "",
            "Dir::State::lists": "lists",
            "Dir::State::status": "status",
            "Dir::Cache": "cache",
        }
        self._options = [f"-o{key}={folder / name}" for key, name in places.items()]
        # The folder is the caller's alone: the user that apt fetches as could not write there.
        self._options += ["-oAPT::Sandbox::User=root", "-oDebug::NoLocking=1"]

    def update(self) -> None:
        """Fetch what there is. Raises Broken."""
        said = self._apt("apt-get", "-qq", "update")
        if not any((self._debs.parents[1] / "lists").glob("*Packages*")):
            raise Broken(f"the archive could not be read: {said}")

    def with_needs(self, names: Iterable[str]) -> list[Path]:
        """Fetch packages and all that they depend on. Raises Broken."""
        self._apt("apt-get", "-qq", "-y", "--no-install-recommends", "--download-only", "install", *names)
        return sorted(self._debs.glob("*.deb"))

    def alone(self, name: str, folder: Path) -> Path:
        """Fetch one package without what it depends on. Raises Broken."""
        folder.mkdir()
        self._apt("apt-get", "-qq", "download", name, cwd=folder)
        return next(folder.glob("*.deb"))

    def first_need(self, name: str) -> str:
        """What a package depends on first: of a kernel's, the kernel of now. Raises Broken."""
        said = self._apt("apt-cache", "depends", name)
        found = re.search(r"^\s*Depends: (\S+)$", said, re.M)
        if found is None:
            raise Broken(f"the archive has no {name}")
        return found[1]

    def _apt(self, program: str, *words: str, cwd: Path | None = None) -> str:
        return run([program, *self._options, *words], cwd)


def run(words: Sequence[str], cwd: Path | None = None, given: bytes | None = None) -> str:
    """Run a program to its end; what it said. Raises Broken with the last thing that it said."""
    try:
        done = subprocess.run(words, cwd=cwd, input=given, capture_output=True, timeout=_LIMIT_S, check=False)
    except FileNotFoundError:
        raise Broken(
            f"{words[0]} is not installed here (scripts/debian-packages.txt names what is needed)"
        ) from None
    except subprocess.TimeoutExpired:
        raise Broken(f"{words[0]} did not end in {_LIMIT_S:g} s") from None
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines() or [
            "it said nothing"
        ]
        raise Broken(f"{words[0]} failed: {said[-1]}")
    return done.stdout.decode(errors="replace")


def own_mirrors(etc: Path = Path("/etc/apt")) -> list[str]:
    """Where this machine's own packages come from: addresses that end in /debian or /debian-security."""
    paths = [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*"))]
    texts = [path.read_text() for path in paths if path.suffix in (".list", ".sources") and path.is_file()]
    lines = [line for text in texts for line in text.splitlines() if not line.lstrip().startswith("#")]
    found = [word.rstrip("/") for line in lines for word in line.split() if "://" in word]
    return list(dict.fromkeys(word for word in found if word.endswith(("/debian", "/debian-security"))))


def sources(mirrors: Sequence[str], suite: str) -> str:
    """The lines that apt reads: the release and its updates, from each mirror what it has. Raises Broken."""
    if not mirrors:
        raise Broken("/etc/apt names no archive of Debian; name one: --mirror http://.../debian")
    lines = []
    for mirror in mirrors:
        security = mirror.rstrip("/").endswith("security")
        signed = f"[signed-by={_KEYS}] " if Path(_KEYS).exists() else ""
        lines += [
            f"deb {signed}{mirror} {name} main"
            for name in ([f"{suite}-security"] if security else [suite, f"{suite}-updates"])
        ]
    return "".join(f"{line}\n" for line in lines)
