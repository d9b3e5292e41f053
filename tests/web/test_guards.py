"""Guards over the API: typed answers, who may say yes and no, and who is named for it."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from litestar.testing import TestClient

from penstock.hub import sessions, tokens
from penstock.model.farm import Event
from penstock.model.ledger import Guarding
from penstock.model.people import Role
from penstock.model.states import GuardState
from penstock.store.logs import FolderLogs
from penstock.web.app import make_app
from penstock.web.bell import Bell
from penstock.web.costs import ASKS, TELLS
from penstock.web.site import Site
from tests.farms import RULES, TestFarm, planned
from tests.guards import BURST, MONTH, OWN, guard
from tests.web.edges import OPERATOR, Edge, OneSource

GUARDED = msgspec.structs.replace(
    RULES,
    pools=(OWN, BURST),
    budgets=(MONTH,),
    guards=(
        guard("notify:infra", "owned_only", name="slow down", approval="manual", exempt=("release",)),
        guard("throttled", name="h"),
    ),
)


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[Edge]:
    farm = TestFarm(GUARDED)
    app = make_app(Site(farm.hub, FolderLogs(tmp_path / "logs"), OneSource(), Bell(), OPERATOR))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield Edge(farm, client, sessions.create_token(farm.hub, "own"))


def asks(edge: Edge, state: GuardState = GuardState.PENDING) -> None:
    """The first guard asks."""
    row = Guarding(name="slow down", state=state, since_ms=1, reason="too much")
    edge.farm.store.write(lambda tx: tx.insert(row))


@pytest.mark.parametrize("query", ["", "?guard=slow+down", "?dry_run=true", "?guard=h&dry_run=false"])
def test_answers_are_of_their_type(edge: Edge, query: str) -> None:
    edge.farm.submit("c1", planned("zlib"))
    answer = edge.people("GET", f"costs/guards{query}")
    assert answer.status_code == 200, answer.text
    found = msgspec.json.decode(answer.content, type=ASKS["guards"].answer)
    assert len(found.guards) == (1 if "guard=" in query else 2)
    assert all((one.dry_run is not msgspec.UNSET) == ("true" in query) for one in found.guards)


def test_a_guard_that_there_is_not(edge: Edge) -> None:
    assert edge.people("GET", "costs/guards?guard=nope").status_code == 404
    for what in ("approve", "undo"):
        assert edge.people("POST", f"costs/{what}", json={"guard": "nope"}).status_code == 404
        refused = edge.people("POST", f"costs/{what}", json={"guard": "h"})
        assert refused.status_code == 409
        assert "guard h" in refused.json()["reason"]
        assert edge.people("POST", f"costs/{what}", json={"guard": "h", "colour": 1}).status_code == 400


def test_a_person_says_yes_and_then_no(edge: Edge) -> None:
    asks(edge)
    said = edge.people("POST", "costs/approve", json={"guard": "slow down"})
    assert said.status_code in (200, 201), said.text
    done = msgspec.json.decode(said.content, type=TELLS["approve"].answer)
    assert (done.state, done.changed) == ("active", True)
    (line, _) = edge.people("GET", "costs/guards").json()["guards"]
    assert line["approved_by"]
    assert line["in_force"]
    said = edge.people("POST", "costs/undo", json={"guard": "slow down", "reason": "a release week"})
    assert said.json()["state"] == "standby"
    assert said.json()["reason"].endswith("took it back until its period ends: a release week")
    told = [one for one in edge.farm.all(Event) if one.kind == "guard"]
    assert [one.state for one in told] == ["active", "standby"]
    assert line["approved_by"] in told[1].reason


def test_who_only_looks_changes_nothing(edge: Edge) -> None:
    asks(edge)
    token = tokens.create(edge.farm.hub, "vera", Role.DEVELOPER, 0)
    headers = {"Authorization": f"Bearer {token}"}
    assert edge.people("GET", "costs/guards", headers=headers).status_code == 200
    for what in ("approve", "undo"):
        answer = edge.people("POST", f"costs/{what}", json={"guard": "slow down"}, headers=headers)
        assert answer.status_code == 403
    row = edge.farm.get(Guarding, "slow down")
    assert row.state == GuardState.PENDING
