"""Words with a guest over its channel: one line of JSON each way. docs/decisions/0211 has the messages.

A guest that is not there yet is no error: what was sent waits in the channel until it opens its side.
"""

import base64
import json
import socket
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

LINE_MAX = 65_536
LOOK_S = 0.2
"""How often it is looked whether anybody still wants an answer."""
AGAIN_S = 0.05
"""A channel that is not there yet is tried again after so long."""
PIECE_BYTES = 96 << 10
"""A guest takes lines of at most 256 KB."""
DELIVERED_S = 180.0
"""A guest whose processor is imitated takes seconds to get the agent ready; it gives up itself after two minutes."""

Tell = Callable[[Path, Callable[[], dict[str, Any]], Callable[[], bool]], bool]
"""Takes a channel, what makes the message (again for each try: it carries the time), and whether to go on. True when the
guest has said ok; False when nobody wanted to know any more."""


def tell(path: Path, message: Callable[[], dict[str, Any]], wanted: Callable[[], bool]) -> bool:
    """The `Tell` of real machines."""
    while wanted():
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
                channel.settimeout(LOOK_S)
                channel.connect(str(path))
                channel.sendall(json.dumps(message()).encode() + b"\n")
                if _answered(channel, wanted):
                    return True
        except OSError:
            pass  # not there yet, or not any more
        time.sleep(AGAIN_S)
    return False


class AgentFile(NamedTuple):
    """What the agent of a machine is loaded from, and "sha256:<hex>" of it; both "" where another system's agent runs there. `words`: those of its
    options that all machines of a pool have."""

    data: bytes = b""
    digest: str = ""
    words: tuple[str, ...] = ()


def deliver(path: Path, agent: AgentFile, wanted: Callable[[], bool]) -> bool:
    """Have the agent wait in a guest that was not told yet who it is. False where the guest says no: one of an image of before
    knows no such words. Raises OSError where it says nothing."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
        channel.settimeout(DELIVERED_S)
        channel.connect(str(path))
        with channel.makefile("rb") as lines:
            for message in _pieces(agent):
                channel.sendall(json.dumps(message).encode() + b"\n")
                said = lines.readline(LINE_MAX) if wanted() else b"{}"
                if not said:
                    raise ConnectionError("it has hung up")
                if not _is_ok(said):
                    return False
    return True


def _pieces(agent: AgentFile) -> Iterator[dict[str, Any]]:
    packed = zlib.compress(agent.data)
    for at in range(0, len(packed), PIECE_BYTES):
        data = base64.b64encode(packed[at : at + PIECE_BYTES]).decode()
        yield {"kind": "agent", "at": at, "data": data}
    yield {"kind": "prepare", "agent_sha256": agent.digest, "words": agent.words}


def _answered(channel: socket.socket, wanted: Callable[[], bool]) -> bool:
    """Whether it said ok. Anything else that a guest says is no answer: it is a stranger's text."""
    said = b""
    while wanted() and len(said) < LINE_MAX:
        try:
            more = channel.recv(4096)
        except TimeoutError:
            continue
        if not more:
            return False
        said += more
        while b"\n" in said:
            line, _, said = said.partition(b"\n")
            if _is_ok(line):
                return True
    return False


def _is_ok(line: bytes) -> bool:
    try:
        found = json.loads(line)
    except ValueError:
        return False
    return isinstance(found, dict) and found.get("kind") == "ok"
