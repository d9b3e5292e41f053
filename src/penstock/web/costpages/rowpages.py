"""Pages that list entries of the ledger: those of a day, those of a build, and any that are asked for."""

from collections.abc import Mapping
from datetime import date
from typing import Any
from urllib.parse import urlencode

from litestar import Request, Response, get
from litestar.params import FromPath, FromQuery

from penstock.hub.context import Hub, NotFound
from penstock.hub.costs.daily import Asked
from penstock.hub.costs.entries import Wanted, entries
from penstock.hub.costs.front import front
from penstock.hub.costs.ranges import FIRST
from penstock.hub.costs.reading import Days
from penstock.hub.costs.rows import build_line
from penstock.hub.steps import look
from penstock.model.ledger import BuildCost, day_of
from penstock.reports.costs import day_number, day_text
from penstock.web.costpages.frontpage import accounts, rows
from penstock.web.costs.entries import VALUES
from penstock.web.rendering import Pages

Document = dict[str, Any]
ROWS_A_PAGE = 200


def row_pages(pages: Pages) -> list[Any]:
    """Handlers of /costs/day/DAY, /costs/build/ID and /costs/entries."""
    hub = pages.hub

    @get("/costs/day/{day:str}", sync_to_thread=True)
    def day_page(request: Request[Any, Any, Any], day: FromPath[str]) -> Response[str]:
        number = _day(day)
        asked = _asked(request.query_params)
        values = _rows(hub, f"/costs/day/{day}", Wanted(Days(number, number + 1), asked), request)
        return pages.render("costs_day.html", "/costs", **values, **_of_day(hub, number, asked))

    @get("/costs/entries", sync_to_thread=True)
    def entries_page(
        request: Request[Any, Any, Any], since: FromQuery[str] = "", until: FromQuery[str] = ""
    ) -> Response[str]:
        today = day_of(hub.clock.wall_ms())
        days = Days(_day(since) if since else FIRST, (_day(until) if until else today) + 1)
        values = _rows(hub, "/costs/entries", Wanted(days, _asked(request.query_params)), request)
        return pages.render("costs_entries.html", "/costs", since=since, until=until, **values)

    @get("/costs/build/{build:str}", sync_to_thread=True)
    def build_page(request: Request[Any, Any, Any], build: FromPath[str]) -> Response[str]:
        cost = look(hub, lambda tx, farm: tx.get(BuildCost, build))
        if cost is None:
            raise NotFound("cost of build", build)
        wanted = Wanted(Days(FIRST, day_of(hub.clock.wall_ms()) + 1), {"build": build})
        values = _rows(hub, f"/costs/build/{build}", wanted, request)
        return pages.render("costs_build.html", "/costs", cost=build_line(cost), **values)

    return [day_page, entries_page, build_page]


def _asked(said: Mapping[str, str]) -> dict[str, str]:
    """What is asked for of the fields that entries are told apart by; "-" = that field is empty."""
    return {name: "" if said[name] == "-" else said[name] for name in VALUES if said.get(name)}


def _rows(hub: Hub, path: str, wanted: Wanted, request: Request[Any, Any, Any]) -> Document:
    """One page of entries, and where the next one is."""
    after = request.query_params.get("after", "")
    place = after if all(part.isdigit() and len(part) < 16 for part in after.split("-")[:2]) else ""
    found = entries(hub, wanted, ROWS_A_PAGE, "-".join(place.split("-")[:2]))
    kept = {key: value for key, value in request.query_params.items() if key != "after"}
    return {
        "currency": hub.rules.currency,
        "asked": dict(wanted.values),
        "entries": found["entries"],
        "amount": found["amount"],
        "older": f"{path}?{urlencode({**kept, 'after': found['next']})}" if found["next"] else "",
        "newest": "" if not place else f"{path}?{urlencode(kept)}" if kept else path,
    }


def _of_day(hub: Hub, day: int, asked: Mapping[str, str]) -> Document:
    """Sums of one day, of one pool or project where that is asked for, and the days beside it."""
    found = front(hub, Days(day, day + 1), Asked(asked.get("pool"), asked.get("project")))
    today = day_of(hub.clock.wall_ms())
    return {
        "day": day_text(day),
        "found": found,
        "entered_until_s": found["entered_until_s"],
        "accounts": accounts(found["total"]),
        "tables": [{"by": by, "rows": rows(found["tables"][by], by)} for by in ("pool", "project")],
        "before_day": day_text(day - 1),
        "next_day": day_text(day + 1) if day < today else "",
    }


def _day(text: str) -> int:
    """A day as people write it. Raises NotFound for what is none."""
    try:
        return day_number(date.fromisoformat(text))
    except ValueError:
        raise NotFound("day", text) from None
