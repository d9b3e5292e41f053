"""A log of 50 MB through a hub and a network that fail: whole at the end, byte for byte, in little memory."""

import hashlib
from pathlib import Path

import pytest

from penstock.agent.logs import Log

pytestmark = pytest.mark.needs("bwrap")
SIZE = 50 << 20
LINES = SIZE // 64
# 64 bytes a line, each another: a piece that is there twice, missing or misplaced cannot go unseen.
PRINT = f"/usr/bin/python3 -c 'for n in range({LINES}): print(f\"{{n:063d}}\")'"


def expected() -> bytes:
    return f"+ {PRINT}\n".encode() + b"".join(b"%063d\n" % number for number in range(LINES))


def rss_kb(pid: int, field: str = "VmRSS") -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.split(field + ":")[1].split()[0])


@pytest.mark.parametrize("faults", [False, True])
def test_50_megabytes_arrive_whole_in_little_memory(hub, agent, faults: bool) -> None:
    agent.start()
    hub.offer("warm", "seq 1 20000")
    hub.ended("warm")
    pid = agent.process.pid
    before = rss_kb(pid)
    if faults:
        hub.fault("/log", "", "cut", "", "lost", "", "503", "cut", "lost", "lost")
    hub.offer("a", PRINT)
    if faults:
        hub.wait(lambda: len(hub.logs.get("a", b"")) > SIZE // 4)
        hub.stop()
        hub.start()
    finish = hub.ended("a")
    grown = rss_kb(pid, "VmHWM") - before
    assert finish["result"] == "passed"
    assert finish["log_bytes"] == len(hub.log("a")) == len(expected())
    assert hashlib.sha256(hub.log("a")).digest() == hashlib.sha256(expected()).digest()
    assert grown < 20 << 10, f"{grown} KB more"
    hub.wait(lambda: hub.polls[-1]["free_slots"] == [0])
    # Nothing of it stays on the machine.
    assert sum(path.stat().st_size for path in (agent.work / "slots").rglob("*") if path.is_file()) < 1 << 20


def test_a_log_beyond_the_cap_ends_with_a_notice_whoever_reads_it_slowly(tmp_path: Path) -> None:
    log = Log(tmp_path / "log", size_max=3 << 20)
    for _ in range(100):
        log.add(bytes(1 << 16))
    log.close()
    got = bytearray()

    def send(offset: int, piece: bytes) -> int:
        got[offset:] = piece
        return len(got)

    log.ship(send)
    assert got == bytes(3 << 20) + b"\npenstock: the log was cut here, at 3145728 bytes\n"
    log.release()
    assert not (tmp_path / "log").exists()
