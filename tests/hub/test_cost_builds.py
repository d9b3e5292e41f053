"""What builds cost: by project, one by one, and the same number wherever it is told."""

import msgspec
import pytest

from penstock.hub.context import NotFound
from penstock.hub.costs.builds import build, builds
from penstock.hub.costs.reading import Days
from penstock.hub.explain import explain
from penstock.model.job import Attempt
from penstock.model.ledger import Account, Entry
from tests.farms import POOL, RULES, Agent, TestFarm, planned
from tests.ledgers import SPENT, TODAY, ledger_farm, write

TODAYS = Days(TODAY, TODAY + 1)


def test_cost_per_successful_build_and_the_dearest() -> None:
    document = builds(ledger_farm(*SPENT).hub, Days(TODAY - 9, TODAY + 1), top=1)
    core, gui = document["projects"]
    assert core == {
        "project": "core", "builds": 1, "passed": 1, "spent": "35.000000", "mean": "35.000000", "p50": "35.000000",
        "p90": "35.000000", "each": "35.000000", "loaded": "54.833333",
    }  # fmt: skip
    assert (gui["passed"], gui["mean"], gui["loaded"]) == (0, None, None)
    (dearest,) = document["builds"]
    assert (dearest["build"], dearest["state"], dearest["failed"]) == ("b1", "PASSED", "0.000000")


def test_a_build_that_is_not_kept_has_no_state() -> None:
    farm = ledger_farm(*(row for row in SPENT if type(row).__name__ != "Build"))
    assert [line["state"] for line in builds(farm.hub, TODAYS)["builds"]] == [None, None]


def priced() -> TestFarm:
    return TestFarm(
        msgspec.structs.replace(
            RULES, pools=(msgspec.structs.replace(POOL, price_per_hour_micros=3_600_000),)
        )
    )


def test_one_build_costs_what_explain_says_of_its_job() -> None:
    farm = priced()
    agent = Agent(farm, "m1")
    made = farm.submit("c1", planned("zlib"))
    farm.tick()
    (work,) = agent.start()
    running = build(farm.hub, made.id)
    assert (running["cost"], running["running"]) == ("0.000000", 1)
    assert running["jobs"][0]["attempts"][0]["cost"] is None
    farm.tick(7000)
    agent.run(work)
    farm.tick()
    (attempt,) = farm.all(Attempt)
    about = {"attempt": attempt.id, "build": made.id, "day": 1, "at_ms": 1, "account": Account.DIRECT}
    write(farm.store, *(Entry(amount_micros=amount, quantity=1000, **about) for amount in (3, 4)))  # type: ignore[arg-type]
    document = build(farm.hub, made.id)
    (job,) = document["jobs"]
    (line,) = job["attempts"]
    assert document["cost"] == job["cost"] == line["cost"] == "0.003500"
    assert "Attempts cost 0.003500 USD so far." in explain(farm.hub, job["job"]).sentences
    assert (line["entered"], line["entries"], line["held_s"]) == ("0.000007", 2, 2.0)
    assert document["entered"] is None


def test_what_is_entered_for_a_build() -> None:
    document = build(ledger_farm(*SPENT).hub, "b1")
    assert document["entered"]["lost"] == "5.000000"
    assert document["jobs"] == []


def test_a_build_that_there_is_not() -> None:
    with pytest.raises(NotFound, match="build 'nope' does not exist"):
        build(ledger_farm().hub, "nope")
