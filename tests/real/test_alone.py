"""The network of a slot, from within: what one job did in it is not there for the next."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.agent import sandbox
from penstock.agent.cancel import Cancel
from penstock.agent.process import Keeper, Start, package, run
from penstock.agent.workspace import Workshop

pytestmark = pytest.mark.needs("bwrap")
LOOK = "readlink /proc/self/ns/net; cat /proc/net/dev"
TALK = (
    'python3 -c \'import socket; server = socket.create_server(("127.0.0.1", 0)); '
    "socket.create_connection(server.getsockname())'"
)
Job = Callable[..., list[str]]


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    """Runs one job after another in one slot; gives what each printed."""
    shop, cancel = Workshop(tmp_path / "work", plain=False), Cancel()
    space, above = shop.slot(0), Keeper(package(tmp_path))

    def one(command: str, **more: Any) -> list[str]:
        log, offer = bytearray(), {"platform": "p", "commands": [command], **more}
        arguments = sandbox.bubblewrap(offer, space.open(cancel), shop.root, tmp_mb=16)
        ended = run(above, Start(arguments), log.extend, cancel)
        space.close()
        assert (ended.exit_code, ended.complete) == (0, True), (log, ended.told)
        return log.decode().splitlines()[1:]

    yield one
    above.close()
    cancel.close()
    shop.close()


def test_a_job_finds_a_network_that_nobody_used(job: Job) -> None:
    first, second = job(LOOK), job(LOOK)
    assert first[1:] == second[1:]
    if not os.geteuid():
        assert first == second  # that is what it is for
    job(TALK)
    third = job(LOOK)
    assert third[0] not in (first[0], os.readlink("/proc/self/ns/net"))
    assert third[1:] == first[1:]


def test_the_machines_network_is_there_only_for_who_is_given_it(job: Job) -> None:
    machines = os.readlink("/proc/self/ns/net")
    seen = [job(LOOK)[0], job(LOOK, network="full")[0], job(LOOK)[0]]
    assert [one == machines for one in seen] == [False, True, False]
