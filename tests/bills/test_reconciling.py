"""What was metered beside what was billed, from a farm's records: figures, and the lines behind them."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from billfarm import ingest
from billfiles import focus
from farms import RULES, TestFarm

from penstock.bills.reading import read
from penstock.hub.costs import reconciling
from penstock.model.ledger import Account, Ledger, Tally
from penstock.model.rules import Billed
from penstock.model.units import DAY_MS, micros
from penstock.reports.costs import day_number
from penstock.web.costs import ASKS
from penstock.web.costs.asks import answer

SEPTEMBER = day_number(date(2024, 9, 1))
BILLED = (Billed(pool="disks", match={"service": "EBS"}),)


@pytest.fixture
def farm() -> TestFarm:
    farm = TestFarm()
    farm.hub = replace(farm.hub, rules=msgspec.structs.replace(RULES, billed=BILLED))
    ledger = Ledger(from_ms=SEPTEMBER * DAY_MS, day=SEPTEMBER + 20, until_ms=(SEPTEMBER + 20) * DAY_MS)
    farm.hub.store.write(lambda tx: tx.insert(ledger))
    return farm


def meter(farm: TestFarm, day: int, pool: str, cost: str, account: Account = Account.DIRECT) -> None:
    """A tally of a day of September."""
    tally = Tally(
        day=SEPTEMBER + day - 1, project="", platform="", pool=pool, klass="", account=account, outcome="",
        amount_micros=micros(cost),
    )  # fmt: skip
    farm.hub.store.write(lambda tx: tx.insert(tally))


def bill(farm: TestFarm, folder: Path, *changes: Mapping[str, str]) -> None:
    file = folder / "bill.csv"
    file.write_text(focus(*changes))
    ingest(farm, read([file]))


def use(day: int, cost: str, pool: str = "", **more: str) -> dict[str, str]:
    """A row of a day of September."""
    tags = f'{{"penstock-pool": "{pool}"}}' if pool else ""
    start = f"2024-09-{day:02}T00:00:00Z"
    return {
        "ChargePeriodStart": start, "ChargePeriodEnd": start, "EffectiveCost": cost, "Tags": tags, **more,
    }  # fmt: skip


def ask(farm: TestFarm, what: str, **query: str) -> dict[str, Any]:
    """An answer, as the API would give it, of the type that it says."""
    found = answer(ASKS[what], farm.hub, query)
    msgspec.convert(found, ASKS[what].answer)
    return found


def test_a_month_by_pool_and_day(farm: TestFarm, tmp_path: Path) -> None:
    for account, cost in [(Account.DIRECT, "8"), (Account.IDLE, "1.5")]:
        meter(farm, 3, "rented", cost, account)
    meter(farm, 4, "rented", "5")
    meter(farm, 4, "own", "2")
    meter(farm, 4, "", "0.25", Account.STORAGE)
    meter(farm, 18, "rented", "1")
    bill(
        farm,
        tmp_path,
        use(3, "10", "rented"),
        use(4, "10.000000000001", "rented"),
        use(4, "3", ServiceName="EBS"),
        use(4, "0.5"),
        use(25, "7", ServiceName="EBS"),
    )
    found = ask(farm, "reconcile")
    assert (found["month"], found["currency"], found["metered_until"]) == ("2024-09", "USD", "2024-09-21")
    names = ("day", "pool", "metered", "billed", "residual", "residual_percent", "standing")
    assert [tuple(row[name] for name in names) for row in found["rows"]] == [
        ("2024-09-03", "rented", "9.5", "10", "0.5", 5.0, "agrees"),
        ("2024-09-04", "disks", "0", "3", "3", 100.0, "alarm"),
        ("2024-09-04", "own", "2", "0", "-2", None, "no bill"),
        ("2024-09-04", "rented", "5", "10.000000000001", "5.000000000001", 50.0, "alarm"),
        ("2024-09-18", "rented", "1", "0", "-1", None, "not billed yet"),
        ("2024-09-25", "disks", "0", "7", "7", 100.0, "not metered"),
    ]
    assert [(pool["pool"], pool["days"], pool["residual"]) for pool in found["pools"]] == [
        ("disks", 1, "3"),
        ("own", 0, "0"),
        ("rented", 2, "5.500000000001"),
    ]
    assert (found["no_pool"], found["alarms"]) == ({"metered": "0.250000", "billed": "0.5"}, 2)
    assert (found["metered"], found["billed"]) == ("17.750000", "30.500000000001")
    assert [one["effective"] for one in found["bills"]] == ["30.500000000001"]


def test_all_that_was_billed_is_in_a_row_or_in_no_pool(farm: TestFarm, tmp_path: Path) -> None:
    bill(farm, tmp_path, *(use(day, f"0.{day:02}1", "rented" if day % 3 else "") for day in range(1, 29)))
    found = ask(farm, "reconcile", month="2024-09")
    rows = sum(Decimal(row["billed"]) for row in found["rows"])
    assert rows + Decimal(found["no_pool"]["billed"]) == Decimal(found["billed"])
    assert Decimal(found["billed"]) == sum(Decimal(f"0.{day:02}1") for day in range(1, 29))


def test_only_what_counts_is_compared_and_restatements_are_shown(farm: TestFarm, tmp_path: Path) -> None:
    bill(farm, tmp_path, use(3, "10", "rented"))
    farm.clock.wall += 1000
    bill(farm, tmp_path, use(3, "12", "rented"))
    euros = {"BillingCurrency": "EUR", "BillingAccountId": "europe"}
    bill(farm, tmp_path, use(3, "99", "rented", **euros))
    found = ask(farm, "reconcile")
    assert (found["billed"], [row["billed"] for row in found["rows"]]) == ("12", ["12"])
    told = [(one["account"], one["effective"], one["current"], one["compared"]) for one in found["bills"]]
    assert told == [("a1", "10", False, False), ("a1", "12", True, True), ("europe", "99", True, False)]
    lines = ask(farm, "bill_lines", day="2024-09-03", pool="rented")["lines"]
    assert [line["effective"] for line in lines] == ["12"]


def test_a_line_outside_its_billing_period_is_not_lost(farm: TestFarm, tmp_path: Path) -> None:
    late = use(3, "4", "rented") | {
        "ChargePeriodStart": "2024-08-31T00:00:00Z", "ChargePeriodEnd": "2024-08-31T01:00:00Z",
    }  # fmt: skip
    bill(farm, tmp_path, late)
    assert ask(farm, "reconcile")["month"] == "2024-08"
    assert ask(farm, "reconcile", month="2024-09")["bills"] == []
    (row,) = ask(farm, "reconcile", month="2024-08")["rows"]
    assert (row["day"], row["billed"]) == ("2024-08-31", "4")


def test_without_a_bill_it_is_this_month(farm: TestFarm) -> None:
    meter(farm, 3, "rented", "1")
    assert ask(farm, "reconcile")["month"] == "2023-11"
    (row,) = ask(farm, "reconcile", month="2024-09")["rows"]
    assert (row["standing"], row["residual_percent"]) == ("no bill", None)
    empty = TestFarm()
    assert ask(empty, "reconcile")["metered_until"] is None
    assert ask(empty, "reconcile", month="2024-12")["rows"] == []


def test_every_figure_is_the_sum_of_its_lines(
    farm: TestFarm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciling, "SHOWN", 3)
    monkeypatch.setattr(reconciling, "READ", 4)
    rows = [use(3, f"1.{n}", "rented" if n % 2 else "", ResourceId=f"i-{n}") for n in range(9)]
    bill(farm, tmp_path, *rows, use(4, "77", "rented"))
    for pool, cost in [("rented", "5.6"), ("", "7")]:
        found, after = [], "0-0"
        while after is not None:
            page = ask(farm, "bill_lines", day="2024-09-03", pool=pool, after=after)
            assert len(page["lines"]) <= 3
            found += page["lines"]
            after = page["next"]
        assert sum(Decimal(line["effective"]) for line in found) == Decimal(cost)
        assert len({line["resource"] for line in found}) == len(found)
    assert found[0]["file"] == "bill.csv"
    assert [line["line"] for line in found] == [2, 4, 6, 8, 10]
