"""libvirtd for one unprivileged user, kept running, and the end of all that it started.

It is run below a process that takes in orphans at once: libvirt waits for the programs that it ended to be gone, which takes
two seconds each where process 1 is slow, and it ends many before it starts the first machine.
"""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

PROGRAM = "libvirtd"
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_SETTINGS = 'stdio_handler = "file"\n'
"""Consoles are written by qemu itself: there is no virtlogd here."""
_SHORT_S = 2.0
_DEATHS_MAX = 3
_FOLDER_MAX = 107 - len("/config/libvirt/qemu/lib/domain-12345-twenty-characters-of/monitor.sock")
"""A unix socket's path has at most 107 bytes (unix(7)), and this is the longest that libvirt makes."""


class Ending(Exception):
    """We were told to end."""


def socket_of(folder: Path) -> Path:
    """Where it listens."""
    return folder / "run" / "libvirt" / "libvirt-sock"


def uri(folder: Path) -> str:
    """What clients write, `[pool.libvirt] uri`."""
    return f"qemu+unix:///session?socket={socket_of(folder)}"


def check(folder: Path) -> None:
    """Raises ValueError for a folder that it could not live in."""
    if len(os.fsencode(folder)) > _FOLDER_MAX:
        raise ValueError(
            f"--dir {folder}: sockets lie below it, so its path may have {_FOLDER_MAX} bytes at most"
        )


def prepare(folder: Path) -> None:
    """Make its folders, as the user that it runs as. Raises OSError."""
    for name in ("run", "config/libvirt", "cache", "data"):
        (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / "config/libvirt/qemu.conf").write_text(_SETTINGS)


def keep(folder: Path) -> None:
    """Run it, and again when it ends: machines live on meanwhile. Returns when told to end, or when it does not stay."""
    deaths, daemon = 0, None
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _end)
        while deaths < _DEATHS_MAX:
            began = time.monotonic()
            daemon = _start(folder)
            while os.wait()[0] != daemon:
                pass
            deaths = deaths + 1 if time.monotonic() - began < _SHORT_S else 0
    except Ending:
        return
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        _end_all()


def _start(folder: Path) -> int:
    environment = {
        "PATH": _PATH,
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
        "XDG_RUNTIME_DIR": str(folder / "run"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "XDG_DATA_HOME": str(folder / "data"),
    }
    with (folder / "libvirtd.log").open("ab") as log:
        started = subprocess.Popen(
            [PROGRAM], env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    # The one loop above waits for every child, this one, too.
    started.returncode = 0
    return started.pid


def _end(_number: int, _frame: object) -> None:
    raise Ending


def _end_all() -> None:
    """Kill what is below us, and what comes to us by that, until nothing is left."""
    with contextlib.suppress(ChildProcessError):
        while True:
            for child in _children():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            os.wait()


def _children() -> list[int]:
    own = os.getpid()
    return [int(word) for word in Path(f"/proc/{own}/task/{own}/children").read_text().split()]
