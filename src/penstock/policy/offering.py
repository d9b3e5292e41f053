"""Which of a pool's offers an order is made from: the one that is cheapest for its speed, past those that gave nothing lately.

The capacity policy decides about pools; this is only about what a pool's provider calls its machines by: types, zones, subnets.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from penstock.model.rented import Offer

FIRST_MS, MOST_MS = 180_000, 1_800_000
"""What had no capacity is left alone for so long, twice as long each time, and this at most."""
QUOTA_MS = 900_000
"""What an account gets no more of is left alone for so long."""
CLEAN_MS = 10_800_000
"""What failed last so long ago begins anew."""
Why = Literal["capacity", "quota"]


class Trouble(msgspec.Struct, frozen=True):
    """How an offer failed: `failures` in a row, the last at `last_ms`; left alone until `until_ms`. All in farm time."""

    failures: int
    last_ms: int
    until_ms: int


def after_failure(before: Trouble | None, why: Why, now_ms: int) -> Trouble:
    """What is remembered of an offer that gave nothing just now."""
    known = before is not None and now_ms - before.last_ms < CLEAN_MS
    failures = before.failures + 1 if known and before is not None else 1
    pause_ms = QUOTA_MS if why == "quota" else min(MOST_MS, FIRST_MS << min(failures - 1, 8))
    return Trouble(failures, now_ms, now_ms + pause_ms)


def open_offers(offers: Sequence[Offer], troubles: Mapping[str, Trouble], now_ms: int) -> list[Offer]:
    """Those that may give a machine now, the best first. What failed before counts as dearer by each failure, until it was
    clean for long enough; equal ones go by name."""
    found = [one for one in offers if one.quota_left != 0 and _until_ms(one, troubles) <= now_ms]
    return sorted(found, key=lambda one: (_worth(one, troubles.get(one.name), now_ms), one.name))


def choose(offers: Sequence[Offer], troubles: Mapping[str, Trouble], now_ms: int) -> tuple[Offer, str] | None:
    """The offer to order from, and why in words ("" where there is one alone). Where all are in trouble the one that is out of
    it first: whether anything is ordered was decided before. None without offers."""
    if len(offers) < 2:
        return (offers[0], "") if offers else None
    good = open_offers(offers, troubles, now_ms)
    if not good:
        return min(offers, key=lambda one: (_until_ms(one, troubles), one.name)), "no offer gave any lately"
    left_out = len(offers) - len(good)
    why = f"{good[0].name} is the cheapest for its speed of {len(offers)} offers"
    return good[0], f"{why}, {left_out} of which gave none lately" if left_out else why


def _until_ms(offer: Offer, troubles: Mapping[str, Trouble]) -> int:
    trouble = troubles.get(offer.name)
    return trouble.until_ms if trouble is not None else 0


def _worth(offer: Offer, trouble: Trouble | None, now_ms: int) -> float:
    """Price of an hour at speed 1; micro-units."""
    recent = trouble is not None and now_ms - trouble.last_ms < CLEAN_MS
    failures = trouble.failures if recent and trouble is not None else 0
    return offer.price_per_hour_micros / offer.speed * (1 + failures)
