"""git, by the real program: refs to trees, trees to archives."""

from penstock.forges.git.errors import GitError
from penstock.forges.git.repository import Git

__all__ = ["Git", "GitError"]
