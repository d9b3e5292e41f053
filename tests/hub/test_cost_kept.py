"""From jobs that ran to reports, through the bookkeeper: every number is the same wherever it is told."""

from decimal import Decimal

from bookfarm import HOUR, MINUTE, kept, later, one_job, sums, to_midnight
from farms import Agent

from penstock.hub.costs.builds import build, builds
from penstock.hub.costs.entries import Wanted, entries
from penstock.hub.costs.ranges import days_of
from penstock.hub.costs.report import report
from penstock.hub.costs.rightsize import rightsize
from penstock.hub.explain import explain
from penstock.hub.queue import Ending
from penstock.model.job import Attempt
from penstock.model.ledger import Ledger, Span
from penstock.model.rules import Charge
from penstock.model.units import DAY_MS, decimal_text


def test_reports_builds_and_entries_agree() -> None:
    farm = kept(charges=(Charge(name="switch", per_month_micros=30_000_000, pool="own"),))
    agent = Agent(farm, "m1")
    one_job(farm, agent, 25 * MINUTE)
    one_job(farm, agent, 10 * MINUTE, Ending(result="failed", exit_code=1))
    to_midnight(farm)
    booked = sums(farm)
    days = days_of(farm.hub, None, None, days=2)
    (qt, nobody) = sorted(
        report(farm.hub, days, ["project"])["rows"], key=lambda row: row["attempts"], reverse=True
    )
    spent = decimal_text(sum(attempt.cost_micros for attempt in farm.all(Attempt)))
    assert (qt["direct"], qt["attempts"], qt["passed"]) == (spent, 2, 1)
    assert Decimal(qt["loaded"]) == Decimal(sum(booked.values())) / 1_000_000
    assert (nobody["loaded"], nobody["overhead"]) == ("0.000000", "1.000000")
    spans = sum(span.amount_micros for span in farm.all(Span))
    assert Decimal(qt["loaded"]) - 1 == Decimal(spans) / 1_000_000
    assert entries(farm.hub, Wanted(days, {"account": "direct"}), 100)["amount"] == spent
    for line in builds(farm.hub, days)["builds"]:
        document = build(farm.hub, line["build"])
        (job,) = document["jobs"]
        assert document["cost"] == job["cost"] == document["entered"]["amount"] == line["amount"]
        assert job["attempts"][0]["entered"] == line["amount"]
        assert entries(farm.hub, Wanted(days, {"build": line["build"]}), 9)["amount"] == line["amount"]
        assert f"Attempts cost {line['amount']} USD so far." in explain(farm.hub, job["job"]).sentences


def test_what_runs_up_is_what_will_be_entered() -> None:
    farm = kept()
    agent = Agent(farm, "m1")
    later(farm, HOUR // 2, agent)
    farm.services.finish()
    today = days_of(farm.hub, None, None, days=1)
    assert Decimal(report(farm.hub, today, ["pool"])["unentered"]) == Decimal("0.2016")
    assert report(farm.hub, today, ["pool"])["rows"] == []


def test_how_busy_a_machine_was() -> None:
    farm = kept()
    agent = Agent(farm, "m1")
    one_job(farm, agent, 25 * MINUTE)
    to_midnight(farm)
    (pool,) = rightsize(farm.hub, days_of(farm.hub, None, None, days=2))["pools"]
    lasted_ms = DAY_MS - farm.all(Ledger)[0].from_ms % DAY_MS
    assert abs(pool["held_share"] - 25 * MINUTE / (2 * lasted_ms)) < 0.001
    assert (pool["machines"], pool["needed"]) == (1, 1)
