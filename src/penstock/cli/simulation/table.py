"""Runs side by side on a terminal: the figures that people ask for first, then what they mean."""

from collections.abc import Sequence

from penstock.cli.output import print_sentences, print_table
from penstock.cli.simulation.inputs import Inputs
from penstock.cli.simulation.runs import Run
from penstock.cli.simulation.sentences import comparison, meaning, money_text, percent_text, time_text
from penstock.reports.compare import Document

COLUMNS = (
    "policy", "in time", "mean wait", "p95", "max", "cost", "rented", "idle", "score", "x limit", "starts", "peak", "on owned",
)  # fmt: skip


def print_runs(inputs: Inputs, runs: Sequence[Run]) -> None:
    """The table and the sentences."""
    print_table(COLUMNS, [row(one.key, one.document) for one in runs])
    promises = {one.key: one.farm.rules.waiting for one in runs}
    documents = {one.key: one.document for one in runs}
    print_sentences(
        [
            *(meaning(one.key, one.document, one.farm.rules.waiting) for one in runs),
            *comparison(documents, promises),
            "The replay is open loop: jobs come when they came then, however long they wait now.",
        ]
    )


def row(key: str, document: Document) -> tuple[object, ...]:
    """One run's figures as they are shown; `x limit` is at the promise where that is known, else when nobody waits."""
    wait, cost, limit, machines = (document[part] for part in ("wait_s", "cost", "limit", "machines"))
    ratio = limit["ratio_at_target"] or limit["ratio_zero_wait"]
    return (
        key,
        percent_text(document["within_target"]),
        time_text(wait["mean"]),
        time_text(wait["p95"]),
        time_text(wait["max"]),
        money_text(cost["total"]),
        money_text(cost["rented"]),
        money_text(cost["idle"]),
        money_text(document["score"]),
        f"{ratio:.2f}" if ratio else "–",
        machines["boots"] + machines["resumes"],
        machines["peak"],
        percent_text(document["owned_share"]),
    )
