"""Runs one command and waits for it and for everything that it leaves behind: `reaper.py RESULT LIMIT_S COMMAND...`.

Orphans below it become its children (PR_SET_CHILD_SUBREAPER), so "no process is left" is what the kernel says, not
what a scan of /proc happened to see. RESULT gets {"pid"} at once and {"pid", "status", "left"} at the end: `left`
names what still lived LIMIT_S after the command had ended; it is killed.
"""

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


class Late(Exception):
    """The time is up."""


def below(parent: int) -> dict[int, str]:
    """Command lines of all processes below one, by id."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found: dict[int, str] = {}
    fresh = [parent]
    while fresh:
        fresh = [pid for pid, above in parents.items() if above in fresh]
        found |= {pid: command(pid) for pid in fresh}
    return found


def command(pid: int) -> str:
    """What a process was started as; "" when it is gone or a zombie."""
    try:
        return (
            Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
        )
    except OSError:
        return ""


def alarm(*_: object) -> None:
    raise Late


def wait_for_all(main: int, limit_s: int) -> tuple[int | None, list[str]]:
    """The status of `main`, and what lived on after it for longer than it may."""
    status = None
    try:
        while True:
            pid, ended = os.wait()
            if pid == main:
                status = os.waitstatus_to_exitcode(ended)
                signal.alarm(limit_s)
    except ChildProcessError:
        return status, []
    except Late:
        left = below(os.getpid())
        for pid in left:
            with contextlib.suppress(ProcessLookupError):  # the end of one may have ended another
                os.kill(pid, signal.SIGKILL)
        return status, sorted(left.values())


def reap(result: Path, limit_s: int, words: list[str]) -> None:
    signal.signal(signal.SIGALRM, alarm)
    prctl = ctypes.CDLL(None).prctl
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    # Tests that are killed leave nothing either.
    prctl(PR_SET_PDEATHSIG, signal.SIGALRM, 0, 0, 0)
    # Who is interrupted at the terminal is the command, which ends by that; this one reports it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    main = subprocess.Popen(
        words, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler)
    )
    keep(result, {"pid": main.pid})
    status, left = wait_for_all(main.pid, limit_s)
    main.returncode = status  # it was waited for above
    keep(result, {"pid": main.pid, "status": status, "left": left})


def keep(result: Path, document: dict[str, object]) -> None:
    fresh = result.with_suffix(".new")
    fresh.write_text(json.dumps(document))
    fresh.replace(result)


if __name__ == "__main__":
    reap(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
