"""What can be wrong with a repository, each as one clear line."""

from penstock.ports import ForgeError


class GitError(ForgeError):
    """Something about a repository is not as asked; the line says which, what, and what to do instead."""


class NoRepository(GitError):
    """There is no git repository there."""


class NoSuchRef(GitError):
    """The repository has no such branch, tag or commit."""


class NoSuchFile(GitError):
    """The tree has no such file or folder, or it is not of the kind that is needed."""


class Refused(GitError):
    """An address, a ref or a tree that is not taken, whoever asks."""


class Unreachable(GitError):
    """A repository that could not be read over the network now; later it may."""


class Vanished(GitError):
    """What was there when it was resolved is gone, damaged, or changes while it is read."""
