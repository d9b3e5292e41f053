"""The demo's repositories: made once, kept, remade when half made; apt-get is played by a script."""

import io
import os
import shutil
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import pytest

from penstock.cli import demo_sources
from penstock.cli.demo_sources import PACKAGES, SourcesMissing, make_repositories, unpack

APT = """#!{python}
import os, pathlib, shutil, sys
words = sys.argv[1:]
log = pathlib.Path({log!r})
with log.open("a") as out:
    out.write(" ".join(words) + "\\n")
parts = [word.partition("=")[2] for word in words if word.startswith("Dir::Etc::sourceparts=")][0]
shutil.copytree(parts, {seen!r}, dirs_exist_ok=True)
if "source" in words:
    for name in words[words.index("--tar-only") + 1:]:
        for archive in pathlib.Path({archives!r}).glob(name + "_*"):
            shutil.copy(archive, os.getcwd())
{after}
"""


def archive(path: Path, files: dict[str, bytes], executable: tuple[str, ...] = ()) -> Path:
    """A source archive with a top folder, as upstream makes them."""
    with tarfile.open(path, "w:gz") as out:
        for name, content in files.items():
            member = tarfile.TarInfo(f"top-1.0/{name}")
            member.size = len(content)
            member.mode = 0o755 if name in executable else 0o644
            out.addfile(member, io.BytesIO(content))
    return path


class World:
    """A machine with git, an apt-get that we wrote, and an /etc/apt."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.folder, self.etc = root, root / "demo", root / "etc"
        self.bin, self.archives, self.log = root / "bin", root / "archives", root / "calls"
        for folder in (self.bin, self.archives, self.etc / "sources.list.d"):
            folder.mkdir(parents=True)
        (self.etc / "sources.list").write_text("deb [trusted=yes] http://mirror.invalid/debian stable main\n")
        for package in PACKAGES.values():
            archive(
                self.archives / f"{package}_1.0.orig.tar.gz",
                {"configure": b"#!/bin/sh\n", "a.c": b"int a;\r\n", ".gitignore": b"*.c\n", "f/b": b""},
                ("configure",),
            )
            archive(self.archives / f"{package}_1.0.orig-docs.tar.gz", {"manual": b""})
        (self.bin / "git").symlink_to(shutil.which("git") or "git")
        self.apt("")
        monkeypatch.setenv("PATH", str(self.bin))

    def apt(self, after: str) -> None:
        """Install the apt-get that does `after` at its end."""
        program = self.bin / "apt-get"
        program.write_text(
            APT.format(
                python=sys.executable,
                log=str(self.log),
                seen=str(self.root / "seen"),
                archives=str(self.archives),
                after=after,
            )
        )
        program.chmod(0o755)

    def make(self, folder: Path | None = None) -> tuple[Path, list[str]]:
        """The repository to build, and what was said."""
        said: list[str] = []
        return make_repositories(folder or self.folder, said.append, self.etc), said

    def calls(self) -> int:
        """How often apt-get was started."""
        return len(self.log.read_text().splitlines()) if self.log.exists() else 0

    def git(self, repository: str, *arguments: str) -> str:
        """What git answers in a repository, for somebody who never configured it."""
        nobody = {"PATH": str(self.bin), "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}
        command = ["git", "-C", str(self.folder / repository), *arguments]
        return subprocess.run(command, env=nobody, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def test_one_repository_for_each_library_and_one_that_names_them(world: World) -> None:
    made, said = world.make()
    assert made == world.folder / "image-libs"
    assert {path.name for path in made.iterdir()} >= {".penstock.yml", "farm.toml", "README.md", ".git"}
    for name in PACKAGES:
        assert world.git(name, "status", "--porcelain") == ""
        assert world.git(name, "ls-files").split() == [".gitignore", "a.c", "configure", "f/b"]
    assert said[0] == "fetching the sources of zlib, libpng1.6, freetype, libgd2 from Debian"
    assert not (world.folder / ".archives/apt").exists()


def test_the_bytes_and_execute_bits_of_the_archive_are_kept(world: World) -> None:
    world.make()
    assert world.git("zlib", "cat-file", "blob", "HEAD:a.c") == "int a;\r\n".replace("\r\n", "\n")
    assert world.git("zlib", "cat-file", "-s", "HEAD:a.c").strip() == "8"
    assert world.git("zlib", "ls-files", "--stage", "configure").startswith("100755")
    assert os.access(world.folder / "zlib/configure", os.X_OK)


def test_the_same_sources_are_the_same_commits(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.make()
    monkeypatch.setenv("GIT_AUTHOR_NAME", "somebody else")
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    second, _ = world.make(world.root / "second")
    for name in [*PACKAGES, "image-libs"]:
        command = ["git", "-C", str(second.parent / name), "rev-parse", "HEAD"]
        environment = {"PATH": str(world.bin)}
        there = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
        assert there == world.git(name, "rev-parse", "HEAD")


def test_what_is_there_is_kept_and_needs_no_network(world: World) -> None:
    world.make()
    (world.folder / "zlib/a.c").write_text("int changed;\n")
    world.git("zlib", "commit", "--all", "--message=mine")
    (world.bin / "apt-get").unlink()
    _, said = world.make()
    assert said == []
    assert world.git("zlib", "log", "--format=%s").split("\n")[0] == "mine"


def test_a_deleted_repository_is_made_again_from_the_archive_that_was_kept(world: World) -> None:
    world.make()
    before = world.git("libpng", "rev-parse", "HEAD")
    calls = world.calls()
    shutil.rmtree(world.folder / "libpng")
    _, said = world.make()
    assert said == ["making the repository libpng"]
    assert (world.git("libpng", "rev-parse", "HEAD"), world.calls()) == (before, calls)


def test_a_half_made_repository_is_made_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(archive: Path, inside: Path) -> None:
        unpack(archive, inside)
        raise KeyboardInterrupt

    monkeypatch.setattr(demo_sources, "unpack", interrupted)
    with pytest.raises(KeyboardInterrupt):
        world.make()
    assert not (world.folder / "zlib").exists()
    monkeypatch.undo()
    monkeypatch.setenv("PATH", str(world.bin))
    world.make()
    assert world.git("zlib", "status", "--porcelain") == ""
    assert not list(world.folder.glob(".*.half"))


def test_a_folder_in_the_way_is_named_and_left_alone(world: World) -> None:
    (world.folder / "zlib").mkdir(parents=True)
    (world.folder / "zlib/mine").write_text("precious")
    with pytest.raises(SourcesMissing, match="zlib: is in the way and no git repository"):
        world.make()
    assert (world.folder / "zlib/mine").read_text() == "precious"


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (
            "if 'update' in words:\n    sys.exit('E: Could not resolve host')\nsys.exit('E: no zlib')",
            "Could not",
        ),
        (
            "if 'update' in words:\n    print('W: Failed to fetch', file=sys.stderr)\nelse:\n    sys.exit(1)",
            "to fetch",
        ),
        (
            "if 'source' in words:\n    sys.exit('E: Unable to find a source package for zlib')",
            "Unable to find",
        ),
        ("sys.exit(100 * ('source' in words))", "it did not say why"),
    ],
)
def test_a_failure_of_apt_is_one_line(world: World, after: str, told: str) -> None:
    world.apt(after)
    with pytest.raises(SourcesMissing) as caught:
        world.make()
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith("zlib, libpng1.6, freetype, libgd2: apt-get could not fetch the sources: ")
    assert told in text
    assert "check the network" in text


def test_lists_that_failed_in_part_do_not_matter_when_the_sources_came(world: World) -> None:
    world.apt("if 'update' in words:\n    sys.exit('E: a third party is away')")
    made, _ = world.make()
    assert (made / ".penstock.yml").is_file()
    assert world.git("libgd", "log", "--format=%H").strip()


def test_an_archive_that_did_not_come_is_named(world: World) -> None:
    (world.archives / "freetype_1.0.orig.tar.gz").unlink()
    with pytest.raises(SourcesMissing, match="freetype: apt-get fetched no source archive"):
        world.make()


@pytest.mark.parametrize("program", ["apt-get", "git"])
def test_a_missing_program_is_named(world: World, program: str) -> None:
    (world.bin / program).unlink()
    with pytest.raises(SourcesMissing, match=f"^{program}: is not here; "):
        world.make()


def test_a_program_that_hangs_is_named(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.apt("import time\ntime.sleep(30)")
    monkeypatch.setattr(demo_sources, "TIMEOUT_S", 0.5)
    with pytest.raises(SourcesMissing, match="apt-get: did not end within"):
        world.make()


def test_no_archive_of_debian_at_all(world: World) -> None:
    (world.etc / "sources.list").write_text("# nothing\n")
    with pytest.raises(SourcesMissing, match="etc: names no archive of Debian"):
        world.make()


def test_git_says_what_is_wrong(world: World) -> None:
    (world.bin / "git").unlink()
    (world.bin / "git").write_text("#!/bin/sh\necho fatal: no space left >&2\nexit 128\n")
    (world.bin / "git").chmod(0o755)
    with pytest.raises(SourcesMissing, match="git init failed: no space left"):
        world.make()


# What is in an archive


def refused(tmp_path: Path, **fields: object) -> str:
    """What unpacking says to an archive with one member that has these fields."""
    with tarfile.open(tmp_path / "bad.tar", "w") as out:
        member = tarfile.TarInfo("top/ok")
        for name, value in fields.items():
            setattr(member, name, value)
        out.addfile(member)
    with pytest.raises(SourcesMissing) as caught:
        unpack(tmp_path / "bad.tar", tmp_path / "inside")
    return str(caught.value)


def test_nothing_is_written_outside(tmp_path: Path) -> None:
    assert "top/../../evil" in refused(tmp_path, name="top/../../evil")
    assert "/evil is not a plain file" in refused(tmp_path, name="/evil")
    assert "top/ok" in refused(tmp_path, type=tarfile.SYMTYPE, linkname="/etc/passwd")
    assert "top/ok" in refused(tmp_path, type=tarfile.LNKTYPE, linkname="x")
    assert "top/ok" in refused(tmp_path, type=tarfile.CHRTYPE)
    assert [path.name for path in tmp_path.iterdir()] == ["bad.tar"]


def test_a_git_folder_in_an_archive_is_left_out(tmp_path: Path) -> None:
    made = archive(
        tmp_path / "a.tar.gz", {".git/config": b"[core] fsmonitor = evil", "x/.git": b"", "ok": b""}
    )
    unpack(made, tmp_path / "inside")
    assert [path.name for path in (tmp_path / "inside").rglob("*")] == ["ok"]


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08\x00broken", b"\xfd7zXZ\x00broken"])
def test_a_damaged_archive_says_what_to_do(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "zlib_1.orig.tar.gz").write_bytes(content)
    with pytest.raises(SourcesMissing, match=r"cannot be unpacked .* delete it and run again"):
        unpack(tmp_path / "zlib_1.orig.tar.gz", tmp_path / "inside")


def test_a_cut_archive_says_what_to_do(tmp_path: Path) -> None:
    whole = archive(tmp_path / "a.tar.gz", {"a": os.urandom(100_000)})
    whole.write_bytes(whole.read_bytes()[:50_000])
    with pytest.raises(SourcesMissing, match="cannot be unpacked"):
        unpack(whole, tmp_path / "inside")


# What apt is told


def everything(suite: str) -> bool:
    return True


def of_bookworm(suite: str) -> bool:
    return demo_sources.is_of("bookworm", suite)


def test_one_line_entries_become_sources_with_their_options() -> None:
    text = """
# deb http://no.invalid/debian bookworm main
deb [arch=amd64 signed-by=/usr/share/keyrings/d.gpg] http://a.invalid/debian bookworm main contrib # ours
deb-src http://a.invalid/debian bookworm-updates main
deb http://a.invalid/debian bookworm-backports main
deb cdrom:[Debian_12]/ bookworm main
deb http://b.invalid/security bookworm/updates main
"""
    assert list(demo_sources.source_lines(text, of_bookworm)) == [
        "deb-src [arch=amd64 signed-by=/usr/share/keyrings/d.gpg] http://a.invalid/debian bookworm main contrib",
        "deb-src http://a.invalid/debian bookworm-updates main",
        "deb-src http://b.invalid/security bookworm/updates main",
    ]


def test_stanzas_become_sources_with_their_fields() -> None:
    text = """# a comment before
Types: deb
# one in the middle
URIs: http://a.invalid/debian
 http://b.invalid/debian
Suites: bookworm bookworm-backports
 bookworm-updates
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc
Trusted: yes

Enabled: no
Types: deb
URIs: http://off.invalid/debian
Suites: bookworm

Types: deb
URIs: http://third.invalid/
Suites: nodistro
"""
    assert list(demo_sources.source_stanzas(text, of_bookworm)) == [
        "Types: deb-src\n"
        "URIs: http://a.invalid/debian\n http://b.invalid/debian\n"
        "Suites: bookworm bookworm-updates\n"
        "Components: main\n"
        "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n"
        "Trusted: yes"
    ]
    assert len(list(demo_sources.source_stanzas(text, everything))) == 2


def test_apt_reads_both_forms_and_nothing_that_is_switched_off(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_sources, "_codename", lambda: "bookworm")
    (world.etc / "sources.list").write_text("deb http://a.invalid/debian stable main\n")
    parts = world.etc / "sources.list.d"
    (parts / "b.list").write_text("deb http://b.invalid/debian bookworm main\n" * 2)
    (parts / "c.sources").write_text(
        "Types: deb\nURIs: http://c.invalid/\nSuites: bookworm\nComponents: main\n"
    )
    (parts / "d.list.disabled").write_text("deb http://d.invalid/debian bookworm main\n")
    world.make()
    told = "".join(path.read_text() for path in sorted((world.root / "seen").iterdir()))
    assert told == (
        "deb-src http://b.invalid/debian bookworm main\n"
        "Types: deb-src\nURIs: http://c.invalid/\nSuites: bookworm\nComponents: main\n"
    )


def test_suites_without_the_name_of_the_release_are_taken_when_there_is_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_sources, "_codename", lambda: "sid")
    world.make()
    told = (world.root / "seen/penstock.list").read_text()
    assert told == "deb-src [trusted=yes] http://mirror.invalid/debian stable main\n"


def test_a_release_without_a_name_has_no_suite() -> None:
    assert not demo_sources.is_of("", "-updates")


def test_the_system_is_left_alone(world: World) -> None:
    world.make()
    for call in world.log.read_text().splitlines():
        for setting in ("Dir::State=", "Dir::State::lists=", "Dir::Cache=", "Dir::Etc::sourceparts="):
            assert f"{setting}{world.folder}" in call
        assert "Dir::State::status=/dev/null" in call


def test_two_demos_at_once_make_each_repository_once(world: World) -> None:
    threads = [threading.Thread(target=world.make) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert world.calls() == 2
    assert world.git("image-libs", "status", "--porcelain") == ""
