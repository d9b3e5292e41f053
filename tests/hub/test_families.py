"""Names and meanings of metrics, by the rules of `promtool check metrics`, which CI does not have.

Source: github.com/prometheus/client_golang, prometheus/testutil/promlint, release 1.20.
"""

import re

import pytest

from penstock.hub.families import FAMILIES, Family
from penstock.policy.charging.counting import BUCKETS_S

UNITS = (
    "milliseconds",
    "microseconds",
    "minutes",
    "hours",
    "days",
    "weeks",
    "kilobytes",
    "megabytes",
    "bits",
)
"""Units that have a base unit: seconds, bytes."""
SHORT = ("s", "ms", "us", "ns", "sec", "min", "b", "kb", "mb", "gb", "m", "h", "d", "pct", "percent")
BOUNDED = {
    "state", "platform", "class", "pool", "power", "health", "project", "outcome", "phase", "direction", "reason",
    "provider", "operation", "waits_for", "account", "budget", "edge", "grant", "guard",
}  # fmt: skip
"""Names of farm.toml, states, and projects, of which only so many are told apart. No job, build, branch, machine, person."""


@pytest.fixture(params=sorted(FAMILIES))
def named(request: pytest.FixtureRequest) -> tuple[str, Family]:
    return request.param, FAMILIES[request.param]


def test_names_are_words_in_base_units(named: tuple[str, Family]) -> None:
    name, _ = named
    assert re.fullmatch(r"penstock(_[a-z]+)+", name)
    parts = set(name.split("_"))
    assert not parts & {*UNITS, *SHORT, "counter", "gauge", "histogram", "summary"}


def test_endings_say_what_it_is(named: tuple[str, Family]) -> None:
    name, family = named
    assert name.endswith("_total") == (family.kind == "counter")
    assert not name.endswith(("_count", "_sum", "_bucket", "_info"))
    if family.kind == "histogram":
        assert name.endswith("_seconds")
    if "timestamp" in name:
        assert (family.kind, name.endswith("_timestamp_seconds")) == ("gauge", True)


def test_labels_are_bounded(named: tuple[str, Family]) -> None:
    _, family = named
    assert set(family.labels) <= BOUNDED
    assert len(set(family.labels)) == len(family.labels)
    assert not {"le", "quantile", "job", "instance"} & set(family.labels), "they are Prometheus' own"


def test_help_is_a_sentence(named: tuple[str, Family]) -> None:
    _, family = named
    assert family.text.endswith(".")
    assert "\n" not in family.text


def test_buckets_are_those_that_others_use() -> None:
    assert BUCKETS_S == (5, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
