"""The network of a slot: used again as long as nothing went through it."""

import json
import os
import subprocess
import sys

import pytest

TRY = """
import json, os, socket
from penstock.agent.alone import Alone
home, alone, seen = os.stat("/proc/self/ns/net").st_ino, Alone(), []
def look():
    seen.append(os.stat("/proc/self/ns/net").st_ino)
for word in {words!r}:
    if word == "enter":
        assert alone.enter()
    elif word == "leave":
        alone.leave()
    elif word == "send":
        with socket.create_server(("127.0.0.1", 0)) as server:
            socket.create_connection(server.getsockname()).close()
    elif word == "bind":
        socket.create_server(("127.0.0.1", 0)).close()
    look()
print(json.dumps([home, seen, open("/proc/self/net/dev").read().count(":")]))
"""


def tried(*words: str) -> tuple[int, list[int], int]:
    """In which network namespace a process is: at first, and after each word; and how many interfaces are there at the end."""
    done = subprocess.run(
        [sys.executable, "-c", TRY.format(words=words)], capture_output=True, text=True, check=True
    )
    home, seen, interfaces = json.loads(done.stdout)
    return home, seen, interfaces


@pytest.fixture
def may_make_networks() -> None:
    """Skips where this user may not."""
    if subprocess.run(["unshare", "--net", "true"], stderr=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("needs a user who may make network namespaces")


@pytest.mark.usefixtures("may_make_networks")
def test_one_through_which_nothing_went_serves_again_and_leaving_it_changes_nothing() -> None:
    home, seen, _ = tried("enter", "bind", "enter", "leave", "enter")
    first = seen[0]
    assert first != home
    assert seen == [first, first, first, home, first]


@pytest.mark.usefixtures("may_make_networks")
@pytest.mark.parametrize("meanwhile", [(), ("leave",)])
def test_after_the_first_packet_there_is_a_new_one(meanwhile: tuple[str, ...]) -> None:
    home, seen, _ = tried("enter", "send", *meanwhile, "enter", "enter")
    assert len({home, seen[0], seen[-1]}) == 3
    assert seen[-2] == seen[-1]


@pytest.mark.usefixtures("may_make_networks")
def test_none_of_the_machines_interfaces_is_there() -> None:
    (alone,) = subprocess.run(
        ["unshare", "--net", "grep", "-c", ":", "/proc/self/net/dev"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert tried("enter")[2] == int(alone)


def test_who_may_not_make_one_stays_where_it_was_and_says_so() -> None:
    script = """
import os, sys
from penstock.agent.alone import Alone
home = os.stat("/proc/self/ns/net").st_ino
if os.geteuid() == 0:
    os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
alone = Alone()
assert alone.enter() is False and alone.enter() is False
alone.leave()
assert os.stat("/proc/self/ns/net").st_ino == home
"""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment)
