"""Every call of the people's API: what it takes, what it answers, and the least role that may make it."""

import asyncio
from typing import Any, Literal

from msgspec import UNSET, UnsetType

from penstock.hub import views
from penstock.hub.census import Census
from penstock.hub.context import Hub
from penstock.model.people import Role
from penstock.web import documents as d
from penstock.web import watching
from penstock.web.answers import EVENT_STREAM, Streamed
from penstock.web.calls import Call, Given
from penstock.web.costs.calls import cost_calls
from penstock.web.decisions import decisions_call
from penstock.web.feed import Feed, Watch, kept, page
from penstock.web.metrics import metrics_call
from penstock.web.outputs import output_calls
from penstock.web.people import ACTS, READS, log_chunk
from penstock.web.site import Site
from penstock.web.submitting import submit_call
from penstock.web.tokens import token_calls

VIEWER, DEVELOPER, OPERATING, ADMIN = Role.VIEWER, Role.DEVELOPER, Role.OPERATOR, Role.ADMIN
MISSING = {404: d.Problem}
CONTRADICTS = {404: d.Problem, 409: d.Problem}


class EventsPlace(d.Document):
    """Which events: those behind the position `after` (of the header `Last-Event-ID` where that is given), of this
    build, job, machine or kind only."""

    after: d.Offset | UnsetType = UNSET
    build: d.Id | UnsetType = UNSET
    job: d.Id | UnsetType = UNSET
    machine: d.Id | UnsetType = UNSET
    kind: d.Kind | UnsetType = UNSET


class EventsPage(d.Document):
    """At most `limit` events behind the position `after`."""

    limit: d.Limit = 100
    after: d.Offset = 0


class Console(d.Document):
    """The last that a machine printed on its console, at most 64 kB; "" where nothing is kept of that."""

    console: str


class LogBegin(d.Document):
    """Where to begin: a byte of the log of the attempt with this number; without it of the newest."""

    attempt: d.Count | UnsetType = UNSET
    offset: d.Offset = 0


def people_calls(site: Site, feed: Feed, census: Census | None = None) -> list[Call]:
    """All calls of people, over one hub; `census` is what its pages count with."""
    hub = site.hub
    calls = [*_lists(hub), *_documents(hub), *_acts(hub), *_logs(site), *_events(site, feed)]
    return [
        *calls,
        *output_calls(hub),
        submit_call(site),
        *token_calls(hub),
        *cost_calls(hub),
        decisions_call(hub),
        metrics_call(hub, census or Census(hub)),
    ]


def _lists(hub: Hub) -> list[Call]:
    over: dict[str, Any] = {}
    return [
        Call(
            method="GET",
            path="/api/v1/builds",
            name="list_builds",
            text="The newest builds first, in pages.",
            run=lambda said: views.builds_page(hub, said.query.limit, d.chosen(said.query.after), over),
            role=VIEWER,
            query=d.Page,
            answer=d.Builds,
            errors=MISSING,
        ),
        Call(
            method="GET",
            path="/api/v1/jobs",
            name="list_jobs",
            text="All jobs in the order of their builds and plans, in pages.",
            run=lambda said: views.jobs_page(hub, None, said.query.limit, d.chosen(said.query.after)),
            role=VIEWER,
            query=d.Page,
            answer=d.Jobs,
            errors=MISSING,
        ),
        Call(
            method="GET",
            path="/api/v1/jobs/{build}",
            name="list_jobs_of_build",
            text="The jobs of one build in the order of its plan, in pages.",
            run=lambda said: views.jobs_page(
                hub, said.names["build"], said.query.limit, d.chosen(said.query.after)
            ),
            role=VIEWER,
            names={"build": d.Id},
            query=d.Page,
            answer=d.Jobs,
            errors=MISSING,
        ),
    ]


def _documents(hub: Hub) -> list[Call]:
    read = _reading(hub)
    return [
        read("build", "One build with the result of each job.", d.BuildResult, {"id": d.Id}),
        read("job", "One job with its attempts.", d.JobLine, {"id": d.Id}),
        read("explain", "Why a job is where it is, and what will move it.", d.Explained, {"id": d.Id}),
        read(
            "known", "What the archive has of a key: what `penstock plan` asks.", d.Known, {"key": d.KeyName}
        ),
        read("machines", "All machines, their states and what runs on them.", d.Machines, {}),
        read(
            "console",
            "The last that a rented machine printed on its console, as its provider keeps it.",
            Console,
            {"id": d.Id},
            OPERATING,
        ),
        read("pools", "All pools, their machines, and which people have stopped.", d.Pools, {}),
        read(
            "fsck", "Checks the books against the invariants; reads all of them.", d.Violations, {}, OPERATING
        ),
        read(
            "fsck",
            "As fsck, and reads and digests every stored object again.",
            d.Violations,
            {"how": Literal["deep"]},
            OPERATING,
        ),
    ]


def _reading(hub: Hub) -> Any:
    def read(what: str, text: str, answer: type[Any], names: dict[str, Any], role: Role = VIEWER) -> Call:
        return Call(
            method="GET",
            path="/".join([f"/api/v1/{what}", *(f"{{{name}}}" for name in names)]),
            name=f"read_{what}" + ("_deep" if "how" in names else ""),
            text=text,
            run=lambda said: READS[what](hub, next(iter(said.names.values()), "")),
            slow=what in ("fsck", "console"),
            role=role,
            names=names,
            answer=answer,
            errors={"console": CONTRADICTS}.get(what, MISSING if "id" in names else {}),
        )

    return read


ACT_TEXTS = {
    "cancel": (DEVELOPER, "Cancels a build or a job; what others wait for goes on for them."),
    "retry": (
        DEVELOPER,
        "A new build of a job with all that it needs and all that needs it; nothing that passed runs again.",
    ),
    "hold": (OPERATING, "Keeps a job that has not started from starting."),
    "release": (OPERATING, "Lets a held job go on."),
    "quarantine": (
        OPERATING,
        "Gives a machine nothing more until a person says otherwise; what runs there goes on.",
    ),
    "unquarantine": (OPERATING, "Trusts a machine again and forgets its record."),
    "retire": (
        OPERATING,
        "Lets a machine end what it runs and leave the farm for good; a rented one is given back.",
    ),
    "drain": (OPERATING, "Lets a machine end what it runs and take nothing more."),
    "undrain": (OPERATING, "Takes a drain back."),
    "clear-pool": (
        OPERATING,
        "Has all machines deleted that carry this farm's tag and are in no book; many at once are only deleted after this.",
    ),
    "trust-pool": (
        OPERATING,
        "Uses a pool again of which too many machines failed together, and forgets what they failed at.",
    ),
    "stop-pool": (
        OPERATING,
        "Lets nothing start in a pool, and nothing be rented for it; what runs there goes on, jobs go elsewhere or wait.",
    ),
    "start-pool": (OPERATING, "Uses a stopped pool again."),
    "freeze": (ADMIN, "Lets the farm (`farm`) decide nothing until it is thawed; what runs goes on."),
    "move": (
        ADMIN,
        "Freezes the farm (`farm`) and sends its agents to the hub at the address that `reason` gives; nothing is "
        "accepted here any more.",
    ),
    "thaw": (
        ADMIN,
        "Lets a frozen farm go on: `adopt` (it is the farm) or `as-copy` (the other one lives on).",
    ),
}
"""What people may do: the least role, and what it does."""


def _acts(hub: Hub) -> list[Call]:
    return [_act(hub, what, role, text) for what, (role, text) in ACT_TEXTS.items()]


def _act(hub: Hub, what: str, role: Role, text: str) -> Call:
    def run(said: Given) -> Any:
        return ACTS[what](hub, said.names["id"], said.body.reason, said.caller.user)

    return Call(
        method="POST",
        path=f"/api/v1/{what}/{{id}}",
        name=what.replace("-", "_"),
        text=f"{text} A repeat changes nothing and says so." if what != "retry" else text,
        run=run,
        role=role,
        names={"id": d.Id},
        body=d.Why,
        answer=d.Done,
        errors=CONTRADICTS,
    )


def _logs(site: Site) -> list[Call]:
    hub, logs = site.hub, site.logs

    async def follow(said: Given) -> Streamed:
        asked = watching.LogPlace(d.chosen(said.query.attempt), said.query.offset)
        place = watching.place_of(said.request.headers.get("last-event-id"), asked)
        await _off_read(hub, said.names["id"])
        return Streamed(watching.log(hub, logs, site.bell, said.names["id"], place), EVENT_STREAM)

    return [
        Call(
            method="GET",
            path="/api/v1/log/{id}",
            name="read_log",
            text="A piece of what the newest attempt of a job printed.",
            run=lambda said: log_chunk(hub, logs, said.names["id"], said.query.offset),
            slow=True,
            role=VIEWER,
            names={"id": d.Id},
            query=d.LogPlace,
            answer=d.LogPiece,
            errors=MISSING,
        ),
        Call(
            method="GET",
            path="/api/v1/log/{id}/stream",
            name="follow_log",
            text=LOG_STREAM,
            run=follow,
            waits=True,
            role=VIEWER,
            names={"id": d.Id},
            query=LogBegin,
            media=EVENT_STREAM,
            errors=MISSING,
        ),
    ]


async def _off_read(hub: Hub, job_id: str) -> None:
    """Raises NotFound before a stream is begun, when it can still be said."""
    await asyncio.to_thread(views.newest_attempt, hub, job_id)


def _events(site: Site, feed: Feed) -> list[Call]:
    hub = site.hub

    async def follow(said: Given) -> Streamed:
        asked = said.query
        after = watching.position_of(said.request.headers.get("last-event-id"), d.chosen(asked.after))
        watch = Watch(
            build=d.chosen(asked.build) or "",
            job=d.chosen(asked.job) or "",
            machine=d.chosen(asked.machine) or "",
            kind=d.chosen(asked.kind) or "",
        )
        return Streamed(watching.events(hub, feed, after, watch), EVENT_STREAM)

    def listed(said: Given) -> d.Events:
        found, there = page(hub, said.query.after, said.query.limit), kept(hub)
        last = found[-1].position if found else max(said.query.after, there.oldest - 1)
        lines = [watching.event_line(one) for one in found]
        return d.Events(events=lines, next=last, oldest=there.oldest, newest=there.newest)

    return [
        Call(
            method="GET",
            path="/api/v1/events",
            name="follow_events",
            text=EVENT_STREAM_TEXT,
            run=follow,
            waits=True,
            role=VIEWER,
            query=EventsPlace,
            media=EVENT_STREAM,
        ),
        Call(
            method="GET",
            path="/api/v1/events/page",
            name="list_events",
            text="What happened, by position, in pages. The last page is followed by an empty one.",
            run=listed,
            role=VIEWER,
            query=EventsPage,
            answer=d.Events,
        ),
    ]


EVENT_STREAM_TEXT = """What happens, as it happens.

Each event is one message: `event` is its kind, `id` its position, `data` an EventLine as JSON. Reconnecting with
`Last-Event-ID` (which browsers do by themselves) or `after` goes on exactly behind it. Without either the stream
begins now. A comment with the position reached is sent every 15 s. Where the place is no longer kept, or is none of
this farm's (after a restore), one message `gone` tells `oldest` and `newest` and the stream ends: read again what you
keep of the farm, then go on from the message's id."""

LOG_STREAM = """What a job prints, as it prints it.

Messages `log` have `attempt` (its number), `offset` and `base64` (a log is any bytes); their `id` is the place behind
them, so that reconnecting with `Last-Event-ID` misses no byte and repeats none. The last message is `end`, with the
job's state and reason; then the stream ends. Without a place it begins with the newest attempt."""
