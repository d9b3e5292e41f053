"""Handlers of the pages about costs: all of them together, one pool or one project; rowpages has the others."""

from typing import Any

from litestar import Response, get
from litestar.params import FromQuery

from penstock.web.costpages import frontpage, onething
from penstock.web.costpages.rowpages import row_pages
from penstock.web.costpages.shelf import Shelf
from penstock.web.rendering import Asked, Pages

DAYS_OFFERED = (7, 28, 60)
DAYS_SHOWN = 28


def cost_pages(pages: Pages) -> list[Any]:
    """Handlers of /costs, /costs/pool/NAME, /costs/project/NAME, and of the pages that list entries."""
    hub, shelf = pages.hub, Shelf()

    @get("/costs", sync_to_thread=True)
    def costs_page(days: FromQuery[int] = DAYS_SHOWN) -> Response[str]:
        values = frontpage.values(hub, shelf.visit(), _offered(days))
        return pages.render("costs.html", "/costs", offered=DAYS_OFFERED, **values)

    @get("/costs/pool/{name:path}", sync_to_thread=True)
    def pool_page(request: Asked, days: FromQuery[int] = DAYS_SHOWN) -> Response[str]:
        values = onething.values(hub, shelf.visit(), _thing(request, "pool"), _offered(days))
        return pages.render("costs_thing.html", "/costs", offered=DAYS_OFFERED, **values)

    @get("/costs/project/{name:path}", sync_to_thread=True)
    def project_page(request: Asked, days: FromQuery[int] = DAYS_SHOWN) -> Response[str]:
        values = onething.values(hub, shelf.visit(), _thing(request, "project"), _offered(days))
        return pages.render("costs_thing.html", "/costs", offered=DAYS_OFFERED, **values)

    return [costs_page, pool_page, project_page, *row_pages(pages)]


def _offered(days: int) -> int:
    return days if days in DAYS_OFFERED else DAYS_SHOWN


def _thing(request: Asked, kind: str) -> onething.Thing:
    """What an address names; names may hold slashes, and are taken as they are."""
    return onething.Thing(kind, request.scope["path"].removeprefix(f"/costs/{kind}/"))
