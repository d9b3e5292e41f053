"""One row of the ledger as a document: what a build cost, an entry."""

from typing import Any

from penstock.model.ledger import BuildCost, Entry
from penstock.model.units import decimal_text, seconds
from penstock.reports.costs import day_text

Document = dict[str, Any]


def build_line(cost: BuildCost) -> Document:
    """What a build cost, by what became of it; `failed`: of attempts that failed by their own doing."""
    failed = cost.amount_micros - cost.passed_micros - cost.lost_micros - cost.dropped_micros
    return {
        "build": cost.build,
        "day": day_text(cost.day),
        "project": cost.project,
        "branch": cost.branch,
        "commit": cost.commit,
        "attempts": cost.attempts,
        "amount": decimal_text(cost.amount_micros),
        "passed": decimal_text(cost.passed_micros),
        "failed": decimal_text(failed),
        "lost": decimal_text(cost.lost_micros),
        "dropped": decimal_text(cost.dropped_micros),
    }


def entry_line(entry: Entry) -> Document:
    """An entry as people read it: what it is for, how much of it, at which price."""
    return {
        "seq": entry.seq,
        "at_s": seconds(entry.at_ms),
        "day": day_text(entry.day),
        "account": str(entry.account),
        "amount": decimal_text(entry.amount_micros),
        "quantity": entry.quantity,
        "unit": entry.unit,
        "price": decimal_text(entry.price_micros),
        "pool": entry.pool,
        "machine": entry.machine,
        "power": entry.power,
        "what": entry.what,
        "attempt": entry.attempt,
        "job": entry.job,
        "build": entry.build,
        "project": entry.project,
        "branch": entry.branch,
        "platform": entry.platform,
        "name": entry.name,
        "klass": entry.klass,
        "outcome": entry.outcome,
        "final": entry.final,
    }
