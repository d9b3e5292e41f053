"""Real C libraries from Debian's source packages, as git repositories that people can edit and commit in.

The archives come from where this machine's own packages come from: apt-get is given the entries of /etc/apt, asked
for sources instead of packages, and folders of its own, so that neither root nor a change of the system is needed.
"""

import fcntl
import lzma
import os
import platform
import re
import shutil
import subprocess
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib import resources
from pathlib import Path, PurePosixPath

from penstock.ports import ForgeError

PACKAGES = {"zlib": "zlib", "libpng": "libpng1.6", "freetype": "freetype", "libgd": "libgd2"}
"""Each library's repository, and the Debian source package that it is made of."""

EXAMPLE = "image-libs"
"""The repository that names the others, and the folder of examples/ that it is a copy of."""

AUTHOR = ("Penstock demo", "demo@penstock.invalid")
DATE = "@315532800 +0000"
"""Of every first commit, so that the same sources are the same commits everywhere."""

VERBATIM = "* -text -ident -filter -export-ignore -export-subst\n"
"""Attributes that win over those in the archives: what went in comes out, byte by byte."""

HOOKS = ("APT::Update::Pre-Invoke", "APT::Update::Post-Invoke", "APT::Update::Post-Invoke-Success")
"""What the system runs after its own updates; ours are none of its business."""

TIMEOUT_S = 900


class SourcesMissing(ForgeError):
    """The demo's repositories could not be made."""


Say = Callable[[str], None]
Wanted = Callable[[str], bool]


def make_repositories(folder: Path, say: Say, etc: Path = Path("/etc/apt")) -> Path:
    """Make what is missing in `folder`; answers the repository to build.

    One git repository for each library and one that names them. What is there is kept as it is: people edit and
    commit in it between runs. Only a library that is missing needs the network, and its archive is kept.
    `etc` is where apt's list of archives is read. Raises SourcesMissing.
    """
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        _make_missing(folder, say, etc)
    return folder / EXAMPLE


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until nobody else makes repositories here."""
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make_missing(folder: Path, say: Say, etc: Path) -> None:
    missing = {name: package for name, package in PACKAGES.items() if not _is_whole(folder / name)}
    archives = _archives(folder / ".archives", list(missing.values()), say, etc)
    for name, package in missing.items():
        say(f"making the repository {name}")
        archive = archives[package]
        _make(folder / name, partial(unpack, archive), f"Import {archive.name}")
    if not _is_whole(folder / EXAMPLE):
        _make(folder / EXAMPLE, _copy_example, "Four libraries that need each other")


def _is_whole(repository: Path) -> bool:
    """Repositories get their names when they are whole, so one that is there is whole."""
    return (repository / ".git").is_dir()


def _make(repository: Path, fill: Callable[[Path], None], message: str) -> None:
    """A git repository of one commit with all that `fill` writes; appears at once, or not at all."""
    half = repository.with_name(f".{repository.name}.half")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir()
    fill(half)
    _git(half, "init", "--quiet", "--initial-branch=main", "--template=")
    (half / ".git/info").mkdir()
    (half / ".git/info/attributes").write_text(VERBATIM, encoding="utf-8")
    _git(half, "config", "user.name", AUTHOR[0])
    _git(half, "config", "user.email", AUTHOR[1])
    # The archives' own .gitignore would leave out files that their builds need.
    _git(half, "add", "--all", "--force")
    _git(half, "commit", "--quiet", "--no-verify", f"--message={message}")
    try:
        half.rename(repository)
    except OSError as wrong:
        raise SourcesMissing(
            str(repository), "is in the way and no git repository", "move it elsewhere and run again"
        ) from wrong


def _git(folder: Path, *arguments: str) -> None:
    """Run git as if nobody had ever configured it, with our name and date."""
    fixed = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    for role in ("AUTHOR", "COMMITTER"):
        fixed |= {f"GIT_{role}_NAME": AUTHOR[0], f"GIT_{role}_EMAIL": AUTHOR[1], f"GIT_{role}_DATE": DATE}
    outside = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    ended = _run(["git", *arguments], folder, outside | fixed)
    if ended.returncode != 0:
        raise SourcesMissing(str(folder), f"git {arguments[0]} failed: {complaint(ended.stderr)}")


def _copy_example(inside: Path) -> None:
    """The files of examples/image-libs, as they were installed with the package."""
    for file in (resources.files("penstock") / "examples" / EXAMPLE).iterdir():
        (inside / file.name).write_bytes(file.read_bytes())


# Archives


def _archives(folder: Path, packages: list[str], say: Say, etc: Path) -> dict[str, Path]:
    """Each package's own archive, fetched where `folder` does not hold it yet."""
    found = {package: _archive(folder, package) for package in packages}
    absent = [package for package, path in found.items() if path is None]
    if absent:
        say(f"fetching the sources of {', '.join(absent)} from Debian")
        _fetch(folder, absent, etc)
        found |= {package: _archive(folder, package) for package in absent}
    for package, path in found.items():
        if path is None:
            raise SourcesMissing(
                package, "apt-get fetched no source archive", "the demo needs Debian 12 or later"
            )
    return {package: path for package, path in found.items() if path}


def _archive(folder: Path, package: str) -> Path | None:
    """The archive of `package` in `folder`; those of its manuals and demos are called `.orig-NAME.tar`."""
    return max(folder.glob(f"{package}_*.orig.tar.*"), default=None)


def _fetch(folder: Path, packages: list[str], etc: Path) -> None:
    """Have apt-get fetch and verify the archives; they appear in `folder` when they are whole."""
    work = folder / "apt"
    shutil.rmtree(work, ignore_errors=True)
    for part in ("sources", "state/lists/partial", "cache/archives/partial", "new"):
        (work / part).mkdir(parents=True)
    write_sources(etc, work / "sources")
    (work / "hooks.conf").write_text("".join(f"#clear {hook};\n" for hook in HOOKS), encoding="utf-8")
    apt = _apt(work)
    updated = _run([*apt, "update"], work)
    fetched = _run([*apt, "source", "--tar-only", *packages], work / "new")
    if fetched.returncode != 0:
        # Where the lists could not be fetched, that is the reason; what follows from it is noise.
        why = updated.stderr if re.search(r"^[EW]: ", updated.stderr, re.M) else fetched.stderr
        raise SourcesMissing(
            ", ".join(packages),
            f"apt-get could not fetch the sources: {complaint(why)}",
            f"check the network and the archives that {etc} names, then run again",
        )
    for archive in (work / "new").glob("*.orig.tar.*"):
        if archive.name.partition("_")[0] in packages:
            archive.replace(folder / archive.name)
    shutil.rmtree(work, ignore_errors=True)


def _apt(work: Path) -> list[str]:
    """apt-get with lists, state and cache of its own below `work`."""
    options = {
        "Dir::Etc::sourcelist": os.devnull,
        "Dir::Etc::sourceparts": work / "sources",
        "Dir::State": work / "state",
        "Dir::State::lists": work / "state/lists",
        "Dir::State::status": os.devnull,
        "Dir::Cache": work / "cache",
        "Acquire::Languages": "none",
        "Acquire::http::Timeout": 30,
        "Acquire::https::Timeout": 30,
    }
    given = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    return ["apt-get", "-q", "-c", str(work / "hooks.conf"), *given]


def _run(
    command: list[str], folder: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run to the end and keep what it says; SourcesMissing where the program is missing or hangs."""
    environment = {**(os.environ if environment is None else environment), "LC_ALL": "C"}
    try:
        return subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError as wrong:
        what = "is not here; the demo builds Debian's sources, on Debian or what derives from it"
        raise SourcesMissing(command[0], what) from wrong
    except subprocess.TimeoutExpired as wrong:
        raise SourcesMissing(command[0], f"did not end within {TIMEOUT_S} s", "check the network") from wrong


def complaint(text: str) -> str:
    """The line of a program's messages that says what is wrong: the first error, else the first warning, else
    the last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for mark in ("E: ", "fatal: ", "error: ", "W: "):
        for line in lines:
            if line.startswith(mark):
                return line.removeprefix(mark)
    return lines[-1] if lines else "it did not say why"


def unpack(archive: Path, inside: Path) -> None:
    """Write the files of a source archive below `inside`, without its top folder.

    Only files and folders, none outside; anything else in it (links, devices) is refused. Of modes only the
    execute bit is taken, owner and times not at all: git keeps no more. Raises SourcesMissing.
    """
    try:
        with tarfile.open(archive, mode="r|*") as members:
            for member in members:
                _write_member(members, member, inside)
    except (OSError, EOFError, zlib.error, lzma.LZMAError, tarfile.TarError) as wrong:
        raise SourcesMissing(
            str(archive), f"cannot be unpacked ({wrong})", "delete it and run again"
        ) from wrong


def _write_member(members: tarfile.TarFile, member: tarfile.TarInfo, inside: Path) -> None:
    """One member of an archive; folders come with what they hold, since git keeps no empty ones."""
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or not (member.isfile() or member.isdir()):
        raise tarfile.TarError(f"{member.name} is not a plain file or folder of it")
    content = members.extractfile(member)
    below = path.parts[1:]
    if content is None or not below or ".git" in below:
        return
    target = inside.joinpath(*below)
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as out:
        shutil.copyfileobj(content, out)
    target.chmod(0o755 if member.mode & 0o100 else 0o644)


# What apt is told


def write_sources(etc: Path, parts: Path) -> None:
    """Write into `parts` the archives that `etc` names, asked for sources: those of this release, or all of
    them where none is called like it. Raises SourcesMissing where there are none."""
    release = _codename()
    for wanted in (lambda suite: is_of(release, suite), lambda suite: True):
        lines = [line for text in _texts(etc, ".list") for line in source_lines(text, wanted)]
        stanzas = [stanza for text in _texts(etc, ".sources") for stanza in source_stanzas(text, wanted)]
        if lines or stanzas:
            (parts / "penstock.list").write_text("\n".join(dict.fromkeys(lines)) + "\n", encoding="utf-8")
            (parts / "penstock.sources").write_text("\n\n".join(stanzas) + "\n", encoding="utf-8")
            return
    raise SourcesMissing(str(etc), "names no archive of Debian", "add one to its sources.list and run again")


def _codename() -> str:
    """What this release calls itself, such as "bookworm"; empty when it does not say."""
    try:
        return platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    except OSError:
        return ""


def is_of(release: str, suite: str) -> bool:
    """True for a release's own suite, its updates and its security fixes."""
    own = ("", "-updates", "-security", "/updates")
    return bool(release) and suite in [release + ending for ending in own]


def _texts(etc: Path, suffix: str) -> Iterator[str]:
    """The files of apt's list that end so and that we may read."""
    paths = [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*"))]
    for path in paths:
        if path.suffix == suffix and os.access(path, os.R_OK) and path.is_file():
            yield path.read_text(encoding="utf-8", errors="replace")


def source_lines(text: str, wanted: Wanted) -> Iterable[str]:
    """The one-line entries of `text` as deb-src lines, options kept."""
    entry = re.compile(r"\s*deb(?:-src)?\s+((?:\[[^\]]*\]\s+)?)(?!cdrom:)(\S+)\s+(\S+)([^#]*)")
    for line in text.splitlines():
        found = entry.match(line)
        if found and wanted(found[3]):
            yield f"deb-src {found[1]}{found[2]} {found[3]}{found[4]}".rstrip()


def source_stanzas(text: str, wanted: Wanted) -> Iterable[str]:
    """The stanzas of a deb822 `text` as deb-src, other fields kept as they are."""
    plain = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n\s*\n", plain):
        fields = {
            name.casefold(): f"{name}:{value}"
            for name, value in re.findall(r"^([A-Za-z][\w-]*)[ \t]*:((?:.*)(?:\n[ \t].*)*)", stanza, re.M)
        }
        suites = [suite for suite in fields.get("suites", ":").partition(":")[2].split() if wanted(suite)]
        disabled = re.search(r":\s*(no|false|0|off|disable|without)\s*$", fields.get("enabled", ""), re.I)
        if suites and not disabled and "uris" in fields:
            fields |= {"types": "Types: deb-src", "suites": f"Suites: {' '.join(suites)}"}
            yield "\n".join(fields.values())
