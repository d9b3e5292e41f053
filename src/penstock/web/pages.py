"""Pages for people, rendered here: what runs now, builds, machines, and the way in. One build, one job: web.jobpages."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from litestar import Request, Response, Router, get, post
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect
from litestar.static_files import create_static_files_router

from penstock.hub import details, fleet, overview
from penstock.hub.census import BuildLine, Census, Figures
from penstock.hub.context import Hub, Unauthorized
from penstock.model.farm import Event
from penstock.model.machine import Machine
from penstock.model.rules import Pool
from penstock.model.states import BuildState
from penstock.model.units import decimal_text, seconds
from penstock.ports import LogStore
from penstock.web.costpages.pages import cost_pages
from penstock.web.guards import people_only, sign_in, sign_out
from penstock.web.jobpages import job_pages
from penstock.web.loglines import LogLines
from penstock.web.rendering import Pages

STATIC = Path(__file__).parent / "static"
BUILDS_A_PAGE = 50
MACHINES_A_PAGE = 100
SOURCES_OFFERED = 50
Document = dict[str, Any]
Anybody = Request[Any, Any, Any]


def pages_router(hub: Hub, logs: LogStore, census: Census) -> Router:
    """All pages, for who has a token; style, script and the way in are for anybody."""
    pages = Pages(hub)
    handlers = [*_farm_pages(pages, census), *job_pages(pages, LogLines(logs), logs), *cost_pages(pages)]
    refused = pages.handlers()
    guarded = Router(
        "/",
        guards=[people_only],
        route_handlers=handlers,
        include_in_schema=False,
        exception_handlers=refused,
    )
    static = create_static_files_router("/static", [STATIC], include_in_schema=False)
    way_in = Router(
        "/",
        route_handlers=_way_in(pages),
        include_in_schema=False,
        exception_handlers=refused,
    )
    return Router("/", route_handlers=[guarded, static, way_in], include_in_schema=False)


def _way_in(pages: Pages) -> list[Any]:
    """Turning a token into a cookie. A token in an address is for the link that a farm of one's own prints."""

    @get("/login")
    async def login(request: Anybody, token: FromQuery[str] = "") -> Response[Any]:
        if not token:
            return pages.render("login.html", "/login", said="")
        _refuse_other_sites(request)
        return await _let_in(request, token)

    @post("/login", status_code=303)
    async def log_in(request: Anybody) -> Response[Any]:
        _refuse_other_sites(request)
        form = await request.form()
        return await _let_in(request, str(form.get("token", "")).strip())

    @post("/logout", status_code=303)
    async def log_out(request: Anybody) -> Response[Any]:
        return Redirect("/login", cookies=[sign_out(request)], status_code=303)

    return [login, log_in, log_out]


def _refuse_other_sites(request: Anybody) -> None:
    """Another site must not make a reader somebody else here. Raises Unauthorized."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise Unauthorized("another site sent you here with a token: give it yourself")


async def _let_in(request: Anybody, token: str) -> Response[Any]:
    cookie = await asyncio.to_thread(sign_in, request, token)
    return Redirect("/", cookies=[cookie], status_code=303)


def _farm_pages(pages: Pages, census: Census) -> list[Any]:
    hub = pages.hub
    front, fleets = overview.Overview(hub, census), fleet.Fleets(hub)

    @get("/", sync_to_thread=True)
    def overview_page() -> Response[str]:
        found = dict(front.document())
        return pages.render("overview.html", "/", epoch=found.pop("farm"), **found)

    @get("/builds", sync_to_thread=True)
    def builds_page(
        verdict: FromQuery[str] = "",
        source: FromQuery[str] = "",
        who: FromQuery[str] = "",
        page: FromQuery[int] = 1,
    ) -> Response[str]:
        asked = {"verdict": verdict, "source": source, "who": who}
        return pages.render("builds.html", "/builds", **_builds(census, asked, max(1, page)))

    @get("/machines", sync_to_thread=True)
    def machines_page(pool: FromQuery[str] = "", page: FromQuery[int] = 1) -> Response[str]:
        values = _machines(hub, fleets.now(), pool, max(1, page)) | _downloads(census.figures())
        return pages.render("machines.html", "/machines", **values)

    @get("/machines/{machine_id:str}", sync_to_thread=True)
    def machine_page(machine_id: FromPath[str]) -> Response[str]:
        return pages.render("machine.html", "/machines", **_machine(hub, fleets.now(), machine_id))

    return [overview_page, builds_page, machines_page, machine_page]


def _builds(census: Census, asked: dict[str, str], page: int) -> Document:
    """One page of the builds that are as asked: state as it is, part of source or project, person."""
    figures = census.figures()
    found = [line for line in figures.builds if _matches(line, asked)]
    begin = (page - 1) * BUILDS_A_PAGE
    shown = found[begin : begin + BUILDS_A_PAGE]
    sources = Counter(line.project or line.build.source for line in figures.builds)
    return {
        "counted": figures.counted,
        "asked": asked,
        "filtered": any(asked.values()),
        "found": len(found),
        "in_all": len(figures.builds),
        "builds": overview.build_lines(census, shown),
        "build_states": [str(state) for state in BuildState],
        "sources": [source for source, _ in sources.most_common(SOURCES_OFFERED)],
        **_paging("/builds", asked, page, -(-len(found) // BUILDS_A_PAGE)),
    }


def _matches(line: BuildLine, asked: dict[str, str]) -> bool:
    wanted = asked["source"].lower()
    return (
        (not asked["verdict"] or line.build.state == asked["verdict"])
        and (not wanted or wanted in line.build.source.lower() or wanted in line.project.lower())
        and (not asked["who"] or asked["who"].lower() in line.who.lower())
    )


def _paging(path: str, asked: dict[str, str], page: int, pages: int) -> Document:
    def link(number: int) -> str:
        kept = {key: value for key, value in asked.items() if value}
        return f"{path}?{urlencode({**kept, 'page': number})}" if 1 <= number <= pages else ""

    return {"page": page, "pages": pages, "newer": link(page - 1), "older": link(page + 1)}


def _machines(hub: Hub, found: fleet.Fleet, pool: str, page: int) -> Document:
    """One page of machines by pool; those that need somebody first."""
    asked = [machine for machine in found.machines if not pool or machine.pool == pool]
    shown = asked[(page - 1) * MACHINES_A_PAGE : page * MACHINES_A_PAGE]
    running = fleet.running_on(hub, [machine.id for machine in shown if machine.busy])
    now = overview.Now(farm=found.farm, wall_ms=0, machines=found.machines, sessions=found.sessions)
    pools = overview.pool_lines(hub.rules.pools, now)
    groups = [_pool_group(line, hub.rules.pools, shown, found, running) for line in pools]
    return {
        "in_all": len(found.machines),
        "pool": pool,
        "pool_hidden": len(asked) - len(shown),
        "pools": pools,
        "shown": [group for group in groups if group["lines"] or group["notes"]],
        "currency": hub.rules.currency,
        **_paging("/machines", {"pool": pool}, page, -(-len(asked) // MACHINES_A_PAGE)),
    }


def _pool_group(
    line: Document,
    rules: Sequence[Pool],
    shown: Sequence[Machine],
    found: fleet.Fleet,
    running: dict[str, list[Document]],
) -> Document:
    prices = {pool.name: pool.price_per_hour_micros for pool in rules}
    lines = [
        found.line(machine) | {"running": running.get(machine.id, [])}
        for machine in shown
        if machine.pool == line["name"]
    ]
    price = prices.get(line["name"], 0)
    sizes = {_size(one) for one in lines}
    size = sizes.pop() if len(sizes) == 1 else ""
    notes = [one.text for one in found.notes if one.subject == f"pool {line['name']}"]
    cost = decimal_text(price) if price else ""
    return {**line, "price": cost, "size": size, "lines": lines, "notes": notes}


def _size(line: Document) -> str:
    """What one machine has, in words."""
    memory = f", {line['memory_mb']:,} MB" if line["memory_mb"] else ""
    return f"{_counted(line['cores'], 'core')}{memory}, {_counted(line['slots'], 'slot')}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _downloads(figures: Figures) -> Document:
    """Downloads that failed, by host, of the newest that were told."""
    by_host: dict[str, list[Event]] = {}
    for event in figures.events.get("download", ()):
        by_host.setdefault(event.state, []).append(event)
    lines = [
        {
            "host": host,
            "times": len(events),
            "last_s": seconds(events[0].at_ms),
            "reason": events[0].reason,
        }
        for host, events in by_host.items()
    ]
    lines.sort(key=lambda line: -len(by_host[str(line["host"])]))
    return {"downloads": lines, "downloads_kept": sum(len(events) for events in by_host.values())}


def _machine(hub: Hub, all_: fleet.Fleet, machine_id: str) -> Document:
    found = details.machine_details(hub, machine_id)
    running = [
        {
            "slot": attempt.slot,
            "job": attempt.job,
            "name": found.jobs[attempt.job],
            "state": str(attempt.state),
            "since_s": seconds(attempt.started_ms or attempt.offered_ms),
        }
        for attempt in found.running
    ]
    before = [
        {
            "n": attempt.n,
            "job": attempt.job,
            "name": found.jobs[attempt.job],
            "state": str(attempt.state),
            "cause": attempt.cause,
            "ended_s": seconds(attempt.ended_ms),
            "ran_s": seconds(attempt.ended_ms - attempt.started_ms) if attempt.started_ms else None,
        }
        for attempt in found.before
    ]
    return {
        "machine": all_.line(found.machine),
        "running": running,
        "before": before,
        "currency": hub.rules.currency,
    }
