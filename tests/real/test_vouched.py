"""A developer submits from elsewhere: a real hub, real git over https on loopback, and rules by project and branch."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from real.gitserver import GitServer, git
from real.hubs import HubProcess, ending
from real.killing import LIMIT_S, wait_for

from penstock.cli.place import find_place
from penstock.model.job import Job
from penstock.wiring import assemble_reading

pytestmark = pytest.mark.needs("git", "openssl")
FARM = """
[farm]
name = "one"
[git]
hosts = ["127.0.0.1:{port}"]
[platform.p]
image = "debian-12"
[[pool]]
name = "own"
provider = "owned"
platforms = ["p"]
trust = "trusted"
projects = ["qemu"]
[[pool]]
name = "all"
provider = "owned"
platforms = ["p"]
classes = ["release"]
[group]
engineers = ["ada"]
[project."qemu"]
share = 3
repositories = ["https://127.0.0.1:{port}/qemu.git"]
[[rule]]
match = {{ project = "qemu", branch = "main", who = "engineers" }}
give = {{ trust = "trusted", class = "release", pools = ["own"] }}
"""
MANIFEST = "version: 1\nmodules:\n  m: { source: ., platforms: [p], build: [make] }\n"
RULED, LEAST = ("trusted", "release", "qemu", ("own",)), ("untrusted", "change", "qemu", ())


class Farm:
    """A hub, its git server, and ada, who has a developer's token and nothing else of the hub's."""

    def __init__(self, folder: Path, server: GitServer, hub: HubProcess) -> None:
        self.folder, self.server, self.hub = folder, server, hub
        made = self.penstock("tokens", "create", "--user", "ada", "--role", "developer", "--json")
        self.token = str(json.loads(made.stdout)["token"])

    def penstock(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """On the hub's machine."""
        return self._run([*words, "--farm", "farm.toml", "--state", "state"], self.folder, {})

    def submit(
        self, repository: str, *words: str, host: str = "127.0.0.1"
    ) -> "subprocess.CompletedProcess[str]":
        """As ada, from a folder that knows nothing of the farm."""
        elsewhere = self.folder / "elsewhere"
        elsewhere.mkdir(exist_ok=True)
        url = f"https://{host}:{self.server.port}/{repository}"
        order = ["submit", url, "--hub", self.hub.address, "--json", *words]
        return self._run(order, elsewhere, {"PENSTOCK_TOKEN": self.token})

    def given(self, repository: str, *words: str) -> tuple[tuple[str, str, str, tuple[str, ...]], list[str]]:
        """Trust, class, project and pools of the job that it becomes, and the warnings."""
        ended = self.submit(repository, *words)
        assert ended.returncode == 0, ended.stderr
        answer: dict[str, Any] = json.loads(ended.stdout)
        assert [line.removeprefix("penstock: warning: ") for line in ended.stderr.splitlines()] == answer[
            "warnings"
        ]
        job = self.job(answer["build"])
        return (job.spec.trust, job.spec.klass, job.project, job.pools), answer["warnings"]

    def job(self, build: str) -> Job:
        place = find_place(self.folder / "farm.toml", self.folder / "state")
        parts = assemble_reading(place.rules, place.folder)
        try:
            (job,) = parts.hub.store.read(lambda tx: tx.find(Job, "build", build))
            return job
        finally:
            parts.close()

    @staticmethod
    def _run(words: list[str], folder: Path, more: dict[str, str]) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "penstock", *words]
        return subprocess.run(
            command, cwd=folder, env=os.environ | more, capture_output=True, text=True, timeout=LIMIT_S
        )


@pytest.fixture
def farm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Farm]:
    served, own = tmp_path / "git", tmp_path / "own"
    for folder in (served, own):
        folder.mkdir()
    git(own, "init", "--quiet", "--initial-branch=main")
    (own / ".penstock.yml").write_text(MANIFEST)
    git(own, "add", ".")
    git(own, "commit", "--quiet", "--message=x")
    git(own, "branch", "work")
    git(own, "update-ref", "refs/pull/1/head", "HEAD")
    for name in ("qemu.git", "eve/qemu.git"):
        git(tmp_path, "clone", "--quiet", "--mirror", str(own), str(served / name))
    with GitServer(served, tmp_path).serving() as server:
        (tmp_path / "farm.toml").write_text(FARM.format(port=server.port))
        monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate))
        hub = HubProcess(tmp_path, "hub", "--state", "state")
        with ending(hub):
            wait_for(lambda: hub.leads, "it to lead")
            yield Farm(tmp_path, server, hub)
            assert hub.end(signal.SIGTERM) == 0
    assert "Traceback" not in hub.log.read_text()


def test_a_release_engineers_branch_is_trusted_and_nobody_elses(farm: Farm) -> None:
    assert farm.given("qemu.git", "--ref", "main") == (RULED, [])
    assert farm.given("qemu/")[0] == RULED, "the default branch, and another way to write the address"
    (given, warnings) = farm.given("qemu.git", "--ref", "work")
    assert given == LEAST
    assert warnings == [
        "no machine and no pool of this farm can ever take the jobs for p, such as m:build@p: pool own: it takes no "
        "untrusted jobs; pool all: its pool takes no jobs of class change"
    ]
    assert farm.given("qemu.git", "--ref", "refs/pull/1/head")[0] == LEAST
    assert farm.given("qemu.git", "--ref", git(farm.folder / "own", "rev-parse", "HEAD"))[0] == LEAST
    forked, warnings = farm.given("eve/qemu.git", "--ref", "main", "--project", "qemu")
    assert forked == ("untrusted", "change", "", ())
    assert "pool own: it takes no untrusted jobs, its pool takes no jobs without a project; " in warnings[0]


def test_what_contradicts_or_lies_elsewhere_is_refused_in_a_line(farm: Farm) -> None:
    for ended, said in [
        (farm.submit("qemu.git", "--project", "qt"), "is of project 'qemu'; leave the project out"),
        (
            farm.submit("qemu.git", host="localhost"),
            "in a network of the farm itself; name a public host, one that",
        ),
    ]:
        assert (ended.returncode, ended.stdout) == (2, "")
        assert said in ended.stderr
        assert ended.stderr.count("\n") == 1
