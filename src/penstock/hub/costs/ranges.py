"""Which days a question about costs is about."""

from datetime import date

from penstock.hub.context import Hub
from penstock.hub.costs.reading import Days
from penstock.model.ledger import day_of
from penstock.reports.costs import day_number, day_text

FIRST = day_number(date.min)
"""Before it there are no dates."""


def days_of(hub: Hub, since: date | None, until: date | None, days: int = 0) -> Days:
    """From `since` to `until`, both included, in UTC: to today where nothing is said; from `days` days before the end, or
    from the first of the end's month where that is 0. A range that ends before it begins has no days."""
    last = day_of(hub.clock.wall_ms()) if until is None else day_number(until)
    if since is not None:
        return Days(day_number(since), last + 1)
    if days:
        return Days(max(FIRST, last + 1 - days), last + 1)
    return Days(day_number(date.fromisoformat(day_text(last)).replace(day=1)), last + 1)


def range_document(days: Days) -> dict[str, str]:
    """The first and the last day, as people write them."""
    return {"since": day_text(days.first), "until": day_text(days.end - 1)}
