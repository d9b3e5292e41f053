"""What each day cost, by account, of all pools or of what a page is about: what the pictures of costs are drawn from."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

from penstock.hub.context import Hub
from penstock.hub.costs import reading
from penstock.hub.costs.reading import Days
from penstock.hub.steps import look
from penstock.model.farm import Farm
from penstock.model.ledger import Ledger, Tally, day_of
from penstock.model.units import DAY_MS, decimal_text, seconds
from penstock.ports import Tx
from penstock.reports.costs import ACCOUNTS, day_text

Document = dict[str, Any]
DAYS_SHOWN = 60


class Asked(NamedTuple):
    """What is asked about: one pool, one project ("" = what belongs to none), or everything."""

    pool: str | None = None
    project: str | None = None

    def takes(self, tally: Tally) -> bool:
        """Whether it is about that."""
        return self.pool in (None, tally.pool) and self.project in (None, tally.project)


EVERYTHING = Asked()


def daily(hub: Hub, about: Asked = EVERYTHING, shown: int = DAYS_SHOWN) -> Document:
    """The last `shown` days, today included, with what every account came to; days before the books began are left out.

    `whole`: the day has ended, and all of it is entered."""
    today = day_of(hub.clock.wall_ms())
    days = Days(today + 1 - shown, today + 1)

    def read(tx: Tx, farm: Farm) -> tuple[Ledger | None, list[Tally]]:
        return tx.get(Ledger, "ledger"), reading.summed(
            tx, days, ("day", "project") if about.project is not None else ("day",)
        )

    ledger, found = look(hub, read)
    return {
        "schema": 1,
        "currency": hub.rules.currency,
        "entered_until_s": None if ledger is None else seconds(ledger.until_ms),
        "accounts": [str(account) for account in ACCOUNTS],
        "days": [] if ledger is None else _lines(ledger, [one for one in found if about.takes(one)], days),
    }


def _lines(ledger: Ledger, found: Iterable[Tally], days: Days) -> list[Document]:
    sums: dict[int, list[int]] = defaultdict(lambda: [0] * len(ACCOUNTS))
    for tally in found:
        sums[tally.day][ACCOUNTS.index(tally.account)] += tally.amount_micros
    return [
        {
            "day": day_text(day),
            "whole": (day + 1) * DAY_MS <= ledger.until_ms,
            **{str(account): decimal_text(n) for account, n in zip(ACCOUNTS, sums[day], strict=True)},
            "total": decimal_text(sum(sums[day])),
        }
        for day in range(max(days.first, day_of(ledger.from_ms)), days.end)
    ]
