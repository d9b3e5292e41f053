"""The process above a slot's attempts, alone: its agent is this test."""

import json
import os
import select
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.agent import keeper

KEEPER = [sys.executable, "-c", "import sys; from penstock.agent.keeper import main; main(sys.argv[1])"]


def test_an_agent_that_dies_before_it_has_read_how_an_attempt_ended_leaves_a_keeper_that_ends_quietly() -> (
    None
):
    mine, its = socket.socketpair()
    os.set_inheritable(its.fileno(), True)
    said = json.dumps({"channel": its.fileno(), "place": None})
    words = [*KEEPER, said]
    with subprocess.Popen(words, pass_fds=[its.fileno()], stderr=subprocess.PIPE) as process, its, mine:
        its.close()
        order = {"arguments": ["true"], "environment": {}, "joins": [], "leaves": [], "owner": None}
        data = json.dumps(order).encode()
        mine.sendall(keeper.START + len(data).to_bytes(4, "big") + data)
        select.select([mine], [], [], 60)
        mine.close()  # with an answer in it: the other side reads a reset
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (0, b"")


@pytest.mark.parametrize("killed", [True, False])
def test_whose_folders_are_gone_complains_only_to_an_agent_that_is_there(
    tmp_path: Path, killed: bool
) -> None:
    """An agent that was killed as it started a keeper leaves it behind; the next agent throws all folders away."""
    mine, its = socket.socketpair()
    said = json.dumps({"channel": its.fileno(), "place": [str(tmp_path / "gone"), str(tmp_path)]})
    words = [
        sys.executable,
        "-c",
        "import sys; sys.stdin.read(); from penstock.agent.keeper import main; main(sys.argv[1])",
        said,
    ]
    with subprocess.Popen(
        words, pass_fds=[its.fileno()], stdin=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        its.close()
        mine.sendall(keeper.START)
        if killed:
            mine.close()
        _, errors = process.communicate(timeout=60)
        assert (process.returncode == 0, errors == b"") == (killed, killed), errors
        mine.close()


def test_what_it_starts_goes_first_when_memory_runs_out() -> None:
    """They may sit in one control group: the kernel's choice must not be the one who would tell how it ended."""
    mine, its = socket.socketpair()
    said = json.dumps({"channel": its.fileno(), "place": None})
    words = [*KEEPER, said]
    read, write = os.pipe()
    with subprocess.Popen(words, pass_fds=[its.fileno()]) as process, its, mine:
        order = {
            "arguments": ["cat", "/proc/self/oom_score_adj"],
            "environment": {},
            "joins": [],
            "leaves": [],
        }
        data = json.dumps(order).encode()
        socket.send_fds(mine, [keeper.START], [write])
        mine.sendall(len(data).to_bytes(4, "big") + data)
        size = int.from_bytes(mine.recv(4), "big")
        assert json.loads(mine.recv(size))["status"] == 0
        with open(f"/proc/{process.pid}/oom_score_adj") as its_own:
            assert int(its_own.read()) == 0
        mine.close()
        its.close()
    os.close(write)
    with os.fdopen(read) as told:
        assert told.read() == "1000\n"


def test_an_order_to_kill_that_came_too_late_kills_nothing() -> None:
    """It waits together with the next order, which comes in pieces and with descriptors."""
    mine, its = socket.socketpair()
    said = json.dumps({"channel": its.fileno(), "place": None})
    words = [*KEEPER, said]
    read, write = os.pipe()
    words_of_order = ["/bin/sh", "-c", "echo done", "x" * 100_000]
    order = {"arguments": words_of_order, "environment": {}, "joins": [], "leaves": []}
    data = json.dumps(order).encode()
    whole = keeper.START + len(data).to_bytes(4, "big") + data
    mine.sendall(2 * keeper.KILL)
    with subprocess.Popen(words, pass_fds=[its.fileno()]) as process, its, mine:
        for cut in (3, len(whole)):
            mine.sendall(keeper.KILL)
            socket.send_fds(mine, [whole[:cut]], [write])
            mine.sendall(whole[cut:])
            size = int.from_bytes(mine.recv(4), "big")
            assert json.loads(mine.recv(size))["status"] == 0
            assert os.read(read, 100) == b"done\n"
        mine.close()
        its.close()
        assert process.wait(60) == 0
    os.close(read)
    os.close(write)
