"""The forecast from a statement as a document: `penstock costs forecast statement.toml --json`.

Figures are decimals: the rate with four places, amounts with two. Every one comes with its formula, what went into it,
until when it is known, and what nobody can know from a statement.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

import msgspec

from penstock.model.rules import Grant
from penstock.model.statement import REST, Statement
from penstock.reports.forecast.figures import YEAR_DAYS, decimal, nearest, new_year, plain
from penstock.reports.forecast.run_rate import (
    INCLUDING,
    Part,
    RunRate,
    exhausted_days,
    exhausted_next_year,
    exhausted_on,
    run_rate,
)
from penstock.reports.forecast.what_if import changed, may_grow

Document = dict[str, Any]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """How a forecast is wanted.

    `keep_retired`: as if what is retired went on. `window_days`: between which readings. `step`: parts are printed as
    multiples of it. `credit`: what is there to be used, in each calendar year or, not `is_yearly`, once; without it those of
    the `grants`, the statement's included, that pay on the day of the last reading. `changes`: what if, by resource how many times as much."""

    keep_retired: bool = False
    window_days: int | None = None
    step: Decimal | None = None
    credit: Decimal | None = None
    is_yearly: bool = True
    grants: tuple[Grant, ...] = ()
    changes: dict[str, Fraction] = {}


class Credit(NamedTuple):
    """What is there to be used up: in each calendar year, or once, before the end of the day `until`."""

    amount: Decimal
    is_yearly: bool
    until: date | None = None
    since: date | None = None


def credit_of(found: RunRate, asked: Asked, grants: Sequence[Grant]) -> Credit | None:
    """The credit that is to be reckoned with; None where there is none. Grants in another currency pay for nothing here."""
    if asked.credit is not None:
        return Credit(asked.credit, asked.is_yearly)
    day = found.last.date.isoformat()
    paying = [
        grant for grant in grants if grant.start <= day <= grant.until and grant.currency == found.currency
    ]
    if not paying:
        return None
    until = max(date.fromisoformat(grant.until) for grant in paying)
    since = min(date.fromisoformat(grant.start) for grant in paying)
    return Credit(sum((grant.amount for grant in paying), Decimal(0)), False, until, since)


def _used_up(found: RunRate, credit: Credit | None) -> date | None:
    day = exhausted_on(found, credit.amount, credit.is_yearly) if credit else None
    return None if day and credit and credit.until and day > credit.until else day


def statement_document(statement: Statement, asked: Asked) -> Document:
    """The document. Raises Unanswerable where the statement does not say enough, or the question is of nothing."""
    found = run_rate(statement, asked.keep_retired, asked.window_days)
    this_year, next_year = _printed(found, asked.step)
    credit = credit_of(found, asked, (*asked.grants, *statement.grants))
    return {
        "rate_per_day": decimal(found.rate, 4),
        "this_year": decimal(_sum(this_year)),
        "next_year": decimal(_sum(next_year)),
        "next_year_days": YEAR_DAYS,
        "formula": found.formula,
        "window_days": found.window_days,
        "retired": list(found.retired),
        "unknown": [*_unknown(found), *_credit_unknown(found, credit)],
        "exhausted_on": _day(_used_up(found, credit)),
        "data_through": found.last.date.isoformat(),
        "currency": found.currency,
        "basis": _basis(asked.step),
        "warnings": list(_warnings(found)),
        "inputs": _inputs(found, credit),
        "unrounded": {"this_year": decimal(found.this_year), "next_year": decimal(found.next_year)},
        "bounds": {
            name: [decimal(edge, 4 if name == "rate_per_day" else 2) for edge in edges]
            for name, edges in found.bounds().items()
        },
        "parts": [_part(part, found, (this_year, next_year), asked) for part in found.parts],
        "what_if": _what_if(found, next_year, asked) if asked.changes else None,
    }


def _printed(found: RunRate, step: Decimal | None) -> tuple[dict[str, Fraction], dict[str, Fraction]]:
    """This and next year by part, as they are printed. A total is the sum of its parts, rounded ones where they are."""
    if step is None:
        return {p.name: p.this_year for p in found.parts}, {p.name: p.next_year for p in found.parts}
    return (
        {part.name: nearest(part.this_year, step) for part in found.parts},
        {part.name: nearest(part.next_year, step) for part in found.parts},
    )


def _sum(years: Mapping[str, Fraction]) -> Fraction:
    return sum(years.values(), Fraction(0))


def _basis(step: Decimal | None) -> str:
    return "unrounded" if step is None else f"parts rounded to {plain(step)}"


def _inputs(found: RunRate, credit: Credit | None) -> Document:
    readings = {
        name: {
            "date": reading.date.isoformat(),
            "total": reading.total,
            "retired": {gone: reading.resource[gone] for gone in found.retired if gone in reading.resource},
        }
        for name, reading in (("from", found.first), ("until", found.last))
    }
    return readings | {
        "days_to_new_year": found.days_left,
        "credit": credit.amount if credit else None,
        "credit_is_yearly": credit.is_yearly if credit else None,
        "credit_until": _day(credit.until) if credit else None,
    }


def _part(part: Part, found: RunRate, years: tuple[Mapping[str, Fraction], ...], asked: Asked) -> Document:
    this_year, next_year = (of[part.name] for of in years)
    yearly = asked.credit if asked.is_yearly else None
    grows = None if yearly is None else may_grow(next_year, _sum(years[1]), yearly)
    return {
        "resource": part.name,
        "used": part.used,
        "this_year": decimal(this_year),
        "next_year": decimal(next_year),
        "is_retired": part.is_retired,
        "since": _day(part.since),
        "since_days": (new_year(found.last.date) - part.since).days if part.since else None,
        "may_grow": None if grows is None else decimal(grows),
    }


def _what_if(found: RunRate, next_year: Mapping[str, Fraction], asked: Asked) -> Document:
    after = changed(found.parts, next_year, asked.changes)
    days = None if asked.credit is None else exhausted_days(asked.credit, after.year)
    return {
        "changes": {name: plain(decimal(times, 6)) for name, times in asked.changes.items()},
        "basis": _basis(asked.step),
        "next_year": decimal(after.year),
        "saves": decimal(after.saves),
        "exhausted_day": None if days is None else int(nearest(days)),
        "exhausted_days": None if days is None else decimal(days),
        "exhausted_on": _day(
            None if asked.credit is None else exhausted_next_year(found, asked.credit, after.year)
        ),
    }


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _warnings(found: RunRate) -> Iterator[str]:
    if found.formula == INCLUDING:
        names = ", ".join(found.retired)
        yield f"retired, and counted as if it went on: {names}; leave --keep-retired out for what is to be expected"


def _credit_unknown(found: RunRate, credit: Credit | None) -> Iterator[str]:
    if credit and credit.since and credit.since != date(found.last.date.year, 1, 1):
        yield f"what of the total the credit has paid: it began on {credit.since}, and the total counts as paid by it"


def _unknown(found: RunRate) -> Iterator[str]:
    first, last = found.first, found.last
    yield f"whether {first.date} to {last.date} is like the rest of the year: seasons, releases, freezes, new prices"
    yield "what a job, a build or a minute costs: a statement counts none"
    if found.parts:
        yield "when each resource began: `since` takes its rate as constant"
    if any(part.name == REST for part in found.parts):
        yield "which resources the rest is of: not all of the total is named in both readings"
    for name in sorted(set(first.resource) ^ set(last.resource)):
        yield f"at which rate {name} is used: only one of the two readings names it"
    for part in found.parts:
        if part.next_year < 0:
            yield f"why {part.name} fell between the readings: its rate is negative"
    if first.date.year != last.date.year:
        yield "whether the total began anew on 1 January: the readings lie in two years, and all of it counts as this one's"
