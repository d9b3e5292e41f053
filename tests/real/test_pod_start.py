"""The first program of a pod, as a process: it fetches the agent, passes signals on, takes in orphans, and can always end."""

import http.server
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from real.killing import wait_for

from penstock.providers.kubernetes import start

AGENT = """
import os, signal, subprocess, sys, time
folder, how = sys.argv[1:]
if how == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
else:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
orphan = subprocess.Popen(["sh", "-c", "sleep 0.01 & exit 3"])
orphan.wait()
open(folder + "/runs", "w").write(str(os.getpid()))
if how == "short":
    sys.exit(5)
while True:
    time.sleep(60)
"""


class _Hub(http.server.BaseHTTPRequestHandler):
    missing = 0

    def do_GET(self) -> None:
        known = self.path == "/agent.pyz" and not type(self).missing
        type(self).missing = max(0, type(self).missing - 1)
        self.send_response(200 if known else 404)
        self.end_headers()
        self.wfile.write(AGENT.encode() if known else b"")

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()


def begin(folder: Path, hub: str, how: str) -> subprocess.Popen[str]:
    """As the container's command has it: as text."""
    text = Path(start.__file__).read_text()
    words = [sys.executable, "-c", text, str(folder), hub, str(folder), how]
    return subprocess.Popen(words, stderr=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str]) -> int:
    process.communicate(timeout=60)
    return process.returncode


def runs(folder: Path) -> int:
    return int(
        wait_for(lambda: (folder / "runs").exists() and (folder / "runs").read_text(), "the agent to run")
    )


def test_its_status_is_the_agents_and_a_hub_may_need_a_moment(hub: str, tmp_path: Path) -> None:
    _Hub.missing = 1
    process = begin(tmp_path, hub, "short")
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 5
    assert "/agent.pyz: HTTP Error 404" in said


def test_a_signal_reaches_the_agent(hub: str, tmp_path: Path) -> None:
    process = begin(tmp_path, hub, "willing")
    runs(tmp_path)
    process.send_signal(signal.SIGTERM)
    assert ended(process) == 7


def test_what_powers_a_pod_off_ends_it_though_the_agent_hangs(hub: str, tmp_path: Path) -> None:
    process = begin(tmp_path, hub, "deaf")
    agent = runs(tmp_path)
    subprocess.run([str(tmp_path / "power-off")], check=True)
    assert process.wait(60) == start.POWERED_OFF
    os.kill(agent, signal.SIGKILL)  # in a container the kernel does it
    ended(process)


def test_without_an_agent_it_ends_by_the_first_signal(tmp_path: Path) -> None:
    process = begin(tmp_path, "http://127.0.0.1:9", "short")
    wait_for((tmp_path / "power-off").exists, "it to begin")
    process.send_signal(signal.SIGTERM)
    assert ended(process) == start.STOPPED
