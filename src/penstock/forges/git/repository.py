"""git as a forge: from a repository and a ref to a tree, its digest, its files and its archive."""

import os
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import msgspec

from penstock.forges.git.address import Address, NotAllowed, address_of, check_path, check_ref
from penstock.forges.git.archive import Blobs, tar
from penstock.forges.git.errors import GitError, NoRepository, NoSuchFile, NoSuchRef, Refused, Vanished
from penstock.forges.git.mirrors import Mirrors
from penstock.forges.git.network import Callers, Lookup, look_up
from penstock.forges.git.places import Place, branch, find
from penstock.forges.git.program import Call, Failed
from penstock.forges.git.trees import FOLDER, LINK, SUBMODULE, Listing, listing
from penstock.forges.git.working import Working
from penstock.model.job import Source

LISTINGS = 32
"""Trees whose listing is kept: a manifest and its sources are read one after another."""


class Git:
    """Reads repositories: those of this machine in place, others through mirrors below `folder`.

    `leave_out`: what no working tree contains: the farm's own files, when its state lies among the sources.
    `local_user`: asked by the person whose machine this is; folders are then taken, and any host. `hosts`: those that
    everybody may name though they are in a private network. Nothing is ever written into a repository. Any number of threads may call it.
    """

    def __init__(
        self,
        folder: Path,
        local_user: bool,
        lookup: Lookup = look_up,
        leave_out: Iterable[Path] = (),
        hosts: Collection[str] = (),
    ) -> None:
        self.local_user = local_user
        self.mirrors = Mirrors(folder, Callers(local_user, lookup, hosts))
        self.working = Working(folder / "working", leave_out)
        self._listings: OrderedDict[str, Listing] = OrderedDict()
        self._lock = threading.Lock()

    def resolve(self, repository: str, ref: str = "HEAD", dirty: bool = False, path: str = ".") -> Source:
        """What `ref` of a repository (URL or folder) is now; with `dirty` the working tree of a folder instead.

        `path`: a folder inside it. A folder inside a repository counts from there. Raises GitError, of which
        Refused, NoRepository, NoSuchRef, NoSuchFile, Unreachable and Vanished say what is wrong.
        """
        return self.named(repository, ref, dirty, path)[0]

    def named(
        self, repository: str, ref: str = "HEAD", dirty: bool = False, path: str = "."
    ) -> tuple[Source, str]:
        """As `resolve`, and the full ref that the repository of another machine listed for it, such as
        refs/heads/main. "" for a commit id, a name that is both tag and branch, and folders of this machine."""
        try:
            address, path = address_of(repository), check_path(path)
            check_ref(ref)
        except NotAllowed as wrong:
            raise Refused(repository, wrong.what, wrong.instead) from None
        if address.kind != "folder":
            commit, tree, full = self._remote(address, dirty, ref)
            start = Source(repository=repository, ref=ref, path=path, commit=commit)
            return self._source(start, tree), full
        self._only_local(repository)
        folder = os.path.abspath(address.url)
        place = find(folder)
        start = Source(repository=folder, ref=ref, path=path)
        if dirty and not place.bare:
            return self._source(start, self.working.tree(folder, place), place.prefix), ""
        commit, tree = self._local(folder, place, ref)
        return self._source(msgspec.structs.replace(start, commit=commit), tree, place.prefix), ""

    def branch(self, folder: str) -> str:
        """The branch that a folder of this machine has checked out, "" for none: a label, which nothing is given for."""
        return branch(find(folder))

    def inside(self, source: Source, path: str) -> Source:
        """A folder of a source that is resolved already: the same commit or working tree, whatever happens since."""
        try:
            path = check_path(path)
        except NotAllowed as wrong:
            raise Refused(source.repository, wrong.what, wrong.instead) from None
        found = self._listing(source).inside(path, source.repository)
        self._keep(found)
        whole = path if source.path == "." else source.path if path == "." else f"{source.path}/{path}"
        return msgspec.structs.replace(source, path=whole, tree=found.tree, digest=found.digest())

    def read_file(self, source: Source, name: str, max_bytes: int) -> bytes:
        """The content of one file of a source. Raises NoSuchFile, also for what is too big or no plain file."""
        entry = self._listing(source).entry(name)
        if entry is None:
            raise NoSuchFile(
                source.repository, f"there is no {name} {_where(source)}", "write one and commit it"
            )
        if entry.mode in (FOLDER, LINK, SUBMODULE):
            raise NoSuchFile(source.repository, f"{name} is not a plain file", "write it as a file")
        with Blobs(self._call(source)) as blobs:
            size = blobs.begin(entry.blob)
            if size > max_bytes:
                raise NoSuchFile(
                    source.repository, f"{name} has {size} bytes, {max_bytes} are allowed", "write less"
                )
            return b"".join(blobs.rest(entry.blob, size))

    def archive(self, source: Source) -> Iterator[bytes]:
        """The source as a tar stream in chunks, `.penstock.yml` at its top left out. Raises Vanished midway."""
        return tar(self._call(source), self._listing(source))

    def _only_local(self, repository: str) -> None:
        if not self.local_user:
            what = "folders of the farm's machine are for its local user alone"
            raise Refused(repository, what, "name an https or ssh address")

    def _remote(self, address: Address, dirty: bool, ref: str) -> tuple[str, str, str]:
        if dirty:
            raise Refused(address.url, "has no working tree here", "clone it and name the folder")
        return self.mirrors.commit(address, ref)

    def _local(self, folder: str, place: Place, ref: str) -> tuple[str, str]:
        """(commit, its tree) that a ref of a repository of this machine is."""
        if place.git_dir is None:
            raise NoRepository(
                folder, "is not in a git repository", "run git init and commit, or build it with --dirty"
            )
        try:
            found = Call(folder, place.git_dir).commit(ref)
        except Failed as wrong:
            raise NoRepository(
                folder, f"git cannot read it: {wrong.what}", "look at it with git fsck"
            ) from None
        if found is None:
            raise NoSuchRef(folder, f"there is no ref {ref!r}", _instead(ref))
        return found

    def _source(self, start: Source, whole: str, prefix: str = ".") -> Source:
        """The source with tree and digest: the folder `path` below `prefix` of the tree `whole`."""
        found = self._listed(self._call(start, whole), whole)
        for path in (prefix, start.path):
            found = found.inside(path, start.repository)
        self._keep(found)
        return msgspec.structs.replace(start, tree=found.tree, digest=found.digest())

    def _call(self, source: Source, whole: str = "") -> Call:
        """A git that can read the objects of a source."""
        address = address_of(source.repository)
        if address.kind != "folder":
            return self.mirrors.call(source.repository, whole or source.tree)
        self._only_local(source.repository)
        try:
            place = find(address.url)
        except NoRepository:
            raise Vanished(source.repository, "is gone", "see that it stays while it is built") from None
        if source.commit:
            return Call(source.repository, place.git_dir)
        return self.working.call(source.repository, place)

    def _listing(self, source: Source) -> Listing:
        with self._lock:
            known = self._listings.get(source.tree)
        return known or self._listed(self._call(source), source.tree)

    def _listed(self, call: Call, whole: str) -> Listing:
        """The listing of a tree, from git or from memory. Raises Vanished."""
        with self._lock:
            known = self._listings.get(whole)
        if known:
            return known
        try:
            found = listing(whole, call.run("ls-tree", "-r", "-t", "-z", "--full-tree", whole), call.about)
        except Failed as wrong:
            raise Vanished(
                call.about, f"cannot be read: {wrong.what}", "see that it stays while it is built"
            ) from None
        return found

    def _keep(self, found: Listing) -> None:
        with self._lock:
            self._listings[found.tree] = found
            while len(self._listings) > LISTINGS:
                self._listings.popitem(last=False)


def _where(source: Source) -> str:
    return f"at {source.ref} ({source.commit[:12]})" if source.commit else "in its working tree"


def _instead(ref: str) -> str:
    return "commit something first" if ref == "HEAD" else "write a branch, a tag or a commit that is there"


__all__ = ["Git", "GitError"]
