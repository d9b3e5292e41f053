"""Jobs with the network on a machine that reaches only the hub: curl, git and apt's own fetcher, through the hub and nowhere else."""

import contextlib
import functools
import http.server
import json
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from real.gitserver import GitServer, git
from real.hostile import Farm
from real.hubs import AgentProcess, Front, HubProcess, ending
from real.killing import LIMIT_S, wait_for
from real.test_hub_only import Alone

from penstock.model.job import Attempt, Job
from penstock.model.states import AttemptState, JobState

pytestmark = pytest.mark.needs("bwrap", "git", "curl")
FARM = """
[farm]
name = "alone"
[platform.p]
image = "host"
[[pool]]
name = "far"
provider = "owned"
platforms = ["p"]
network = "hub-only"
reaches = [{reaches}]
"""
FETCHER = Path("/usr/lib/apt/apt-helper")
LARGE = os.urandom(1 << 20) * 8


class Mirror:
    """Files over plain http. `slow`: half of it, then nothing until `go`."""

    def __init__(self, folder: Path) -> None:
        (folder / "large").write_bytes(LARGE)
        (folder / "small").write_text("small\n")
        self.half, self.go = threading.Event(), threading.Event()
        self._server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(_Files, directory=str(folder), mirror=self)
        )
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def end(self) -> None:
        self.go.set()
        self._server.shutdown()
        self._server.server_close()


class _Files(http.server.SimpleHTTPRequestHandler):
    def __init__(self, *arguments: object, mirror: Mirror, **more: object) -> None:
        self._mirror = mirror
        super().__init__(*arguments, **more)  # type: ignore[arg-type]

    def log_message(self, *_: object) -> None:
        return

    def do_GET(self) -> None:
        if self.path != "/slow":
            super().do_GET()
            return
        # No length is said: where it ends, only the connection's end says.
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"x" * 100_000)
        self._mirror.half.set()
        if self._mirror.go.wait(LIMIT_S):
            self.wfile.write(b"y" * 100_000)


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    (tmp_path / "files").mkdir()
    made = Mirror(tmp_path / "files")
    yield made
    made.end()


def module(*commands: str) -> str:
    """One module whose build has the network. Hosts on loopback are asked for by the proxy, too, for once."""
    lines = ["export no_proxy= NO_PROXY=", *commands, "mkdir -p $DESTDIR$PREFIX"]
    return f"  a:\n    platforms: [p]\n    network: full\n    build: {json.dumps(lines)}\n"


def last(farm: Farm, build: str) -> tuple[Job, str]:
    job = farm.job(build)
    return job, farm.log(job.id)


def test_a_job_reaches_what_its_pool_names_and_nothing_else(tmp_path: Path, mirror: Mirror) -> None:
    (tmp_path / "repositories").mkdir()
    git(tmp_path, "init", "--quiet", "--bare", "repositories/a.git")
    server = GitServer(tmp_path / "repositories", tmp_path)
    with contextlib.ExitStack() as stack:
        stack.enter_context(server.serving())
        reaches = json.dumps([f"127.0.0.1:{server.port}", f"127.0.0.1:{mirror.port}"]).strip("[]")
        farm = Farm(tmp_path, FARM.format(reaches=reaches))
        stack.enter_context(ending(farm.agents, farm.hub))
        stack.enter_context(farm.client)
        alone = Alone(farm.hub.address)
        stack.enter_context(ending(alone))
        token = farm.token("far")
        farm.agents.append(alone.run(lambda: AgentProcess(tmp_path, "far", farm.hub.address, token)))
        shutil.copy(server.certificate, farm.repository / "git.pem")
        here, files = f"https://127.0.0.1:{server.port}", f"http://127.0.0.1:{mirror.port}"
        nowhere = [f"! curl -sS -m 20 --noproxy '*' {one}" for one in (farm.hub.address, files)]
        fetched = [f"{FETCHER} download-file {files}/small apt && cmp apt small"] if FETCHER.exists() else []
        farm.branch(
            "main",
            module(
                "env | grep -i _proxy | sort",
                f"GIT_SSL_CAINFO=git.pem git clone --quiet {here}/a.git cloned",
                f"curl -sS -o small {files}/small && grep small small",
                f"curl -sS -o large {files}/large && sha256sum large",
                *fetched,
                *nowhere,
                f"! curl -sSf -m 20 http://169.254.169.254/latest && ! curl -sSf -m 20 {farm.hub.address}/healthz",
                f"! curl -sS -m 20 --cacert git.pem https://localhost:{server.port}/",
                f"! curl -sSf -m 20 -d x {files}/small",
                "grep -c : /proc/net/dev",
            ),
        )
        job, log = last(farm, farm.submit("main"))
        assert job.state == JobState.PASSED, log
        assert "https_proxy=http://127.0.0.1:18010" in log
        assert "not among what the pool reaches" in log
        assert "through the hub: 169.254.169.254:80 is not among" in log
        assert f"through the hub: 127.0.0.1:{mirror.port}: {3 if fetched else 2} connections, " in log
        assert "+ grep -c : /proc/net/dev\n1\n" in log, "loopback and no other"
        said = farm.hub.log.read_text()
        assert f"to '127.0.0.1:{mirror.port}' at 127.0.0.1: " in said
        assert "to '169.254.169.254:80': refused: " in said
        assert "Bearer" not in said


def test_a_hub_that_is_killed_under_a_download_is_the_farms_fault(tmp_path: Path, mirror: Mirror) -> None:
    farm = Farm(tmp_path, FARM.format(reaches=json.dumps(f"127.0.0.1:{mirror.port}")))
    hubs = [farm.hub]
    front = Front(lambda: [hubs[-1].address])
    with ending(farm.agents, hubs), contextlib.closing(front), farm.client:
        farm.agents.append(AgentProcess(tmp_path, "far", front.address, farm.token("far")))
        farm.branch("main", module(f"curl -sS -o slow http://127.0.0.1:{mirror.port}/slow", "wc -c slow"))
        build = farm.submit("main")
        assert mirror.half.wait(LIMIT_S)
        farm.hub.end(signal.SIGKILL)
        mirror.go.set()
        hubs.append(HubProcess(tmp_path, "again", *farm.state))
        wait_for(lambda: hubs[-1].leads, "the hub to be back")
        job, log = last(farm, build)
        assert job.state == JobState.PASSED, log
        assert "200000 slow" in log, "half a file never counts as a whole one"
        first, second = sorted(farm.read(lambda tx: tx.find(Attempt, "job", job.id)), key=lambda one: one.n)
        assert (first.state, second.state) == (AttemptState.CANCELLED, AttemptState.PASSED)
        assert "given back by its agent: command 2 of 4 failed" in first.cause
        assert "the hub broke off" in first.cause
