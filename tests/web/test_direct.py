"""Tickets and what came by them, over HTTP; the object store is memory, and its sender is the test."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import obstore
import pytest
from litestar.testing import TestClient

from penstock.hub import sessions
from penstock.model.job import Attempt
from penstock.model.rules import Rules
from penstock.model.states import AttemptState
from penstock.store.logs import FolderLogs
from penstock.web.app import make_app
from penstock.web.bell import Bell
from penstock.web.site import Site
from tests.farms import KEY, RULES, TestFarm, digest, planned
from tests.web.edges import OPERATOR, Document, Edge, OneSource, fence, right


class SignedMemory:
    """Memory that signs: the address is the path."""

    signs = True

    def __init__(self, inside: object) -> None:
        self._inside = inside

    def __getattr__(self, name: str) -> object:
        return getattr(self._inside, name)

    def sign(self, path: str, valid_s: int) -> str:
        return path


class DirectFarm(TestFarm):
    """A farm whose blobs give tickets."""

    def __init__(self, rules: Rules = RULES) -> None:
        super().__init__(rules)
        self.blobs._objects = SignedMemory(self.blobs._objects)

    def send(self, ticket: Document, content: bytes) -> None:
        """As S3 would take it."""
        obstore.put(self.blobs._memory, ticket["url"], content)


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[Edge]:
    farm = DirectFarm()
    app = make_app(Site(farm.hub, FolderLogs(tmp_path / "logs"), OneSource(), Bell(), OPERATOR))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        one = Edge(farm, client, sessions.create_token(farm.hub, "own"))
        assert one.register(KEY).json()["direct"] is True
        farm.submit("c1", planned("zlib"))
        yield one


def ask(edge: Edge, one: Document, what: str, name: str = "tree"):  # type: ignore[no-untyped-def]
    return edge.agent("POST", f"attempts/{one['attempt']}/outputs/{name}/{what}", headers=fence(one))


def test_an_output_goes_past_the_hub_and_is_published(edge: Edge) -> None:
    one = edge.started()
    ticket = ask(edge, one, "ticket").json()
    assert ticket["method"] == "PUT"
    assert ticket["valid_s"] == 3600
    assert ticket["url"].startswith(f"uploads/{one['attempt']}/tree/")
    edge.farm.send(ticket, b"built")
    told = {"name": "tree", "digest": digest(b"built"), "size_bytes": 5}
    assert ask(edge, one, "received").json() == told
    assert ask(edge, one, "received").json() == told, "a repeat gets the first answer"
    assert edge.farm.get(Attempt, one["attempt"]).outputs[0].digest == digest(b"built")
    finish = {**right(one), "result": "passed", "exit_code": 0, "outputs": [told]}
    assert edge.agent("POST", f"attempts/{one['attempt']}/finish", json=finish).status_code == 200
    edge.farm.tick()
    assert edge.farm.get(Attempt, one["attempt"]).state == AttemptState.PASSED
    assert list(edge.farm.blobs.digests()) == [digest(b"built")]
    assert list(edge.farm.blobs.uploads()) == []


def test_what_is_sent_after_it_was_read_changes_nothing(edge: Edge) -> None:
    one = edge.started()
    ticket = ask(edge, one, "ticket").json()
    edge.farm.send(ticket, b"read")
    assert ask(edge, one, "received").json()["digest"] == digest(b"read")
    edge.farm.send(ticket, b"tampered")
    assert ask(edge, one, "received").json()["digest"] == digest(b"read")
    name = f"{one['attempt']}/tree"
    edge.farm.blobs.publish(name, digest(b"read"))
    assert b"".join(edge.farm.blobs.read(digest(b"read"))) == b"read"
    with pytest.raises(KeyError):
        edge.farm.blobs.publish(name, digest(b"tampered"))


def test_a_newer_upload_ends_the_older_ticket(edge: Edge) -> None:
    one = edge.started()
    older, newer = (ask(edge, one, "ticket").json() for _ in range(2))
    edge.farm.send(older, b"older")
    assert ask(edge, one, "received").status_code == 404
    edge.farm.send(newer, b"newer")
    assert ask(edge, one, "received").json()["digest"] == digest(b"newer")
    put = edge.agent("PUT", f"attempts/{one['attempt']}/outputs/tree", content=b"hub's", headers=fence(one))
    assert put.json()["digest"] == digest(b"hub's")
    edge.farm.send(newer, b"late")
    assert ask(edge, one, "received").status_code == 404, "what came through the hub stands"


def test_both_calls_are_fenced_like_an_upload(edge: Edge) -> None:
    one = edge.started()
    for what in ("ticket", "received"):
        stale = edge.agent(
            "POST", f"attempts/{one['attempt']}/outputs/tree/{what}", headers={"X-Penstock-Fence": "other"}
        )
        assert stale.status_code == 409
        assert stale.json()["stop"] is True
        bare = edge.agent("POST", f"attempts/{one['attempt']}/outputs/tree/{what}")
        assert bare.status_code == 400
        assert ask(edge, one, what, "passwords").status_code == 404
        strange = edge.client.post(
            f"/api/v1/agent/attempts/{one['attempt']}/outputs/tree/{what}", headers=fence(one)
        )
        assert strange.status_code == 401
    assert list(edge.farm.blobs.uploads()) == []
    ended = {**right(one), "result": "failed", "exit_code": 1}
    assert edge.agent("POST", f"attempts/{one['attempt']}/finish", json=ended).status_code == 200
    assert [ask(edge, one, what).status_code for what in ("ticket", "received")] == [409, 409]


def test_nothing_came(edge: Edge) -> None:
    one = edge.started()
    assert ask(edge, one, "received").status_code == 404
    ask(edge, one, "ticket")
    answer = ask(edge, one, "received")
    assert answer.status_code == 404
    assert "nothing came" in answer.json()["reason"]


def test_who_asks_again_waits_for_the_same_reading(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    one, begun, go_on, readings = edge.started(), threading.Event(), threading.Event(), []
    ticket = ask(edge, one, "ticket").json()
    edge.farm.send(ticket, b"built")
    receive = edge.farm.blobs.receive

    def slowly(name: str) -> tuple[str, int]:
        readings.append(name)
        begun.set()
        assert go_on.wait(60)
        return receive(name)

    monkeypatch.setattr(edge.farm.blobs, "receive", slowly)
    with ThreadPoolExecutor(3) as threads:
        asked = [threads.submit(ask, edge, one, "received")]
        assert begun.wait(60)
        asked += [threads.submit(ask, edge, one, "received") for _ in range(2)]
        other = edge.agent("POST", f"attempts/{one['attempt']}/renew", json=right(one))
        assert other.status_code == 200, "other calls are answered meanwhile"
        go_on.set()
        assert [each.result(60).json()["digest"] for each in asked] == [digest(b"built")] * 3
    assert len(readings) <= 2, "one that asked after the end may read once more"


def test_where_there_are_no_tickets(tmp_path: Path) -> None:
    farm = TestFarm()
    app = make_app(Site(farm.hub, FolderLogs(tmp_path / "logs"), OneSource(), Bell(), OPERATOR))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        edge = Edge(farm, client, sessions.create_token(farm.hub, "own"))
        assert edge.register(KEY).json()["direct"] is False
        farm.submit("c1", planned("zlib"))
        answer = ask(edge, edge.started(), "ticket")
    assert answer.status_code == 404
    assert "PUT the output here" in answer.json()["reason"]
