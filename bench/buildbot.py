"""Buildbot 4 as the peer: a master on SQLite and workers on loopback, from PyPI, in a virtual environment of its own.

Locked in requirements/bench.txt and installed once into build/bench-buildbot. Where that cannot be done the
figures say so.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PLACE = Path("build/bench-buildbot").resolve()
LOCK = Path("requirements/bench.txt")
START_S = 60.0
BUILDS = 80
BUILDERS = 8
CONFIGURATION = """
from buildbot.plugins import worker, schedulers, steps, util
c = BuildmasterConfig = {{
    "protocols": {{"pb": {{"port": "tcp:{pb}:interface=127.0.0.1"}}}},
    "www": {{"port": "tcp:{www}:interface=127.0.0.1", "plugins": {{}}}},
    "db": {{"db_url": "sqlite:///state.sqlite"}},
    "title": "bench", "titleURL": "http://localhost/", "buildbotURL": "http://127.0.0.1:{www}/",
    "buildbotNetUsageData": None,
    "collapseRequests": False,
}}
names = [f"w{{n}}" for n in range({workers})]
c["workers"] = [worker.Worker(name, "secret", max_builds={slots}) for name in names]
factory = util.BuildFactory([steps.ShellCommand(command=["sh", "-c", {command!r}])])
builders = [f"b{{n}}" for n in range({builders})]
c["builders"] = [util.BuilderConfig(name=b, workernames=names, factory=factory) for b in builders]
c["schedulers"] = [schedulers.ForceScheduler(name=f"force-{{b}}", builderNames=[b]) for b in builders]
"""


def installed() -> str:
    """Install it if need be. Returns why it is not there, "" when it is."""
    done = PLACE / ".installed"
    wanted = LOCK.read_text()
    if done.exists() and done.read_text() == wanted:
        return ""
    pip = [str(PLACE / "bin/python"), "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps"]
    try:
        subprocess.run([sys.executable, "-m", "venv", str(PLACE)], check=True, capture_output=True)
        subprocess.run([*pip, "-r", str(LOCK)], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as wrong:
        said = (getattr(wrong, "stderr", None) or str(wrong)).strip().splitlines()
        return said[-1] if said else "its installation failed"
    done.write_text(wanted)
    return ""


class Master:
    """A master in `folder` and its workers. Each build writes when it began to `times`, then runs `then` in a shell."""

    def __init__(self, folder: Path, count: int, slots: int, builders: int, then: str = "true") -> None:
        self._folder, self._count, self._pb, self._www = folder, count, _free_port(), _free_port()
        self.times = folder / "times"
        command = f"date +%s%N >> {self.times}; {then}"
        self._run("buildbot", "create-master", "-q", str(folder / "master"))
        text = CONFIGURATION.format(
            pb=self._pb, www=self._www, workers=count, slots=slots, builders=builders, command=command
        )
        (folder / "master/master.cfg").write_text(text)
        self._processes = [self._start("buildbot", "start", "--nodaemon", str(folder / "master"))]
        self._until(self._answers)

    def start_agents(self) -> None:
        """Start the workers and wait until they are connected."""
        for number in range(self._count):
            home = str(self._folder / f"w{number}")
            self._run(
                "buildbot-worker", "create-worker", home, f"127.0.0.1:{self._pb}", f"w{number}", "secret"
            )
            self._processes.append(self._start("buildbot-worker", "start", "--nodaemon", home))

    def stop_agents(self) -> None:
        """Kill the workers, as a lost machine would."""
        while len(self._processes) > 1:
            process = self._processes.pop()
            process.kill()
            process.wait()

    def connected(self) -> bool:
        """True when every worker is there."""
        return all(one["connected_to"] for one in self._get("workers")["workers"])

    def force(self, builder: int = 0) -> None:
        """One build, by REST."""
        call = {"method": "force", "jsonrpc": "2.0", "id": 1, "params": {"reason": "bench", "owner": "bench"}}
        self._get(f"forceschedulers/force-b{builder}", json.dumps(call).encode())

    def begun(self) -> list[int]:
        """When each command ran, nanoseconds since 1970."""
        return [int(line) for line in self.times.read_text().split()] if self.times.exists() else []

    def wait(self, count: int, limit_s: float = 120.0) -> None:
        """Until so many commands have run."""
        self._until(lambda: len(self.begun()) >= count, limit_s, 0.002)

    def cancel(self) -> None:
        """Cancel every request that nothing has taken up yet, by REST."""
        call = json.dumps(
            {"method": "cancel", "jsonrpc": "2.0", "id": 1, "params": {"reason": "bench"}}
        ).encode()
        for one in self._get("buildrequests?complete=false&claimed=false")["buildrequests"]:
            self._get(f"buildrequests/{one['buildrequestid']}", call)
        self._until(lambda: not self._get("buildrequests?complete=false&claimed=false")["buildrequests"])

    def wait_idle(self) -> None:
        """Until no build runs."""
        self._until(lambda: not self._get("builds?complete=false")["builds"])

    def wait_connected(self) -> None:
        """Until all workers are there."""
        self._until(self.connected)

    def stop(self) -> None:
        """End everything."""
        for process in self._processes:
            process.kill()
            process.wait()

    def _answers(self) -> bool:
        try:
            return bool(self._get("builders")["builders"])
        except OSError:
            return False

    def _get(self, path: str, body: bytes | None = None) -> dict[str, list[dict[str, object]]]:
        address = f"http://127.0.0.1:{self._www}/api/v2/{path}"
        request = urllib.request.Request(address, data=body, headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            found: dict[str, list[dict[str, object]]] = json.load(answer)
            return found

    def _run(self, program: str, *words: str) -> None:
        subprocess.run([PLACE / "bin" / program, *words], check=True, capture_output=True, env=_environment())

    def _start(self, program: str, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [PLACE / "bin" / program, *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=_environment(),
        )

    def _until(self, true: object, limit_s: float = START_S, pause_s: float = 0.05) -> None:
        until = time.monotonic() + limit_s
        while not true():  # type: ignore[operator]
            if time.monotonic() > until:
                raise RuntimeError(f"Buildbot was not ready after {limit_s:.0f} s")
            time.sleep(pause_s)


def _environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{PLACE}/bin:{os.environ['PATH']}"}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@contextmanager
def _master(count: int, slots: int, builders: int) -> Iterator[Master]:
    with tempfile.TemporaryDirectory() as name:
        master = Master(Path(name), count, slots, builders)
        try:
            yield master
        finally:
            master.stop()


def latency(count: int) -> dict[str, object]:
    """p50 and p99 in milliseconds from a force by REST to the first command on an idle worker."""
    if problem := installed():
        return {"not measured": problem}
    times = []
    with _master(1, 4, 1) as master:
        master.start_agents()
        master.wait_connected()
        for number in range(count + 2):
            began = time.time_ns()
            master.force()
            master.wait(number + 1)
            times.append((master.begun()[-1] - began) / 1e6)
            master.wait_idle()
            time.sleep(0.1)
    ordered = sorted(times[2:])
    return {"p50 ms": round(ordered[count // 2], 1), "p99 ms": round(ordered[int(0.99 * count)], 1)}


def throughput() -> dict[str, object]:
    """Builds a second with the queue filled beforehand: two workers of four slots, eight builders."""
    if problem := installed():
        return {"not measured": problem}
    with _master(2, 4, BUILDERS) as master:
        for number in range(BUILDS):
            master.force(number % BUILDERS)
        master.start_agents()
        master.wait(BUILDS)
        begun = sorted(master.begun())
        return {"jobs/s": round((len(begun) - 1) * 1e9 / (begun[-1] - begun[0]), 1)}


if __name__ == "__main__":
    print(latency(20), throughput())
