"""A month of a real project."""

import gzip
import json
from pathlib import Path

import pytest
from markets import HOUR_MS, span

from penstock.reports.limits.market import Span


def _read(shared_data: Path, moment: str) -> Span:
    recorded = json.loads(gzip.decompress((shared_data / "bitcoin-ci" / "tasks.json.gz").read_bytes()))
    ran = [row for row in recorded if row["finalStatusTimestamp"] > row["executingTimestamp"]]
    jobs = sorted((row[moment] * 1000, row["duration"] * 1000) for row in ran)
    assert len(jobs) == 8301
    return span(*jobs)


@pytest.fixture(scope="session")
def observed(shared_data: Path) -> Span:
    """Every job of the month, submitted when it was seen to start."""
    return _read(shared_data, "executingTimestamp")


@pytest.fixture(scope="session")
def second_half(shared_data: Path) -> Span:
    """The last 12.2 days, submitted when they were created."""
    whole = _read(shared_data, "creationTimestamp")
    late = whole.submitted_ms >= whole.submitted_ms[0] + 12 * 24 * HOUR_MS
    return Span(whole.submitted_ms[late], whole.run_ms[late])
