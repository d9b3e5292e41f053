"""Streams that want to write elsewhere, or too much: each is refused, and nothing outside is touched."""

import io
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.wire.trees import Limits, TreeError, pack
from penstock.wire.untar import unpack

LINK, HARD, FIFO, DEVICE, FOLDER = (
    tarfile.SYMTYPE,
    tarfile.LNKTYPE,
    tarfile.FIFOTYPE,
    tarfile.CHRTYPE,
    tarfile.DIRTYPE,
)


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0, **more: object):
    item = tarfile.TarInfo(name)
    item.type, item.linkname, item.size = kind, link, size
    for key, value in more.items():
        setattr(item, key, value)
    return item


def tar(*items: tarfile.TarInfo, form: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for item in items:
            archive.addfile(item, io.BytesIO(b"x" * item.size))
    return out.getvalue()


HOSTILE = {
    "absolute": ([entry("/tmp/evil")], "absolute"),
    "parent": ([entry("../evil")], "leaves the tree"),
    "parent inside": ([entry("a/../../evil")], "leaves the tree"),
    "link out": ([entry("a", LINK, "../evil")], "out of the tree"),
    "absolute link": ([entry("a", LINK, "/etc/passwd")], "out of the tree"),
    "through a link": ([entry("a", LINK, "."), entry("a/b", size=1)], "goes through a link"),
    "through a link out": ([entry("a", LINK, ".."), entry("a/evil", size=1)], "goes through a link"),
    "folder through a link": ([entry("a", LINK, ".."), entry("a/evil", FOLDER)], "goes through a link"),
    "through a file": ([entry("a"), entry("a/b")], "goes through a file"),
    "link over a folder": ([entry("a", FOLDER), entry("a", LINK, "..")], "twice"),
    "file over a link": ([entry("a", LINK, "b"), entry("a", size=4)], "twice"),
    "twice": ([entry("a"), entry("a")], "twice"),
    "folder twice": ([entry("a", FOLDER), entry("a", FOLDER)], "twice"),
    "same by dots": ([entry("a"), entry("./a")], "twice"),
    "hard link": ([entry("a"), entry("b", HARD, "a")], "a hard link"),
    "hard link out": ([entry("a", HARD, "/etc/passwd")], "a hard link"),
    "fifo": ([entry("a", FIFO)], "a fifo"),
    "device": ([entry("a", DEVICE, devmajor=1, devminor=3)], "a character device"),
    "two links": ([entry("x/y/z", LINK, "../.."), entry("x/y/a", LINK, "z/../b")], "out of the tree"),
    "long name": ([entry("a" * 256)], "longer than a file system takes"),
    "long link": ([entry("a", LINK, "b/" * 2100)], "longer than a file system takes"),
    "empty link": ([entry("a", LINK, "")], "no target"),
    "deep": ([entry("a/" * 2000 + "b")], "longer than 3072"),
    "nameless": ([entry("./", tarfile.REGTYPE)], "no name"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_it_is_refused_and_nothing_is_written_outside(tmp_path: Path, name: str) -> None:
    items, word = HOSTILE[name]
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(TreeError, match=word):
        unpack(io.BytesIO(tar(*items)).read, target)
    assert os.listdir(tmp_path) == ["target"]


@pytest.mark.parametrize(
    "name", ["through a link", "through a link out", "folder through a link", "hard link out"]
)
def test_a_source_may_hold_any_link_but_nothing_goes_through_it(tmp_path: Path, name: str) -> None:
    items, word = HOSTILE[name]
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(TreeError, match=word):
        unpack(io.BytesIO(tar(*items)).read, target, source=True)
    assert os.listdir(tmp_path) == ["target"]


def test_links_of_a_source_are_kept_whatever_they_say(tmp_path: Path) -> None:
    unpack(
        io.BytesIO(tar(entry("a", LINK, "/etc/passwd"), entry("b", LINK, "../../x"))).read,
        tmp_path,
        source=True,
    )
    assert os.readlink(tmp_path / "a") == "/etc/passwd"


@pytest.mark.parametrize(
    ("limits", "word"),
    [(Limits(entries=3), "entries"), (Limits(size_bytes=1000), "larger"), (Limits(path_bytes=2), "longer")],
)
def test_bombs_are_refused_by_what_they_declare(tmp_path: Path, limits: Limits, word: str) -> None:
    stream = tar(*(entry(f"{'f' * at}{at}", size=400) for at in range(1, 5)))
    with pytest.raises(TreeError, match=word):
        unpack(io.BytesIO(stream).read, tmp_path, limits)


def test_a_declared_size_is_not_believed(tmp_path: Path) -> None:
    stream = tar(entry("a", size=10)).replace(b"%011o" % 10, b"77777777777", 1)
    block = bytearray(stream[:512])
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    with pytest.raises(TreeError, match="ends in the middle"):
        unpack(io.BytesIO(bytes(block)).read, tmp_path)
    with pytest.raises(TreeError, match="larger"):
        unpack(io.BytesIO(bytes(block)).read, tmp_path, Limits(size_bytes=1 << 30))


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT])
def test_other_dialects_are_refused(tmp_path: Path, form: int) -> None:
    with pytest.raises(TreeError):
        unpack(io.BytesIO(tar(entry("a" * 120), form=form)).read, tmp_path)


def test_a_global_path_is_refused(tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(
        fileobj=out, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"path": "evil"}
    ) as archive:
        archive.addfile(entry("a"))
    with pytest.raises(TreeError, match="global header"):
        unpack(io.BytesIO(out.getvalue()).read, tmp_path)


def test_what_follows_the_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TreeError, match="goes on behind its end"):
        unpack(io.BytesIO(tar(entry("a")) + tar(entry("b"))).read, tmp_path)


STREAM = tar(entry("d", FOLDER), entry("d/a", size=700), entry("l" * 150, LINK, "d/a"), entry("b", size=3))


@given(st.integers(0, len(STREAM.rstrip(b"\0"))))
def test_a_stream_that_ends_early_is_refused(tmp_path_factory: pytest.TempPathFactory, size: int) -> None:
    with pytest.raises(TreeError):
        unpack(io.BytesIO(STREAM[:size]).read, tmp_path_factory.mktemp("t"))


@given(st.lists(st.tuples(st.integers(0, len(STREAM) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_damage_is_refused_or_harmless(tmp_path_factory: pytest.TempPathFactory, changes) -> None:
    damaged = bytearray(STREAM)
    for at, value in changes:
        damaged[at] = value
    above = tmp_path_factory.mktemp("t")
    (above / "target").mkdir()
    try:
        unpack(io.BytesIO(bytes(damaged)).read, above / "target")
    except TreeError:
        pass
    else:
        pack(above / "target")
    assert os.listdir(above) == ["target"]


@given(st.binary(max_size=2000))
def test_anything_else_is_refused(tmp_path_factory: pytest.TempPathFactory, stream: bytes) -> None:
    with pytest.raises(TreeError):
        unpack(io.BytesIO(stream).read, tmp_path_factory.mktemp("t"))
