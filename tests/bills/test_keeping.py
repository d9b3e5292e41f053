"""A bill comes in parts, counts at once, replaces the one of its period, and is never half there."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from billfarm import Calls, Cut, ingest, standing
from billfiles import focus
from farms import TestFarm

from penstock.bills.reading import Found, read
from penstock.cli.costs import ingesting
from penstock.cli.output import Leave
from penstock.hub import incarnation
from penstock.hub.context import NotFound, Refused
from penstock.hub.costs import bills
from penstock.model.ledger import Bill, BillLine
from penstock.model.units import DAY_MS
from penstock.store.postgres import PostgresStore


@pytest.fixture
def farm() -> TestFarm:
    return TestFarm()


def found(folder: Path, *changes: Mapping[str, str]) -> Found:
    file = folder / "bill.csv"
    file.write_text(focus(*changes))
    return read([file])


HOURS = [{"ResourceId": f"i-{n}", "BilledCost": f"0.{n:03}1"} for n in range(10)]


def test_a_bill_is_kept_with_its_lines(farm: TestFarm, tmp_path: Path) -> None:
    assert ingest(farm, found(tmp_path, *HOURS, {"BillingAccountId": "a2"})) == "bills: 2 stored"
    assert standing(farm) == [("a1", "0.046", "12.5", 10), ("a2", "1.5", "1.25", 1)]
    (bill, _) = sorted(farm.all(Bill), key=lambda one: one.account)
    assert (bill.provider, bill.currency, bill.file) == ("AWS", "USD", "bill.csv")
    assert bill.taken_ms == farm.clock.wall
    (line,) = [line for line in farm.all(BillLine) if line.resource == "i-3"]
    assert (line.billed, line.line, line.day) == ("0.0031", 5, 19969)


def test_the_same_file_again_changes_nothing(farm: TestFarm, tmp_path: Path) -> None:
    ingest(farm, found(tmp_path, *HOURS))
    before = farm.all(Bill), farm.all(BillLine)
    farm.clock.wall += 1000
    assert ingest(farm, found(tmp_path, *HOURS)) == "bills: 1 known already"
    assert ingest(farm, found(tmp_path, *reversed(HOURS))) == "bills: 1 known already"
    assert (farm.all(Bill), farm.all(BillLine)) == before


def test_a_restatement_replaces_and_is_kept(farm: TestFarm, tmp_path: Path) -> None:
    ingest(farm, found(tmp_path, *HOURS))
    farm.clock.wall += 1000
    late = [*HOURS, {"ResourceId": "late"}]
    assert ingest(farm, found(tmp_path, *late)) == "bills: 1 stored, 1 of them in place of older ones"
    assert standing(farm) == [("a1", "1.546", "13.75", 11)]
    assert sorted((bill.current, bill.rows) for bill in farm.all(Bill)) == [(False, 10), (True, 11)]
    said = ingest(farm, found(tmp_path, *HOURS))
    assert said.startswith("bills: 1 left as they are, because others replaced them since")
    assert standing(farm) == [("a1", "1.546", "13.75", 11)]
    assert ingest(farm, found(tmp_path, *HOURS), again=True).startswith("bills: 1 stored, 1 of them in place")
    assert standing(farm) == [("a1", "0.046", "12.5", 10)]


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("left", range(6))
def test_what_is_cut_off_does_not_count_and_goes_on(
    farm: TestFarm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: int, late: bool
) -> None:
    monkeypatch.setattr(ingesting, "AWAY", ingesting.Size(3, 700000))
    ingest(farm, found(tmp_path, {"ResourceId": "before"}))
    whole = found(tmp_path, *HOURS, {"BillingAccountId": "a2"})
    with pytest.raises(Cut):
        ingesting.keep(Calls(farm, left, late), whole, False)  # type: ignore[arg-type]
    all_of_it = [("a1", "0.046", "12.5", 10), ("a2", "1.5", "1.25", 1)]
    assert standing(farm) == (all_of_it if late and left == 5 else [("a1", "1.5", "1.25", 1)])
    ingest(farm, whole)
    assert standing(farm) == all_of_it


def test_a_bill_with_lines_missing_is_refused(farm: TestFarm, tmp_path: Path) -> None:
    calls = Calls(farm, left=1)
    what = found(tmp_path, *HOURS)
    with pytest.raises(Cut):
        ingesting.keep(calls, what, False)  # type: ignore[arg-type]
    (bill,) = farm.all(Bill)
    farm.hub.store.write(lambda tx: tx.replace(bill.__class__(**{**_fields(bill), "chain": "x", "lines": 4})))
    with pytest.raises(Refused, match="is not all here: 4 of its lines came"):
        bills.close(farm.hub, [bill.id], False)
    with pytest.raises(NotFound):
        bills.close(farm.hub, ["0" * 32], False)


def _fields(bill: Bill) -> dict[str, Any]:
    return {name: getattr(bill, name) for name in bill.__struct_fields__}


def test_one_wrong_bill_and_none_counts(farm: TestFarm, tmp_path: Path) -> None:
    crossing = {"BillingPeriodStart": "2024-09-15T00:00:00Z", "BillingAccountId": "a2"}
    ingest(farm, found(tmp_path, {"BillingAccountId": "a2"}))
    with pytest.raises(Refused, match="AWS a2 from 2024-09-15 until 2024-10-01 crosses that from 2024-09-01"):
        ingest(farm, found(tmp_path, *HOURS, crossing))
    assert standing(farm) == [("a2", "1.5", "1.25", 1)]


def test_what_was_begun_and_never_ended_is_removed_a_day_later(
    farm: TestFarm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingesting, "AWAY", ingesting.Size(4, 700000))
    monkeypatch.setattr(bills, "PAGE", 3)
    with pytest.raises(Cut):
        ingesting.keep(Calls(farm, left=2), found(tmp_path, *HOURS), False)  # type: ignore[arg-type]
    assert len(farm.all(BillLine)) == 8
    ingest(farm, found(tmp_path, {}))
    assert len(farm.all(BillLine)) == 9
    farm.clock.wall += DAY_MS + 1
    ingest(farm, found(tmp_path, {}))
    assert (len(farm.all(Bill)), len(farm.all(BillLine))) == (1, 1)


def test_a_bill_that_is_being_removed_is_not_taken(
    farm: TestFarm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingesting, "AWAY", ingesting.Size(4, 700000))
    with pytest.raises(Cut):
        ingesting.keep(Calls(farm, left=1), found(tmp_path, *HOURS), False)  # type: ignore[arg-type]
    monkeypatch.setattr(bills, "MOST_SWEPT", 1)
    farm.clock.wall += DAY_MS + 1
    ingest(farm, found(tmp_path, {}))
    with pytest.raises(Refused, match="send it again"):
        ingest(farm, found(tmp_path, *HOURS))


def test_nothing_is_kept_in_a_farm_that_has_moved(farm: TestFarm, tmp_path: Path) -> None:
    incarnation.freeze(farm.hub, "moved", "https://new.example")
    with pytest.raises(Refused, match=r"has moved to https://new\.example"):
        ingest(farm, found(tmp_path, {}))
    with pytest.raises(Refused, match=r"has moved to https://new\.example"):
        bills.close(farm.hub, ["0" * 32], False)
    assert farm.all(Bill) == []


class Stubborn:
    """A hub that always has other lines than we think."""

    def tell(self, what: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return {"bill": "", "lines": 0, "done": False}


def test_it_gives_up_where_the_farm_never_has_what_was_sent(tmp_path: Path) -> None:
    with pytest.raises(Leave):
        ingesting.keep(Stubborn(), found(tmp_path, *HOURS), False)  # type: ignore[arg-type]


def test_parts_stay_small_enough_for_a_hub(
    farm: TestFarm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingesting, "AWAY", ingesting.Size(100, 5000))
    long = [{"ResourceId": f"{n:02}" + "é" * 2000} for n in range(5)]
    ingest(farm, found(tmp_path, *long))
    assert standing(farm)[0][3] == 5


def test_the_same_in_postgresql(postgres_url: str, tmp_path: Path) -> None:
    store = PostgresStore(postgres_url)
    try:
        farm = TestFarm(store=store)
        assert ingest(farm, found(tmp_path, *HOURS)) == "bills: 1 stored"
        assert ingest(farm, found(tmp_path, *HOURS)) == "bills: 1 known already"
        assert ingest(farm, found(tmp_path, *HOURS, {"ResourceId": "late"})).startswith(
            "bills: 1 stored, 1 of"
        )
        assert standing(farm) == [("a1", "1.546", "13.75", 11)]
    finally:
        store.close()
