"""Pictures of documents."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from penstock.model.units import micros
from penstock.reports.costs import day_number
from penstock.web.costpages.daysplot import Bar, Stack, days_picture
from penstock.web.costpages.grantsplot import Runway, Runways, runways_picture, used_up_words
from penstock.web.costpages.latencyplot import Latency, Pool, latency_picture
from penstock.web.costpages.monthsplot import Month, Months, months_picture
from penstock.web.costpages.useplot import Owned, Rented, Use, use_picture
from penstock.web.drawing.svg import Both

Document = dict[str, Any]
MONTHS_BEFORE = 6
MONTHS_SHOWN = 18


def day(text: str) -> int:
    """A day as documents write it."""
    return day_number(date.fromisoformat(text))


def days(document: Document, title: str, query: str = "") -> Both:
    """The stacked days of hub.costs.daily; `query`: what of a day its bar leads to, "" = all."""
    bars = [
        Bar(day(one["day"]), [micros(one[name]) for name in document["accounts"]], one["whole"])
        for one in document["days"]
    ]
    return days_picture(Stack(bars, document["accounts"], document["currency"], title, query))


def months(spent: Sequence[Document], forecast: Document) -> Both:
    """What hub.costs.report says of months, and hub.costs.forecast of those to come."""
    found = {
        one["of"]["month"]: Month(one["of"]["month"], float(one["total"])) for one in spent[-MONTHS_BEFORE:]
    }
    for one in forecast["months"]:
        so_far = found.get(one["month"], Month(one["month"])).spent
        low, high = (None if one[key] is None else float(one[key]) for key in ("p10", "p90"))
        found[one["month"]] = Month(one["month"], so_far, float(one["expected"]), low, high)
    shown = sorted(found.values())[:MONTHS_SHOWN]
    return months_picture(Months(shown, forecast["currency"], "Months: spent, and expected with its band"))


def runways(document: Document) -> Both | None:
    """The grants of hub.costs.grants; None where there is none."""
    lanes = [
        Runway(
            one["name"],
            day(one["from"]),
            day(one["until"]),
            None if one["used_up_on"] is None else day(one["used_up_on"]),
            used_up_words(None if one["used_up_on"] is None else day(one["used_up_on"]), day(one["until"])),
        )
        for one in document["grants"]
    ]
    return (
        runways_picture(Runways(lanes, day(document["today"]), "How long each grant lasts"))
        if lanes
        else None
    )


def latency(document: Document, colours: Mapping[str, int]) -> Both | None:
    """The pools of hub.costs.latency; None without any. `colours`: the same in all pictures."""
    pools = [
        Pool(
            one["pool"],
            float(one["loaded"]),
            one["took_p50_s"],
            one["took_p95_s"],
            colours.get(one["pool"], 0),
        )
        for one in document["pools"]
    ]
    return (
        latency_picture(Latency(pools, document["currency"], "Price against latency, by pool"))
        if pools
        else None
    )


def use(document: Document, colours: Mapping[str, int]) -> Both | None:
    """The owned pools of hub.costs.tco beside what is rented instead; None where nothing can be compared."""
    owned = [
        Owned(one["pool"], float(one["by_use"]["100"]), one["use"], colours.get(one["pool"], 0))
        for one in document["pools"]
        if float(one["by_use"]["100"])
    ]
    others = {other["pool"]: other for one in document["pools"] for other in one["against"]}
    rented = [Rented(f"{name}, list", float(one["slot_hour"])) for name, one in others.items()]
    rented += [
        Rented(f"{name}, as paid", float(one["paid_slot_hour"]))
        for name, one in others.items()
        if one["paid_slot_hour"]
    ]
    title = "What an hour of an owned slot costs, by its use, beside rented ones"
    return use_picture(Use(owned, rented, document["currency"], title)) if owned else None
