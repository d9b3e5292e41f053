"""`penstock events`: what happened, and with -f what happens."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec

from penstock.cli.following import follow
from penstock.cli.output import clean, print_json, refuse, say
from penstock.cli.queries import AnyFarm, OwnFarm, ServedFarm, opened
from penstock.model.farm import EVENT_KINDS

Document = dict[str, Any]
A_PAGE = 1000


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which events: the last `limit`, of this build, job, machine or kind only."""

    limit: int = 100
    build: str = ""
    job: str = ""
    machine: str = ""
    kind: str = ""

    def filters(self) -> dict[str, str]:
        """What is asked for by name."""
        named = {"build": self.build, "job": self.job, "machine": self.machine, "kind": self.kind}
        return {name: value for name, value in named.items() if value}

    def takes(self, event: Document) -> bool:
        """True for an event that was asked for."""
        return all(event[name] == value for name, value in self.filters().items())


def show_events(
    wanted: Wanted, going_on: bool, farm: Path | None, state: Path | None, hub: str | None, as_json: bool
) -> None:
    """Print the last events, oldest first; then, with `going_on`, what happens, until interrupted."""
    if wanted.kind and wanted.kind not in EVENT_KINDS:
        refuse(
            f"--kind {clean(wanted.kind)}: there are no such events; write one of {', '.join(EVENT_KINDS)}"
        )
    with opened(farm, state, hub) as found:
        if going_on and isinstance(found, OwnFarm):
            refuse("nobody serves this farm: nothing happens in it; leave -f out")
        events, newest = _last(found, wanted)
        if as_json and not going_on:
            print_json({"events": events})
            return
        _print(events, as_json)
        if isinstance(found, ServedFarm) and going_on:
            _follow(found, wanted, newest, as_json)


def _last(farm: AnyFarm, wanted: Wanted) -> tuple[list[Document], int]:
    """The last events that are wanted, among the last so many of all, and the position of the newest one."""
    newest = _page(farm, 0, 1)["newest"]
    many = wanted.limit if not wanted.filters() else max(A_PAGE * 10, wanted.limit)
    after, kept = max(0, newest - many), []
    while True:
        page = _page(farm, after, A_PAGE)
        kept += [event for event in page["events"] if wanted.takes(event)]
        if not page["events"]:
            return kept[-wanted.limit :] if wanted.limit else [], max(after, newest)
        after = page["next"]


def _page(farm: AnyFarm, after: int, limit: int) -> Document:
    if isinstance(farm, OwnFarm):
        return farm.events(after, limit)
    return farm.call("GET", f"/api/v1/events/page?{urlencode({'after': after, 'limit': limit})}")


def _follow(farm: ServedFarm, wanted: Wanted, after: int, as_json: bool) -> None:
    query = urlencode({"after": after, **wanted.filters()})
    for message in follow(farm.where, f"/api/v1/events?{query}"):
        if message.kind == "gone":
            say("penstock: some events are not kept any more; going on with the oldest that are")
        elif message.kind:
            _print([message.data], as_json)


def _print(events: Iterable[Document], as_json: bool) -> None:
    for event in events:
        print(json.dumps(event) if as_json else _line(event), flush=True)


def _line(event: Document) -> str:
    """An event as one line: when, what kind, what it is about, its state, why."""
    at = datetime.fromtimestamp(event["at_s"], UTC).strftime("%Y-%m-%d %H:%M:%S")
    about = event["job"] or event["build"] or event["machine"] or "-"
    return "\t".join([at, event["kind"], clean(about), clean(event["state"]), clean(event["reason"])])
