"""Real git repositories in folders of the test."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from penstock.forges.git import Git


class Repository:
    """A repository that a person works in; `git(...)` is their own git, hardened against nothing."""

    def __init__(self, folder: Path, form: str = "sha1") -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.git("init", "--quiet", f"--object-format={form}", "--initial-branch=main")

    def git(self, *arguments: str, given: bytes = b"") -> str:
        who = {
            f"GIT_{role}_{what}": "a@example.org"
            for role in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        }
        apart = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "GIT_ALLOW_PROTOCOL": "file"}
        ended = subprocess.run(
            ["git", *arguments],
            cwd=self.folder,
            input=given,
            capture_output=True,
            env=os.environ | who | apart,
        )
        assert ended.returncode == 0, ended.stderr.decode()
        return ended.stdout.decode().strip()

    def write(self, name: str | bytes, content: str | bytes = "text\n") -> Path:
        path = Path(os.fsdecode(os.path.join(os.fsencode(self.folder), os.fsencode(name))))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def commit(self, message: str = "change") -> str:
        self.git("add", "--all", "--force")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Repository]:
    """make("name", form="sha256") is a new repository with a few files in one commit."""

    def new(name: str = "repository", form: str = "sha1") -> Repository:
        made = Repository(tmp_path / name, form)
        made.write(".penstock.yml", "version: 1\n")
        made.write("README", "read me\n")
        made.write("run", "#!/bin/sh\n").chmod(0o755)
        made.write("lib/png/png.c", "int main;\n")
        (made.folder / "link").symlink_to("lib/png")
        made.commit("first")
        return made

    return new


@pytest.fixture
def forge(tmp_path: Path) -> Git:
    """The forge of a local user."""
    return Git(tmp_path / "farm", local_user=True)
