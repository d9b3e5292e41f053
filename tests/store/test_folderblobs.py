"""Blobs in a folder: links, damage, crashes, full disks, handles and memory."""

import gc
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conformance.blob_suite import digest_of, sent, stored

from penstock.ports import StoreError
from penstock.store.blobs import open_blobs
from penstock.store.folderblobs import FolderBlobs

EMPTY = digest_of(b"")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture
def blobs(folder: Path) -> FolderBlobs:
    return FolderBlobs(folder)


def file_of(folder: Path, digest: str) -> Path:
    digits = digest.removeprefix("sha256:")
    return folder / "sha256" / digits[:2] / digits


@pytest.mark.parametrize("url", ["file:here", "file:{}/here", "file://{}/here"])
def test_addresses_are_relative_or_absolute(tmp_path: Path, url: str) -> None:
    digest = stored(open_blobs(url.format(tmp_path), tmp_path), b"x")
    assert file_of(tmp_path / "here", digest).read_bytes() == b"x"


@pytest.mark.parametrize("url", ["", "file:", "file://", "blobs", "ftp://x", "s3:"])
def test_other_addresses_are_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(StoreError, match="file:FOLDER"):
        open_blobs(url, tmp_path)


def test_the_folder_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "blobs").symlink_to("disk")
    digest = stored(FolderBlobs(tmp_path / "blobs"), b"x")
    assert file_of(tmp_path / "disk", digest).is_file()


def test_links_below_are_never_followed(blobs: FolderBlobs, folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    digest = digest_of(b"secret")
    file_of(folder, digest).parent.mkdir(parents=True)
    file_of(folder, digest).symlink_to(secret)
    assert blobs.size(digest) is None
    assert not blobs.verify(digest)
    with pytest.raises(KeyError):
        blobs.read(digest)
    blobs.delete(digest)
    assert secret.read_bytes() == b"secret"


def test_a_link_planted_at_the_last_moment_is_not_followed(
    blobs: FolderBlobs, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_bytes(b"x")
    file_of(folder, digest_of(b"x")).parent.mkdir(parents=True)
    file_of(folder, digest_of(b"x")).symlink_to(tmp_path / "secret")
    monkeypatch.setattr(blobs, "size", lambda _digest: 1)
    with pytest.raises(OSError, match="symbolic links"):
        blobs.read(digest_of(b"x"))


def test_a_link_in_the_place_of_an_object_is_replaced(
    blobs: FolderBlobs, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_bytes(b"x")
    file_of(folder, digest_of(b"x")).parent.mkdir(parents=True)
    file_of(folder, digest_of(b"x")).symlink_to(tmp_path / "secret")
    assert blobs.verify(stored(blobs, b"x"))
    assert not file_of(folder, digest_of(b"x")).is_symlink()


@pytest.mark.parametrize("where", ["uploads/a", "uploads", "sha256", f"sha256/{EMPTY[7:9]}"])
def test_links_to_folders_are_never_followed(
    blobs: FolderBlobs, folder: Path, tmp_path: Path, where: str
) -> None:
    (tmp_path / "elsewhere").mkdir()
    if (folder / where).is_dir():
        (folder / where).rmdir()
    (folder / where).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match=r"Not a directory|symbolic links"):
        stored(blobs, b"")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_damaged_object_is_found_out(blobs: FolderBlobs, folder: Path) -> None:
    digest = stored(blobs, b"data")
    file_of(folder, digest).write_bytes(b"dat_")
    assert not blobs.verify(digest)


def test_a_truncated_object_is_replaced_by_a_whole_one(blobs: FolderBlobs, folder: Path) -> None:
    digest = stored(blobs, b"data")
    file_of(folder, digest).write_bytes(b"da")
    assert stored(blobs, b"data") == digest
    assert blobs.verify(digest)


def test_strangers_in_the_folder_are_not_listed(blobs: FolderBlobs, folder: Path) -> None:
    digest = stored(blobs, b"data")
    sent(blobs, "a/tree", b"more")
    for name in ("note", "sha256/note", f"sha256/{digest[7:9]}/note", "uploads/note", "uploads/a/note"):
        (folder / name).write_text("by hand")
    (folder / "sha256" / "zz").mkdir()
    (folder / "sha256" / "zz" / digest[7:]).write_bytes(b"data")
    assert list(blobs.digests()) == [digest]
    assert list(blobs.uploads()) == ["a/tree"]


def test_attempts_leave_no_empty_folders(blobs: FolderBlobs, folder: Path) -> None:
    stored(blobs, b"data")
    sent(blobs, "b/tree", b"data")
    blobs.discard("b/tree")
    blobs.upload("c/tree").abandon()
    assert list((folder / "uploads").iterdir()) == []


def test_what_is_published_was_forced_to_disk_in_order(
    blobs: FolderBlobs, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut at any point leaves a whole object or none: content, name, folder."""
    order: list[str] = []
    fsync, rename = os.fsync, os.rename

    def named(handle: int) -> str:
        path = Path(os.readlink(f"/proc/self/fd/{handle}")).relative_to(folder)
        return path.as_posix().partition("~")[0]

    monkeypatch.setattr(os, "fsync", lambda handle: (order.append(f"sync {named(handle)}"), fsync(handle)))
    monkeypatch.setattr(
        os,
        "rename",
        lambda *names, **at: (order.append(f"to {names[1].partition('~')[0]}"), rename(*names, **at)),
    )
    digits = stored(blobs, b"data").removeprefix("sha256:")
    assert order == [
        "sync uploads/a/tree",
        "to tree",
        "sync uploads/a",
        "sync uploads",
        f"to {digits}",
        f"sync sha256/{digits[:2]}",
        "sync sha256",
    ]
    order.clear()
    blobs.publish("a/tree", f"sha256:{digits}")
    assert order == [f"sync sha256/{digits[:2]}", "sync sha256"], "the first may have been killed before it"


KILLED = """
import os, sys
from pathlib import Path
from penstock.store.folderblobs import FolderBlobs
blobs = FolderBlobs(Path(sys.argv[1]))
upload = blobs.upload("a/tree")
upload.write(b"data")
if sys.argv[2] == "finished":
    upload.finish()
if sys.argv[2] == "published":
    rename = os.rename
    digest, _ = upload.finish()
    os.rename = lambda *names, **at: (rename(*names, **at), os._exit(9))
    blobs.publish("a/tree", digest)
os._exit(9)
"""


@pytest.mark.parametrize("when", ["begun", "finished", "published"])
def test_whoever_is_killed_leaves_what_can_be_gone_on_with(folder: Path, when: str) -> None:
    command = [sys.executable, "-c", KILLED, str(folder), when]
    assert subprocess.run(command, check=False).returncode == 9
    blobs, digest = FolderBlobs(folder), digest_of(b"data")
    assert list(blobs.uploads()) == ([] if when == "published" else ["a/tree"])
    assert list(blobs.digests()) == ([digest] if when == "published" else [])
    if when == "begun":
        with pytest.raises(KeyError):
            blobs.publish("a/tree", digest)
        assert stored(blobs, b"data") == digest
    blobs.publish("a/tree", digest)
    assert blobs.verify(digest)
    assert list(blobs.uploads()) == []


FULL = """
import resource, sys
from pathlib import Path
from penstock.store.folderblobs import FolderBlobs
blobs = FolderBlobs(Path(sys.argv[1]))
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
upload = blobs.upload("a/tree")
upload.write(b"x" * ((1 << 20) - 5))
try:
    upload.write(b"y" * 10)
except OSError as refused:
    upload.abandon()
    assert list(blobs.uploads()) == []
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    again = blobs.upload("a/tree")
    again.write(b"y" * (2 << 20))
    print(again.finish()[1])
"""


def test_a_full_disk_fails_the_upload_and_nothing_else(folder: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", FULL, str(folder)], capture_output=True, text=True, check=True
    )
    assert ended.stdout == f"{2 << 20}\n"


MEMORY = r"""
import re, sys
from pathlib import Path
from penstock.store.folderblobs import FolderBlobs
blobs = FolderBlobs(Path(sys.argv[1]))
chunk = bytes(1 << 20)

def peak_kb():
    # not ru_maxrss: that counts what the process was before it became this program, too
    return int(re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())[1])

before = peak_kb()
upload = blobs.upload("a/tree")
for _ in range(128):
    upload.write(chunk)
digest, size = upload.finish()
blobs.publish("a/tree", digest)
assert sum(map(len, blobs.read(digest))) == size and blobs.verify(digest)
print(peak_kb() - before)
"""


def test_a_large_object_needs_little_memory(folder: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", MEMORY, str(folder)], capture_output=True, text=True, check=True
    )
    assert int(ended.stdout) < 16 * 1024, "KiB more for 128 MiB of content"


def test_handles_do_not_pile_up(blobs: FolderBlobs) -> None:
    digest = stored(blobs, b"x" * 10)

    def turn() -> int:
        blobs.read(digest)
        next(blobs.read(digest))
        list(blobs.read(digest))
        blobs.upload("a/tree").write(b"x")
        blobs.upload("a/tree").abandon()
        stored(blobs, b"more", "b/tree")
        with pytest.raises(KeyError):
            blobs.publish("c/tree", digest_of(b"nobody"))
        gc.collect()
        return len(os.listdir("/proc/self/fd"))

    assert turn() == turn()


def test_an_attempts_folder_that_goes_when_it_was_just_made_is_made_again(
    blobs: FolderBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last upload of an attempt ends, and takes the folder along, while the next one begins."""
    made, mkdir = [], os.mkdir

    def then_gone(name: str, *mode: int, dir_fd: int) -> None:
        mkdir(name, *mode, dir_fd=dir_fd)
        made.append(name)
        if len(made) <= 2:
            os.rmdir(name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "mkdir", then_gone)
    upload = blobs.upload("a/tree")
    assert made == ["a"] * 3
    upload.abandon()


def test_a_half_taken_write_is_gone_on_with(blobs: FolderBlobs, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = blobs.upload("a/tree")
    whole = upload._file

    class Slow:
        """A file that takes three bytes at a time."""

        def write(self, data: memoryview) -> int:
            return whole.write(data[:3])

    monkeypatch.setattr(upload, "_file", Slow())
    upload.write(b"0123456789")
    monkeypatch.undo()
    digest, size = upload.finish()
    assert (digest, size) == ("sha256:" + hashlib.sha256(b"0123456789").hexdigest(), 10)
    blobs.publish("a/tree", digest)
    assert blobs.verify(digest)
