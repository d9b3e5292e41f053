"""An agent's first calls, made once before anybody waits for them: to a hub on the machine's own loopback, which drains it at once.

Whatever Python loads or makes when it is first needed is there then: encodings of host names, patterns, what the C library asks for names.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from penstock.agent.__main__ import main

NAME = "rehearsal"
_ANSWERS: dict[str, dict[str, Any]] = {
    "register": {"token": NAME, "credential": NAME, "machine": NAME, "session": 0},
    "poll": {"drain": True},
}
_LIMIT_S = 30.0
_SIGNALS = {
    signal.SIGTERM: signal.SIG_DFL,
    signal.SIGINT: signal.SIG_DFL,
    signal.SIGUSR1: signal.SIG_IGN,
}
"""As before the agent listened to them."""


def rehearse(folder: Path) -> None:
    """Run the agent until it is drained, in a folder that is gone afterwards. Raises OSError where it does not come so far."""
    folder.mkdir(mode=0o700, parents=True)
    (folder / "token").write_text(NAME)
    hub, group = _Hub(), _group()
    try:
        words = ["--hub", f"http://localhost:{hub.port}", "--token-file", str(folder / "token")]
        if status := main([*words, "--work-dir", str(folder / "work"), "--pool", NAME, "--name", NAME]):
            raise OSError(f"the agent ended with status {status}")
    finally:
        hub.close()
        _go_back(group)
        shutil.rmtree(folder, ignore_errors=True)
        for number, what in _SIGNALS.items():
            signal.signal(number, what)


def _group() -> Path | None:
    """The group of version 2 that this process is in: agents leave it, to make others in it, and do so only once."""
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            if line.startswith("0::/"):
                return Path("/sys/fs/cgroup") / line[4:] / "cgroup.procs"
    return None


def _go_back(group: Path | None) -> None:
    """Nothing is made: where version 2 is not mounted there, that would be a file like any other."""
    if group is not None:
        with suppress(OSError), open(os.open(group, os.O_WRONLY | os.O_CLOEXEC), "w") as file:
            file.write(str(os.getpid()))


class _Hub:
    """Answers one call at a time, until it is closed. Each has a connection of its own, so that none is left open."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(_LIMIT_S)
        self.port = int(self._server.getsockname()[1])
        self._caller: socket.socket | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it with whatever is connected."""
        for one in (self._server, self._caller):
            if one is not None:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
        self._thread.join(_LIMIT_S)
        self._server.close()

    def _serve(self) -> None:
        with suppress(OSError, IndexError):
            while True:
                self._caller, _ = self._server.accept()
                with self._caller, self._caller.makefile("rwb") as lines:
                    self._caller.settimeout(_LIMIT_S)
                    _answer(lines)


def _answer(lines: Any) -> None:
    path = lines.readline().split(b" ")[1]
    length = 0
    while (line := lines.readline().strip()) != b"":
        name, _, value = line.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
    lines.read(length)
    body = json.dumps(_ANSWERS.get(path.decode().rpartition("/")[2], {})).encode()
    head = f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    lines.write(head.encode() + body)
    lines.flush()
