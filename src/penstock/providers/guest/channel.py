"""The one line into a machine that its host has: a port of virtio-serial, a JSON object on each line, both ways.

While nobody is at the other end a read gives nothing and poll says "hung up": the kernel sends SIGIO when that changes.
"""

import contextlib
import fcntl
import json
import os
import time
from pathlib import Path
from typing import Any

NAME = "org.penstock.0"
_PORTS = Path("/sys/class/virtio-ports")
_LINE_MAX = 256 << 10
_WAIT_S = 0.05
_HEARD_S = 2.0
_AGAIN_S = 0.005


def port(ports: Path = _PORTS, devices: Path = Path("/dev")) -> Path:
    """The device whose name is ours; waits until it is there."""
    while True:
        for entry in sorted(ports.glob("*/name")):
            if entry.read_text().strip() == NAME:
                return devices / entry.parent.name
        time.sleep(_WAIT_S)


class Channel:
    """An open port."""

    def __init__(self, path: Path) -> None:
        self.handle = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._heard = b""

    def announce(self) -> None:
        """Have the kernel send us SIGIO when the other end comes, goes or says something."""
        fcntl.fcntl(self.handle, fcntl.F_SETOWN, os.getpid())
        flags = fcntl.fcntl(self.handle, fcntl.F_GETFL)
        fcntl.fcntl(self.handle, fcntl.F_SETFL, flags | os.O_ASYNC)

    def orders(self) -> list[dict[str, Any]]:
        """What has come by now, in order. What is no JSON object is {}."""
        with contextlib.suppress(BlockingIOError):
            while piece := os.read(self.handle, 65536):
                self._heard += piece
        *lines, self._heard = self._heard.split(b"\n")
        # Half a line of somebody who went away, or of somebody who never ends: not kept for ever.
        self._heard = self._heard if len(self._heard) < _LINE_MAX else b""
        return [_read(line) for line in lines if line.strip()]

    def say(self, answer: dict[str, Any]) -> None:
        """Answer with one line; nobody there to hear it is no trouble of ours.

        What somebody says can be read a moment before the kernel knows that anybody is there (seen under load): then a
        write would block, and is tried again.
        """
        line = json.dumps(answer, separators=(",", ":")).encode() + b"\n"
        until_s = time.monotonic() + _HEARD_S
        while True:
            try:
                os.write(self.handle, line)
                return
            except BlockingIOError:
                if time.monotonic() > until_s:
                    return
                time.sleep(_AGAIN_S)
            except OSError:
                return


def _read(line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
