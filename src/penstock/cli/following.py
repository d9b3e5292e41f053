"""Reads a hub's live streams, across restarts of the hub: each message once, in order."""

import http.client
import json
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from penstock.cli.hubs import Target, refuse_answer
from penstock.cli.output import say
from penstock.wire.client import Denied, HubError, Refused, Unreachable

SILENCE_S = 40.0
"""A stream says something every 15 s: one that is silent for longer is cut."""
PATIENCE_S = 900.0
"""How long a hub may be away before a command gives up."""
PAUSES_S = (0.2, 0.5, 1.0, 2.0, 5.0)
PASSING = (429, 500, 502, 503, 504)
MOST_LINE_BYTES = 1 << 20
_CUT = (OSError, http.client.HTTPException, Unreachable)


class Message(NamedTuple):
    """One message of a stream: its kind, what it says, and where to go on behind it."""

    kind: str
    data: dict[str, Any]
    place: str


Where = Callable[[], Target]
"""Where the hub is now: asked anew for each connection, a hub on this machine may come back elsewhere."""


def follow(where: Where, path: str, pause: Callable[[float], object] = time.sleep) -> Iterator[Message]:
    """Messages of the stream at `path`, without end: the caller stops when it has heard what it waited for.

    A stream that is cut is taken up where it was. Refuses (exit 2) what the hub refuses; raises Unreachable when
    the hub is away for PATIENCE_S.
    """
    place, away = "", Away(pause)
    while True:
        try:
            for message in _connection(where(), path, place):
                away.back()
                place = message.place or place
                if message.kind:
                    yield message
        except _CUT as problem:
            away.wait(problem)
        except HubError as problem:
            if problem.status not in PASSING:
                refuse_answer(where().url, problem)
            away.wait(problem)
        else:
            away.wait(None)


class Away:
    """Waits, longer and longer, while the hub does not answer; says so once, and gives up at last."""

    def __init__(self, pause: Callable[[float], object] = time.sleep) -> None:
        self._pause = pause
        self._since_s: float | None = None
        self._tries = 0
        self._told = False

    def back(self) -> None:
        """It answers."""
        if self._told:
            say("penstock: the hub is back")
        self._since_s, self._tries, self._told = None, 0, False

    def wait(self, problem: Exception | None) -> None:
        """Wait before the next try. Raises Unreachable after PATIENCE_S."""
        now_s = time.monotonic()
        self._since_s = now_s if self._since_s is None else self._since_s
        if now_s - self._since_s > PATIENCE_S:
            raise Unreachable(f"the hub is away for {PATIENCE_S / 60:.0f} minutes: {problem}") from problem
        if self._tries == 3 and not self._told:
            self._told = True
            say("penstock: the hub does not answer; waiting for it")
        self._pause(PAUSES_S[min(self._tries, len(PAUSES_S) - 1)])
        self._tries += 1


def patiently(ask: Callable[[], Any], pause: Callable[[float], object] = time.sleep) -> Any:
    """What `ask` answers, tried again while the hub is away. Raises what a hub that is there refuses."""
    away = Away(pause)
    while True:
        try:
            answer = ask()
            away.back()
            return answer
        except (Denied, Refused):
            raise
        except (HubError, Unreachable) as problem:
            if isinstance(problem, HubError) and problem.status not in PASSING:
                raise
            away.wait(problem)


def _connection(target: Target, path: str, place: str) -> Iterator[Message]:
    """The messages of one connection."""
    address = target.address()
    connection = address.connect(SILENCE_S)
    try:
        headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {target.token}"}
        if place:
            headers["Last-Event-ID"] = place
        connection.request("GET", address.path + path, headers=headers)
        response = connection.getresponse()
        if response.status != 200:
            raise _problem(response)
        yield from messages(lambda: response.readline(MOST_LINE_BYTES))
    finally:
        connection.close()


def _problem(response: http.client.HTTPResponse) -> HubError:
    data = response.read(1 << 16)
    try:
        body = json.loads(data)
    except ValueError:
        body = {}
    kinds = {401: Denied, 403: Denied, 409: Refused}
    return kinds.get(response.status, HubError)(response.status, body if isinstance(body, dict) else {})


def messages(read_line: Callable[[], bytes]) -> Iterator[Message]:
    """A text/event-stream as messages; one of kind "" only says where to go on. Ends where the stream does."""
    kind, data, place = "", [], ""
    while line := read_line():
        name, _, value = line.decode("utf-8", "replace").rstrip("\r\n").partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            kind = value
        elif name == "data":
            data.append(value)
        elif name == "id":
            place = value
        elif not name and not line.strip():
            said = json.loads("\n".join(data)) if data else {}
            yield Message(kind if data else "", said if isinstance(said, dict) else {}, place)
            kind, data = "", []
