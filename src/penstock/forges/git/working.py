"""The working tree of a repository as it is, as a git tree, without writing anything into the repository.

Tracked files and untracked ones that are not ignored, their content as it lies on the disk (no filters, no line
ends rewritten: filters are programs that the repository's config names). New objects go to a folder of the
farm's own; what the repository has already is read from there and not copied.
"""

import hashlib
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from penstock.forges.git.errors import NoSuchFile, Vanished
from penstock.forges.git.mirrors import locked, made
from penstock.forges.git.places import Place
from penstock.forges.git.program import Call, Failed, environment

FILE, PROGRAM, LINK, SUBMODULE = b"100644", b"100755", b"120000", b"160000"


class Working:
    """The farm's own object stores for working trees, below `folder`.

    `leave_out`: files and folders that belong to the farm, not to what it builds, wherever they lie.
    """

    def __init__(self, folder: Path, leave_out: Iterable[Path] = ()) -> None:
        self.folder = folder
        self._leave_out = tuple(os.fsencode(os.path.abspath(path)) for path in leave_out)

    def tree(self, about: str, place: Place) -> str:
        """The tree of the folder that was asked for. Raises Vanished when it changes meanwhile, NoSuchFile when empty."""
        store = self._store(about, place)
        found = {path: mode for path, mode in _found(about, place) if not self._left_out(place, path)}
        if not found:
            raise NoSuchFile(
                about, "holds no file that git would not ignore", "name a folder with files in it"
            )
        try:
            blobs = self._blobs(about, place, store, found)
            return self._written(about, store, found, blobs)
        except Failed as wrong:
            raise Vanished(
                about, f"changes while it is read: {wrong.what}", "try again when it is still"
            ) from None

    def _left_out(self, place: Place, path: bytes) -> bool:
        whole = os.path.join(os.fsencode(place.top), path)
        return any(whole == own or whole.startswith(own + b"/") for own in self._leave_out)

    def call(self, about: str, place: Place) -> Call:
        """A git that reads from the store of this working tree and from the repository's own objects."""
        beside = {"GIT_ALTERNATE_OBJECT_DIRECTORIES": _quoted(place.objects)} if place.objects else {}
        return Call(about, self._store(about, place), env=environment(beside))

    def _store(self, about: str, place: Place) -> Path:
        form = "sha1"
        if place.git_dir is not None:
            form = Call(about, place.git_dir).run("rev-parse", "--show-object-format").decode().strip()
        name = hashlib.sha256(os.fsencode(place.top)).hexdigest()[:32]
        store = self.folder / f"{name}-{form}.git"
        with locked(store.with_suffix(".lock")):
            made(store, form)
        return store

    def _blobs(self, about: str, place: Place, store: Path, found: dict[bytes, bytes]) -> dict[bytes, bytes]:
        """For each path its blob; those that the repository lacks are written to the store."""
        with tempfile.TemporaryDirectory(prefix="links-", dir=self.folder) as links:
            paths = _readable(about, place.top, Path(links), found)
            call = Call(about, store, cwd=place.top)
            blobs = _hashed(call, paths, ())
            known = self.call(about, place).run(
                "cat-file", "--batch-check=%(objectname)", given=_lines(blobs.values())
            )
            missing = {line.split()[0] for line in known.splitlines() if line.endswith(b" missing")}
            # Written anew, so what counts is what was read this time.
            new = {path: paths[path] for path, blob in blobs.items() if blob in missing}
            return blobs | _hashed(call, new, ("-w",))

    def _written(self, about: str, store: Path, found: dict[bytes, bytes], blobs: dict[bytes, bytes]) -> str:
        with tempfile.TemporaryDirectory(prefix="index-", dir=self.folder) as folder:
            env = environment({"GIT_INDEX_FILE": str(Path(folder) / "index")})
            call = Call(about, store, env=env)
            entries = b"".join(b"%b %b\t%b\0" % (found[path], blob, path) for path, blob in blobs.items())
            call.run("update-index", "-z", "--add", "--index-info", given=entries)
            return call.run("write-tree", "--missing-ok").decode().strip()


def _found(about: str, place: Place) -> Iterator[tuple[bytes, bytes]]:
    """Path from the top and mode of every file of the folder that was asked for."""
    submodules: set[bytes] = set()
    if place.git_dir is None:
        paths: Iterable[bytes] = _walked(place.top)
    else:
        paths = _listed(about, place, submodules)
    linked: dict[bytes, bool] = {b"": False}
    top = os.fsencode(place.top)
    for path in paths:
        mode = SUBMODULE if path in submodules else _mode(top, path, linked)
        if mode and mode != SUBMODULE:
            yield path, mode


def _listed(about: str, place: Place, submodules: set[bytes]) -> list[bytes]:
    call = Call(about, place.git_dir, cwd=place.top)
    call.start.append(f"--work-tree={place.top}")
    inside = [] if place.prefix == "." else ["--", place.prefix]
    tracked = call.run("ls-files", "-z", "--stage", *inside)
    others = call.run("ls-files", "-z", "--others", "--exclude-standard", *inside)
    paths = []
    for line in tracked.split(b"\0")[:-1]:
        head, _, path = line.partition(b"\t")
        paths.append(path)
        if head.startswith(SUBMODULE):
            submodules.add(path)
    # A repository inside this one is listed as a folder, and is not part of it.
    paths += [path for path in others.split(b"\0")[:-1] if not path.endswith(b"/")]
    return list(dict.fromkeys(paths))


def _walked(top: Path) -> Iterator[bytes]:
    """All files of a folder that is in no repository."""
    for folder, folders, files in os.walk(os.fsencode(top)):
        folders[:] = sorted(name for name in folders if name != b".git")
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        for name in sorted(files + links):
            yield os.path.relpath(os.path.join(folder, name), os.fsencode(top))


def _mode(top: bytes, path: bytes, linked: dict[bytes, bool]) -> bytes:
    """How git would write the file; empty when it is gone, is no file, or lies behind a symbolic link."""
    if _behind_link(top, os.path.dirname(path), linked):
        return b""
    try:
        status = os.lstat(os.path.join(top, path))
    except OSError:
        return b""
    if stat.S_ISLNK(status.st_mode):
        return LINK
    if not stat.S_ISREG(status.st_mode):
        return b""
    return PROGRAM if status.st_mode & stat.S_IXUSR else FILE


def _behind_link(top: bytes, folder: bytes, linked: dict[bytes, bool]) -> bool:
    if folder not in linked:
        above = _behind_link(top, os.path.dirname(folder), linked)
        linked[folder] = above or os.path.islink(os.path.join(top, folder))
    return linked[folder]


def _readable(about: str, top: Path, links: Path, found: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """For each path one that git can read its content from: a link's target is put into a file of our own."""
    paths = {}
    for number, (path, mode) in enumerate(found.items()):
        paths[path] = path
        if mode == LINK:
            copy = links / str(number)
            try:
                copy.write_bytes(os.readlink(os.path.join(os.fsencode(top), path)))
            except OSError:
                raise Vanished(about, "changes while it is read", "try again when it is still") from None
            paths[path] = os.fsencode(copy)
    return paths


def _hashed(call: Call, paths: dict[bytes, bytes], options: tuple[str, ...]) -> dict[bytes, bytes]:
    """The blob of the content of each path."""
    if not paths:
        return {}
    told = call.run(
        "hash-object", *options, "--no-filters", "--stdin-paths", given=_lines(map(_escaped, paths.values()))
    )
    return dict(zip(paths, told.split(), strict=True))


def _lines(names: Iterable[bytes]) -> bytes:
    return b"".join(name + b"\n" for name in names)


def _escaped(path: bytes) -> bytes:
    """A path as git reads it from a line: in quotes where it could be misread."""
    if not any(sign < 32 or sign in b'"\\' for sign in path):
        return path
    return (
        b'"'
        + b"".join(b"\\%03o" % sign if sign < 32 or sign in b'"\\' else bytes([sign]) for sign in path)
        + b'"'
    )


def _quoted(folder: Path) -> str:
    """A folder as one element of a list of folders."""
    text = str(folder)
    if not set(text) & set(':"\\\n'):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
