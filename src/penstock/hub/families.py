"""What figures of a farm are called for a monitoring system, and what they mean.

Names have base units (seconds; money in millionths), counters end with _total, and no label grows with the farm's work.
"""

from typing import Literal, NamedTuple


class Family(NamedTuple):
    """A metric: its type, what its samples are told apart by, and what it means."""

    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    text: str


FAMILIES: dict[str, Family] = {
    "penstock_farm_frozen": Family("gauge", (), "1 while the farm decides nothing until it is thawed."),
    "penstock_jobs": Family("gauge", ("state",), "Jobs that have not ended."),
    "penstock_queue_jobs": Family("gauge", ("platform", "class"), "Jobs that wait for a machine."),
    "penstock_queue_oldest_seconds": Family(
        "gauge", ("platform", "class"), "For how long the oldest of them has been ready."
    ),
    "penstock_pool_oldest_seconds": Family(
        "gauge",
        ("pool",),
        "For how long the oldest job has been ready that the pool takes, by platform and class.",
    ),
    "penstock_jobs_unstarted_total": Family(
        "counter",
        ("platform", "outcome"),
        "Jobs that were ready and ended without one attempt, since the ledger began.",
    ),
    "penstock_machines": Family("gauge", ("pool", "power", "health"), "Machines that are not gone."),
    "penstock_attempts_total": Family(
        "counter", ("pool", "project", "outcome"), "Attempts that have ended, since the ledger began."
    ),
    "penstock_wait_seconds": Family(
        "histogram", ("pool", "class"), "How long jobs that began had been ready, since the ledger began."
    ),
    "penstock_run_seconds": Family(
        "histogram", ("pool", "class"), "How long attempts ran, since the ledger began."
    ),
    "penstock_phase_seconds": Family(
        "histogram",
        ("pool", "phase"),
        "How long machines took to boot or resume, and attempts to fetch, run and upload, since the ledger began.",
    ),
    "penstock_power_total": Family(
        "counter", ("pool", "power"), "Machines that came into this power, since the ledger began."
    ),
    "penstock_scale_decisions_total": Family(
        "counter",
        ("pool", "direction", "reason"),
        "Machines ordered, resumed, suspended and given back, and why.",
    ),
    "penstock_provider_errors_total": Family(
        "counter", ("provider", "pool", "operation", "class"), "Calls of providers that came to nothing."
    ),
    "penstock_provider_away_seconds": Family(
        "gauge", ("pool",), "For how long no listing of the pool's provider has come; 0 = it answers."
    ),
    "penstock_orphans": Family(
        "gauge",
        ("pool", "waits_for"),
        "Machines with this farm's tag that are in no book, and what they wait for.",
    ),
    "penstock_orphans_found_total": Family("counter", ("pool",), "Machines that were found in no book."),
    "penstock_orphans_deleted_total": Family("counter", ("pool",), "Of these, those that were deleted."),
    "penstock_cost_micros_total": Family(
        "counter",
        ("pool", "account", "project"),
        "What was entered in the ledger since it began, millionths of the farm's currency.",
    ),
    "penstock_cost_unentered_micros": Family(
        "gauge", ("pool",), "What has run up since and is not entered yet, millionths of the currency."
    ),
    "penstock_ledger_lag_seconds": Family("gauge", (), "How long ago the ledger was brought up to date."),
    "penstock_budget_used_ratio": Family(
        "gauge", ("budget",), "What is used of a budget in its month or year; 1 = all of it."
    ),
    "penstock_budget_forecast_ratio": Family(
        "gauge", ("budget",), "What is expected to be used of a budget at the end of its month or year."
    ),
    "penstock_budget_forecast_edge_ratio": Family(
        "gauge",
        ("budget", "edge"),
        "The same, as it is not reached in 10 (p10) and in 90 (p90) of 100 possible courses.",
    ),
    "penstock_budget_left_micros": Family(
        "gauge",
        ("budget",),
        "What is left of a budget of money, millionths of the currency; below 0 beyond it.",
    ),
    "penstock_budget_left_seconds": Family("gauge", ("budget",), "What is left of a budget of minutes."),
    "penstock_grant_left_micros": Family(
        "gauge", ("grant",), "What is left of a credit, millionths of the currency."
    ),
    "penstock_grant_ends_timestamp_seconds": Family(
        "gauge", ("grant",), "When a credit ends, seconds since 1970."
    ),
    "penstock_guard_state": Family("gauge", ("guard", "state"), "1 for the state in which a guard is."),
    "penstock_bill_taken_timestamp_seconds": Family(
        "gauge", ("provider",), "When a bill of this provider was last ingested, seconds since 1970."
    ),
    "penstock_bill_until_timestamp_seconds": Family(
        "gauge", ("provider",), "Until when bills of this provider say what was spent, seconds since 1970."
    ),
    "penstock_bill_residual_ratio": Family(
        "gauge",
        ("pool",),
        "In the month of the newest bill: what was billed and not metered, as a share of the bill.",
    ),
}
"""All metrics. docs/reference/metrics.md has the same list."""


class Sample(NamedTuple):
    """One figure; `labels` in the order of its family's. Of a histogram: the sum, and how many lie in each bucket and below."""

    name: str
    labels: tuple[str, ...]
    value: float
    buckets: tuple[tuple[str, int], ...] = ()
