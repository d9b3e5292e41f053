"""Repositories of other machines: one bare mirror each, which holds only the commits that were asked for."""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from penstock.forges.git.address import HASH, Address
from penstock.forges.git.errors import NoSuchRef, Unreachable
from penstock.forges.git.network import Callers, calling
from penstock.forges.git.program import Call, Failed

FETCH_TIMEOUT_S = 1800.0
LIST_TIMEOUT_S = 60.0
HEADS, TAGS = "refs/heads/", "refs/tags/"
SYMBOLIC = "ref: "


class Mirrors:
    """The mirrors below `folder`. Safe for many threads and processes at the same time."""

    def __init__(self, folder: Path, callers: Callers) -> None:
        self.folder, self.callers = folder, callers

    def commit(self, address: Address, ref: str) -> tuple[str, str, str]:
        """(commit, its tree, full ref) that `ref` is there now, fetched. Raises NoSuchRef, Unreachable, Refused.

        The full ref is what the other side listed, such as refs/heads/main; "" for a commit id, and where a tag is
        called like a branch of the same repository, so that nobody can tell which of them is meant.
        """
        env = calling(address, self.callers, dict(os.environ))
        commit, full = (ref, "") if HASH.fullmatch(ref) else self._listed(address, ref, env)
        mirror = self.path(address.url, "sha256" if len(commit) == 64 else "sha1")
        with locked(mirror.with_suffix(".lock")):
            made(mirror, "sha256" if len(commit) == 64 else "sha1")
            here = Call(address.url, mirror)
            kept = f"refs/penstock/{commit}"
            if here.commit(kept) is None:
                self._fetch(Call(address.url, mirror, env=env), address, commit, ref)
            found = here.commit(kept)
        if found is None:
            raise NoSuchRef(address.url, f"{ref!r} is no commit", "write a branch, a tag or a commit")
        return *found, full

    def path(self, url: str, form: str) -> Path:
        """Where the mirror of a repository lies; `form` is that of its object names."""
        return self.folder / f"{hashlib.sha256(url.encode()).hexdigest()[:32]}-{form}.git"

    def call(self, url: str, tree: str) -> Call:
        """A git that reads from the mirror which holds `tree`."""
        return Call(url, self.path(url, "sha256" if len(tree) == 64 else "sha1"))

    def _listed(self, address: Address, ref: str, env: dict[str, str]) -> tuple[str, str]:
        """The object that the other side says `ref` is, and its full name: that one first, then a tag, then a branch."""
        if set(ref) & set("~^*?[\\"):
            raise NoSuchRef(
                address.url, f"{ref!r} is not a name of its own there", "write a branch, a tag or a commit"
            )
        names = [ref, f"refs/tags/{ref}^{{}}", f"refs/tags/{ref}", f"refs/heads/{ref}"]
        beside = [HEADS + ref.removeprefix(TAGS)] if ref.startswith(TAGS) else []
        found = self._all(address, [*names, *beside], env)
        for name in names:
            if HASH.fullmatch(found.get(name, "")):
                return found[name], _full(name, found)
        raise NoSuchRef(
            address.url, f"there is no ref {ref!r}", "write a branch, a tag or a commit that is there"
        )

    @staticmethod
    def _all(address: Address, names: list[str], env: dict[str, str]) -> dict[str, str]:
        """For each of these names that is there its object; under SYMBOLIC the ref that HEAD stands for."""
        try:
            told = Call(address.url, None, env=env).run(
                *("ls-remote", "--quiet", "--symref", "--", address.url, *names), timeout_s=LIST_TIMEOUT_S
            )
        except Failed as wrong:
            raise Unreachable(
                address.url, f"cannot be read: {wrong.what}", "look at the address and at your access"
            ) from None
        found: dict[str, str] = {}
        for line in told.decode("utf-8", "replace").split("\n"):  # no other sign ends a line
            listed, _, name = line.partition("\t")
            if not listed.startswith(SYMBOLIC):
                found[name] = listed
            elif name == "HEAD":
                found[SYMBOLIC] = listed.removeprefix(SYMBOLIC)
        return found

    @staticmethod
    def _fetch(call: Call, address: Address, commit: str, ref: str) -> None:
        """Fetch one commit without its history; the ref beside it keeps it from being pruned."""
        try:
            call.run(
                *("fetch", "--quiet", "--depth=1", "--no-tags", "--no-write-fetch-head"),
                *("--no-auto-maintenance", "--", address.url, f"+{commit}:refs/penstock/{commit}"),
                timeout_s=FETCH_TIMEOUT_S,
            )
        except Failed as wrong:
            if HASH.fullmatch(ref):
                what = f"commit {ref[:12]} cannot be fetched: {wrong.what}"
                raise NoSuchRef(address.url, what, "write a branch or a tag, or push the commit") from None
            raise Unreachable(address.url, f"cannot be fetched: {wrong.what}", "try again") from None


def _full(name: str, found: dict[str, str]) -> str:
    """The full ref of a name that was listed; "" where there is none, or where it could be a tag or a branch."""
    full = found.get(SYMBOLIC, "") if name == "HEAD" else name.removesuffix("^{}")
    twin = full.startswith(TAGS) and HEADS + full.removeprefix(TAGS) in found
    return full if full.startswith("refs/") and not twin else ""


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Only one thread of one process at a time is inside; the lock goes with its holder."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as opened:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield


def made(git_dir: Path, form: str) -> None:
    """Make a bare repository, whole or not at all. The caller holds its lock."""
    if git_dir.is_dir():
        return
    beside = Path(tempfile.mkdtemp(prefix="new-", dir=git_dir.parent))
    try:
        Call(str(git_dir), None).run(
            "init", "--quiet", "--bare", "--template=", f"--object-format={form}", "--", str(beside)
        )
        beside.rename(git_dir)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
