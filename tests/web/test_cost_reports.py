"""Reports of costs over the API answer what their types say."""

import msgspec
import pytest

from penstock.web.costs import ASKS
from tests.ledgers import SPENT, foot, write
from tests.web.edges import Edge

NOVEMBER = "since=2026-11-01&until=2026-11-10"


@pytest.fixture
def spent(edge: Edge) -> Edge:
    write(edge.farm.store, *SPENT, foot("zlib:build"), foot("png:build", attempts=3))
    return edge


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("report", f"{NOVEMBER}&by=project,month&top=1"),
        ("report", f"{NOVEMBER}&by=branch"),
        ("report", ""),
        ("builds", NOVEMBER),
        ("build", "build=b1"),
        ("entries", "since=2026-11-01"),
        ("entries", "until=2026-11-10&account=direct&limit=1&after=1-1"),
        ("waste", NOVEMBER),
        ("movers", f"{NOVEMBER}&by=pool"),
        ("rightsize", ""),
        ("compare", ""),
        ("compare", f"{NOVEMBER}&pools=rack,burst"),
        ("rightsize", "days=3660&margin=0"),
        ("digest", ""),
        ("digest", "day=0001-01-01"),
        ("digest", "day=9999-12-31"),
        ("export", NOVEMBER),
        ("export", "since=0001-01-01&until=9999-12-31"),
        ("export", "since=2026-11-02&until=2026-11-01"),
        ("movers", "before=0001-01-01&until=0001-01-03"),
        ("movers", "before=9999-12-31&since=2026-11-01"),
        ("movers", "before=0001-01-01&since=2026-11-02&until=2026-11-01"),
        ("report", "since=0001-01-01&until=9999-12-31&by=month"),
        ("report", "since=2026-11-02&until=2026-11-01&by=month"),
        ("entries", "attempt=a1&after=1-1"),
        ("entries", "machine=m1&after=999999999999999"),
    ],
)
def test_answers_are_of_their_types(spent: Edge, name: str, query: str) -> None:
    answer = spent.people("GET", f"costs/{name}?{query}")
    assert answer.status_code == 200, answer.text
    msgspec.json.decode(answer.content, type=ASKS[name].answer)


@pytest.mark.parametrize(
    ("name", "query", "said"),
    [
        ("report", "by=branch,pool", "by"),
        ("report", "since=2026-11-31", "since"),
        ("report", "top=0", "top"),
        ("report", "colour=red", "colour"),
        ("builds", "top=1001", "top"),
        ("build", "", "build"),
        ("entries", "account=money", "account"),
        ("entries", "after=x", "after"),
        ("movers", "by=day", "by"),
        ("rightsize", "days=0", "days"),
        ("compare", "pools=rack", "pools"),
    ],
)
def test_what_is_asked_wrongly_is_named(spent: Edge, name: str, query: str, said: str) -> None:
    answer = spent.people("GET", f"costs/{name}?{query}")
    assert answer.status_code == 400
    assert said in answer.json()["reason"]


def test_a_build_that_there_is_not(spent: Edge) -> None:
    assert spent.people("GET", "costs/build?build=nope").status_code == 404
