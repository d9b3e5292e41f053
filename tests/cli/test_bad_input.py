"""Bad input through the command line: one line for each mistake, exit 2, no traceback, and nothing written."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from farms import change, plan, planned

from penstock.cli import build
from penstock.cli.app import run
from penstock.cli.place import find_place
from penstock.hub import planner
from penstock.wiring import Quiet, assemble

pytestmark = pytest.mark.needs("git")
FARM = """
[farm]
name = "bad"
[platform.p]
image = "host"
[[pool]]
name = "here"
provider = "local"
platforms = ["p"]
"""
GOOD = "version: 1\nmodules:\n  a:\n    platforms: [p]\n    build: ['true']\n"
BUILD = ["build", "repository", "--farm", "farm.toml", "--state", "state"]
PLAN = ["plan", "repository", "--farm", "farm.toml", "--state", "state"]
BINARY = bytes(range(256)) * 10
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join(['*' + old] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


class Bench:
    """A folder with a repository and a farm.toml, in which commands are run."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys
        self.repository = folder / "repository"
        self.repository.mkdir()
        self.git("init", "--quiet", ".")
        self.farm(FARM)
        self.manifest(GOOD)

    def git(self, *words: str) -> None:
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.folder), "GIT_CONFIG_NOSYSTEM": "1"}
        subprocess.run(["git", "-C", str(self.repository), *words], check=True, env=environment)

    def commit(self) -> None:
        self.git("add", "--all")
        who = ("-c", "user.name=A Person", "-c", "user.email=person@example.org")
        self.git(*who, "commit", "--quiet", "--allow-empty", "--message=Change")

    def farm(self, text: str | bytes) -> None:
        (self.folder / "farm.toml").write_bytes(text if isinstance(text, bytes) else text.encode())

    def manifest(self, text: str | bytes) -> None:
        path = self.repository / ".penstock.yml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        self.commit()

    def module(self, more: str) -> None:
        """The good manifest with more said of its module."""
        self.manifest(GOOD + f"    {more}\n")

    def refused(self, *words: str) -> list[str]:
        """Run a command that must be refused; the lines that it said, without "penstock: "."""
        before = self.seen()
        status = run(list(words) or BUILD)
        said = self._capsys.readouterr()
        assert (status, said.out) == (2, ""), said.err
        assert self.seen() == before
        lines = said.err.splitlines()
        assert all(line.startswith("penstock: ") for line in lines), said.err
        return [line.removeprefix("penstock: ") for line in lines]

    def line(self, *words: str) -> str:
        """As `refused`, for exactly one line."""
        (line,) = self.refused(*words)
        return line

    def seen(self) -> list[Path]:
        """Everything but git's own and the lock, which is made before one can look."""
        return sorted(p for p in self.folder.rglob("*") if ".git" not in p.parts)


@pytest.fixture
def bench(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(build, "check_sandbox", lambda no_sandbox: None)
    return Bench(tmp_path, capsys)


@pytest.fixture
def made(bench: Bench) -> Bench:
    """With an empty farm in its state folder."""
    place = find_place(Path("farm.toml"), Path("state"))
    parts = assemble(place.rules, place.folder, Quiet())
    build.begin(parts)
    parts.close()
    return bench


MANIFESTS: dict[str, tuple[str | bytes, str]] = {
    "malformed": ("version: [1\nmodules: {", ".penstock.yml:2: not YAML"),
    "a list": ("- a\n- b\n", ".penstock.yml:1: "),
    "empty": ("\n", ".penstock.yml"),
    "unknown key": (GOOD + "colour: blue\n", ".penstock.yml:6: .penstock.yml has no `colour`"),
    "unknown key of a module": (GOOD + "    colour: blue\n", "`colour`"),
    "version": (GOOD.replace("1", "7"), "write version: 1"),
    "missing module": (GOOD + "    needs: [nope]\n", "module a needs 'nope'"),
    "unknown platform": (
        GOOD.replace("[p]", "[q]"),
        "platform 'q', which the farm does not have; write one of p",
    ),
    "needs itself": (GOOD + "    needs: [a]\n", "a itself"),
    "bomb": (BOMB, "grows to more than"),
    "deep": ("[" * 5000, "goes deeper than"),
    "large": ("x" * 3_000_000, "1048576 are allowed"),
    "binary": (BINARY, "is not UTF-8"),
    "out of the repository": (GOOD + "    source: ../..\n", "leads out of the repository"),
}


@pytest.mark.parametrize("name", MANIFESTS)
@pytest.mark.parametrize("words", [BUILD, PLAN], ids=["build", "plan"])
def test_what_is_wrong_in_a_manifest_is_said_with_its_place(
    bench: Bench, name: str, words: list[str]
) -> None:
    text, said = MANIFESTS[name]
    bench.manifest(text)
    assert said in bench.line(*words)


def test_a_cycle_names_all_of_its_members(bench: Bench) -> None:
    ring = {"one": "two", "two": "three", "three": "one"}
    modules = [
        f"  {name}: {{platforms: [p], needs: [{need}], build: ['true']}}\n" for name, need in ring.items()
    ]
    bench.manifest("version: 1\nmodules:\n" + "".join(modules))
    line = bench.line()
    assert all(name in line for name in ring)


SOURCES = {
    "no such ref": ("{git: ../repository, ref: nowhere}", "there is no ref 'nowhere'"),
    "an option as ref": ("{git: ../repository, ref: --upload-pack=x}", "begins with '-'"),
    "an option as address": ("{git: --upload-pack=x, ref: main}", "'--upload-pack=x'"),
    "a program as address": ("{git: 'ext::sh -c touch% pwned', ref: main}", "the protocol 'ext'"),
    "a repository that vanished": ("{git: ../gone, ref: main}", "there is no such folder"),
}


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_that_cannot_be_had_is_refused(bench: Bench, name: str) -> None:
    source, said = SOURCES[name]
    bench.module(f"source: {source}")
    assert said in bench.line()


FARMS: dict[str, tuple[str | bytes, list[str]]] = {
    "malformed": ("[farm\nname=", ["farm.toml:1: not TOML"]),
    "binary": (BINARY, ["is not UTF-8"]),
    "two unknown keys": (FARM + "colour = 1\n[nope]\nx = 1\n", ["has no `colour`", "has no `nope`"]),
    "another database": (FARM.replace("[farm]", '[farm]\nstate = "mysql://x"'), ["begin it with sqlite:///"]),
    "nobody to run it": (FARM.partition("[[pool]]")[0], ["no pool of provider local"]),
}


@pytest.mark.parametrize("name", FARMS)
def test_each_mistake_of_a_farm_is_a_line(bench: Bench, name: str) -> None:
    text, said = FARMS[name]
    bench.farm(text)
    lines = bench.refused()
    assert len(lines) == len(said)
    assert all(part in line for part, line in zip(said, lines, strict=True))


def test_garbage_in_both_files_is_one_line(bench: Bench) -> None:
    bench.manifest(BINARY)
    bench.farm(BINARY)
    assert "farm.toml" in bench.line()


PREPARED: dict[str, tuple[Callable[[Bench], object], str]] = {
    "no manifest": (
        lambda b: (b.git("rm", "--quiet", ".penstock.yml"), b.commit()),
        "there is no .penstock.yml",
    ),
    "no farm.toml": (lambda b: (b.folder / "farm.toml").unlink(), "farm.toml: there is no such file"),
    "farm.toml is a folder": (
        lambda b: ((b.folder / "farm.toml").unlink(), (b.folder / "farm.toml").mkdir()),
        "is a folder",
    ),
    "no commits": (
        lambda b: (shutil.rmtree(b.repository / ".git"), b.git("init", "--quiet", ".")),
        "commit something first",
    ),
    "no repository": (lambda b: shutil.rmtree(b.repository / ".git"), "is not in a git repository"),
    "no source": (lambda b: shutil.rmtree(b.repository), "repository: there is no such folder"),
    "the manifest is a link": (
        lambda b: (
            (b.repository / ".penstock.yml").unlink(),
            (b.repository / ".penstock.yml").symlink_to("/etc/passwd"),
            b.commit(),
        ),
        "not a plain file",
    ),
    "the state is a file": (lambda b: (b.folder / "state").write_text("x"), "is not a folder"),
}


@pytest.mark.parametrize("name", PREPARED)
def test_what_is_not_there_or_no_file_is_said(bench: Bench, name: str) -> None:
    prepare, said = PREPARED[name]
    prepare(bench)
    assert said in bench.line()


WORDS = {
    "no such command": (["nonsense"], "nonsense"),
    "no such option": ([*BUILD, "--nonsense"], "--nonsense"),
    "no source": (["build"], "source"),
    "jobs 0": ([*BUILD, "--jobs", "0"], "--jobs"),
    "jobs minus 1": ([*BUILD, "--jobs", "-1"], "--jobs"),
    "jobs many": ([*BUILD, "--jobs", "many"], "--jobs"),
    "a file as source": (["build", "farm.toml", *BUILD[2:]], "farm.toml"),
    "a state below a file": ([*BUILD[:-1], "farm.toml/state"], "is not a folder"),
    "no such module": ([*PLAN, "--changed", "nope"], "no module 'nope'"),
    "check of nothing": (["check", "nowhere.toml"], "there is no such file"),
    "check of a folder": (["check", "repository"], "is a folder"),
    "hub that is none": (["jobs", *BUILD[2:], "--hub", "garbage"], "--hub garbage"),
    "hub that nobody knows": (["jobs", *BUILD[2:], "--hub", "http://127.0.0.1:1"], "no token for it"),
}


@pytest.mark.parametrize("name", WORDS)
def test_a_wrong_word_is_named(bench: Bench, name: str) -> None:
    words, said = WORDS[name]
    assert said in bench.line(*words)


ASKING = [
    "builds",
    "jobs",
    "machines",
    "fsck",
    "explain x",
    "logs x",
    "cancel x",
    "retry x",
    "hold x",
    "release x",
]


@pytest.mark.parametrize("words", ASKING)
def test_a_farm_that_is_not_there_is_not_made_by_asking(bench: Bench, words: str) -> None:
    assert "there is no farm here yet" in bench.line(*words.split(), *BUILD[2:])


def test_a_farm_that_was_killed_before_it_was_made_is_none(bench: Bench) -> None:
    place = find_place(Path("farm.toml"), Path("state"))
    assemble(place.rules, place.folder, Quiet()).close()
    assert "there is no farm here yet" in bench.line("jobs", *BUILD[2:])


UNKNOWN = ["explain", "logs", "cancel", "retry", "hold", "release", "quarantine", "drain", "jobs --build"]


@pytest.mark.parametrize("words", UNKNOWN)
@pytest.mark.parametrize("name", ["nobody", "../../etc/passwd", "a b", "\x1b[2J", "x" * 5000])
def test_an_id_that_nothing_has_is_said(made: Bench, words: str, name: str) -> None:
    assert "does not exist" in made.line(*words.split(), name, *BUILD[2:])


def test_a_retry_needs_somebody_who_runs_it(made: Bench) -> None:
    place = find_place(Path("farm.toml"), Path("state"))
    parts = assemble(place.rules, place.folder, Quiet())
    submitted = planner.submit(parts.hub, change("c1"), plan(planned("zlib")))
    parts.close()
    assert "nobody serves this farm" in made.line("retry", f"{submitted.id}-0001", *BUILD[2:])


@pytest.mark.parametrize(
    "text", [b"\xff\xfe", b"[]", b'{"address": 3}', b'{"address": "x y", "token": "\\n"}', b"{"]
)
def test_a_damaged_address_of_a_hub_is_no_hub(
    made: Bench, text: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (made.folder / "state" / "hub.json").write_bytes(text)
    assert run(["jobs", "--json", *BUILD[2:]]) == 0
    assert json.loads(capsys.readouterr().out) == {"jobs": []}


def test_somebody_elses_database_is_one_line_and_3(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    (bench.folder / "state").mkdir()
    (bench.folder / "state" / "penstock.db").write_bytes(b"not a database" * 100)
    assert [run(["jobs", *BUILD[2:]]), run(BUILD)] == [3, 3]
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert all("penstock.db" in line for line in said)


def test_a_state_folder_that_cannot_be_made_is_one_line_and_3(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    place = "/proc/nowhere" if os.path.isdir("/proc") else "/dev/null/nowhere"
    assert run([*BUILD[:-1], place]) == 3
    assert (
        capsys.readouterr().err
        == f"penstock: the state folder {place} cannot be made: No such file or directory\n"
    )
