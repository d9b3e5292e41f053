"""Watching a farm with a real browser, and from another process across a restart of its hub."""

import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from real.browsing import Browser

from penstock.model.job import Attempt, Job
from penstock.web.app import make_app
from penstock.web.bell import Bell
from penstock.web.server import Edge
from penstock.web.site import Site
from tests.busyfarm import Busy, make, submit
from tests.farms import Agent, planned
from tests.web.edges import OPERATOR, OneSource

LIMIT_S = 60


class Served:
    """A farm behind a real socket; its hub can be stopped and started again at the same address."""

    def __init__(self, made: Busy) -> None:
        self.made = made
        self.port = 0
        self.start()

    def start(self) -> None:
        self.bell = Bell()
        site = Site(self.made.farm.hub, self.made.logs, OneSource(), self.bell, OPERATOR)
        listen = socket.create_server(("127.0.0.1", self.port))
        self.port = listen.getsockname()[1]
        self.edge = Edge(make_app(site), listen).start()

    def stop(self) -> None:
        self.bell.close()
        self.edge.stop()

    def penstock(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """The command line in a process of its own, as on another machine."""
        command = [sys.executable, "-m", "penstock", *arguments, "--hub", self.edge.address]
        environment = {**os.environ, "PENSTOCK_TOKEN": OPERATOR}
        return subprocess.Popen(
            command,
            env=environment,
            cwd=tempfile.gettempdir(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    one = Served(make(tmp_path, busy=False))
    yield one
    one.stop()


def read_until(stream, wanted: bytes, found: bytes = b"") -> bytes:  # type: ignore[no-untyped-def]
    """Read on until `wanted` has come; a stream that never says it ends the test by its time limit."""
    while wanted not in found:
        piece = stream.read1(65536)
        assert piece, found
        found += piece
    return found


@pytest.fixture
def ended() -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Processes that must not outlive the test; each is ended when the test takes too long."""
    running: list[subprocess.Popen[bytes]] = []
    timer = threading.Timer(LIMIT_S, lambda: [one.kill() for one in running])
    timer.start()
    yield running
    timer.cancel()
    for one in running:
        one.kill()
        one.communicate()


def test_a_followed_log_and_followed_events_outlive_a_restart_of_the_hub(
    served: Served, ended: list["subprocess.Popen[bytes]"]
) -> None:
    farm, logs = served.made.farm, served.made.logs
    agent = Agent(farm, "rack-1", "rack", slots=2, cores=8, memory_mb=16_384)
    farm.submit("c1", planned("zlib", platform="debian-12-gcc"))
    farm.tick()
    (work,) = agent.start()
    farm.tick()
    first, second, third = b"one \xff\n" * 9000, b"two\n" * 9000, b"three\n"
    logs.append(work.attempt.id, 0, first)
    log = served.penstock("logs", work.job.id, "-f")
    events = served.penstock("events", "-f", "--job", work.job.id)
    ended += [log, events]
    got = read_until(log.stdout, first)
    told = read_until(events.stdout, b"running")
    served.stop()
    logs.append(work.attempt.id, len(first), second)
    served.start()
    got = read_until(log.stdout, second, got)
    logs.append(work.attempt.id, len(first) + len(second), third)
    agent.run(work)
    farm.tick()
    farm.tick()
    told = read_until(events.stdout, b"PASSED", told)
    rest, said = log.communicate(timeout=LIMIT_S)
    assert got + rest == first + second + third
    assert log.returncode == 0
    assert b"has ended as PASSED" in said
    states = [line.split("\t")[3] for line in told.decode().splitlines()]
    assert states == [state for n, state in enumerate(states) if n == 0 or states[n - 1] != state]


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    one = Browser(tmp_path / "profile")
    yield one
    one.close()


@pytest.mark.needs("chromium")
def test_a_browser_shows_what_happens_without_losing_the_readers_place(
    tmp_path: Path, browser: Browser
) -> None:
    one = Served(make(tmp_path))
    try:
        browser.open(f"{one.edge.address}/login")
        browser.evaluate(f"document.querySelector('[name=token]').value = '{OPERATOR}'")
        browser.evaluate("document.querySelector('form').requestSubmit()")
        browser.wait("document.querySelector('#pulse')?.dataset.state === 'live'")
        assert "rack-05: fan 2 stands still" in browser.evaluate("document.body.innerText")
        browser.evaluate("document.querySelector('.builds tr:nth-child(2) a').focus()")
        focused = browser.evaluate("document.activeElement.href")
        browser.evaluate("window.kept = document.querySelector('.figures')")
        newer = submit(one.made, 99, "qt", "newcomer", ("qtbase",))
        one.made.go(0.25)
        one.bell.wake("events")
        browser.wait("document.body.innerText.includes('newcomer')")
        assert browser.evaluate("document.activeElement.href") == focused
        assert browser.evaluate("window.kept === document.querySelector('.figures')")
        assert browser.evaluate("document.querySelector('.builds tbody tr').id") == f"b-{newer.id}"
        _read_logs(one, browser)
        assert browser.said == []
    finally:
        one.stop()


def _read_logs(one: Served, browser: Browser) -> None:
    """From a failed build to the line in one click; a running job's end is kept in view."""
    failed = next(job for job in one.made.farm.all(Job) if job.state == "FAILED")
    browser.open(f"{one.edge.address}/builds/{failed.build}")
    browser.evaluate("document.querySelector('.failure .jump a').click()")
    browser.wait("location.hash === '#L244' && !!document.querySelector('#L244:target')")
    assert "error" in browser.evaluate("document.querySelector('#L244').className")
    live = next(
        attempt for attempt in one.made.farm.all(Attempt) if attempt.live and one.made.logs.size(attempt.id)
    )
    browser.open(f"{one.edge.address}/jobs/{live.job}")
    browser.wait("document.querySelector('#follow').getAttribute('aria-pressed') === 'true'")
    one.made.logs.append(live.id, one.made.logs.size(live.id), b"\x1b[31mlast words\x1b[0m <b>\n" * 50)
    browser.wait("document.querySelector('#lines').lastElementChild.innerText.includes('last words <b>')")
    browser.wait("innerHeight + scrollY >= document.documentElement.scrollHeight - 80")
