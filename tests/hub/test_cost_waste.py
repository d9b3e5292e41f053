"""What came to nothing, and what moved."""

from penstock.hub.costs.reading import Days
from penstock.hub.costs.waste import movers, waste
from tests.ledgers import SPENT, TODAY, direct, ledger_farm

NOVEMBER = Days(TODAY - 9, TODAY + 1)


def test_waste_and_its_share() -> None:
    document = waste(ledger_farm(*SPENT).hub, NOVEMBER)
    lines = {line["kind"]: (line["amount"], line["share"]) for line in document["waste"]}
    assert document["spent"] == "70.500000"
    assert lines == {
        "idle": ("9.000000", 0.12766),
        "lifecycle": ("4.500000", 0.06383),
        "lost": ("5.000000", 0.070922),
        "dropped": ("0.000000", 0.0),
        "flaky": ("0.000000", 0.0),
    }


def test_nothing_spent_has_no_shares() -> None:
    assert {line["share"] for line in waste(ledger_farm().hub, NOVEMBER)["waste"]} == {None}


def test_what_moved() -> None:
    farm = ledger_farm(
        direct(10), direct(4, day=TODAY - 1), direct(5, project="gui"), direct(1, project="web")
    )
    document = movers(farm.hub, Days(TODAY, TODAY + 1), Days(TODAY - 1, TODAY), ["project"], 2)
    assert (document["change"], document["others"]) == ("12.000000", 1)
    assert document["before"] == {"since": "2026-11-09", "until": "2026-11-09"}
    assert document["movers"][0] == {
        "of": {"project": "core"}, "before": "4.000000", "now": "10.000000", "change": "6.000000",
        "quantity": "6.000000", "price": "0.000000", "mix": "0.000000", "cause": "quantity",
    }  # fmt: skip
    assert document["movers"][1]["cause"] == "new"
    assert movers(farm.hub, Days(TODAY, TODAY + 1), Days(TODAY - 1, TODAY), ["pool"], 2)["others"] == 0


def test_books_that_are_younger_than_what_is_compared() -> None:
    farm = ledger_farm(*SPENT)
    document = movers(farm.hub, NOVEMBER, Days(TODAY - 99, TODAY - 89), ["project"], 2)
    assert document["warnings"] == ["the books begin on 2026-10-01: what was spent before is not in them"]
    assert movers(farm.hub, NOVEMBER, Days(TODAY - 19, TODAY - 9), ["project"], 2)["warnings"] == []
