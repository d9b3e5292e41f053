"""Bills over the API: in parts, by operators, refused as documented."""

import json
from pathlib import Path
from typing import Any

import pytest
from billfiles import focus

from penstock.bills.reading import read
from penstock.cli.costs import ingesting
from penstock.model.ledger import Bill, BillLine
from tests.web.edges import Edge

WRONG: list[tuple[str, Any]] = [
    ("billed", "NaN"),
    ("billed", "1e5"),
    ("billed", "01"),
    ("billed", "1.50"),
    ("billed", 3),
    ("resource", "a\0b"),
    ("resource", "x" * 3000),
    ("rows", 0),
    ("day", -1),
]


class OverHttp:
    """What ServedFarm.tell does, over the test's client."""

    def __init__(self, edge: Edge) -> None:
        self.edge = edge
        self.calls: list[str] = []

    def tell(self, what: str, body: dict[str, Any]) -> Any:
        self.calls.append(what)
        sent = json.dumps(body, separators=(",", ":")).encode()  # as wire.client does
        answer = self.edge.people(
            "POST", f"costs/{what}", content=sent, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == 200, answer.text
        return answer.json()


def test_a_bill_over_http(edge: Edge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingesting, "AWAY", ingesting.Size(2, 700000))
    (tmp_path / "b.csv").write_text(focus(*({"ResourceId": f"i-{n}"} for n in range(5))))
    over = OverHttp(edge)
    assert ingesting.keep(over, read([tmp_path / "b.csv"]), False) == "bills: 1 stored"  # type: ignore[arg-type]
    assert over.calls == ["bill_part", "bill_part", "bill_part", "bills_close"]
    (bill,) = edge.farm.all(Bill)
    assert (bill.current, bill.effective, len(edge.farm.all(BillLine))) == (True, "6.25", 5)
    found = edge.people("GET", "costs/reconcile").json()
    assert (found["month"], found["no_pool"]["billed"]) == ("2024-09", "6.25")
    lines = edge.people("GET", "costs/bill_lines?day=2024-09-03").json()["lines"]
    assert [line["resource"] for line in lines] == [f"i-{n}" for n in range(5)]


def test_parts_fit_into_a_call_whatever_letters_they_have(edge: Edge, tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text(focus(*({"ResourceId": "é" * 2000 + str(n)} for n in range(200))))
    over = OverHttp(edge)
    ingesting.keep(over, read([tmp_path / "b.csv"]), False)  # type: ignore[arg-type]
    assert len(over.calls) > 3
    assert len(edge.farm.all(BillLine)) == 200


@pytest.mark.parametrize(("field", "value"), WRONG)
def test_lines_are_as_documented(edge: Edge, field: str, value: object) -> None:
    names = ("service", "resource", "sku", "region", "category", "pool", "unit")
    amounts = ("billed", "effective", "listed", "quantity")
    line = {"day": 1, "rows": 1, "line": 2} | dict.fromkeys(names, "") | dict.fromkeys(amounts, "0")
    head = {
        "id": "0" * 32, "provider": "p", "account": "a", "first": 1, "end": 2, "form": "f", "currency": "USD",
        "file": "x", "digest": "sha256:" + "0" * 64,
    }  # fmt: skip
    body = {"bill": head, "at": 0, "lines": [line | {field: value}]}
    answer = edge.people("POST", "costs/bill_part", json=body)
    assert answer.status_code == 400
    assert f"$.lines[0].{field}" in answer.json()["reason"]
    assert edge.farm.all(Bill) == []


def test_what_is_not_there_cannot_count(edge: Edge) -> None:
    assert edge.people("POST", "costs/bills_close", json={"bills": ["0" * 32]}).status_code == 404
    assert edge.people("POST", "costs/bills_close", json={"bills": []}).status_code == 400
    assert edge.people("GET", "costs/reconcile?month=2024-13").status_code == 400
    assert edge.people("GET", "costs/bill_lines").status_code == 400
