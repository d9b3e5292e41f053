"""A small source stays where it was unpacked and serves the next attempt, unless anything at all was done to it."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.agent import untouched
from penstock.agent.cancel import Cancel
from penstock.agent.untouched import Unpacked, same, seen
from penstock.agent.workspace import Workshop, Workspace

KEY = ("sha256:one", 315532800)
TIME = (315532800, 315532800)


@pytest.fixture(params=["sandboxed", "plain"])
def space(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Workspace]:
    shop = Workshop(tmp_path / "work", plain=request.param == "plain")
    yield shop.slot(0)
    shop.close()


def fill(source: Path) -> None:
    for name in ("README", "main.c"):
        (source / name).write_text(f"this is {name}\n")
        os.utime(source / name, TIME)


def filled(space: Workspace) -> Path:
    """The folder of an attempt that unpacked the source."""
    source = space.open(Cancel(), KEY).source
    assert not space.has(KEY)
    assert os.listdir(source) == []
    fill(source)
    space.filled(KEY)
    return source


def wait_out(margin_ns: int = 60_000_000) -> None:
    """Until what is there now has been left alone for so long that its time of change tells everything."""
    until = time.time_ns() + margin_ns
    while time.time_ns() < until:
        pass


@pytest.mark.parametrize("old", [False, True], ids=["at once", "later"])
def test_what_was_left_alone_serves_again(space: Workspace, old: bool) -> None:
    source = filled(space)
    number = (source / "README").stat().st_ino
    for _ in range(3):
        if old:
            wait_out()
        (source / "README").read_text()
        space.close()
        assert space.open(Cancel(), KEY).source == source
        assert space.has(KEY)
        assert sorted(os.listdir(source)) == ["README", "main.c"]
        # As fresh as unpacked: whoever read it leaves no trace.
        assert [(source / "README").stat().st_atime, (source / "README").stat().st_mtime] == [*TIME]
    assert (source / "README").stat().st_ino == number


def overwrite(source: Path) -> None:
    """As long as before, and at the same time."""
    (source / "README").write_text("THIS IS README\n")
    os.utime(source / "README", TIME)


CHANGES: dict[str, Callable[[Path], object]] = {
    "other bytes, same length, same time": overwrite,
    "other time": lambda source: os.utime(source / "README", (1, 1)),
    "other mode": lambda source: (source / "README").chmod(0o755),
    "one more": lambda source: (source / "more").write_text("x"),
    "one less": lambda source: (source / "main.c").unlink(),
    "a hard link elsewhere": lambda source: os.link(source / "README", source.with_name("home") / "it"),
    "a link instead": lambda source: (
        (source / "README").rename(source.with_name("home") / "README"),
        (source / "README").symlink_to("../home/README"),
    ),
    "a copy instead": lambda source: (
        (source / "README").rename(source / "old"),
        (source / "README").write_bytes((source / "old").read_bytes()),
        os.utime(source / "README", TIME),
        (source / "old").unlink(),
    ),
    "the folder's mode": lambda source: source.chmod(0o700),
    "a folder": lambda source: (source / "folder").mkdir(),
    "an attribute": lambda source: os.setxattr(source / "README", "user.x", b"y"),
}


@pytest.mark.parametrize("old", [False, True], ids=["at once", "later"])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_was_changed_is_empty_again(
    space: Workspace, change: Callable[[Path], object], old: bool
) -> None:
    source = filled(space)
    if old:
        wait_out()
        assert space._source.whole()
    change(source)
    space.close()
    layout = space.open(Cancel(), KEY)
    assert not space.has(KEY)
    for folder in (layout.source, layout.home, layout.destination, layout.prefix):
        assert os.listdir(folder) == []
    space.close()


def test_another_source_finds_nothing(space: Workspace) -> None:
    source = filled(space)
    space.close()
    for other in (("sha256:two", KEY[1]), (KEY[0], 1), None):
        fill(space.open(Cancel(), KEY).source) if not space.has(KEY) else None
        space.filled(KEY)
        space.close()
        space.open(Cancel(), other)
        assert os.listdir(source) == []
        space.close()


@pytest.mark.parametrize(
    "more",
    [
        lambda source: [(source / str(n)).touch() for n in range(20)],
        lambda source: (source / "large").write_bytes(bytes(1 << 17)),
        lambda source: (source / "folder").mkdir(),
        lambda source: (source / "link").symlink_to("README"),
    ],
    ids=["many", "large", "a folder", "a link"],
)
def test_what_is_more_than_a_few_small_files_is_made_anew(
    space: Workspace, more: Callable[[Path], object]
) -> None:
    source = space.open(Cancel(), KEY).source
    fill(source)
    more(source)
    space.filled(KEY)
    space.close()
    space.open(Cancel(), KEY)
    assert not space.has(KEY)
    assert os.listdir(source) == []


@pytest.mark.parametrize("name", ["home", "src"])
def test_what_is_left_in_a_folder_goes_however_often_it_was_clean(space: Workspace, name: str) -> None:
    folder = space.open(Cancel()).base / name
    for left in (False, True, False, False, True, True, False):
        if left:
            (folder / "left").write_text("x")
        else:
            wait_out()
        space.close()
        space.open(Cancel())
        assert os.listdir(folder) == []


def test_a_change_at_the_very_same_time_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a kernel whose clock stands still between the unpacking and the change."""
    real: Callable[..., Any] = os.lstat
    stands: dict[str, os.stat_result] = {}
    monkeypatch.setattr(untouched.os, "lstat", lambda path: stands.setdefault(str(path), real(path)))
    fill(tmp_path)
    kept = Unpacked(str(tmp_path))
    kept.note(KEY)
    overwrite(tmp_path)
    assert not kept.whole()
    assert kept.key is None


def test_a_time_without_fractions_is_trusted_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed_ns = seen(str(tmp_path)).state[-1] // 10**9 * 10**9

    class Coarse:
        def __init__(self, found: os.stat_result) -> None:
            self._found = found

        def __getattr__(self, name: str) -> Any:
            return changed_ns if name == "st_ctime_ns" else getattr(self._found, name)

    real = os.lstat
    monkeypatch.setattr(untouched.os, "lstat", lambda path: Coarse(real(path)))
    for age_ns, sure in ((10**9, False), (4 * 10**9, True)):
        monkeypatch.setattr(untouched.time, "time_ns", lambda age_ns=age_ns: changed_ns + age_ns)
        found = seen(str(tmp_path))
        assert found.sure == sure
        assert same(found, found) == sure
    assert not same(None, found)


@pytest.mark.needs("bwrap")
@pytest.mark.parametrize("more", [["--no-sandbox"], []], ids=["plain", "sandboxed"])
def test_no_attempt_sees_what_one_before_did_to_its_source(
    hub: Any, agent: Any, tmp_path: Path, more: list[str]
) -> None:
    (tmp_path / "source").mkdir()
    fill(tmp_path / "source")
    agent.start(*more)
    spoil = "echo THIS IS README > README; touch -d @315532800 README; echo x > more"
    for number, commands in enumerate((["true"], ["true"], [spoil], ["true"])):
        attempt = hub.offer(f"a{number}", "cat *", *commands, source=tmp_path / "source")
        assert hub.ended(attempt)["result"] == "passed"
        assert b"+ cat *\nthis is README\nthis is main.c\n" in hub.log(attempt)
    assert len([path for path in hub.calls if path.endswith("/source")]) == 1
