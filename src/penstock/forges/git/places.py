"""Where a repository of this machine lies: found by looking, without asking its own config."""

from pathlib import Path

import msgspec

from penstock.forges.git.errors import GitError, NoRepository

HEADS = "ref: refs/heads/"


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """One repository on this machine.

    `top`: its working tree, or the bare repository itself; `git_dir`: None where the folder is in no repository;
    `objects`: where its objects lie; `prefix`: the folder that was asked for, inside `top`, "." for all of it.
    """

    top: Path
    git_dir: Path | None
    objects: Path | None
    prefix: str = "."

    @property
    def bare(self) -> bool:
        """True where there is no working tree."""
        return self.git_dir == self.top


def find(folder: str) -> Place:
    """The repository that a folder is, or is inside of. Raises NoRepository when there is no such folder."""
    start = Path(folder)
    try:
        if not start.is_dir():
            what = "is not a folder" if start.exists() else "there is no such folder"
            raise NoRepository(folder, what, "name a git repository")
        start = start.resolve(strict=True)
        for top in (start, *start.parents):
            git_dir = _git_dir(top)
            if git_dir is not None:
                return Place(
                    top=top,
                    git_dir=git_dir,
                    objects=_shared(git_dir) / "objects",
                    prefix=start.relative_to(top).as_posix(),
                )
    except OSError as wrong:
        raise NoRepository(
            folder, f"cannot be read: {wrong.strerror}", "name a folder that you may read"
        ) from None
    return Place(top=start, git_dir=None, objects=None)


def branch(place: Place) -> str:
    """The branch that is checked out there, "" where none is: by what its own HEAD says, which is enough to label by."""
    if place.git_dir is None:
        return ""
    try:
        head = (place.git_dir / "HEAD").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
    name = head.removeprefix(HEADS)
    # ".invalid" stands there where git keeps its refs in another form.
    return name if head.startswith(HEADS) and name != ".invalid" and name.isprintable() else ""


def _git_dir(top: Path) -> Path | None:
    inside = top / ".git"
    if inside.is_file():
        line = inside.read_text(encoding="utf-8", errors="replace").strip()
        if not line.startswith("gitdir: "):
            raise GitError(str(top), "its .git is a file that names no repository", "clone it again")
        return (top / line.removeprefix("gitdir: ")).resolve()
    for candidate in (inside, top):
        if (
            (candidate / "HEAD").exists()
            and (candidate / "objects").is_dir()
            and (candidate / "refs").is_dir()
        ):
            return candidate
    return None


def _shared(git_dir: Path) -> Path:
    """A second working tree shares the objects of the first."""
    pointer = git_dir / "commondir"
    if not pointer.is_file():
        return git_dir
    return (git_dir / pointer.read_text(encoding="utf-8", errors="replace").strip()).resolve()
