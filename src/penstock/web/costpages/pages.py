"""Handlers of the pages about costs: all of them together, one pool or one project; rowpages has the others."""

from typing import Any

from litestar import Response, get
from litestar.params import FromPath, FromQuery

from penstock.web.costpages import frontpage, onething
from penstock.web.costpages.rowpages import row_pages
from penstock.web.costpages.shelf import Shelf
from penstock.web.rendering import Pages

DAYS_OFFERED = (7, 28, 60)
DAYS_SHOWN = 28


def cost_pages(pages: Pages) -> list[Any]:
    """Handlers of /costs, /costs/pool/NAME, /costs/project/NAME, and of the pages that list entries."""
    hub, shelf = pages.hub, Shelf()

    @get("/costs", sync_to_thread=True)
    def costs_page(days: FromQuery[int] = DAYS_SHOWN) -> Response[str]:
        values = frontpage.values(hub, shelf, _offered(days))
        return pages.render("costs.html", "/costs", offered=DAYS_OFFERED, **values)

    @get("/costs/pool/{name:str}", sync_to_thread=True)
    def pool_page(name: FromPath[str], days: FromQuery[int] = DAYS_SHOWN) -> Response[str]:
        values = onething.values(hub, shelf, onething.Thing("pool", name), _offered(days))
        return pages.render("costs_thing.html", "/costs", offered=DAYS_OFFERED, **values)

    @get("/costs/project/{name:str}", sync_to_thread=True)
    def project_page(name: FromPath[str], days: FromQuery[int] = DAYS_SHOWN) -> Response[str]:
        values = onething.values(hub, shelf, onething.Thing("project", name), _offered(days))
        return pages.render("costs_thing.html", "/costs", offered=DAYS_OFFERED, **values)

    return [costs_page, pool_page, project_page, *row_pages(pages)]


def _offered(days: int) -> int:
    return days if days in DAYS_OFFERED else DAYS_SHOWN
