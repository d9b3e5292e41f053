"""Runs Buildbot's own agent in a machine of the image, with what the machine was told over its channel.

What it logs in with is in this process's memory alone: in no file, and in no words that others see. It runs as a user of its
own, so that what it builds can neither read that memory nor speak on the machine's channel. Its classes are used as the
buildbot.tac does that `create-worker` writes:
https://docs.buildbot.net/latest/manual/installation/worker.html.
"""

import os
import signal
import site
import sys
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

NAME = "buildbot-worker"
"""What `agent` in an identity says, as `pool.agent` does."""
HOST = "penstock "
"""What info/host begins with; the machine's id follows (forges/buildbot_queue)."""
USER = 1000
KEEPALIVE_S = 60
PAUSE_MOST_S = 15.0
"""So long may lie between two tries to reach the master. Buildbot's own pauses grow to a minute: a machine that wakes would
wait for that."""


class Login(NamedTuple):
    """Whom it calls, and as who."""

    host: str
    port: int
    name: str
    secret: str


def login_of(identity: dict[str, Any]) -> Login:
    """From what the machine was told. Raises KeyError, ValueError."""
    host, _, port = str(identity["hub"]).rpartition(":")
    if not host or not port.isdigit():
        raise ValueError("hub: HOST:PORT of the master is needed")
    return Login(host.strip("[]"), int(port), str(identity["name"]), str(identity["token"]))


def lay_out(folder: Path, machine: str, user: int = USER) -> None:
    """The agent's folder, which is its user's; it says there which machine this is."""
    info = folder / "info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "host").write_text(f"{HOST}{machine}\n")
    for path in (folder, info, info / "host"):
        os.chown(path, user, user)


def pause_s(tries: int) -> float:
    """How long to wait after so many tries in vain."""
    return min(PAUSE_MOST_S, 0.25 * 2.0 ** min(tries, 10))


def become(login: Login, folder: Path) -> int:
    """In the child of process 1: be the agent, until it ends; its exit status."""
    os.setgroups([])
    os.setgid(USER)
    os.setuid(USER)
    os.umask(0o022)
    os.chdir(folder)
    os.environ |= {"HOME": str(folder), "USER": "build", "LOGNAME": "build"}
    # Process 1 has done without: what Debian's packages put where Python looks.
    site.main()
    return _run(login, folder)


def _run(login: Login, folder: Path) -> int:
    from buildbot_worker.bot import Worker
    from twisted.application.internet import ClientService
    from twisted.internet import reactor
    from twisted.internet.endpoints import HostnameEndpoint
    from twisted.python import log

    log.startLogging(sys.stderr, setStdout=False)
    agent = Worker(login.host, login.port, login.name, login.secret, str(folder), KEEPALIVE_S)
    line = Line(HostnameEndpoint(reactor, login.host, login.port))
    # The one that it has made itself waits for longer, and nobody could tell it to hang up.
    for service in [one for one in agent.services if isinstance(one, ClientService)]:
        agent.removeService(service)
    agent.addService(ClientService(line, agent.bf, retryPolicy=pause_s))
    signal.signal(signal.SIGUSR1, lambda _number, _frame: reactor.callFromThread(line.hang_up))
    reactor.callWhenRunning(agent.startService)
    reactor.run()
    return 0


class Line:
    """An endpoint of Twisted's that knows the connection which it made last, so that it can be ended."""

    def __init__(self, endpoint: Any) -> None:
        self._endpoint = endpoint
        self._made: Any = None

    def connect(self, factory: Any) -> Any:
        """As IStreamClientEndpoint."""
        return self._endpoint.connect(factory).addCallback(self._remember)

    def _remember(self, made: Any) -> Any:
        self._made = made
        return made

    def hang_up(self) -> None:
        """The machine slept: what is connected is connected to nothing, and would not notice."""
        if self._made is not None and self._made.transport is not None:
            self._made.transport.abortConnection()


def prepared(identity: dict[str, Any], folder: Path) -> "partial[int]":
    """What the child has to run. Raises KeyError, ValueError, OSError."""
    login = login_of(identity)
    lay_out(folder, str(identity.get("machine") or ""))
    return partial(become, login, folder)
