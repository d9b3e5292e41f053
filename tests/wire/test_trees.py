"""Packing a folder: the same files give the same bytes; what cannot be kept is refused by name."""

import io
import os
import shutil
import socket
import stat
import subprocess
import tarfile
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.wire.tarheads import SYMLINK
from penstock.wire.trees import Limits, TreeError, pack
from penstock.wire.untar import heads, unpack

NAMES = st.one_of(
    st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=40).map(
        os.fsencode
    ),
    st.binary(min_size=1, max_size=60).map(lambda name: name.replace(b"/", b"-").replace(b"\0", b"0")),
    st.integers(90, 255).map(lambda size: b"n" * size),
).filter(lambda name: name not in (b".", b"..") and len(name) <= 255)
FILES = st.tuples(st.just("file"), st.binary(max_size=1500), st.sampled_from([0o644, 0o755, 0o600, 0o444]))
LINKS = st.tuples(
    st.just("link"), NAMES.filter(lambda name: b".." not in name) | st.just(b"x/" * 80 + b"y"), st.just(0)
)
TREES = st.recursive(
    FILES | LINKS,
    lambda inner: st.tuples(
        st.just("folder"), st.dictionaries(NAMES, inner, max_size=5), st.sampled_from([0o755, 0o700, 0o555])
    ),
    max_leaves=12,
)
FOLDERS = st.dictionaries(NAMES, TREES, max_size=6)


def lay(folder: bytes, content, reverse: bool = False, mtime: int = 0) -> None:
    """Write a tree to disk, in one order or the other."""
    for name, (kind, what, mode) in sorted(content.items(), reverse=reverse):
        path = folder + b"/" + name
        if kind == "folder":
            os.mkdir(path)
            lay(path, what, reverse, mtime)
            os.chmod(path, mode)
        elif kind == "link":
            os.symlink(what, path)
        else:
            Path(os.fsdecode(path)).write_bytes(what)
            os.chmod(path, mode)
        os.utime(path, (mtime, mtime), follow_symlinks=False)


def seen(folder: bytes) -> dict[bytes, tuple[object, ...]]:
    """All that a tree holds, as a program would see it."""
    found: dict[bytes, tuple[object, ...]] = {}
    for base, folders, files in os.walk(folder):
        for name in folders + files:
            path = base + b"/" + name
            status = os.lstat(path)
            if os.path.islink(path):
                content: object = os.readlink(path)
            else:
                content = Path(os.fsdecode(path)).read_bytes() if name in files else None
            kept = 0 if os.path.islink(path) else status.st_mode
            found[path[len(folder) :]] = (kept, content)
    return found


class Place:
    """A new folder that goes, with all that was made read-only in it."""

    def __enter__(self) -> bytes:
        self.path = tempfile.mkdtemp()
        return os.fsencode(self.path)

    def __exit__(self, *_: object) -> None:
        for base, _folders, _files in os.walk(self.path):
            os.chmod(base, 0o700)
        shutil.rmtree(self.path)


def packed(folder: bytes, **options: object) -> tuple[str, bytes]:
    out = io.BytesIO()
    digest, size = pack(folder, out.write, **options)
    assert size == len(out.getvalue())
    return digest, out.getvalue()


@given(FOLDERS, st.integers(0, 2**31))
def test_unpacking_gives_back_what_was_packed(content, mtime: int) -> None:
    with Place() as first, Place() as second:
        lay(first, content)
        digest, stream = packed(first)
        unpack(io.BytesIO(stream).read, second, mtime=mtime)
        assert seen(second) == seen(first)
        assert {os.lstat(second + name).st_mtime for name in seen(second)} <= {float(mtime)}
        assert packed(second) == (digest, stream)


@given(FOLDERS)
def test_the_digest_knows_no_order_and_no_time(content) -> None:
    with Place() as first, Place() as second:
        lay(first, content)
        lay(second, content, reverse=True, mtime=1234567890)
        assert packed(first) == packed(second)


@given(FOLDERS, st.integers(1, 700))
def test_any_size_of_reads_will_do(content, size: int) -> None:
    with Place() as first, Place() as second:
        lay(first, content)
        stream = io.BytesIO(packed(first)[1])
        unpack(lambda _: stream.read(size), second)
        assert seen(second) == seen(first)


def test_the_stream_is_an_ordinary_tar(tmp_path: Path) -> None:
    (tmp_path / "a" / ("b" * 90) / ("c" * 200)).mkdir(parents=True)
    (tmp_path / "a" / ("b" * 90) / ("c" * 200) / "d").write_text("deep")
    (tmp_path / "plain").write_text("x")
    (tmp_path / "ä").symlink_to("plain")
    with tarfile.open(fileobj=io.BytesIO(packed(os.fsencode(tmp_path))[1])) as archive:
        names = archive.getnames()
        owners = {(item.uid, item.gid, item.uname, item.gname, item.mtime) for item in archive}
    assert names == sorted(names)
    assert f"a/{'b' * 90}/{'c' * 200}/d" in names
    assert owners == {(0, 0, "", "", 0)}


def test_owner_setuid_and_hard_links_do_not_count(tmp_path: Path) -> None:
    for name in "first", "second":
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_text("same")
        (tmp_path / name / "a").chmod(0o755)
    (tmp_path / "first" / "b").hardlink_to(tmp_path / "first" / "a")
    shutil.copy2(tmp_path / "second" / "a", tmp_path / "second" / "b")
    (tmp_path / "second" / "a").chmod(0o6755)
    if os.geteuid() == 0:
        os.chown(tmp_path / "second" / "b", 12345, 54321)
    assert pack(tmp_path / "first") == pack(tmp_path / "second")


def test_content_and_mode_do_count(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    digests = {pack(tmp_path)[0]}
    (tmp_path / "a").chmod(0o755)
    digests.add(pack(tmp_path)[0])
    (tmp_path / "a").write_text("2")
    digests.add(pack(tmp_path)[0])
    assert len(digests) == 3


def fifo(path: Path) -> None:
    os.mkfifo(path)


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(str(path))


def device(path: Path) -> None:
    try:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only root makes devices")


@pytest.mark.parametrize(
    ("make", "kind"), [(fifo, "a fifo"), (listening, "a socket"), (device, "a character device")]
)
def test_what_is_no_file_is_refused_by_name(tmp_path: Path, make, kind: str) -> None:
    (tmp_path / "in").mkdir()
    make(tmp_path / "in" / "odd")
    with pytest.raises(TreeError, match=rf"in/odd: {kind} cannot be packed"):
        pack(tmp_path)


OUTSIDE = [
    {"a": "/etc/passwd"},
    {"a": "../b"},
    {"d/a": "../../b"},
    {"d/a": "x/../../../b"},
    {"d/up": "..", "d/a": "up/../b"},
    {"x/y/z": "../..", "x/y/a": "z/../b"},
    {"a": "/opt/penstockish/b"},
    {"a": "/opt/penstock/../b"},
    {"a": "/opt/penstock/d/../../b"},
]
INSIDE = [
    {"a": "b"},
    {"d/a": "../b"},
    {"d/a": "../missing/../b"},
    {"a": "/opt/penstock/lib/b"},
    {"a": "/opt/penstock"},
    {"d/a": "/opt/penstock/d/../b"},
    {"a": "b", "b": "a"},
    {"x/y/z": "../..", "x/y/a": "z/b"},
]


def linked(folder: Path, links: dict[str, str]) -> Path:
    for name, target in links.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(target)
    return folder


def heads_of(folder: Path, absolute: dict[str, str]) -> dict[str, str]:
    """The links of the packed folder as its stream holds them."""
    stream = io.BytesIO()
    pack(folder, stream.write, absolute=absolute)
    stream.seek(0)
    return {head.name.decode(): head.link.decode() for head in heads(stream.read) if head.kind == SYMLINK}


@pytest.mark.parametrize("links", OUTSIDE)
def test_links_out_of_the_tree_are_refused(tmp_path: Path, links: dict[str, str]) -> None:
    linked(tmp_path, links)
    with pytest.raises(TreeError, match="leads out of the tree"):
        pack(tmp_path, absolute={"/opt/penstock": ""})
    pack(tmp_path, any_links=True)


@pytest.mark.parametrize("links", INSIDE)
def test_links_within_the_tree_are_kept(tmp_path: Path, links: dict[str, str]) -> None:
    assert heads_of(linked(tmp_path, links), {"/opt/penstock": ""}) == links


def test_an_absolute_link_may_point_to_where_a_part_will_lie(tmp_path: Path) -> None:
    links = {"opt/penstock/a": "/opt/penstock/b"}
    assert heads_of(linked(tmp_path, links), {"/opt/penstock": "opt/penstock"}) == links


def test_a_file_that_shrinks_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 3_000_000)

    def shrink(_: bytes) -> None:
        os.truncate(tmp_path / "a", 10)

    with pytest.raises(TreeError, match="a: became shorter"):
        pack(tmp_path, shrink)


@pytest.mark.parametrize(
    ("limits", "word"),
    [
        (Limits(entries=2), "entries"),
        (Limits(size_bytes=10), "larger"),
        (Limits(path_bytes=4), "longer"),
    ],
)
def test_limits_hold_while_packing(tmp_path: Path, limits: Limits, word: str) -> None:
    (tmp_path / "folder").mkdir()
    for name in "ab":
        (tmp_path / "folder" / name).write_bytes(b"x" * 6)
    with pytest.raises(TreeError, match=word):
        pack(tmp_path, limits=limits)


def test_a_huge_sparse_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "huge").open("wb") as out:
        out.truncate(1 << 40)
    with pytest.raises(TreeError, match="huge: the tree is larger"):
        pack(tmp_path)


@pytest.mark.needs("git")
def test_what_git_archive_writes_is_unpacked(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    target.mkdir()
    (source / ("d" * 120) / ("e" * 120)).mkdir(parents=True)
    (source / ("d" * 120) / ("e" * 120) / "file").write_text("deep")
    (source / "run.sh").write_text("#!/bin/sh\n")
    (source / "run.sh").chmod(0o755)
    (source / "out").symlink_to("/etc/passwd")
    (source / "long").symlink_to("../" * 60 + "x")
    (source / ".penstock.yml").write_text("version: 1\n")
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-q", "-m", "A"]):
        subprocess.run(["git", "-C", source, *command], check=True)
    archive = ["git", "-C", source, "archive", "--format=tar", "HEAD"]
    stream = subprocess.run(archive, check=True, capture_output=True).stdout
    unpack(
        io.BytesIO(stream).read,
        target,
        source=True,
        mtime=7,
        mode_mask=0o755,
        skip=frozenset({".penstock.yml"}),
    )
    assert sorted(path.name for path in target.iterdir()) == ["d" * 120, "long", "out", "run.sh"]
    assert (target / "out").readlink() == Path("/etc/passwd")
    assert (target / ("d" * 120) / ("e" * 120) / "file").read_text() == "deep"
    assert (target / "run.sh").stat().st_mode & 0o777 == 0o755
    assert {path.lstat().st_mtime for path in target.rglob("*")} == {7.0}
