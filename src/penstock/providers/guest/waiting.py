"""The agent, made ready before the machine is told who it is: what copies of such a machine need neither fetch nor load.

It is in a process of its own, and waits there for its options (agent/ready.py).
"""

import base64
import hashlib
import json
import os
import signal
import socket
import zlib
from functools import partial
from pathlib import Path
from typing import Any

from penstock.providers.guest import child

FILE_MAX = 64 << 20
_READY_S = 120.0
_READY = b"ready\n"


class Delivery:
    """The agent's file as it comes over the channel: packed by zlib, in pieces, in order."""

    def __init__(self) -> None:
        self._packed = b""

    def take(self, order: dict[str, Any]) -> None:
        """One piece; the first one begins anew. Raises KeyError, ValueError."""
        at, piece = int(order["at"]), base64.b64decode(order["data"], validate=True)
        kept = self._packed if at else b""
        if at != len(kept) or at + len(piece) > FILE_MAX:
            raise ValueError(f"at: {len(kept)} is to be the next")
        self._packed = kept + piece

    def whole(self, digest: str) -> bytes:
        """All of it, of which nothing is kept. `digest`: "sha256:" and hex. Raises ValueError."""
        packed, self._packed = self._packed, b""
        try:
            data = zlib.decompressobj().decompress(packed, FILE_MAX)
        except zlib.error as error:
            raise ValueError(f"data: {error}") from error
        found = f"sha256:{hashlib.sha256(data).hexdigest()}"
        if digest != found:
            raise ValueError(f"agent_sha256: what came is {found}")
        return data


class Waiting:
    """An agent that waits to be told how to be run. `digest`: of its file."""

    def __init__(self, digest: str, file: Path, words: list[str]) -> None:
        """Start it and wait until it waits, seconds where the processor is imitated. `words`: those of its options that are
        known. Raises OSError."""
        self.digest = digest
        self._line, theirs = socket.socketpair()
        with theirs:
            self._process = child.fork(partial(_stand_by, file, words, theirs), theirs.fileno())
        self._line.settimeout(_READY_S)
        try:
            if self._line.recv(len(_READY)) != _READY:
                raise OSError("the agent could not be made ready")
        except OSError:
            self.close()
            os.kill(self._process, signal.SIGKILL)
            raise

    def go(self, words: list[str], network: str) -> int:
        """Be the agent of these words now; its process id, 0 where it is not there any more. Only once."""
        with self._line:
            try:
                self._line.sendall(json.dumps([words, network]).encode())
            except OSError:
                return 0
        return self._process

    def close(self) -> None:
        """It is not wanted any more."""
        self._line.close()


def _stand_by(file: Path, words: list[str], line: socket.socket) -> int:
    """In the process that waits: be the agent in the end."""
    ready = child.load(file, "penstock.agent.ready")
    status: int = ready.main(words, str(file.parent / "rehearsal"), partial(_told, line))
    return status


def _told(line: socket.socket) -> list[str]:
    """Say that we wait, and wait. Nobody wants us where nothing is said."""
    line.sendall(_READY)
    said = b""
    while piece := line.recv(65536):
        said += piece
    if not said:
        raise SystemExit(0)
    words, network = json.loads(said)
    child.online(network)
    return list(words)
