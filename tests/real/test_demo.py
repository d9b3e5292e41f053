"""`penstock demo` with the real libraries: built once, reused after, and rebuilt only as far as a change reaches.

One demo is shared by all tests of this file; they follow each other as a person's day would.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import not_run

from penstock.cli.demo_sources import SourcesMissing, make_repositories

pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs("bwrap", "apt-get", "git", "make", "gcc", "clang-19"),
]

GCC, ASAN = "debian-12-gcc", "debian-12-clang-asan"
BUILDS = {(name, platform) for name in ("zlib", "libpng", "freetype", "libgd") for platform in (GCC, ASAN)}
TESTS = {(name, platform) for name in ("zlib", "libpng", "libgd") for platform in (GCC, ASAN)}
ALL = {(*job, "build") for job in BUILDS} | {(*job, "test") for job in TESTS}
FIELDS = {
    "id",
    "module",
    "platform",
    "kind",
    "result",
    "attempts",
    "waited_s",
    "ran_s",
    "cost",
    "currency",
    "key",
}
LIMIT_S = 1500


class Demo:
    """A folder in which `penstock demo` is run again and again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.repositories = folder / "penstock-demo" / "repositories"
        self.seconds: list[float] = []

    def start(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Run `penstock demo --once` to its end."""
        command = [sys.executable, "-m", "penstock", "demo", "--once", *options]
        before = time.monotonic()
        ended = subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
        self.seconds.append(time.monotonic() - before)
        return ended

    def run(self, status: int = 0) -> dict[str, Any]:
        """Run it, expect `status`, answer its document."""
        ended = self.start("--json")
        assert ended.returncode == status, ended.stdout[-3000:] + ended.stderr[-3000:]
        document: dict[str, Any] = json.loads(ended.stdout)
        return document

    def commit(self, repository: str, file: str, change: Callable[[str], str]) -> None:
        """Change one file and commit it, as a person would who never configured git."""
        path = self.repositories / repository / file
        before = path.read_text(encoding="latin-1")
        path.write_text(change(before), encoding="latin-1")
        assert path.read_text(encoding="latin-1") != before
        self.git(repository, "commit", "--quiet", "--all", "--message=Change a line")

    def git(self, repository: str, *words: str) -> None:
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.folder), "GIT_CONFIG_NOSYSTEM": "1"}
        folder = str(self.repositories / repository)
        subprocess.run(["git", "-C", folder, *words], check=True, env=environment)


def by_result(document: dict[str, Any], result: str) -> set[tuple[str, str, str]]:
    """(module, platform, kind) of the jobs that ended so."""
    return {
        (job["module"], job["platform"], job["kind"]) for job in document["jobs"] if job["result"] == result
    }


def jobs_of(*modules: str) -> set[tuple[str, str, str]]:
    """All jobs of these modules."""
    return {job for job in ALL if job[0] in modules}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """A demo that has been built once."""
    made = Demo(tmp_path_factory.mktemp("demo"))
    try:
        make_repositories(made.repositories, lambda line: None)
    except SourcesMissing as missing:
        not_run(str(missing))
    return made


@pytest.fixture(scope="module")
def first(demo: Demo) -> dict[str, Any]:
    """What the first run printed."""
    return demo.run()


def test_the_first_run_builds_and_tests_everything(first: dict[str, Any]) -> None:
    assert by_result(first, "passed") == ALL
    assert first["totals"] == {"built": len(ALL), "reused": 0, "failed": 0, "error": 0, "blocked": 0}


def test_the_document_is_what_the_contract_says(first: dict[str, Any]) -> None:
    assert (first["schema"], first["passed"]) == (1, True)
    for job in first["jobs"]:
        assert set(job) >= FIELDS
        assert job["key"].startswith("sha256:")
        assert job["attempts"] >= 1
        assert job["ran_s"] > 0
        assert job["waited_s"] >= 0
        assert (float(job["cost"]) > 0, job["currency"]) == (True, "USD")


def test_the_second_run_reuses_everything(demo: Demo, first: dict[str, Any]) -> None:
    ended = demo.start()
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == f"built 0, reused {len(ALL)}, failed 0, error 0, blocked 0"
    assert demo.seconds[-1] < 30


def test_a_line_in_the_leaf_builds_only_the_leaf(demo: Demo, first: dict[str, Any]) -> None:
    demo.commit("libgd", "src/gd_version.c", lambda text: text + "\nint gdDemo(void) { return 1; }\n")
    document = demo.run()
    assert by_result(document, "passed") == jobs_of("libgd")
    assert by_result(document, "reused") == ALL - jobs_of("libgd")


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("/* deflate.c -- compress", "/* deflate.c -- COMPRESS", 1),
        lambda text: "/* A comment\n * of three\n * lines. */\n" + text,
    ],
    ids=["changed", "three lines more"],
)
def test_a_comment_in_zlib_builds_zlib_and_nothing_behind_it(
    demo: Demo, first: dict[str, Any], change: Callable[[str], str]
) -> None:
    demo.commit("zlib", "deflate.c", change)
    document = demo.run()
    assert by_result(document, "passed") == jobs_of("zlib")
    assert by_result(document, "reused") == ALL - jobs_of("zlib")


def test_what_does_not_compile_fails_and_blocks_what_needs_it(demo: Demo, first: dict[str, Any]) -> None:
    demo.commit("zlib", "deflate.c", lambda text: text + "\n#error not today\n")
    document = demo.run(status=1)
    builds = {("zlib", platform, "build") for platform in (GCC, ASAN)}
    assert by_result(document, "failed") == builds
    assert by_result(document, "blocked") == ALL - builds
    demo.git("zlib", "reset", "--quiet", "--hard", "HEAD~1")
    assert by_result(demo.run(), "reused") == ALL
