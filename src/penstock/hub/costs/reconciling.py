"""Holds the ledger against bills, by pool and day, and shows the lines of bills behind each figure."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from penstock.hub.context import Hub
from penstock.hub.costs.bills import bills, lines
from penstock.hub.costs.reading import Days, summed
from penstock.hub.steps import look
from penstock.model.ledger import Bill, BillLine, Ledger, day_of
from penstock.model.units import decimal_text, seconds
from penstock.ports import Tx
from penstock.reports.bills import Pools, amount_text, plus
from penstock.reports.costs import day_number, day_text
from penstock.reports.reconciliation import Books, Compared, Place, Standing, by_pool, compared

Document = dict[str, Any]
SHOWN = 500
"""Rows of one answer."""
READ = 2000
"""Rows that are read at once."""


def reconcile(hub: Hub, month: str) -> Document:
    """A month ("2026-10"; "" = that of the newest bill, else this one) by pool and day."""
    wall_ms = hub.clock.wall_ms()

    def read(tx: Tx, _: object) -> Document:
        days = _days(month or _newest(tx, wall_ms))
        every = tx.find(Bill, "period", True) + tx.find(Bill, "period", False)
        within = [
            one for one in every if one.taken_ms and one.days_from < days.end and days.first < one.days_until
        ]
        metered = _metered(tx, days)
        billed = _billed(hub, tx, days)
        books = _books(tx)
        rows = compared(metered, billed, books)
        return {
            "schema": 1,
            "month": day_text(days.first)[:7],
            "currency": hub.rules.currency,
            "metered_until": day_text(books.end) if books.end > books.first else None,
            "rows": [_row(one) for one in rows],
            "pools": [_pool(one) for one in by_pool(rows)],
            "no_pool": {
                "metered": decimal_text(sum(cost for (_, pool), cost in metered.items() if not pool)),
                "billed": amount_text(_sum(cost for (_, pool), cost in billed.items() if not pool)),
            },
            "metered": decimal_text(sum(metered.values())),
            "billed": amount_text(_sum(billed.values())),
            "alarms": sum(one.standing == Standing.ALARM for one in rows),
            "bills": [_bill(one, hub.rules.currency) for one in _ordered(within)],
        }

    return look(hub, read)


def bill_lines(hub: Hub, place: Place, after: tuple[int, int]) -> Document:
    """Lines of bills that count for a pool on a day, "" = for no pool; those after `after`: how many bills were read, and
    the last line of the next one."""
    pools = Pools(hub.rules.billed)
    day, pool = place

    def read(tx: Tx, _: object) -> Document:
        shown: list[Document] = []
        read_whole, seq = after
        for bill in _ordered(bills(tx, day, day + 1, hub.rules.currency))[read_whole:]:
            while page := tx.find(BillLine, "bill", bill.id, day, limit=READ, after=(seq,)):
                for line in page:
                    if len(shown) == SHOWN:
                        return _page(shown, (read_whole, seq))
                    seq = line.seq
                    if pools.of(line) == pool:
                        shown.append(_line(line, bill))
            read_whole, seq = read_whole + 1, 0
        return _page(shown, None)

    return look(hub, read)


def _page(shown: list[Document], after: tuple[int, int] | None) -> Document:
    return {"schema": 1, "lines": shown, "next": "-".join(map(str, after)) if after else None}


def _ordered(found: Sequence[Bill]) -> list[Bill]:
    """In an order that stays while nothing is ingested."""
    return sorted(found, key=_order)


def _newest(tx: Tx, wall_ms: int) -> str:
    """The month of the last day of the newest bill; this month where there is no bill."""
    last = max((bill.days_until - 1 for bill in tx.find(Bill, "period", True)), default=day_of(wall_ms))
    return day_text(last)[:7]


def _days(month: str) -> Days:
    first = date.fromisoformat(f"{month}-01")
    after = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    return Days(day_number(first), day_number(after))


def _books(tx: Tx) -> Books:
    """Days that the ledger has in full: not the one that it began in, nor the one that it is in."""
    ledger = tx.get(Ledger, "ledger")
    return Books(day_of(ledger.from_ms - 1) + 1, ledger.day) if ledger else Books(0, 0)


def _metered(tx: Tx, days: Days) -> dict[Place, int]:
    found: dict[Place, int] = defaultdict(int)
    for tally in summed(tx, days, ("day",)):
        found[tally.day, tally.pool] += tally.amount_micros
    return found


def _billed(hub: Hub, tx: Tx, days: Days) -> dict[Place, Decimal]:
    pools = Pools(hub.rules.billed)
    found: dict[Place, Decimal] = defaultdict(Decimal)
    for bill in bills(tx, days.first, days.end, hub.rules.currency):
        for line in lines(tx, bill, days.first, days.end):
            place = (line.day, pools.of(line))
            found[place] = plus(found[place], Decimal(line.effective))
    return found


def _sum(amounts: Any) -> Decimal:
    found = Decimal()
    for amount in amounts:
        found = plus(found, amount)
    return found


def _order(bill: Bill) -> tuple[str, str, int, int]:
    return bill.provider, bill.account, bill.first, bill.taken_ms


def _row(one: Compared) -> Document:
    return {"day": day_text(one.day), **_amounts(one)}


def _pool(one: Compared) -> Document:
    return {"days": one.days, **_amounts(one)}


def _amounts(one: Compared) -> Document:
    return {
        "pool": one.pool,
        "metered": amount_text(one.metered),
        "billed": amount_text(one.billed),
        "residual": amount_text(one.residual),
        "residual_percent": None if one.percent is None else float(one.percent),
        "standing": str(one.standing),
    }


def _bill(bill: Bill, currency: str) -> Document:
    return {
        "id": bill.id,
        "provider": bill.provider,
        "account": bill.account,
        "first": day_text(bill.first),
        "end": day_text(bill.end),
        "form": bill.form,
        "currency": bill.currency,
        "billed": bill.billed,
        "effective": bill.effective,
        "rows": bill.rows,
        "lines": bill.lines,
        "file": bill.file,
        "digest": bill.digest,
        "taken_s": seconds(bill.taken_ms),
        "current": bill.current,
        "compared": bill.current and bill.currency == currency,
    }


def _line(line: BillLine, bill: Bill) -> Document:
    names = ("service", "resource", "sku", "region", "category", "billed", "effective", "listed")
    return {
        **{name: getattr(line, name) for name in names},
        "quantity": line.quantity,
        "unit": line.unit,
        "rows": line.rows,
        "line": line.line,
        "file": bill.file,
        "bill": bill.id,
    }
