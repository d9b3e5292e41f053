"""Buildbot's queue by its REST interface, version 2 (https://docs.buildbot.net/latest/developer/rest.html): build requests
wait, builds run on workers, as Buildbot calls its agents.

Read in the direction in which requests move: what moves on while it is read is seen where it came to. A worker says which
machine it runs on by its file info/host. Whom Buildbot asks to log in for changes, it asks for what `token_file` has:
"NAME:PASSWORD", at its page for logging in or, where a proxy asks, with each call.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from penstock.model.foreign import Agent, Fate, Request, Result, Run, Watched
from penstock.model.pool_foreign import Serves
from penstock.queueport import QueueError

Ask = Callable[..., Any]
RESULTS: dict[int, Result] = {
    0: "passed",
    1: "passed",
    2: "failed",
    3: "passed",
    4: "error",
    5: "lost",
    6: "cancelled",
}
"""SUCCESS, WARNINGS, FAILURE, SKIPPED, EXCEPTION, RETRY, CANCELLED."""
SKIPPED = 3
REFUSED = ("it answered 401", "it answered 403")
"""How wire/rest says that somebody who is not known may not do that."""
MOST = 500
"""Builds that have ended, of one look: what is left comes with the next."""
SLACK_S = 2
"""A build may be shown to have ended so long after it did."""
OURS = "penstock: "
"""How the reason begins with which a worker is paused in our name."""
HOST = "penstock "
"""How a worker's info/host begins that says its machine."""


class BuildbotQueue:
    """`within`: gives what asks, for one look (wire/rest). `secrets`: what each worker logs in with, by name."""

    def __init__(self, within: Callable[[], Ask], secrets: Callable[[], Mapping[str, str]]) -> None:
        self._within, self._secrets = within, secrets

    def watch(self, mark: str) -> Watched:
        """As ports.Queue. The mark is the second in which the last build ended that was seen."""
        ask = self._asks()
        try:
            return _watched(ask, mark)
        except (KeyError, TypeError, ValueError, AttributeError) as wrong:
            raise QueueError(
                f"this is not Buildbot's interface: {type(wrong).__name__} {wrong}"[:200]
            ) from None

    def fate(self, request: str) -> Fate:
        """As ports.Queue."""
        ask = self._asks()
        try:
            return _fate(ask, request)
        except (KeyError, TypeError, ValueError, AttributeError) as wrong:
            raise QueueError(
                f"this is not Buildbot's interface: {type(wrong).__name__} {wrong}"[:200]
            ) from None

    def pause(self, agent: str, paused: bool) -> None:
        """As ports.Queue."""
        method = "pause" if paused else "unpause"
        params = {"reason": f"{OURS}its machine is to stop"} if paused else {}
        call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        self._asks()(f"api/v2/workers/{agent}", "POST", call)

    def _asks(self) -> Ask:
        return partial(_insisting, self._within())

    def secret(self, agent: str) -> str:
        """As ports.Queue."""
        known = self._secrets()
        if agent not in known:
            raise QueueError(f"no secret is known for {agent}")
        return known[agent]


def open_queue(
    serves: Sequence[Serves],
    rest: Callable[[Callable[[str], dict[str, str]]], Callable[[], Ask]],
    secrets: Callable[[], Mapping[str, str]],
) -> BuildbotQueue:
    """The queue of a master. `rest`: given what makes headers of a token, gives what asks."""
    return BuildbotQueue(rest(login), secrets)


def _insisting(ask: Ask, path: str, *words: Any) -> Any:
    """Ask, and where that is refused log in and ask once more. Buildbot knows who asks by a cookie, which it gives at its page
    for logging in alone; it lasts for a week."""
    try:
        return ask(path, *words)
    except QueueError as refused:
        if not any(status in str(refused) for status in REFUSED):
            raise
    with suppress(QueueError):  # that page leads to others, which are not wanted
        ask("auth/login")
    return ask(path, *words)


def login(token: str) -> dict[str, str]:
    """The headers of "NAME:PASSWORD"."""
    return {"Authorization": f"Basic {base64.b64encode(token.encode()).decode()}"} if token else {}


def _watched(ask: Ask, mark: str) -> Watched:
    known = _list(ask, "workers")
    builders = {one["builderid"]: one["name"] for one in _list(ask, "builders")}
    reasons = {one["bsid"]: one["reason"] for one in _list(ask, "buildsets?complete=false")}
    asked = _list(ask, "buildrequests?complete=false")
    running = _list(ask, "builds?complete=false")
    ended, done = _ended(ask, mark)
    names = {one["workerid"]: one["name"] for one in known}
    requests = {one["buildrequestid"]: _request(one, builders, reasons) for one in (*done, *asked)}
    runs = {one["buildid"]: _run(one, builders, requests, names) for one in (*running, *ended)}
    last = [mark, *(str(int(one["complete_at"])) for one in ended)] if mark else [_newest(ask)]
    return Watched(
        waiting=tuple(requests[one["buildrequestid"]] for one in asked if not one["claimed"]),
        running=tuple(run for run in runs.values() if not run.ended_ms),
        ended=tuple(run for run in runs.values() if run.ended_ms),
        agents=tuple(_agent(one) for one in known),
        mark=max(last, key=int),
    )


def _ended(ask: Ask, mark: str) -> tuple[list[Any], list[Any]]:
    """Builds that ended since the mark, and requests."""
    if not mark:
        return [], []
    since = f"complete=true&complete_at__ge={int(mark) - SLACK_S}&order=complete_at&limit={MOST}"
    return _list(ask, f"builds?{since}"), _list(ask, f"buildrequests?{since}")


def _newest(ask: Ask) -> str:
    """When the last build ended; nothing before is looked at."""
    found = _list(ask, "builds?complete=true&order=-complete_at&limit=1")
    return str(int(found[0]["complete_at"]) + SLACK_S + 1) if found else "1"


def _fate(ask: Ask, request: str) -> Fate:
    found = ask(f"api/v2/buildrequests/{int(request)}")
    if found is None or not found["buildrequests"]:
        return Fate(state="gone")
    one = found["buildrequests"][0]
    builds = _list(ask, f"builds?buildrequestid={int(request)}&limit={MOST}")
    builders = {each["builderid"]: each["name"] for each in _list(ask, "builders")}
    names = {each["workerid"]: each["name"] for each in _list(ask, "workers")}
    requests = {one["buildrequestid"]: _request(one, builders, {})}
    runs = tuple(_run(each, builders, requests, names) for each in builds)
    if not one["complete"]:
        return Fate(state="open", runs=runs)
    if one["results"] == SKIPPED and not builds:
        return Fate(state="merged")
    return Fate(state="ended", result=RESULTS.get(one["results"], "error"), runs=runs)


def _list(ask: Ask, path: str) -> list[Any]:
    found = ask(f"api/v2/{path}")
    if found is None:
        raise QueueError(
            f"it has no api/v2/{path.partition('?')[0]}: is the address that of Buildbot's pages?"
        )
    listed: list[Any] = found[path.partition("?")[0]]
    return listed


def _request(one: Any, builders: Mapping[int, str], reasons: Mapping[int, str]) -> Request:
    return Request(
        id=str(one["buildrequestid"]),
        builder=builders.get(one["builderid"], f"builder {one['builderid']}"),
        group=str(one["buildsetid"]),
        title=str(reasons.get(one["buildsetid"]) or f"build set {one['buildsetid']}"),
        since_ms=_ms(one["submitted_at"]),
    )


def _run(
    one: Any, builders: Mapping[int, str], requests: Mapping[int, Request], names: Mapping[int, str]
) -> Run:
    number = one["buildrequestid"]
    builder = builders.get(one["builderid"], f"builder {one['builderid']}")
    started_ms, ended_ms = _ms(one["started_at"]), _ms(one["complete_at"])
    return Run(
        id=str(one["buildid"]),
        request=requests.get(number) or Request(id=str(number), builder=builder, since_ms=started_ms),
        agent=names.get(one["workerid"], ""),
        started_ms=started_ms,
        ended_ms=ended_ms,
        result=RESULTS.get(one["results"], "error") if ended_ms else "",
        cause=str(one["state_string"] or ""),
    )


def _agent(one: Any) -> Agent:
    host = str((one["workerinfo"] or {}).get("host") or "").strip()
    paused = bool(one["paused"])
    return Agent(
        name=one["name"],
        connected=bool(one["connected_to"]),
        paused=paused or bool(one["graceful"]),
        paused_by_us=paused and str(one.get("pause_reason") or "").startswith(OURS),
        machine=host[len(HOST) :] if host.startswith(HOST) else "",
    )


def _ms(seconds: Any) -> int:
    return 0 if seconds is None else int(seconds * 1000)
