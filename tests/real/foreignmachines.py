"""Machines that are processes on this host, each a real buildbot-worker, and a real Buildbot master beside them."""

import base64
import contextlib
import functools
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from bench import buildbot
from penstock.model.rented import Instance, Listing, Notice, Offer, Order
from penstock.model.rules import Pool
from penstock.ports import UnknownMachine
from penstock.providers.serving import prepare, start

PLACE = buildbot.PLACE / "bin"
CONFIGURATION = """
from buildbot.plugins import worker, schedulers, steps, util
BuildmasterConfig = {{
    "protocols": {{"pb": {{"port": "tcp:{pb}:interface=127.0.0.1"}}}},
    "www": {{"port": "tcp:{www}:interface=127.0.0.1", "plugins": {{}}}},
    "db": {{"db_url": "sqlite:///state.sqlite"}},
    "title": "served", "titleURL": "http://localhost/", "buildbotURL": "http://127.0.0.1:{www}/",
    "buildbotNetUsageData": None, "collapseRequests": False,
    "workers": [worker.Worker(name, secret, max_builds=1) for name, secret in {secrets!r}.items()],
    "builders": [], "schedulers": [],
}}
if {user!r}:
    rights = [util.AnyControlEndpointMatcher(role="changing")]
    roles = [util.RolesFromUsername(roles=["changing"], usernames=[{user!r}])]
    authz = util.Authz(allowRules=rights, roleMatchers=roles)
    BuildmasterConfig["www"].update(auth=util.UserPasswordAuth({{ {user!r}: {password!r} }}), authz=authz)
for name, command in {builders!r}.items():
    factory = util.BuildFactory()
    for file, source in {files!r}.items():
        factory.addStep(steps.FileDownload(mastersrc=source, workerdest=file))
    if command.startswith("master: "):
        factory.addStep(steps.MasterShellCommand(command=["sh", "-c", command[8:]]))
    else:
        factory.addStep(steps.ShellCommand(name="command", command=["sh", "-c", command]))
    names = list({secrets!r})
    BuildmasterConfig["builders"].append(util.BuilderConfig(name=name, workernames=names, factory=factory))
    BuildmasterConfig["schedulers"].append(schedulers.ForceScheduler(name="force-" + name, builderNames=[name]))
"""
LIMIT_S = 60.0
Document = dict[str, Any]
T = TypeVar("T")


def environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{PLACE}:{os.environ['PATH']}"}


def until(true: Callable[[], object], limit_s: float = LIMIT_S, about: Callable[[], object] = str) -> None:
    """Wait for it."""
    end = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < end, f"not in {limit_s:.0f} s: {about()}"
        time.sleep(0.05)


def _one_at_a_time(method: Callable[..., T]) -> Callable[..., T]:
    """Providers are called from several threads: a machine that is started twice would have an agent that nobody knows."""

    @functools.wraps(method)
    def call(self: "Machines", *words: Any) -> T:
        with self._lock:
            return method(self, *words)

    return call


class Machines:
    """A provider (ports.Provider): `create` makes a folder and starts the agent in it, `suspend` kills it and keeps the
    folder, `delete` takes both."""

    def __init__(self, pool: Pool, folder: Path) -> None:
        self._pool, self._folder = pool, folder
        self._orders: dict[str, Order] = {}
        self._there: dict[str, bool] = {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._lock = threading.RLock()
        self._ended = False
        self.log: list[tuple[str, str]] = []

    def offers(self) -> tuple[Offer, ...]:
        pool = self._pool
        return (
            Offer(
                name=pool.name,
                price_per_hour_micros=pool.price_per_hour_micros,
                stopped_price_per_hour_micros=pool.stopped_price_per_hour_micros,
                boot=pool.boot,
                resume=pool.resume,
            ),
        )

    @_one_at_a_time
    def create(self, order: Order) -> str:
        id_ = "m-" + order.token.rpartition(":")[2]
        if id_ not in self._orders:
            self._orders[id_], self._there[id_] = order, True
            for words in prepare(self._pool, order, self._home(id_)):
                subprocess.run(words, check=True, capture_output=True, env=environment())
            self._start(id_)
            self.log.append(("create", order.name))
        return id_

    @_one_at_a_time
    def resume(self, id_: str) -> None:
        self._known(id_)
        if id_ not in self._processes:
            self._start(id_)
            self.log.append(("resume", self._orders[id_].name))

    @_one_at_a_time
    def suspend(self, id_: str) -> None:
        self._known(id_)
        if self._stop(id_):
            self.log.append(("suspend", self._orders[id_].name))

    @_one_at_a_time
    def delete(self, id_: str) -> None:
        self._known(id_)
        self._stop(id_)
        if self._there[id_]:
            self.log.append(("delete", self._orders[id_].name))
            self._there[id_] = False
            shutil.rmtree(self._home(id_), ignore_errors=True)

    def list(self) -> Listing:
        return Listing(
            instances=tuple(
                Instance(id=id_, state=self._state(id_), tags=order.tags)  # type: ignore[arg-type]
                for id_, order in list(self._orders.items())
            )
        )

    def notices(self) -> tuple[Notice, ...]:
        return ()

    def console(self, id_: str) -> str:
        return ""

    @_one_at_a_time
    def kill(self, name: str) -> None:
        """The machine of this name is gone, in the middle of whatever it does."""
        for id_, order in self._orders.items():
            if order.name == name and self._there[id_]:
                self._stop(id_)
                self._there[id_] = False

    @_one_at_a_time
    def end(self) -> None:
        """All of them are off, and a call that is still on its way starts none."""
        self._ended = True
        for id_ in list(self._processes):
            self._stop(id_)

    def _home(self, id_: str) -> str:
        return str(self._folder / id_)

    def _state(self, id_: str) -> str:
        if not self._there[id_]:
            return "gone"
        return "up" if id_ in self._processes else "stopped"

    def _known(self, id_: str) -> None:
        if id_ not in self._orders:
            raise UnknownMachine(id_)

    def _start(self, id_: str) -> None:
        if self._ended:
            return
        self._processes[id_] = subprocess.Popen(
            start(self._pool, self._home(id_)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment(),
            start_new_session=True,
        )

    def _stop(self, id_: str) -> bool:
        process = self._processes.pop(id_, None)
        if process is None:
            return False
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True


class Master:
    """A Buildbot master on SQLite. `builders`: for each the command of its build, which "master: " has run on the master
    while an agent waits for it; `secrets`: of its agents; `files`: what each build is given first, by name;
    `login`: "NAME:PASSWORD" of whoever may change anything, "" for everybody."""

    def __init__(
        self,
        folder: Path,
        builders: dict[str, str],
        secrets: dict[str, str],
        files: dict[str, str] | None = None,
        login: str = "",
    ) -> None:
        self.home = folder / "master"
        self.pb, self.www = _free_port(), _free_port()
        words = [str(PLACE / "buildbot"), "create-master", "-q", str(self.home)]
        subprocess.run(words, check=True, capture_output=True, env=environment())
        user, _, password = login.partition(":")
        self._login = {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"} if login else {}
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        text = CONFIGURATION.format(
            pb=self.pb,
            www=self.www,
            secrets=secrets,
            builders=builders,
            files=files or {},
            user=user,
            password=password,
        )
        (self.home / "master.cfg").write_text(text)
        self.url = f"http://127.0.0.1:{self.www}"
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            [PLACE / "buildbot", "start", "--nodaemon", str(self.home)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment(),
            start_new_session=True,
        )
        until(self._answers, about=self._said)
        if self._login:
            request = urllib.request.Request(f"{self.url}/auth/login", headers=self._login)
            with contextlib.suppress(OSError):  # it leads to its pages, which are not there
                self._opener.open(request, timeout=10).close()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        # What a killed master leaves; a new one with that number alive would refuse to start.
        (self.home / "twistd.pid").unlink(missing_ok=True)

    def force(self, builder: str) -> None:
        """One request."""
        params = {"reason": f"a push for {builder}", "owner": "tests"}
        call = {"method": "force", "jsonrpc": "2.0", "id": 1, "params": params}
        self.get(f"forceschedulers/force-{builder}", json.dumps(call).encode())

    def get(self, path: str, body: bytes | None = None) -> Any:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/api/v2/{path}", data=body, headers=headers)
        with self._opener.open(request, timeout=10) as answer:
            return json.load(answer)

    def builds(self) -> list[Document]:
        found: list[Document] = self.get("builds")["builds"]
        return found

    def log(self, builder: str, number: int = 1) -> str:
        """What the command of one build printed."""
        (known,) = [one["builderid"] for one in self.get("builders")["builders"] if one["name"] == builder]
        url = f"{self.url}/api/v2/builders/{known}/builds/{number}/steps/command/logs/stdio/raw"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return str(answer.read().decode())

    def _answers(self) -> bool:
        try:
            return bool(self.get("builders")["builders"])
        except OSError:
            return False

    def _said(self) -> str:
        log = self.home / "twistd.log"
        return log.read_text()[-2000:] if log.exists() else "it wrote nothing"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])
