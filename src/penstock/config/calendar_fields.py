"""[[calendar]] of farm.toml: times in which more or less is used than usual."""

from decimal import ROUND_HALF_UP

from penstock.config.items import Desk, Field, Fields, Item, Refused, record, shown
from penstock.config.values import date, label, number
from penstock.model.rules import Season

FACTOR_MOST = 1000


def _factor(desk: Desk, item: Item, where: str) -> int:
    """How many times the usual use, in millionths."""
    exact = number(item, where)
    if not 0 < exact <= FACTOR_MOST:
        raise Refused(
            f"{where} is {shown(item.value)}",
            f"write a number above 0 and at most {FACTOR_MOST}, such as 1.5",
        )
    return max(1, int((exact * 1_000_000).to_integral_value(ROUND_HALF_UP)))


def _season(desk: Desk, item: Item, where: str) -> Season | None:
    season: Season | None = record(Season, CALENDAR)(desk, item, where)
    if season and season.until < season.start:
        what = f"{where} ends on {season.until}, before it begins on {season.start}"
        desk.wrong(item.value["until"].line, what, "swap the dates")
    return season


CALENDAR: Fields = {
    "name": Field(read=label, required=True, about="what happens then, such as a freeze"),
    "from": Field(read=date, into="start", required=True, about="its first day"),
    "until": Field(read=date, required=True, about="its last day"),
    "factor": Field(
        read=_factor,
        into="factor_ppm",
        required=True,
        about="how many times as much is used as usual, past or to come",
    ),
}
CALENDAR_RECORD = _season
