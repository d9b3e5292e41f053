"""The folders of a slot: what an attempt left in them is gone, and those that are as they were serve again."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from penstock.agent.cancel import Cancel
from penstock.agent.workspace import Workshop, Workspace

FOLDERS = ("src", "dest", "home", "prefix")


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    made = Workshop(tmp_path / "work", plain=False)
    yield made
    made.close()


@pytest.fixture
def space(shop: Workshop) -> Workspace:
    return shop.slot(0)


def after(space: Workspace, attempt: Callable[[Path], object]) -> bool:
    """Whether the folder of sources is the one that an attempt had that did this in it. All are empty in any case."""
    source = space.open(Cancel()).source
    before = os.open(source, os.O_RDONLY)  # kept open, so that its number goes to no other
    attempt(source)
    space.close()
    layout = space.open(Cancel())
    assert sorted(os.listdir(layout.base)) == sorted(FOLDERS)
    for name in FOLDERS:
        folder = layout.base / name
        assert (folder.is_dir(), folder.is_symlink(), os.listdir(folder)) == (True, False, [])
        assert folder.stat().st_mode & 0o7777 == 0o755
        assert os.listxattr(folder) == []
    space.close()
    try:
        return os.path.samestat(source.stat(), os.fstat(before))
    finally:
        os.close(before)


def test_a_few_small_files_go_and_the_folder_stays(space: Workspace, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("here")

    def attempt(source: Path) -> None:
        (source / "README").write_text("nothing")
        (source / "link").symlink_to(outside)
        (source / "gone").symlink_to("nowhere")
        os.mkfifo(source / "pipe")
        (source / "closed").touch(0o000)

    assert after(space, attempt)
    assert outside.read_text() == "here"


def many(source: Path) -> None:
    for number in range(50):
        (source / str(number)).touch()


def large(source: Path) -> None:
    with (source / "large").open("wb") as file:
        file.truncate(2 << 20)


@pytest.mark.parametrize(
    "attempt",
    [
        many,
        large,
        lambda source: (source / "folder").mkdir(),
        lambda source: source.chmod(0o700),
        lambda source: (source.rmdir(), source.symlink_to("/")),
        lambda source: (source.rename(source.with_name("other")), source.mkdir()),
    ],
    ids=["many files", "a large file", "a folder", "another mode", "a link", "another folder"],
)
def test_whatever_else_was_done_it_is_another_folder(
    space: Workspace, attempt: Callable[[Path], object]
) -> None:
    assert not after(space, attempt)


def test_what_lies_beside_the_folders_goes(space: Workspace) -> None:
    assert after(space, lambda source: source.with_name("commands").write_text("x"))


def test_a_folder_that_is_gone_is_made_again(space: Workspace) -> None:
    def attempt(source: Path) -> None:
        source.with_name("home").rmdir()

    assert after(space, attempt)
