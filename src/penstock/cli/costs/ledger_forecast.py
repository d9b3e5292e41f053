"""`penstock costs forecast` of a farm: asked of its ledger."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from penstock.cli.costs.statement_forecast import Wish, changes
from penstock.cli.costs.tables import show
from penstock.cli.output import print_sentences, refuse
from penstock.cli.queries import opened
from penstock.reports.forecast.figures import decimal

COLUMNS = ("time", "expected", "p10", "p50", "p90")
NEEDS_STATEMENT = "{} is for statements: name one, as `penstock costs forecast statement.toml`"


class Asking:
    """Which farm, and how its answer is printed."""

    def __init__(
        self, farm: Path | None, state: Path | None, hub: str | None, as_json: bool, as_csv: bool
    ) -> None:
        self.farm, self.state, self.hub = farm, state, hub
        self.as_json, self.as_csv = as_json, as_csv


def ledger_forecast(wish: Wish, asking: Asking) -> None:
    """Print the forecast from a farm's ledger. Refuses what only a statement can answer."""
    for option, value in wish.of_statements().items():
        if value:
            refuse(NEEDS_STATEMENT.format(option))
    times = ",".join(f"{name}=x{decimal(by, 6)}" for name, by in changes(wish).items())
    said = {"window_days": wish.window_days, "what_if": times or None}
    query = {name: str(value) for name, value in said.items() if value is not None}
    with opened(asking.farm, asking.state, asking.hub) as found:
        document = found.ask("forecast", query)
    if show(document, COLUMNS, _rows(document), asking.as_json, asking.as_csv):
        print_sentences(list(_sentences(document)))


def _rows(document: Mapping[str, Any]) -> list[list[object]]:
    times = [("this year", document["this_year"]), ("next year", document["next_year"])]
    times += [(f"{month['month']}, {month['days']} days", month) for month in document["months"]]
    return [[name, *(of[key] for key in COLUMNS[1:])] for name, of in times]


def _sentences(document: Mapping[str, Any]) -> Iterator[str]:
    if document["rate_per_day"] is not None:
        yield (
            f"{document['rate_per_day']} {document['currency']} a day in the last {document['window_days']} whole days up to "
            f"{document['data_through']}; {document['so_far']} this year so far; formula {document['formula']}"
        )
    for source in document["sources"]:
        if not source["is_retired"]:
            times = document["what_if"].get(source["source"])
            more = "" if times is None else f", and {times:g} times as much from now on"
            yield f"{source['source']}: {source['per_day']} a day{more}"
    for retired in document["retired"]:
        yield f"left out: {retired['source']}, {retired['why']}; {retired['in_window']} in that time"
    if shift := document["shift"]:
        yield (
            f"since {shift['since']} a day costs {shift['after_per_day']}, {shift['before_per_day']} before"
            + (": the rate is of days on both sides" if shift["in_window"] else "")
        )
    for day in document["unusual"]:
        yield f"unusual: {day['date']} cost {day['amount']}, {day['usual']} is usual"
    for season in document["calendar"]:
        yield f"{season['name']}, {season['since']} to {season['until']}: {season['factor']:g} times as much"
    for pool, days in document["billed_days"].items():
        yield f"{pool}: counted as billed on {days} of the days, else as metered"
    yield from (f"not known: {what}" for what in document["unknown"])
    yield "what the same use costs with another provider, at list price and with its egress: penstock costs reprice"
