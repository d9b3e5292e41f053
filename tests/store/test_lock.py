"""One process per state folder, however it ends and whatever it leaves running."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.ports import Locked
from penstock.store.lock import FILE_NAME, FolderLock
from penstock.store.sql import SqliteStore

HOLDER = """
import os, signal, subprocess, sys
from pathlib import Path
from penstock.store.sql import SqliteStore
store = SqliteStore(Path(sys.argv[1]) / "farm.db")
started = subprocess.Popen(["sleep", "600"], close_fds=False)
ready, done = os.pipe()
forked = os.fork()
if forked == 0:
    os.write(done, b".")
    signal.pause()
os.read(ready, 1)
print(started.pid, forked, flush=True)
signal.pause()
"""


def test_a_second_store_is_refused_and_told_by_whom(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "farm.db")
    with pytest.raises(Locked, match=f"{tmp_path} is in use by process {os.getpid()}"):
        SqliteStore(tmp_path / "other.db")
    store.close()
    SqliteStore(tmp_path / "other.db").close()


def test_a_link_to_the_folder_is_the_same_folder(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    store = SqliteStore(tmp_path / "real" / "farm.db")
    with pytest.raises(Locked):
        SqliteStore(tmp_path / "link" / "farm.db")
    store.close()


def test_kill_9_frees_the_folder_although_children_live_on(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        children = [int(pid) for pid in holder.stdout.readline().split()]
        try:
            with pytest.raises(Locked, match=f"process {holder.pid}:"):
                SqliteStore(tmp_path / "farm.db")
            holder.kill()
            holder.wait()
            for child in children:
                os.kill(child, 0)
            SqliteStore(tmp_path / "farm.db").close()
        finally:
            for child in children:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)


def test_a_forked_child_that_ends_does_not_free_the_folder(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path)
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    with pytest.raises(Locked):
        FolderLock(tmp_path)
    lock.release()
    lock.release()


def test_the_file_stays_and_is_nobodys_link(tmp_path: Path) -> None:
    FolderLock(tmp_path).release()
    assert (tmp_path / FILE_NAME).is_file()
    (tmp_path / FILE_NAME).unlink()
    (tmp_path / FILE_NAME).symlink_to("elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        FolderLock(tmp_path)
    assert not (tmp_path / "elsewhere").exists()
