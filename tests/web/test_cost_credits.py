"""Budgets, credits, owned machines and use over the API answer what their types say."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from litestar.testing import TestClient

from penstock.model.ledger import Span
from penstock.model.rules import Budget, Grant, Tco
from penstock.model.states import Power
from penstock.store.logs import FolderLogs
from penstock.web.app import make_app
from penstock.web.bell import Bell
from penstock.web.costs import ASKS
from penstock.web.site import Site
from tests.farms import TestFarm
from tests.ledgers import NOW_MS, RULES, SPENT, TODAY, ms_of, write
from tests.web.edges import OPERATOR, Edge, OneSource

RACK, BURST = RULES.pools
AGREED = msgspec.structs.replace(
    RULES,
    pools=(msgspec.structs.replace(RACK, tco=Tco(purchase_micros=10**9)), BURST),
    grants=(Grant(name="g", amount=Decimal(40), currency="USD", start="2026-11-01", until="2026-12-31"),),
    budgets=(Budget(name="b", amount=Decimal(9), unit="minutes"),),
)
UP = Span(
    machine="m", pool="burst", from_ms=ms_of(TODAY - 1), until_ms=ms_of(TODAY), power=Power.UP, price_micros=1,
    amount_micros=1, counted_ms=1,
)  # fmt: skip


@pytest.fixture
def agreed(tmp_path: Path) -> Iterator[Edge]:
    farm = TestFarm(AGREED)
    farm.clock.wall = NOW_MS
    write(farm.store, *SPENT, UP)
    app = make_app(Site(farm.hub, FolderLogs(tmp_path / "logs"), OneSource(), Bell(), OPERATOR))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield Edge(farm, client, "")


@pytest.mark.parametrize(
    ("name", "query", "lines"),
    [
        ("budgets", "", "budgets"),
        ("grants", "", "grants"),
        ("tco", "", "pools"),
        ("use", "", "pools"),
        ("use", "since=2026-11-01&until=2026-11-09", "pools"),
    ],
)
def test_answers_are_of_their_types(agreed: Edge, name: str, query: str, lines: str) -> None:
    answer = agreed.people("GET", f"costs/{name}?{query}")
    assert answer.status_code == 200, answer.text
    assert answer.json()[lines]
    msgspec.json.decode(answer.content, type=ASKS[name].answer)


@pytest.mark.parametrize("name", ["budgets", "grants", "tco", "use"])
def test_farms_without_any_are_answered_too(edge: Edge, name: str) -> None:
    answer = edge.people("GET", f"costs/{name}")
    assert answer.status_code == 200, answer.text
    msgspec.json.decode(answer.content, type=ASKS[name].answer)


def test_what_is_asked_wrongly_is_named(edge: Edge) -> None:
    answer = edge.people("GET", "costs/use?since=yesterday")
    assert answer.status_code == 400
    assert "since" in answer.json()["reason"]
    assert edge.people("GET", "costs/use?since=0001-01-01&until=9999-12-31").status_code == 200
