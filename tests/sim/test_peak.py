"""The most machines that were rented at once is that of one moment, not a sum of moments."""

from sim.worlds import Line, burst, history, run

from penstock.model.rules import Quantiles, Rules
from penstock.reports.compare import Limit, policy_document

HOUR_MS = 3_600_000
QUICK = {"boot": Quantiles(60_000, 60_000), "stopped_price_per_hour_micros": None}
FARM = Rules(pools=(burst(**QUICK), burst(name="windows", platforms=("win",), **QUICK)))


def most_at_once(lines: list[Line]) -> int:
    """From the lines alone."""
    there = most = 0
    for line in lines:
        there += (line["kind"] in ("request", "resume")) - (line["kind"] in ("suspended", "gone"))
        most = max(most, there)
    return most


def test_pools_that_are_busy_at_different_times_do_not_add_up() -> None:
    rows = [(0, 60_000)] * 3 + [(24 * HOUR_MS, 60_000)] * 2
    outcome, lines = run(history(rows, platform=[0, 0, 0, 1, 1]), FARM, preset="stop-when-idle")
    assert list(outcome.peaks) == [3, 2]
    assert outcome.peak == most_at_once(lines) == 3
    document = policy_document(outcome, FARM.waiting, FARM.currency, Limit())
    assert document["machines"]["peak"] == 3


def test_pools_that_are_busy_at_once_do() -> None:
    rows = [(0, 60_000)] * 5
    outcome, lines = run(history(rows, platform=[0, 0, 0, 1, 1]), FARM, preset="stop-when-idle")
    assert outcome.peak == most_at_once(lines) == 5
