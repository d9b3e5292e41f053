"""Trees, digests, files and archives of repositories of this machine."""

import hashlib
import io
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import msgspec
import pytest

from penstock.forges.git import Git, GitError
from penstock.forges.git.errors import NoRepository, NoSuchFile, NoSuchRef, Refused, Vanished
from penstock.model.job import Source
from penstock.wire.untar import unpack

FILES = ["README", "lib", "lib/png", "lib/png/png.c", "link", "run"]


def opened(stream: bytes) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(stream), errors="surrogateescape")


def archived(forge: Git, source: Source) -> bytes:
    return b"".join(forge.archive(source))


@pytest.mark.parametrize("form", ["sha1", "sha256"])
def test_a_ref_is_a_commit_and_a_tree_and_a_digest(make: Any, forge: Git, form: str) -> None:
    repository = make(form=form)
    source = forge.resolve(str(repository.folder), "main")
    assert source.commit == repository.git("rev-parse", "main")
    assert source.tree == repository.git("rev-parse", "main^{tree}")
    command = ["git", "ls-tree", "-r", "-z", "--full-tree", "main"]
    listed = subprocess.run(command, cwd=repository.folder, capture_output=True, check=True).stdout.split(
        b"\0"
    )
    kept = b"".join(line + b"\0" for line in listed if line and not line.endswith(b"\t.penstock.yml"))
    assert source.digest == "sha256:" + hashlib.sha256(kept).hexdigest()
    assert opened(archived(forge, source)).getnames() == FILES


def test_tags_short_names_and_older_commits(make: Any, forge: Git) -> None:
    repository = make()
    first = repository.git("rev-parse", "HEAD")
    repository.git("tag", "--annotate", "--message", "x", "v1")
    repository.write("more")
    second = repository.commit()
    found = [
        forge.resolve(str(repository.folder), ref).commit
        for ref in ("v1", "HEAD~1", first[:10], "HEAD", second)
    ]
    assert found == [first, first, first, second, second]


def test_the_manifest_is_not_in_the_digest(make: Any, forge: Git) -> None:
    repository = make()
    before = forge.resolve(str(repository.folder))
    repository.write(".penstock.yml", "version: 1 # more\n")
    repository.commit()
    after = forge.resolve(str(repository.folder))
    assert (after.digest, after.tree == before.tree) == (before.digest, False)
    repository.write("lib/.penstock.yml")
    repository.commit()
    assert forge.resolve(str(repository.folder)).digest != before.digest


def test_folders_inside(make: Any, forge: Git) -> None:
    repository = make()
    whole = forge.resolve(str(repository.folder))
    part = forge.resolve(str(repository.folder), path="lib/png")
    assert part.tree == repository.git("rev-parse", "HEAD:lib/png")
    assert opened(archived(forge, part)).getnames() == ["png.c"]
    assert forge.inside(whole, "lib/png") == part
    assert forge.inside(forge.inside(whole, "lib"), "png") == part
    assert forge.inside(whole, ".") == whole
    assert forge.inside(part, ".") == part
    assert forge.resolve(str(repository.folder / "lib" / "png")).tree == part.tree
    assert forge.resolve(str(repository.folder / "lib"), path="png").digest == part.digest


def test_files_are_read_from_the_tree(make: Any, forge: Git, tmp_path: Path) -> None:
    repository = make()
    source = forge.resolve(str(repository.folder))
    repository.write("README", "changed\n")
    assert forge.read_file(source, "README", 100) == b"read me\n"
    assert forge.read_file(source, ".penstock.yml", 100) == b"version: 1\n"
    assert Git(tmp_path / "other", local_user=True).read_file(source, "README", 8) == b"read me\n"
    for name, told in [
        ("no", "there is no no at HEAD"),
        ("link", "is not a plain file"),
        ("lib", "not a plain file"),
    ]:
        with pytest.raises(NoSuchFile, match=told):
            forge.read_file(source, name, 100)
    with pytest.raises(NoSuchFile, match="README has 8 bytes, 7 are allowed"):
        forge.read_file(source, "README", 7)


def test_an_archive_is_a_function_of_the_tree(make: Any, forge: Git, tmp_path: Path) -> None:
    first, second = make("one"), make("two")
    second.commit("another time")
    streams = {archived(forge, forge.resolve(str(one.folder))) for one in (first, second)}
    assert len(streams) == 1
    (stream,) = streams
    assert len(stream) % 10240 == 0
    entries = {entry.name: entry for entry in opened(stream)}
    assert {entry.mtime for entry in entries.values()} == {315532800}
    assert {(entry.uid, entry.gid, entry.uname, entry.gname) for entry in entries.values()} == {
        (0, 0, "", "")
    }
    assert [entries[name].mode for name in ("README", "run", "lib")] == [0o644, 0o755, 0o755]
    assert entries["link"].linkname == "lib/png"
    target = tmp_path / "unpacked"
    target.mkdir()
    unpack(io.BytesIO(stream).read, target, source=True)
    assert (target / "lib" / "png" / "png.c").read_text() == "int main;\n"


def test_names_of_all_kinds(make: Any, forge: Git, tmp_path: Path) -> None:
    repository = make()
    names = [
        b"new\nline",
        b'quo"te\\',
        b"\xff\xfe",
        "größe".encode(),
        b"x" * 200,
        b"/".join([b"y" * 90] * 5),
        b" a",
    ]
    for name in names:
        repository.write(name, name)
    repository.write("big", bytes(3 << 20))
    repository.write("empty", b"")
    repository.commit()
    for dirty in (False, True):
        source = forge.resolve(str(repository.folder), dirty=dirty)
        stream = archived(forge, source)
        content = {entry.name.encode("utf-8", "surrogateescape"): entry for entry in opened(stream)}
        assert set(names) <= set(content)
        assert opened(stream).extractfile("new\nline").read() == b"new\nline"  # type: ignore[union-attr]
        assert (content[b"big"].size, content[b"empty"].size) == (3 << 20, 0)
        target = tmp_path / f"unpacked-{dirty}"
        target.mkdir()
        unpack(io.BytesIO(stream).read, target, source=True)
        assert (target / "größe").read_bytes() == "größe".encode()


def test_attributes_of_the_tree_change_nothing(make: Any, forge: Git) -> None:
    repository = make()
    repository.write(".gitattributes", "README export-ignore\nrun export-subst\n* text eol=crlf\n")
    repository.write("run", "$Format:%H$\n")
    repository.commit()
    entries = opened(archived(forge, forge.resolve(str(repository.folder))))
    assert "README" in entries.getnames()
    assert entries.extractfile("run").read() == b"$Format:%H$\n"  # type: ignore[union-attr]


def test_replaced_objects_stay_what_they_were(make: Any, forge: Git) -> None:
    repository = make()
    before = forge.resolve(str(repository.folder))
    repository.write("README", "evil\n")
    evil = repository.commit()
    repository.git("replace", before.commit, evil)
    after = forge.resolve(str(repository.folder), before.commit)
    assert (after.tree, after.digest) == (before.tree, before.digest)


def test_a_submodule_is_its_commit_and_an_empty_folder(make: Any, forge: Git) -> None:
    repository = make()
    commit = repository.git("rev-parse", "HEAD")
    before = forge.resolve(str(repository.folder))
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{commit},sub")
    repository.git("commit", "--quiet", "--message", "sub")
    source = forge.resolve(str(repository.folder))
    assert source.digest != before.digest
    assert opened(archived(forge, source)).getmember("sub").isdir()
    with pytest.raises(NoSuchFile, match="'sub' is a submodule, which is not fetched"):
        forge.resolve(str(repository.folder), path="sub")


def test_bare_repositories_and_second_working_trees(make: Any, forge: Git, tmp_path: Path) -> None:
    repository = make()
    source = forge.resolve(str(repository.folder))
    repository.git("clone", "--quiet", "--bare", ".", str(tmp_path / "bare.git"))
    repository.git("worktree", "add", "--quiet", "--detach", str(tmp_path / "second"))
    for other in ("bare.git", "second"):
        assert forge.resolve(str(tmp_path / other)).digest == source.digest
        assert forge.resolve(f"file://{tmp_path / other}", dirty=True).digest == source.digest
    (tmp_path / "second" / "README").write_text("changed")
    changed = forge.resolve(str(tmp_path / "second"), dirty=True)
    assert forge.read_file(changed, "README", 100) == b"changed"


def test_the_branch_that_is_checked_out(make: Any, forge: Git, tmp_path: Path) -> None:
    repository = make()
    folder = str(repository.folder)
    assert forge.branch(folder) == "main"
    repository.git("switch", "--quiet", "--create", "topic/png")
    assert forge.branch(str(repository.folder / "lib")) == "topic/png"
    repository.git("worktree", "add", "--quiet", "-b", "other", str(tmp_path / "second"))
    assert forge.branch(str(tmp_path / "second")) == "other"
    repository.git("switch", "--quiet", "--detach")
    assert forge.branch(folder) == ""
    for odd in ("ref: refs/heads/.invalid", "ref: refs/heads/a\x1b[2J", "ref: refs/tags/v1"):
        (repository.folder / ".git/HEAD").write_text(odd)
        assert forge.branch(folder) == ""
    assert forge.branch(str(tmp_path)) == ""


@pytest.mark.parametrize(
    ("ref", "kind", "told"),
    [
        ("nope", NoSuchRef, "there is no ref 'nope'; write a branch, a tag or a commit that is there"),
        ("-x", Refused, "the ref '-x' begins with '-'; write a branch, a tag or a commit"),
        ("--upload-pack=x", Refused, "begins with '-'"),
        ("a b", Refused, "the ref 'a b' is not one"),
        ("a\nb", Refused, "is not one"),
        ("HEAD:README", Refused, "is not one"),
        ("", Refused, "is not one"),
        ("1" * 40, NoSuchRef, "there is no ref"),
    ],
)
def test_refs_that_are_not_taken(make: Any, forge: Git, ref: str, kind: type[GitError], told: str) -> None:
    with pytest.raises(kind, match=told):
        forge.resolve(str(make().folder), ref)


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("../x", "leads out of the repository"),
        ("/etc", "leads out of the repository"),
        ("nope", "'nope' is no folder of it; name a folder that is committed"),
        ("README", "'README' is a file"),
        ("link", "'link' is a symbolic link"),
    ],
)
def test_folders_that_are_not_there(make: Any, forge: Git, path: str, told: str) -> None:
    repository = make()
    with pytest.raises(GitError, match=told):
        forge.resolve(str(repository.folder), path=path)
    with pytest.raises(GitError, match=told):
        forge.inside(forge.resolve(str(repository.folder)), path)


def test_what_is_no_repository(forge: Git, make: Any, tmp_path: Path) -> None:
    with pytest.raises(NoRepository, match="there is no such folder; name a git repository"):
        forge.resolve(str(tmp_path / "nope"))
    (tmp_path / "file").write_text("")
    with pytest.raises(NoRepository, match="is not a folder"):
        forge.resolve(str(tmp_path / "file"))
    with pytest.raises(
        NoRepository, match="is not in a git repository; run git init and commit, or build it with"
    ):
        forge.resolve(str(tmp_path))
    new = make("new")
    new.git("checkout", "--quiet", "--orphan", "empty")
    with pytest.raises(NoSuchRef, match="there is no ref 'HEAD'; commit something first"):
        forge.resolve(str(new.folder))
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / ".git").write_text("nonsense")
    with pytest.raises(GitError, match="is a file that names no repository"):
        forge.resolve(str(tmp_path / "odd"))


def test_a_damaged_repository_is_one_line(make: Any, forge: Git) -> None:
    repository = make()
    (repository.folder / ".git" / "config").write_text("[core\n")
    with pytest.raises(NoRepository, match="git cannot read it: bad config line 1") as told:
        forge.resolve(str(repository.folder))
    assert "\n" not in str(told.value)


def test_a_repository_that_vanishes(make: Any, forge: Git, tmp_path: Path) -> None:
    repository = make()
    source = forge.resolve(str(repository.folder))
    stream = forge.archive(source)
    shutil.rmtree(repository.folder / ".git" / "objects")
    with pytest.raises(Vanished, match="cannot be read any more; see that it stays while it is built"):
        list(stream)
    shutil.rmtree(repository.folder)
    with pytest.raises(Vanished, match="is gone; see that it stays"):
        forge.read_file(source, "README", 100)
    with pytest.raises(Vanished):
        list(forge.archive(source))
    with pytest.raises(Vanished):
        Git(tmp_path / "other", local_user=True).inside(source, "lib")


def test_a_tree_that_is_not_there(make: Any, tmp_path: Path, forge: Git) -> None:
    source = forge.resolve(str(make().folder))
    gone = msgspec.structs.replace(source, tree="1" * 40)
    with pytest.raises(Vanished, match="cannot be read: "):
        forge.read_file(gone, "README", 100)


@pytest.mark.parametrize("kind", ["..", ".git", ".GIT", "twice", "through a link"])
def test_trees_made_to_deceive_are_refused(make: Any, forge: Git, kind: str) -> None:
    repository = make()
    blob = bytes.fromhex(repository.git("rev-parse", "HEAD:README"))
    inner = bytes.fromhex(repository.git("rev-parse", "HEAD:lib"))
    content = {
        "twice": b"100644 a\0" + blob + b"100644 a\0" + blob,
        "through a link": b"120000 a\0" + blob + b"40000 a\0" + inner,
    }.get(kind, b"40000 " + kind.encode() + b"\0" + inner)
    tree = repository.git("hash-object", "-t", "tree", "-w", "--literally", "--stdin", given=content)
    commit = repository.git("commit-tree", "-m", "evil", tree)
    with pytest.raises(Refused, match="which no git writes; make the commit anew"):
        forge.resolve(str(repository.folder), commit)


def test_a_link_that_is_too_long_is_refused(make: Any, forge: Git) -> None:
    repository = make()
    blob = repository.git("hash-object", "-w", "--stdin", given=b"x" * 5000)
    repository.git("update-index", "--add", "--cacheinfo", f"120000,{blob},long")
    repository.git("commit", "--quiet", "--message", "long")
    with pytest.raises(Refused, match="longer than any system takes"):
        archived(forge, forge.resolve(str(repository.folder)))


def test_many_trees_are_forgotten_again(make: Any, forge: Git) -> None:
    repository = make()
    sources = []
    for number in range(40):
        repository.write("README", str(number))
        repository.commit()
        sources.append(forge.resolve(str(repository.folder)))
    assert forge.read_file(sources[0], "README", 10) == b"0"


def test_git_itself_is_missing(make: Any, forge: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = make()
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(GitError, match="git cannot be started: No such file or directory; install git"):
        forge.resolve(str(repository.folder))
