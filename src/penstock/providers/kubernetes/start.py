"""First program of a pod: fetches the agent from the hub, starts it, and stays until it ends.

It is sent as text (`python3 -c`), so it is the standard library alone, Python 3.9 or newer, one file. It passes SIGTERM and
SIGINT on, takes in what the agent leaves behind, and ends at once by SIGUSR1, which is how a pod that no hub answers
powers itself off: nothing else in a container can end its first program.

    python3 -c TEXT FOLDER HUB AGENT-OPTION...
"""

from __future__ import annotations

import os
import signal
import sys
import time
import urllib.request
from pathlib import Path
from types import FrameType

FETCH_S = 60.0
"""The network of a new pod may need a moment."""
AGAIN_S = 1.0
STOPPED = 143
"""Status of a program that SIGTERM ended."""
POWERED_OFF = 9


class Agent:
    """The process, as soon as there is one."""

    def __init__(self) -> None:
        self.pid = 0

    def hear(self, number: int, _frame: FrameType | None) -> None:
        """Pass a signal on; before the agent runs there is nothing to lose."""
        if not self.pid:
            os._exit(STOPPED)
        os.kill(self.pid, number)


def power_off(_number: int, _frame: FrameType | None) -> None:
    """End without a question; with the first program its container ends, and so does the pod."""
    os._exit(POWERED_OFF)


def fetch(address: str, file: Path) -> None:
    """The agent, as this hub has it. Raises OSError after a while."""
    until_s = time.monotonic() + FETCH_S
    while True:
        try:
            with urllib.request.urlopen(address, timeout=20) as answer:
                file.write_bytes(answer.read())
            return
        except OSError as wrong:
            print(f"penstock pod: {address}: {wrong}", file=sys.stderr, flush=True)
            if time.monotonic() > until_s:
                raise
        time.sleep(AGAIN_S)


def write_power_off(file: Path) -> None:
    """The program that the agent's guard calls."""
    file.write_text(f"#!/bin/sh\nkill -USR1 {os.getpid()}\n")
    file.chmod(0o700)


def wait_for(pid: int) -> int:
    """Take in all children until this one has ended. Returns its status."""
    while True:
        ended, status = os.wait()
        if ended == pid:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def main(folder: str, hub: str, words: list[str]) -> int:
    """Returns the agent's exit status; 1 where it could not be fetched."""
    agent = Agent()
    handlers: dict[int, object] = {signal.SIGTERM: agent.hear, signal.SIGINT: agent.hear}
    for number, act in {**handlers, signal.SIGUSR1: power_off}.items():
        signal.signal(number, act)  # type: ignore[arg-type]
    file = Path(folder) / "agent.pyz"
    write_power_off(Path(folder) / "power-off")
    try:
        fetch(hub.rstrip("/") + "/agent.pyz", file)
    except OSError:
        return 1
    # No Popen object waits for it: whoever ends first is taken in here.
    agent.pid = os.posix_spawn(sys.executable, [sys.executable, str(file), *words], os.environ)
    return wait_for(agent.pid)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
