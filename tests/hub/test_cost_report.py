"""The document of what was spent."""

from penstock.hub.costs.reading import Days
from penstock.hub.costs.report import report
from penstock.model.ledger import Meter
from penstock.model.states import Power
from tests.ledgers import BOOKS, NOW_MS, SPENT, TODAY, ledger_farm

NOVEMBER = Days(TODAY - 9, TODAY + 1)


def test_a_month_by_project() -> None:
    document = report(ledger_farm(*SPENT).hub, NOVEMBER, ["project"])
    assert (document["since"], document["until"], document["entered_until_s"]) == (
        "2026-11-01", "2026-11-10", NOW_MS / 1000,
    )  # fmt: skip
    lines = {line["of"]["project"]: line for line in document["rows"]}
    assert lines["core"] == {
        "of": {"project": "core"}, "direct": "35.000000", "idle": "0.000000", "lifecycle": "0.000000",
        "overhead": "0.000000", "storage": "0.000000", "egress": "0.000000", "total": "35.000000",
        "marginal": "38.500000", "loaded": "54.833333", "attempts": 2, "passed": 1, "held_s": 126_000.0,
    }  # fmt: skip
    assert document["total"]["total"] == document["total"]["loaded"] == "70.500000"
    assert document["others"] is None


def test_the_dearest_and_the_others() -> None:
    document = report(ledger_farm(*SPENT).hub, NOVEMBER, ["project", "outcome"], top=1)
    assert [line["of"] for line in document["rows"]] == [{"project": "core", "outcome": "PASSED"}]
    assert (document["others"]["rows"], document["others"]["of"]) == (3, {"project": "", "outcome": ""})


def test_what_runs_up_is_told_apart() -> None:
    meter = Meter(
        machine="m1", pool="burst", power=Power.UP, since_ms=NOW_MS - 3_600_000, price_micros=400_000,
        direct_micros=100_000,
    )  # fmt: skip
    farm = ledger_farm(*SPENT, meter)
    document = report(farm.hub, NOVEMBER, ["project"])
    assert (document["unentered"], document["total"]["total"]) == ("0.300000", "70.500000")
    assert report(farm.hub, Days(TODAY - 9, TODAY), ["project"])["unentered"] is None


def test_by_branch() -> None:
    document = report(ledger_farm(*SPENT).hub, NOVEMBER, ["branch"])
    lines = {line["of"]["branch"]: line for line in document["rows"]}
    assert {name: line["direct"] for name, line in lines.items()} == {
        "main": "35.000000", "next": "8.000000", "": "2.000000",
    }  # fmt: skip
    assert lines["main"]["marginal"] is lines["main"]["passed"] is lines["main"]["held_s"] is None
    assert document["total"]["loaded"] == "70.500000"
    assert "over all pools" in document["definitions"]["loaded"]


def test_nothing_is_entered_yet() -> None:
    document = report(ledger_farm().hub, NOVEMBER, ["project"])
    assert (document["rows"], document["entered_until_s"]) == ([], None)
    assert document["total"]["loaded"] == "0.000000"
    assert report(ledger_farm(BOOKS).hub, Days(5, 4), ["day"])["rows"] == []
