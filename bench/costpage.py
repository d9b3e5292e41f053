"""The page of costs over a year of a ledger with a million entries: the first one, one that is kept, one made anew."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.costs import fill, opened, seconds
from penstock.hub.context import Hub
from penstock.store.open import open_store
from penstock.web.costpages import frontpage
from penstock.web.costpages.pages import DAYS_OFFERED, DAYS_SHOWN
from penstock.web.costpages.shelf import Shelf
from penstock.web.rendering import Pages


def page(hub: Hub, pages: Pages, shelf: Shelf) -> int:
    """The page as a reader gets it; answers how many bytes."""
    values = frontpage.values(hub, shelf.visit(), DAYS_SHOWN)
    return len(pages.render("costs.html", "/costs", offered=DAYS_OFFERED, **values).content)


def run() -> dict[str, float]:
    """Seconds of the processor, the thread that makes documents included, and of the clock for who waits."""
    with tempfile.TemporaryDirectory() as name:
        store = open_store("sqlite:///penstock.db", Path(name))
        hub = opened(store, Path(name))
        found: dict[str, float] = {"daily sums": fill(store)}
        pages, kept = Pages(hub), Shelf(fresh_s=3600)
        found["the first after a start, s of the processor"] = _once(lambda: page(hub, pages, kept))
        found["kept, s of the processor"] = seconds(lambda: page(hub, pages, kept), time.process_time)
        stale = Shelf(fresh_s=0.0)
        page(hub, pages, stale)
        found["being made anew, s until it is there"] = seconds(
            lambda: page(hub, pages, stale), time.perf_counter
        )
        found["bytes"] = page(hub, pages, kept)
        store.close()
    return found


def _once(operation: Callable[[], object]) -> float:
    began = time.process_time()
    operation()
    return time.process_time() - began
