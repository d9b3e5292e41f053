"""Files of secrets: what is read, and what is none any more."""

import os
from pathlib import Path

import pytest

from penstock.store.secretfiles import MOST_BYTES, Unreadable, read_secret


def put(folder: Path, value: bytes, mode: int = 0o600) -> Path:
    path = folder / "key"
    path.write_bytes(value)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_what_only_its_owner_may_read_is_read(tmp_path: Path, mode: int) -> None:
    assert read_secret(put(tmp_path, b"hunter2\n", mode)) == b"hunter2\n"
    link = tmp_path / "link"
    link.symlink_to("key")  # as orchestrators lay them out
    assert read_secret(link) == b"hunter2\n"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620])
def test_what_others_may_read_is_no_secret(tmp_path: Path, mode: int) -> None:
    with pytest.raises(Unreadable, match="can be read by others: chmod 600"):
        read_secret(put(tmp_path, b"hunter2", mode))


@pytest.mark.parametrize("value", [b"", b"x" * (MOST_BYTES + 1)])
def test_nothing_and_too_much_are_refused(tmp_path: Path, value: bytes) -> None:
    with pytest.raises(Unreadable, match="empty, or longer"):
        read_secret(put(tmp_path, value))


def test_what_is_no_file_is_refused_at_once_and_where_it_lies_is_not_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("pipe", ".", "missing"):
        with pytest.raises(Unreadable) as told:
            read_secret(tmp_path / name)
        assert str(tmp_path) not in str(told.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_another_users_file_is_refused(tmp_path: Path) -> None:
    path = put(tmp_path, b"hunter2")
    os.chown(path, 65534, -1)
    with pytest.raises(Unreadable, match="belongs to another user"):
        read_secret(path)
