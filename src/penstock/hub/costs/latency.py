"""Price and latency of each pool, from its newest runs: so few that a page may ask."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from penstock.hub.context import Hub
from penstock.hub.costs import reading
from penstock.hub.costs.ranges import range_document
from penstock.hub.costs.reading import Days
from penstock.hub.steps import look
from penstock.model.farm import Farm
from penstock.model.job import Attempt, Job
from penstock.model.ledger import Account, Entry
from penstock.model.states import AttemptState
from penstock.model.units import decimal_text, seconds
from penstock.ports import Tx
from penstock.reports import costs
from penstock.reports.waits import waits_of

Document = dict[str, Any]
RUNS = 200
"""Runs of a pool whose times are looked up."""
LOOKED_AT = 20_000
"""Entries that are read for them, the newest ones: a pool that is used by few may have less than RUNS."""
DEFINITIONS = {
    "took": f"from when a job could start to its end, of the newest {RUNS} runs that passed, without retries",
    "loaded": "all that was spent in the pool on these days, divided by attempts that ended there",
}


class Timed(NamedTuple):
    """One run: how long it waited, and how long it took in all."""

    wait_ms: int
    took_ms: int


def latency(hub: Hub, days: Days) -> Document:
    """The pools that had runs. What is compared is not the same work: for that there is hub.costs.compare."""
    found, times = look(hub, lambda tx, farm: (reading.summed(tx, days, ("pool",)), _times(tx, farm, days)))
    rows = costs.report(found, ("pool",), reading.paid_by_use(hub.rules))
    return {
        "schema": 1,
        **range_document(days),
        "currency": hub.rules.currency,
        "pools": [_line(row, times[row.key[0]]) for row in rows if row.attempts and times[row.key[0]]],
        "definitions": DEFINITIONS,
    }


def _times(tx: Tx, _: Farm, days: Days) -> dict[str, list[Timed]]:
    found: dict[str, list[Timed]] = defaultdict(list)
    for entry in _newest(tx, days):
        if len(found[entry.pool]) < RUNS:
            found[entry.pool] += _timed(tx, entry)
    return found


def _newest(tx: Tx, days: Days) -> Iterable[Entry]:
    """The last entries of attempts that passed, the newest first."""
    left = LOOKED_AT
    for day in range(days.end - 1, days.first - 1, -1):
        page = tx.find(Entry, "day", day, backwards=True, limit=left)
        yield from (
            entry
            for entry in page
            if entry.account == Account.DIRECT and entry.final and entry.outcome == AttemptState.PASSED
        )
        left -= len(page)
        if left <= 0:
            return


def _timed(tx: Tx, entry: Entry) -> list[Timed]:
    """Its times; nothing for what is not kept any more, and for retries: their jobs waited for the attempts before, too."""
    attempt = tx.get(Attempt, entry.attempt)
    job = tx.get(Job, attempt.job) if attempt and attempt.n == 1 and attempt.started_ms else None
    if attempt is None or job is None:
        return []
    return [Timed(max(0, attempt.started_ms - job.ready_ms), max(0, attempt.ended_ms - job.ready_ms))]


def _line(row: costs.Row, times: Sequence[Timed]) -> Document:
    waited = waits_of(sorted(one.wait_ms for one in times))
    took = waits_of(sorted(one.took_ms for one in times))
    return {
        "pool": row.key[0],
        "attempts": row.attempts,
        "runs": len(times),
        "loaded": decimal_text(row.loaded_micros // row.attempts),
        "marginal": decimal_text((row.marginal_micros or 0) // row.attempts),
        "wait_p50_s": seconds(waited.p50_ms or 0),
        "wait_p95_s": seconds(waited.p95_ms or 0),
        "took_p50_s": seconds(took.p50_ms or 0),
        "took_p95_s": seconds(took.p95_ms or 0),
    }
