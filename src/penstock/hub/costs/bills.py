"""Keeps bills: takes one in parts, and makes it count in one step, in place of the bill of the same period before it.

A bill is named by its content (reports.bills), so a part that comes twice is known, a bill that was cut off goes on where it
stopped, and a file that was taken already changes nothing.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import msgspec

from penstock.hub.context import Hub, Refused
from penstock.hub.steps import Step, change, look
from penstock.model.ledger import Bill, BillLine
from penstock.model.units import DAY_MS
from penstock.ports import Tx
from penstock.reports.bills import begun, grown, name_of, overlap
from penstock.reports.costs import day_text

Document = dict[str, Any]
PAGE = 1000
"""Lines that are read or removed at once."""
MOST_SWEPT = 100
"""Pages of lines that one call removes at most, of bills that were begun and never ended."""


def take(hub: Hub, bill: Bill, at: int, lines: Sequence[BillLine]) -> Document:
    """Keep the lines of a bill that come after the `at` that are there. Answers how many are there then, and whether all are
    (`done`): where that is not what the caller thought, it goes on from there. Raises Refused in a farm that has moved."""
    return change(hub, lambda step: _take(step, bill, at, lines))


def _take(step: Step, bill: Bill, at: int, lines: Sequence[BillLine]) -> Document:
    _refuse_moved(step)
    known = step.tx.get(Bill, bill.id)
    if known and known.lines < 0:
        raise Refused(f"bill {bill.id} was begun long ago and is being removed: send it again", stop=False)
    there = known or msgspec.structs.replace(bill, chain=begun(bill), begun_ms=step.wall_ms)
    if known is None:
        step.tx.insert(there)
    if not there.taken_ms and at == there.lines:
        for line in lines:
            step.tx.insert(line)
        there = step.put(grown(there, lines))
    return {"bill": there.id, "lines": there.lines, "done": name_of(there.chain) == there.id}


def close(hub: Hub, ids: Sequence[str], again: bool) -> Document:
    """Make bills count, all of them or none, each in place of the current bill of its period.

    One that was taken before changes nothing, unless it was replaced since and comes `again`. Raises Refused for a bill that is not
    all there, and for one whose period crosses another's.
    """
    answer = change(hub, lambda step: _close(step, ids, again))
    _sweep(hub)
    return answer


def _close(step: Step, ids: Sequence[str], again: bool) -> Document:
    _refuse_moved(step)
    answer: Document = {"taken": [], "replaced": [], "known": [], "restated": []}
    for id_ in dict.fromkeys(ids):
        bill = step.need(Bill, id_)
        if name_of(bill.chain) != bill.id:
            raise Refused(f"bill {id_} is not all here: {bill.lines} of its lines came", stop=False)
        if bill.current or (bill.taken_ms and not again):
            answer["known" if bill.current else "restated"].append(id_)
            continue
        for older in step.tx.find(Bill, "period", True, bill.provider, bill.account):
            if overlap(bill, older):
                _refuse_crossing(bill, older)
                step.put(msgspec.structs.replace(older, current=False))
                answer["replaced"].append(older.id)
        step.put(msgspec.structs.replace(bill, current=True, taken_ms=step.wall_ms))
        answer["taken"].append(id_)
    return answer


def _refuse_crossing(bill: Bill, older: Bill) -> None:
    if (bill.first, bill.end) != (older.first, older.end):
        raise Refused(
            f"the bill of {bill.provider} {bill.account} from {day_text(bill.first)} until {day_text(bill.end)} crosses "
            f"that from {day_text(older.first)} until {day_text(older.end)}: only whole periods are replaced",
            stop=False,
        )


def _refuse_moved(step: Step) -> None:
    if step.farm.address:
        raise Refused(f"the farm has moved to {step.farm.address}", stop=False)


def _sweep(hub: Hub) -> None:
    """Remove what was begun a day ago and never ended, some of it."""
    before_ms = hub.clock.wall_ms() - DAY_MS
    for bill in look(hub, lambda tx, farm: _left(tx, before_ms))[:MOST_SWEPT]:
        remove = partial(_remove, id_=bill.id)
        for _ in range(MOST_SWEPT):
            if not change(hub, remove):
                break


def _left(tx: Tx, before_ms: int) -> list[Bill]:
    return [
        bill for bill in tx.find(Bill, "period", False) if not bill.taken_ms and bill.begun_ms < before_ms
    ]


def _remove(step: Step, id_: str) -> bool:
    """Remove a page of a bill's lines, or, when there is none, the bill. Whether there may be more."""
    bill = step.tx.get(Bill, id_)
    if bill is None or bill.taken_ms:
        return False
    lines = step.tx.find(BillLine, "bill", id_, limit=PAGE)
    for line in lines:
        step.tx.delete(line)
    if lines:
        # Whoever sends it again begins anew.
        step.put(msgspec.structs.replace(bill, chain="", lines=-1))
        return True
    step.tx.delete(bill)
    return False


def bills(tx: Tx, first: int, end: int, currency: str = "") -> list[Bill]:
    """Bills that count and have lines on days from `first` to before `end`; of one currency, where one is named."""
    return [
        bill
        for bill in tx.find(Bill, "period", True)
        if bill.days_from < end and first < bill.days_until and currency in ("", bill.currency)
    ]


def lines(tx: Tx, bill: Bill, first: int, end: int) -> Iterator[BillLine]:
    """The lines of a bill on these days, a page at a time."""
    after: tuple[int, ...] = (first - 1,)
    while True:
        page = tx.find(BillLine, "bill", bill.id, limit=PAGE, after=after)
        for line in page:
            if line.day >= end:
                return
            yield line
        if len(page) < PAGE:
            return
        after = (page[-1].day, page[-1].seq)
