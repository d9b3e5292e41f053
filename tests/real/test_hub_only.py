"""An agent in a network of its own where one port leads to the hub and nothing else is: it builds, S3 or not."""

import contextlib
import ctypes
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest
from conftest import not_run
from radosgw import Bucket
from real.faultproxy import FaultProxy
from real.hostile import Farm
from real.hubs import AgentProcess, Front, ending

pytestmark = pytest.mark.needs("bwrap", "git", "radosgw")
T = TypeVar("T")
CLONE_NEWNET = 0x40000000
FARM = """
[farm]
name = "alone"
blobs = "{blobs}"
[platform.p]
image = "host"
[[pool]]
name = "far"
provider = "owned"
platforms = ["p"]
network = "{network}"
"""
MANIFEST = """
  a:
    platforms: [p]
    build: ["mkdir -p $DESTDIR$PREFIX", "head -c 3000000 /dev/urandom > $DESTDIR$PREFIX/a"]
    test: ["test -f $PREFIX/a"]
"""


class Alone:
    """A thread, and all that is started by it, in a network where the hub's port is the hub and every other is closed."""

    def __init__(self, hub: str) -> None:
        if os.geteuid() != 0 or not shutil.which("ip"):
            not_run("a network namespace needs root and iproute2")
        self._thread = ThreadPoolExecutor(1)
        self.front = Front(lambda: [hub], self.run(lambda: _entered(int(hub.rsplit(":", 1)[1]))))

    def run(self, what: Callable[[], T]) -> T:
        return self._thread.submit(what).result(60)

    def end(self) -> None:
        self.front.close()
        self._thread.shutdown()


def _entered(port: int) -> socket.socket:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET):
        not_run(f"no network namespace can be made here: {os.strerror(ctypes.get_errno())}")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    return socket.create_server(("127.0.0.1", port))


def connects(url: str) -> bool:
    """Whether anything answers there."""
    host, port = url.removeprefix("http://").split(":")
    with contextlib.suppress(OSError), socket.create_connection((host, int(port)), timeout=5):
        return True
    return False


@pytest.fixture(params=["hub-only", "full"])
def farm(s3: Bucket, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Farm, FaultProxy]]:
    """A farm whose blobs lie in S3, which the hub reaches by a proxy that counts."""
    with FaultProxy(s3.endpoint) as proxy, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", proxy.url)
        made = Farm(tmp_path, FARM.format(blobs=s3.url, network=request.param), ())
        with ending(made.agents, made.hub), made.client:
            yield made, proxy


def test_a_machine_that_reaches_only_the_hub_builds_and_tries_nothing_else(
    farm: tuple[Farm, FaultProxy], request: pytest.FixtureRequest
) -> None:
    """In a pool that does not say so, it builds as well, but tries the store first."""
    one, proxy = farm
    alone = Alone(one.hub.address)
    with ending(alone):
        assert alone.run(lambda: (connects(one.hub.address), connects(proxy.url))) == (True, False)
        assert connects(proxy.url), "which is there for others"
        token = one.token("far")
        one.agents.append(alone.run(lambda: AgentProcess(one.folder, "far", one.hub.address, token)))
        one.branch("main", MANIFEST)
        ended = one.penstock("submit", str(one.repository), "--wait", "--json")
        assert ended.returncode == 0, ended.stdout + ended.stderr
        with ending(one.agents):
            logs = [one.log(job["id"]) for job in json.loads(ended.stdout)["jobs"]]
    tried = any("an output goes through the hub" in log for log in logs)
    assert tried is ("full" in request.node.name), logs
    assert [call for call in proxy.calls if call.startswith("PUT ") and ".sent?" in call] == []
