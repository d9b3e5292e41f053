"""The rows of some days: whole days at a time, sums as the ledger has them."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import msgspec
import pytest

from penstock.hub.costs import reading
from penstock.hub.costs.export import export
from penstock.hub.costs.grants import grants as told_grants
from penstock.hub.costs.reading import Days
from penstock.model.rules import Grant
from penstock.reports.costs import day_number
from penstock.reports.focus import COLUMNS, totals
from tests.ledgers import NOW_MS, RULES, SPENT, TODAY, direct, ledger_farm

NOVEMBER = Days(TODAY - 9, TODAY + 1)


def test_all_of_a_month() -> None:
    document = export(ledger_farm(*SPENT).hub, NOVEMBER)
    assert totals(document["rows"])["used"] == Decimal("70.5")
    assert (document["since"], document["until"], document["next"]) == ("2026-11-01", "2026-11-10", None)
    assert (document["form"], document["currency"], document["entered_until_s"]) == (
        "FOCUS 1.2", "USD", NOW_MS / 1000,
    )  # fmt: skip
    assert document["columns"][:57] == list(COLUMNS)
    assert {row["BillingAccountId"] for row in document["rows"]} == {"penstock/farm"}


def test_many_rows_are_told_in_whole_days() -> None:
    days = [direct(1, day=TODAY - n, platform=name) for n in range(4) for name in ("gcc", "arm")]
    hub = ledger_farm(*days).hub
    found, first, told = [], NOVEMBER.first, 0
    while first < NOVEMBER.end:
        document = export(hub, Days(first, NOVEMBER.end), most=3)
        found += document["rows"]
        told += 1
        if document["next"] is None:
            break
        first = NOVEMBER.first + int(document["next"][-2:]) - 1
    assert told == 2
    assert found == export(hub, NOVEMBER)["rows"]
    assert len(found) == 8


def test_what_grants_paid_are_rows_of_their_own_until_nothing_is_left() -> None:
    grants = (
        Grant(name="first", amount=Decimal(20), currency="USD", start="2026-10-01", until="2026-11-30"),
        Grant(name="next", amount=Decimal(100), currency="USD", start="2026-11-01", until="2027-11-30"),
    )
    hub = replace(ledger_farm(*SPENT).hub, rules=msgspec.structs.replace(RULES, grants=grants))
    rows = export(hub, NOVEMBER)["rows"]
    paid = {row["x_Grant"]: row["BilledCost"] for row in rows if row["ChargeCategory"] == "Credit"}
    assert paid == {"first": "-12.000000", "next": "-46.500000"}, "8 of the first went in October"
    assert sum(Decimal(row["BilledCost"]) for row in rows) == 12, "what is of no pool is paid in cash"
    assert totals(rows)["used"] == Decimal("70.5")
    assert export(hub, Days(5, 4))["rows"] == []
    told = told_grants(hub)
    assert (told["cost"], told["cash"]) == ("78.500000", "12.000000"), (
        "as `costs grants` has it, since October"
    )


def test_nothing_is_entered_yet() -> None:
    document = export(ledger_farm().hub, NOVEMBER)
    assert (document["rows"], document["next"], document["entered_until_s"]) == ([], None, None)
    assert export(ledger_farm().hub, Days(5, 4))["next"] is None


def test_a_range_of_all_days_there_are_is_answered_at_once() -> None:
    hub = ledger_farm(*SPENT).hub
    every = Days(day_number(date.min), day_number(date.max) + 1)
    document = export(hub, every, most=1)
    assert (document["since"], document["next"]) == ("0001-01-01", "2026-11-10")
    assert len(document["rows"]) == 1
    assert export(hub, every)["next"] is None


def test_more_rows_than_are_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = ledger_farm(*SPENT).hub
    whole = export(hub, NOVEMBER)["rows"]
    monkeypatch.setattr(reading, "PAGE", 2)
    assert export(hub, NOVEMBER)["rows"] == whole
