"""Project and branch are those that the farm itself saw at an address that farm.toml names; nobody's word counts.

With real git over ssh, which a script plays that runs the command here; the repositories are where the addresses say.
"""

import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from penstock.config.submitting import Submitter
from penstock.forges.git import Git
from penstock.forges.git.address import address_of
from penstock.hub import people
from penstock.hub.submission import Submission, Unfit
from penstock.model.change import Build, Change
from penstock.model.job import Job
from penstock.model.rules import Platform, Project, Rule, Rules
from tests.farms import POOL, Agent, TestFarm

MANIFEST = """version: 1
modules:
  zlib:
    source: .
    platforms: [linux]
    build: [make]
"""
PINNED = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "PATH": "/usr/bin:/bin"}
SSH = '#!/bin/sh\nfor last; do :; done\nexec sh -c "$last"\n'
SLOW = Rule(match={"project": "qemu"}, klass="try", pools=("own",))
MAIN = Rule(match={"branch": "main", "project": "qemu"}, trust="trusted", klass="release", pools=("own",))
TAGS = Rule(match={"branch": "refs/tags/v*"}, trust="trusted", klass="security")


class Forge:
    """A farm, qemu's own repository and a fork of it, and a developer from elsewhere who submits."""

    def __init__(self, folder: Path, rules: tuple[Rule, ...] = (TAGS, MAIN, SLOW)) -> None:
        self.own, self.fork = folder / "qemu.git", folder / "fork" / "qemu.git"
        self.own.mkdir()
        self.git(self.own, "init", "--quiet", "--initial-branch=main")
        (self.own / ".penstock.yml").write_text(MANIFEST)
        self.git(self.own, "add", ".")
        self.git(self.own, "commit", "--quiet", "--message=x")
        self.git(self.own, "branch", "work")
        self.git(self.own, "tag", "v1")
        self.git(self.own, "update-ref", "refs/merge-requests/1/head", "HEAD")
        self.git(folder, "clone", "--quiet", str(self.own), str(self.fork))
        address = address_of(f"ssh://git@git.example.org{self.own}").canonical
        qemu = Project(name="qemu", share=3, repositories=(address,))
        self.farm = TestFarm(
            Rules(
                platforms={"linux": Platform(name="linux")},
                pools=(POOL,),
                projects={"qemu": qemu},
                rules=rules,
            )
        )
        Agent(self.farm, "m1", identity="sha256:here")
        far = Git(
            folder / "mirrors",
            local_user=False,
            lookup=lambda host, port: ["10.0.0.1"],
            hosts=["git.example.org"],
        )
        self.submitter = Submitter(self.farm.hub, far, Git(folder / "mirrors", local_user=True))
        self._requests = 0

    def git(self, folder: Path, *words: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        done = subprocess.run(
            ["git", *who, *words], cwd=folder, env=PINNED, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def submit(self, repository: str, ref: str = "main", **changes: Any) -> Build:
        self._requests += 1
        asked = Submission(
            request=f"r{self._requests}", repository=repository, ref=ref, user="ada", who="ada"
        )
        return self.submitter(msgspec.structs.replace(asked, **changes)).build

    def given(self, repository: str, ref: str = "main", **changes: Any) -> tuple[str, str, str]:
        """Trust and class of what is submitted, and the project that its jobs count for."""
        job = self.job(self.submit(repository, ref, **changes))
        return job.spec.trust, job.spec.klass, job.project

    def job(self, build: Build) -> Job:
        (job,) = (job for job in self.farm.all(Job) if job.build == build.id)
        return job

    def url(self, folder: Path) -> str:
        return f"ssh://git@git.example.org{folder}"


@pytest.fixture
def forge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Forge:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "ssh").write_text(SSH)
    (programs / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    return Forge(tmp_path)


TRUSTED, OTHER, NOTHING = (
    ("trusted", "release", "qemu"),
    ("untrusted", "try", "qemu"),
    ("untrusted", "change", ""),
)


def test_a_branch_of_the_projects_own_repository_is_what_its_rule_says(forge: Forge) -> None:
    url = forge.url(forge.own)
    for ref in ("main", "refs/heads/main", "HEAD"):
        assert forge.given(url, ref) == TRUSTED
    assert forge.given(url.replace("git.example", "GIT.Example").removesuffix(".git") + ".git/") == TRUSTED
    assert forge.given(url, project="qemu") == TRUSTED
    assert forge.given(url, "work") == OTHER
    assert forge.given(url, "v1") == ("trusted", "security", "qemu")


def test_a_fork_is_of_no_project_whatever_it_calls_itself(forge: Forge) -> None:
    for named in ("", "qemu", "other"):
        build = forge.submit(forge.url(forge.fork), project=named)
        job = forge.job(build)
        assert (job.spec.trust, job.spec.klass, job.project, job.pools) == (*NOTHING, ())
        assert next(one for one in forge.farm.all(Change) if one.id == build.change).project == named
        again = people.repeat(forge.farm.hub, job.id, "ada")
        assert forge.job(again).project == "", "a label does not become a project when it is tried again"


def test_what_is_on_no_branch_has_the_share_of_the_project_and_no_more(forge: Forge) -> None:
    """Forges show the commits of forks under the address of the repository that they were forked from."""
    url, least = forge.url(forge.own), ("untrusted", "change", "qemu")
    assert forge.given(url, forge.git(forge.own, "rev-parse", "HEAD")) == least
    assert forge.given(url, "refs/merge-requests/1/head") == least


def test_a_tag_called_main_is_not_the_branch(forge: Forge) -> None:
    forge.git(forge.own, "tag", "main")
    url = forge.url(forge.own)
    assert forge.given(url) == forge.given(url, "refs/tags/main") == ("untrusted", "change", "qemu")
    assert forge.given(url, "refs/heads/main") == TRUSTED


def test_a_branch_called_like_a_full_tag_is_not_the_tag(forge: Forge) -> None:
    forge.git(forge.own, "update-ref", "refs/heads/refs/tags/v2", "HEAD")
    assert forge.given(forge.url(forge.own), "refs/tags/v2") == OTHER


def test_another_project_than_the_repositorys_is_refused_in_a_line(forge: Forge) -> None:
    with pytest.raises(Unfit, match="is of project 'qemu'; leave the project out") as told:
        forge.submit(forge.url(forge.own), project="qt")
    assert "\n" not in str(told.value)
    with pytest.raises(Unfit, match="leave the project out"):
        forge.submit(forge.url(forge.own), project="qt", local=True)
    assert forge.farm.all(Change) == []


def test_the_local_operators_word_counts_where_nothing_is_known(forge: Forge) -> None:
    folder = str(forge.own)
    assert forge.given(folder, project="qemu", local=True) == TRUSTED
    assert forge.given(folder, "work", project="qemu", local=True) == OTHER
    assert forge.given(folder, local=True) == NOTHING
    assert forge.given(folder, "refs/tags/v1", local=True) == ("trusted", "security", "")
    assert forge.given(forge.url(forge.own), "HEAD", local=True) == TRUSTED
    assert forge.given(forge.url(forge.fork), project="qt", local=True) == ("untrusted", "change", "qt")
