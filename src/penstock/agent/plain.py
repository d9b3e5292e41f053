"""The process above a plain attempt: adopts what the attempt leaves behind, and ends it all.

Started by sandbox.plain as a program of its own. As a subreaper it becomes the parent of every orphan below it, so
"nothing is left" can be known without namespaces. As root it runs the attempt as another user, whom it outlives.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
from typing import Any

from penstock.agent.usage import descendants

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 36, 38


class _Stop(BaseException):
    """A signal asked for the end."""


def main(text: str) -> None:
    """Run what the JSON order says and leave with its exit status (128 + signal)."""
    order = json.loads(text)
    # The agent's death would not wait for our cleaning up, hence a signal that can be handled.
    prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    prctl(_PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGTERM, _stop)
    if os.getppid() != order["parent"]:
        sys.exit(125)
    status = 128 + signal.SIGTERM
    try:
        child = _start(order)
        status = _await(child)
    except _Stop:
        status = 128 + signal.SIGTERM
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        end_all()
    os._exit(status)


def prctl(option: int, value: int) -> None:
    """prctl(2) with one argument."""
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def _stop(_number: int, _frame: object) -> None:
    raise _Stop


def _start(order: dict[str, Any]) -> int:
    parent = os.getpid()
    child = os.fork()
    if child:
        return child
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.setsid()
        if order["owner"]:
            os.setgroups([])
            os.setgid(order["owner"][1])
            os.setuid(order["owner"][0])
        prctl(_PR_SET_NO_NEW_PRIVS, 1)
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == parent:
            os.umask(0o022)
            os.chdir(order["folder"])
            os.execve(order["arguments"][0], order["arguments"], order["environment"])  # noqa: S606
    except OSError as error:
        os.write(2, f"{error}\n".encode())
    finally:
        os._exit(127)


def _await(child: int) -> int:
    while True:
        pid, status = os.wait()
        if pid == child:
            return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def end_all() -> None:
    """Kill and reap everything below this process; who is killed leaves children to us, hence again and again."""
    while True:
        for pid in descendants(os.getpid()):
            if pid != os.getpid():
                _kill(pid)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        # Killed processes need a moment to become ours; nothing signals it.
        time.sleep(0.005)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
