"""Working trees as they are."""

import os
from pathlib import Path
from typing import Any

import pytest

from penstock.forges.git import Git, GitError, working
from penstock.forges.git.errors import NoSuchFile, Vanished
from penstock.forges.git.trees import Listing
from penstock.model.job import Source


def files(forge: Git, source: Source) -> dict[str, str]:
    """Mode of every entry of a source by its path."""
    listing: Listing = forge._listing(source)
    return {entry.path.decode(): entry.mode.decode() for entry in listing.entries if entry.mode != b"040000"}


@pytest.mark.parametrize("form", ["sha1", "sha256"])
def test_a_clean_working_tree_is_its_commit(make: Any, forge: Git, form: str) -> None:
    repository = make(form=form)
    clean = forge.resolve(str(repository.folder))
    dirty = forge.resolve(str(repository.folder), dirty=True)
    assert (dirty.tree, dirty.digest, dirty.commit) == (clean.tree, clean.digest, "")
    assert b"".join(forge.archive(dirty)) == b"".join(forge.archive(clean))


def test_changed_new_deleted_ignored(make: Any, forge: Git) -> None:
    repository = make()
    repository.write(".gitignore", "*.o\n")
    repository.write("tracked.o")
    repository.commit()
    repository.write("README", "changed\n").chmod(0o700)
    repository.write("new file")
    repository.write("ignored.o")
    (repository.folder / "run").unlink()
    (repository.folder / "link").unlink()
    (repository.folder / "link").symlink_to("elsewhere")
    os.mkfifo(repository.folder / "pipe")
    source = forge.resolve(str(repository.folder), dirty=True)
    assert files(forge, source) == {
        ".gitignore": "100644",
        ".penstock.yml": "100644",
        "README": "100755",
        "lib/png/png.c": "100644",
        "link": "120000",
        "new file": "100644",
        "tracked.o": "100644",
    }
    assert forge.read_file(source, "README", 100) == b"changed\n"
    with pytest.raises(NoSuchFile, match="there is no nope in its working tree"):
        forge.read_file(source, "nope", 100)


def test_what_lies_behind_a_link_is_not_read(make: Any, forge: Git, tmp_path: Path) -> None:
    repository = make()
    secret = tmp_path / "secret" / "png"
    secret.mkdir(parents=True)
    (secret / "png.c").write_text("secret")
    (repository.folder / "lib" / "png" / "png.c").unlink()
    (repository.folder / "lib" / "png").rmdir()
    (repository.folder / "lib").rmdir()
    (repository.folder / "lib").symlink_to(tmp_path / "secret")
    found = files(forge, forge.resolve(str(repository.folder), dirty=True))
    assert found["lib"] == "120000"
    assert "lib/png/png.c" not in found


def test_repositories_inside_and_submodules_are_left_out(make: Any, forge: Git) -> None:
    repository = make("outer")
    make("outer/inner")
    repository.git(
        "update-index", "--add", "--cacheinfo", f"160000,{repository.git('rev-parse', 'HEAD')},sub"
    )
    found = files(forge, forge.resolve(str(repository.folder), dirty=True))
    assert not [name for name in found if name.startswith(("inner", "sub"))]


def test_a_folder_of_a_working_tree(make: Any, forge: Git) -> None:
    repository = make()
    repository.write("lib/png/new.c")
    inside = forge.resolve(str(repository.folder / "lib"), dirty=True)
    assert list(files(forge, inside)) == ["png/new.c", "png/png.c"]
    assert list(files(forge, forge.inside(inside, "png"))) == ["new.c", "png.c"]
    assert list(files(forge, forge.resolve(str(repository.folder), dirty=True, path="lib/png"))) == [
        "new.c",
        "png.c",
    ]


def test_a_folder_that_is_in_no_repository(forge: Git, tmp_path: Path) -> None:
    folder = tmp_path / "plain: folder"
    (folder / "a" / ".git").mkdir(parents=True)
    (folder / "a" / "file").write_text("x")
    (folder / "z").symlink_to("a")
    source = forge.resolve(str(folder), dirty=True)
    assert files(forge, source) == {"a/file": "100644", "z": "120000"}
    assert forge.read_file(source, "a/file", 9) == b"x"
    assert forge.resolve(str(folder), dirty=True) == source


def test_an_empty_folder(forge: Git, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(NoSuchFile, match="holds no file that git would not ignore"):
        forge.resolve(str(tmp_path / "empty"), dirty=True)


def test_a_repository_in_a_folder_with_an_awkward_name(make: Any, forge: Git) -> None:
    repository = make('a:b "c"')
    repository.write("new")
    source = forge.resolve(str(repository.folder), dirty=True)
    assert forge.read_file(source, "README", 100) == b"read me\n"
    assert forge.read_file(source, "new", 100) == b"text\n"


@pytest.mark.parametrize("gone", ["README", "link"])
def test_a_tree_that_changes_while_it_is_read(
    make: Any, forge: Git, monkeypatch: pytest.MonkeyPatch, gone: str
) -> None:
    repository = make()
    really = working._readable

    def meanwhile(about: str, top: Path, links: Path, found: dict[bytes, bytes]) -> dict[bytes, bytes]:
        (repository.folder / gone).unlink()
        return really(about, top, links, found)

    monkeypatch.setattr(working, "_readable", meanwhile)
    with pytest.raises(Vanished, match="changes while it is read"):
        forge.resolve(str(repository.folder), dirty=True)


def test_other_machines_have_no_working_tree_here(forge: Git) -> None:
    with pytest.raises(GitError, match="has no working tree here; clone it and name the folder"):
        forge.resolve("https://example.org/a.git", dirty=True)
