"""`penstock submit`: a hub builds a repository; with --wait this command waits for it."""

import re
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from penstock.cli.following import follow, patiently
from penstock.cli.hubs import refuse_answer
from penstock.cli.output import Leave, clean, print_json, refuse, say
from penstock.cli.queries import ServedFarm, served
from penstock.cli.results import print_build, status_of
from penstock.wire.client import HubError

Document = dict[str, Any]
ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://|[^/]+@[^/]+:", re.I)
OPEN = "open"
LOOK_S = 0.5
INSTEAD = "start one with `penstock serve`, or build here with `penstock build SOURCE`"


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What a person or a program wants built by a hub."""

    source: str
    ref: str = "HEAD"
    path: str = "."
    project: str = ""
    priority: int | None = None
    klass: str | None = None
    limit_s: int | None = None
    who: str | None = None
    request: str = ""

    def body(self) -> Document:
        """As POST /api/v1/submit takes it. A folder on this machine is named in full."""
        wished = {
            "priority": self.priority,
            "klass": self.klass,
            "queue_limit_s": self.limit_s,
            "who": self.who,
        }
        return {
            "request": self.request or secrets.token_hex(12),
            "repository": _repository(self.source),
            "ref": self.ref,
            "path": self.path,
            "project": self.project,
            **{name: value for name, value in wished.items() if value is not None},
        }


def _repository(source: str) -> str:
    if ADDRESS.match(source):
        return source
    if not Path(source).is_dir():
        refuse(
            f"{source}: there is no such folder; name a repository by its address, or a folder with .penstock.yml"
        )
    return str(Path(source).absolute())


def run_submit(
    order: Order, wait: bool, farm: Path | None, state: Path | None, hub: str | None, as_json: bool
) -> None:
    """Submit, and with `wait` leave with the exit status of the build."""
    body = order.body()
    with served(farm, state, hub, INSTEAD) as found:
        answer = found.call("POST", "/api/v1/submit", body, tries=7)
        build, warnings = str(answer["build"]), [clean(one) for one in answer.get("warnings", [])]
        for warning in warnings:
            say(f"penstock: warning: {warning}")
        if not wait:
            print_json({"build": build, "warnings": warnings}) if as_json else print(build)
            return
        say(f"penstock: build {build}, {found.target.url}/builds/{build}")
        document = wait_for(found, build, as_json)
        print_build(document, as_json)
    raise Leave(status_of(document))


def wait_for(farm: ServedFarm, build: str, quiet: bool) -> Document:
    """The result of a build when it has its verdict; until then its progress is shown. The hub may be started again."""
    from penstock.cli.remote import shown

    with shown(quiet) as progress:
        document, seldom = _result(farm, build), _Seldom()
        progress.show(document)
        if document["state"] != OPEN:
            return document
        for message in follow(farm.where, f"/api/v1/events?build={build}"):
            # A message without a kind says that the stream is there: what happened before that is looked up, too.
            if message.kind in ("", "build", "gone") or seldom.due():
                document = seldom.timed(lambda: _result(farm, build))
                progress.show(document)
            if document["state"] != OPEN:
                return document
    raise AssertionError("a stream is followed without end")


class _Seldom:
    """Keeps what is only shown from being asked for more often than a tenth of the time that asking takes."""

    def __init__(self) -> None:
        self._next_s = 0.0

    def due(self) -> bool:
        """Whether it may be asked for again."""
        return time.monotonic() >= self._next_s

    def timed(self, ask: Callable[[], Document]) -> Document:
        """Ask, and remember how long it took."""
        begun_s = time.monotonic()
        document = ask()
        ended_s = time.monotonic()
        self._next_s = ended_s + max(LOOK_S, 10 * (ended_s - begun_s))
        return document


def _result(farm: ServedFarm, build: str) -> Document:
    ask: Callable[[], Document] = lambda: farm.where().client().call("GET", f"/api/v1/build/{build}", tries=1)  # noqa: E731
    try:
        document: Document = patiently(ask)
    except HubError as problem:
        refuse_answer(farm.target.url, problem)
    return document
