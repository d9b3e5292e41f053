"""Pictures of documents."""

from datetime import date
from typing import Any

from penstock.model.units import micros
from penstock.reports.costs import day_number
from penstock.web.costpages.daysplot import Bar, Stack, days_picture
from penstock.web.drawing.svg import Both

Document = dict[str, Any]


def days(document: Document, title: str) -> Both:
    """The stacked days of hub.costs.daily."""
    bars = [
        Bar(
            day_number(date.fromisoformat(day["day"])),
            [micros(day[name]) for name in document["accounts"]],
            day["whole"],
        )
        for day in document["days"]
    ]
    return days_picture(Stack(bars, document["accounts"], document["currency"], title))
