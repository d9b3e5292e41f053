"""A farm that trusts some of what it builds, and a machine that anybody may join: for tests of who reads what."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
from real.gitserver import git
from real.hubs import AgentProcess, HubProcess
from real.killing import LIMIT_S, wait_for

from penstock.agent import fingerprint
from penstock.cli.place import find_place
from penstock.model.job import Attempt, Job
from penstock.ports import Tx
from penstock.wiring import assemble_reading

Document = dict[str, Any]
VALUE = "correct-horse-battery-staple"
FARM = """
[farm]
name = "trust"
[secret.KEY]
file = "KEY.secret"
branches = ["main"]
[platform.p]
image = "host"
[[pool]]
name = "own"
provider = "owned"
platforms = ["p"]
trust = "trusted"
[[pool]]
name = "strangers"
provider = "owned"
platforms = ["p"]
trust = "untrusted"
[[pool]]
name = "boxes"
provider = "owned"
platforms = ["p"]
trust = "untrusted"
[[rule]]
match = { branch = "main" }
give = { trust = "trusted" }
[[rule]]
match = { branch = "strange" }
give = { pools = ["strangers"] }
[[rule]]
match = { branch = "boxed" }
give = { pools = ["boxes"] }
"""


class Farm:
    """A hub, an agent of its own, and a repository that anybody may propose branches of."""

    def __init__(
        self, folder: Path, rules: str = FARM, state: tuple[str, ...] = ("--state", "state")
    ) -> None:
        self.folder, self.state = folder, state
        (folder / "farm.toml").write_text(rules)
        self.secret = folder / "KEY.secret"
        self.secret.write_text(VALUE + "\n")
        self.secret.chmod(0o600)
        self.hub = HubProcess(folder, "hub", *state)
        self.client = httpx.Client(base_url=self.hub.address, timeout=60)
        self.agents: list[AgentProcess] = []
        self.repository = folder / "repository"
        self.repository.mkdir()
        git(self.repository, "init", "--quiet", "--initial-branch=main")

    def penstock(self, *words: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "penstock", *words, "--farm", "farm.toml", *self.state]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=LIMIT_S)

    def token(self, pool: str) -> str:
        return str(json.loads(self.penstock("tokens", "create", "--pool", pool, "--json").stdout)["token"])

    def agent(self, pool: str) -> AgentProcess:
        self.agents.append(AgentProcess(self.folder, f"agent-{pool}", self.hub.address, self.token(pool)))
        return self.agents[-1]

    def branch(self, name: str, modules: str) -> None:
        git(self.repository, "checkout", "--quiet", "-B", name)
        (self.repository / ".penstock.yml").write_text(f"version: 1\nmodules:\n{modules}")
        git(self.repository, "add", ".")
        git(self.repository, "commit", "--quiet", "--allow-empty", "-m", name)

    def submit(self, branch: str) -> str:
        """The build's id."""
        ended = self.penstock("submit", str(self.repository), "--ref", branch, "--json")
        assert ended.returncode == 0, ended.stderr
        return str(json.loads(ended.stdout)["build"])

    def read(self, look: Any) -> Any:
        place = find_place(self.folder / "farm.toml", self.folder / "state")
        parts = assemble_reading(place.rules, place.folder)
        try:
            return parts.hub.store.read(look)
        finally:
            parts.close()

    def job(self, build: str, wait: bool = True) -> Job:
        def look() -> Job | None:
            (job,) = self.read(lambda tx: tx.find(Job, "build", build))
            return job if not (wait and job.open) else None

        found: Job = wait_for(look, f"the end of {build}")
        return found

    def attempt(self, build: str) -> Attempt:
        """The running attempt of a build with one job."""

        def look(tx: Tx) -> Attempt | None:
            (job,) = tx.find(Job, "build", build)
            found = tx.find(Attempt, "job", job.id)
            return found[-1] if found and found[-1].state == "running" else None

        found: Attempt = wait_for(lambda: self.read(look), "a running attempt")
        return found

    def log(self, job: str) -> str:
        return self.penstock("logs", job).stdout


class Stranger:
    """A machine of the pool that strangers may join; it says whatever it likes."""

    def __init__(self, farm: Farm) -> None:
        self.client = farm.client
        said = {"name": "stranger", "key": "ab" * 32, "slots": 2, "cores": 2, "memory_mb": 4096}
        said["identity"] = fingerprint.measure()
        answer = self.client.post(
            "/api/v1/agent/register",
            json=said,
            headers={"Authorization": f"Bearer {farm.token('strangers')}"},
        ).json()
        self.token, self.credential, self.calls = answer["token"], answer["credential"], 0

    def call(self, method: str, path: str, **said: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {said.pop('token', self.token)}"} | said.pop("headers", {})
        return self.client.request(method, f"/api/v1/{path}", headers=headers, **said)

    def started(self) -> Document:
        """Its next offer, taken."""

        def look() -> list[Document]:
            self.calls += 1
            said = {"call": self.calls, "wait_s": 1}
            offers: list[Document] = self.call("POST", "agent/poll", json=said).json()["offers"]
            return offers

        one: Document = wait_for(look, "an offer")[0]
        said = {"attempt": one["attempt"], "fence": one["fence"]}
        assert self.call("POST", f"agent/attempts/{one['attempt']}/acknowledge", json=said).status_code == 200
        return one

    def about(self, attempt: str, fence: str, digest: str) -> dict[str, int]:
        """Every call about an attempt, and what it is answered: status by call."""
        path, header = f"agent/attempts/{attempt}", {"X-Penstock-Fence": fence}
        named = {"attempt": attempt, "fence": fence}
        ended = {**named, "result": "failed", "exit_code": 1}
        calls: dict[str, tuple[str, str, Document]] = {
            "source": ("GET", f"{path}/source", {}),
            "input": ("GET", f"{path}/inputs/{digest}", {}),
            "secret": ("GET", f"{path}/secrets/KEY", {"headers": header}),
            "log": ("POST", f"{path}/log?offset=0", {"headers": header, "content": b"forged"}),
            "output": ("PUT", f"{path}/outputs/tree", {"headers": header, "content": b"poison"}),
            "ticket": ("POST", f"{path}/outputs/tree/ticket", {"headers": header}),
            "received": ("POST", f"{path}/outputs/tree/received", {"headers": header}),
            "acknowledge": ("POST", f"{path}/acknowledge", {"json": named}),
            "renew": ("POST", f"{path}/renew", {"json": named}),
            "finish": ("POST", f"{path}/finish", {"json": ended}),
        }
        return {
            name: self.call(method, where, **said).status_code
            for name, (method, where, said) in calls.items()
        }
