"""The forecast of a farm from the days of its ledger, as a document.

    rate = what the last N whole days cost as usual days, without what is retired, / N
    a day to come = rate * its weekday's share * its factor
    this year = what its days cost so far + the days to come; next year = its first 365 days

Money is in micro-units inside and a decimal string outside. docs/explanation/forecast.md explains the formulas.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import msgspec

from penstock.model.rules import Season
from penstock.model.units import decimal_text
from penstock.reports.forecast.blocks import Band, Horizon, bands, block_days
from penstock.reports.forecast.calendar import MILLION, date_of, factors_ppm, number, weekday
from penstock.reports.forecast.figures import YEAR_DAYS, nearest
from penstock.reports.forecast.run_rate import EXCLUDING
from penstock.reports.forecast.shifts import shift
from penstock.reports.forecast.weekdays import Usual, unusual, usual

Document = dict[str, Any]
FLAT = (Fraction(1),) * 7
NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
SHOWN = 10
"""Unusual days that are named, the latest ones."""


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """What each source cost on each whole day from `first` to the one before `end`, in micro-units.

    A source is a pool, or "(overhead)" and the like for what is of none. `begun`: the first day of the year that the books
    know, in part or whole. `year`: what this year's days cost that are before `first`. `retired`: sources that are not used
    any more, and why; `billed`: days of which a provider's bill was taken instead of what was metered, by pool; `times`: what if,
    how many times as much of a source is used from now on."""

    first: int
    end: int
    begun: int
    amounts: dict[str, tuple[int, ...]]
    year: int = 0
    retired: dict[str, str] = {}
    billed: dict[str, int] = {}
    times: dict[str, Fraction] = {}
    notes: tuple[str, ...] = ()


class Coming(msgspec.Struct, frozen=True, kw_only=True):
    """The rate and the days to come: `usual_days` is one amount a past day as if it had been a usual one."""

    rate: Fraction
    shape: tuple[Fraction, ...]
    factors: tuple[int, ...]
    usual_days: tuple[int, ...]
    window: int
    known: Usual | None

    def expected(self, end: int, first: int, until: int) -> int:
        """The sum of days to come, from one place after the day `end` to another, in micro-units."""
        by_day = [0] * 7
        for place in range(first, until):
            by_day[weekday(end + place)] += self.factors[place]
        weight = sum(share * total for share, total in zip(self.shape, by_day, strict=True))
        return int(nearest(self.rate * weight / MILLION))


def forecast_document(past: Past, seasons: Sequence[Season], window_days: int, currency: str) -> Document:
    """What this year and the next will cost. Without a whole day all figures are None."""
    if past.end <= past.first:
        return _empty(past, window_days, currency)
    this_end, next_end = _years(past.end)
    coming = _coming(past, seasons, window_days, next_end)
    months = _months(past.end, next_end)
    sums = [(0, this_end - past.end), (this_end - past.end, this_end - past.end + YEAR_DAYS), *months]
    found = bands(coming.usual_days, coming.window, Horizon(coming.factors, sums))
    so_far = past.year + sum(_of_year(past))
    return {
        "schema": 1,
        "currency": currency,
        "formula": EXCLUDING,
        "data_through": _text(past.end - 1),
        "books_from": _text(past.begun),
        "window_days": coming.window,
        "rate_per_day": _money(coming.rate),
        "so_far": decimal_text(so_far),
        "this_year": _year(so_far, coming.expected(past.end, *sums[0]), found[0] if found else None),
        "next_year": _year(0, coming.expected(past.end, *sums[1]), found[1] if found else None),
        "next_year_days": YEAR_DAYS,
        "block_days": block_days(len(coming.usual_days)) if found else None,
        "months": [
            _month(past.end, coming, place, found[number + 2] if found else None)
            for number, place in enumerate(months)
        ],
        "retired": [
            {"source": name, "why": why, "in_window": decimal_text(sum(past.amounts[name][-coming.window :]))}
            for name, why in sorted(past.retired.items())
        ],
        "weekdays": _weekdays(coming.known),
        "unusual": _unusual(past, coming),
        "shift": _shift(past, coming),
        "calendar": [_season(season) for season in seasons if _matters(season, past.first, next_end)],
        "billed_days": dict(sorted(past.billed.items())),
        "sources": [
            {
                "source": name,
                "per_day": _money(Fraction(sum(amounts[-coming.window :]), coming.window)),
                "is_retired": name in past.retired,
            }
            for name, amounts in sorted(past.amounts.items())
        ],
        "what_if": {name: float(times) for name, times in past.times.items()},
        "unknown": list(_unknown(past, coming, bool(found))),
    }


def expected_until(past: Past, seasons: Sequence[Season], window_days: int, until: int) -> int:
    """What the days from `past.end` to the one before `until` are expected to cost; some days must be known."""
    coming = _coming(past, seasons, window_days, max(until, past.end))
    return coming.expected(past.end, 0, max(until, past.end) - past.end)


def band_until(past: Past, seasons: Sequence[Season], window_days: int, until: int) -> Band | None:
    """How far `expected_until` may be off; None where too few days are known, or they cost nothing."""
    coming = _coming(past, seasons, window_days, max(until, past.end))
    found = bands(
        coming.usual_days,
        coming.window,
        Horizon(coming.factors, [(0, max(until, past.end) - past.end)]),
    )
    return found[0] if found else None


def expected_days(past: Past, seasons: Sequence[Season], window_days: int, until: int) -> list[int]:
    """The same, day by day, each rounded; some days must be known."""
    coming = _coming(past, seasons, window_days, max(until, past.end))
    return [coming.expected(past.end, place, place + 1) for place in range(until - past.end)]


def _coming(past: Past, seasons: Sequence[Season], window_days: int, next_end: int) -> Coming:
    counted = [
        _changed(amounts, past.times.get(name))
        for name, amounts in past.amounts.items()
        if name not in past.retired
    ]
    days = [sum(of) for of in zip(*counted, strict=True)] or [0] * (past.end - past.first)
    before = factors_ppm(seasons, past.first, past.end)
    as_usual = tuple(amount * MILLION // max(factor, 1) for amount, factor in zip(days, before, strict=True))
    window = min(window_days, len(as_usual))
    known = usual(as_usual, past.end)
    shape = known.shape() if known else FLAT
    weight = sum(shape[weekday(day)] for day in range(past.end - window, past.end))
    rate = Fraction(sum(as_usual[-window:]), window)
    return Coming(
        rate=rate,
        shape=tuple(share * window / weight for share in shape) if weight else FLAT,
        factors=tuple(factors_ppm(seasons, past.end, next_end)),
        usual_days=as_usual,
        window=window,
        known=known,
    )


def _changed(amounts: tuple[int, ...], times: Fraction | None) -> tuple[int, ...]:
    return amounts if times is None else tuple(int(nearest(amount * times)) for amount in amounts)


def _years(end: int) -> tuple[int, int]:
    """The first days of the next year and of the one after it."""
    year = date_of(end).year
    return number(date(year + 1, 1, 1)), number(date(year + 2, 1, 1))


def _months(end: int, next_end: int) -> list[tuple[int, int]]:
    """Places of the days to come, month by month, the first one from now on."""
    found, first = [], end
    while first < next_end:
        after = number((date_of(first).replace(day=1) + timedelta(32)).replace(day=1))
        found.append((first - end, after - end))
        first = after
    return found


def _of_year(past: Past) -> Iterator[int]:
    """What the whole days of this year cost, everything included."""
    begin = number(date(date_of(past.end).year, 1, 1))
    for amounts in past.amounts.values():
        yield sum(amounts[max(begin - past.first, 0) :])


def _year(so_far: int, expected: int, band: Band | None) -> Document:
    return {
        "expected": decimal_text(so_far + expected),
        **{
            name: decimal_text(so_far + amount) if amount is not None else None
            for name, amount in _edges(band).items()
        },
    }


def _edges(band: Band | None) -> Mapping[str, int | None]:
    return band._asdict() if band else dict.fromkeys(Band._fields)


def _month(end: int, coming: Coming, place: tuple[int, int], band: Band | None) -> Document:
    first = date_of(end + place[0])
    return {
        "month": f"{first:%Y-%m}",
        "days": place[1] - place[0],
        **_year(0, coming.expected(end, *place), band),
    }


def _weekdays(known: Usual | None) -> list[Document]:
    if known is None:
        return []
    return [
        {"day": name, "median": decimal_text(middle), "deviation": decimal_text(deviation)}
        for name, middle, deviation in zip(NAMES, *known, strict=True)
    ]


def _unusual(past: Past, coming: Coming) -> list[Document]:
    if coming.known is None:
        return []
    # A tenth of a day's cost is nothing that anybody asks about.
    floor = int(coming.rate / 10)
    found = unusual(coming.usual_days[-coming.window :], past.end, coming.known, floor)
    return [
        {"date": _text(day), "amount": decimal_text(amount), "usual": decimal_text(middle)}
        for day, amount, middle in found[-SHOWN:]
    ]


def _shift(past: Past, coming: Coming) -> Document | None:
    found = shift(coming.usual_days, past.end)
    if found is None:
        return None
    return {
        "since": _text(found.day),
        "before_per_day": decimal_text(found.before),
        "after_per_day": decimal_text(found.after),
        "in_window": past.end - coming.window < found.day,
    }


def _matters(season: Season, first: int, end: int) -> bool:
    return season.until >= _text(first) and season.start < _text(end)


def _season(season: Season) -> Document:
    return {
        "name": season.name,
        "since": season.start,
        "until": season.until,
        "factor": season.factor_ppm / MILLION,
    }


def _text(day: int) -> str:
    return date_of(day).isoformat()


def _money(amount: Fraction) -> str:
    return decimal_text(int(nearest(amount)))


def _unknown(past: Past, coming: Coming, has_band: bool) -> Iterator[str]:
    year = date_of(past.end).year
    if past.begun > number(date(year, 1, 1)):
        yield f"what was used in {year} before {_text(past.begun)}: the books begin then"
    if not has_band:
        yield "how far this may be off: a band needs 28 whole days with use"
    if coming.known is None:
        yield "how weekdays differ: that needs 28 whole days"
    yield "new prices, new projects, and times that no [[calendar]] of farm.toml names"
    yield from past.notes


def _empty(past: Past, window_days: int, currency: str) -> Document:
    nothing = {"expected": None, **_edges(None)}
    return {
        "schema": 1,
        "currency": currency,
        "formula": EXCLUDING,
        "data_through": None,
        "books_from": None,
        "window_days": window_days,
        "rate_per_day": None,
        "so_far": None,
        "this_year": nothing,
        "next_year": nothing,
        "next_year_days": YEAR_DAYS,
        "block_days": None,
        "months": [],
        "retired": [],
        "weekdays": [],
        "unusual": [],
        "shift": None,
        "calendar": [],
        "billed_days": {},
        "sources": [],
        "what_if": {name: float(times) for name, times in past.times.items()},
        "unknown": ["everything: no whole day is entered yet", *past.notes],
    }
