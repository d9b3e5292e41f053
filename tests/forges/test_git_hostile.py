"""A repository's own config, hooks and attributes start no program, and nothing is written into it."""

import contextlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from penstock.forges.git import Git, GitError


def snapshot(folder: Path) -> dict[str, tuple[int, int, int, int]]:
    """Inode, times and size of everything below a folder."""
    found = {}
    for path in [folder, *folder.rglob("*")]:
        status = path.lstat()
        found[str(path)] = (status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size)
    return found


@pytest.fixture
def trap(make: Any, tmp_path: Path) -> Any:
    """A repository in which everything that git can be told to run writes a file."""
    repository = make("trap")
    alarm = tmp_path / "alarm"
    program = tmp_path / "program"
    program.write_text(f'#!/bin/sh\necho "$0 $@" >> {alarm}\n')
    program.chmod(0o755)
    repository.write(".gitattributes", "* filter=evil diff=evil merge=evil ident\n")
    repository.commit()
    for name, value in {
        "core.fsmonitor": program,
        "core.sshCommand": program,
        "core.editor": program,
        "core.pager": program,
        "core.askPass": program,
        "core.gitProxy": program,
        "core.hooksPath": tmp_path / "hooks",
        "core.alternateRefsCommand": program,
        "credential.helper": f"!{program}",
        "filter.evil.clean": program,
        "filter.evil.smudge": program,
        "filter.evil.process": program,
        "filter.evil.required": "true",
        "diff.external": program,
        "diff.evil.command": program,
        "diff.evil.textconv": program,
        "gpg.program": program,
        "log.showSignature": "true",
        "uploadpack.packObjectsHook": program,
        "remote.origin.url": f"ext::{program}",
        "remote.origin.uploadpack": program,
        "remote.origin.promisor": "true",
        "remote.origin.partialCloneFilter": "blob:none",
        "extensions.partialClone": "origin",
        "core.repositoryFormatVersion": "1",
        "trace2.eventTarget": alarm,
        "core.worktree": "/etc",
    }.items():
        repository.git("config", name, str(value))
    for folder in (tmp_path / "hooks", repository.folder / ".git" / "hooks"):
        folder.mkdir(exist_ok=True)
        for hook in (
            "post-index-change",
            "pre-auto-gc",
            "reference-transaction",
            "post-checkout",
            "fsmonitor-watchman",
        ):
            shutil.copy(program, folder / hook)
    alarm.unlink(missing_ok=True)
    repository.alarm = alarm
    return repository


def test_nothing_is_run_and_nothing_is_written(trap: Any, forge: Git) -> None:
    (trap.folder / "README").write_text("changed\n")
    (trap.folder / "new").write_text("new\n")
    os.utime(trap.folder / "run", (1, 1))
    before = snapshot(trap.folder)
    for dirty in (False, True):
        source = forge.resolve(str(trap.folder), dirty=dirty)
        content = forge.read_file(source, "README", 100)
        assert content == (b"changed\n" if dirty else b"read me\n")
        assert list(forge.archive(source))
    assert not trap.alarm.exists(), trap.alarm.read_text()
    assert snapshot(trap.folder) == before


@pytest.mark.parametrize("command", [["add", "README"], ["status"], ["cat-file", "-p", "1" * 40]])
def test_the_trap_would_catch_whoever_is_careless(trap: Any, command: list[str]) -> None:
    trap.write("README", "changed\n")
    trap.git("--work-tree=.", "config", "--unset", "filter.evil.process")  # git would wait for its answer
    env = {"PATH": os.environ["PATH"], "GIT_WORK_TREE": str(trap.folder), "GIT_ALLOW_PROTOCOL": "ext"}
    nowhere = subprocess.DEVNULL
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(
            ["git", *command],
            cwd=trap.folder,
            env=env,
            stdin=nowhere,
            stdout=nowhere,
            stderr=nowhere,
            timeout=10,
        )
    assert trap.alarm.exists()


def test_a_missing_object_is_not_fetched(trap: Any, forge: Git) -> None:
    source = forge.resolve(str(trap.folder))
    blob = Path(trap.folder, ".git", "objects", *_split(_blob(trap)))
    blob.unlink()
    with pytest.raises(GitError, match="cannot be read any more"):
        list(forge.archive(source))
    with pytest.raises(GitError):
        forge.resolve(str(trap.folder), "1" * 40)
    assert not trap.alarm.exists(), trap.alarm.read_text()


def _blob(repository: Any) -> str:
    found: str = repository.git("--work-tree=.", "rev-parse", "HEAD:README")
    return found


def _split(name: str) -> tuple[str, str]:
    return name[:2], name[2:]


def test_the_farms_own_settings_and_variables_do_not_count(
    make: Any, forge: Git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = make()
    digest = forge.resolve(str(repository.folder)).digest
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text("[core\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nonexistent")
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", "/nonexistent")
    for dirty in (False, True):
        assert forge.resolve(str(repository.folder), dirty=dirty).digest == digest
