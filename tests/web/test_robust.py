"""Whatever is sent, the answer is JSON with a reason, and never a failure of the hub."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from litestar.testing import TestClient

from penstock.ports import Locked, Stale, StoreError
from penstock.store.logs import FolderLogs
from penstock.web.app import make_app
from penstock.web.bell import Bell
from penstock.web.site import Site
from tests.farms import Agent, TestFarm, planned
from tests.web.edges import OPERATOR, OneSource


class Fuzzed:
    """A farm in work behind an edge whose streams end at once."""

    def __init__(self, folder: Path) -> None:
        self.farm = TestFarm()
        self.agent = Agent(self.farm, "m1")
        self.farm.submit("c1", planned("zlib"), planned("png"))
        self.farm.tick()
        (self.work, *_) = self.agent.start()
        bell = Bell()
        bell.close()
        site = Site(self.farm.hub, FolderLogs(folder), OneSource(), bell, OPERATOR)  # type: ignore[arg-type]
        self.client = TestClient(make_app(site), base_url="http://127.0.0.1", raise_server_exceptions=False)
        self.description = self.client.get("/api/v1/schema/openapi.json").json()

    def call(self, method: str, path: str, **said: Any) -> Any:
        token = self.agent.answer.token if "/agent/" in path else OPERATOR
        headers = {"Authorization": f"Bearer {token}"} | said.pop("headers", {})
        return self.client.request(method, path, headers=headers, follow_redirects=False, **said)


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzed]:
    one = Fuzzed(tmp_path_factory.mktemp("logs"))
    with one.client:
        yield one


def check(answer: Any) -> None:
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400 and answer.request.method != "HEAD":
        assert "reason" in answer.json(), answer.text


SCALARS = (
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text() | st.just("a" * 5000)
)
HUGE = st.sampled_from([2**63, -(2**63) - 1, 2**64, 10**40, -1, 1e308])
VALUES = st.recursive(
    SCALARS | HUGE,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)
NAMES = st.text(max_size=90).filter(lambda name: name not in (".", "..") and "/" not in name)
FEW = settings(max_examples=60, suppress_health_check=list(HealthCheck))


@FEW
@given(data=st.data())
def test_any_json_to_any_call(fuzzed: Fuzzed, data: st.DataObject) -> None:
    paths = fuzzed.description["paths"]
    path = data.draw(st.sampled_from(sorted(paths)))
    method = data.draw(st.sampled_from(sorted(paths[path])))
    real = {"attempt": fuzzed.work.attempt.id, "id": fuzzed.work.job.id, "name": "tree"}
    for name in ("attempt", "id", "name", "build", "how", "key", "digest", "user"):
        if f"{{{name}}}" in path:
            value = data.draw(st.just(real.get(name, "x")) | NAMES)
            path = path.replace(f"{{{name}}}", _quoted(value))
    body = paths[data.draw(st.sampled_from(sorted(paths)))].get("post", {}).get("requestBody", {})
    fields = sorted(_fields(fuzzed.description, body)) or ["x"]
    said = data.draw(VALUES | st.dictionaries(st.sampled_from(fields), VALUES, max_size=6))
    content = json.dumps(said).encode()
    headers = {"Content-Type": "application/json", "X-Penstock-Fence": fuzzed.work.attempt.fence}
    check(fuzzed.call(method.upper(), path, content=content, headers=headers))


def _quoted(name: str) -> str:
    return quote(name.encode("utf-8", "surrogatepass"), safe="") or "x"


def _fields(description: dict[str, Any], body: dict[str, Any]) -> set[str]:
    schema = body.get("content", {}).get("application/json", {}).get("schema", {})
    name = schema.get("$ref", "").rpartition("/")[2]
    return set(description["components"]["schemas"].get(name, {}).get("properties", {}))


@FEW
@given(
    content=st.binary(max_size=300), media=st.sampled_from(["application/json", "text/plain", "", "a/b; c"])
)
def test_any_bytes_as_a_body(fuzzed: Fuzzed, content: bytes, media: str) -> None:
    for path in ("/api/v1/cancel/x", "/api/v1/submit", "/api/v1/tokens", "/api/v1/agent/poll"):
        check(fuzzed.call("POST", path, content=content, headers={"Content-Type": media}))


@FEW
@given(
    path=st.lists(NAMES, max_size=4),
    method=st.sampled_from(
        ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "NONE", "FOO"]
    ),
    query=st.text(max_size=40),
)
def test_any_address(fuzzed: Fuzzed, path: list[str], method: str, query: str) -> None:
    asked = "/api/v1/" + "/".join(map(_quoted, path)) + "?" + _quoted(query)
    check(fuzzed.call(method, asked))


@pytest.mark.parametrize(
    "number", [-1, 2**53 + 1, 2**63, 2**64, 10**30, 1.5], ids=lambda number: f"{number:.3g}"
)
@pytest.mark.parametrize("field", ["call", "free_slots", "log_bytes", "wall_ms"])
def test_numbers_that_nobody_can_keep_are_refused(fuzzed: Fuzzed, field: str, number: float) -> None:
    finish = {"attempt": "a", "fence": "f", "result": "passed"}
    body = {
        "call": {"call": number},
        "free_slots": {"call": 1, "free_slots": [number]},
        "log_bytes": {"call": 1, "finish": [{**finish, "log_bytes": number}]},
        "wall_ms": {"call": 1, "finish": [{**finish, "used": {"wall_ms": number}}]},
    }[field]
    answer = fuzzed.call("POST", "/api/v1/agent/poll", json=body)
    assert answer.status_code == 400
    assert field in answer.json()["reason"]


@pytest.mark.parametrize("problem", [StoreError("the disk is gone"), Stale("x"), Locked("x")], ids=str)
def test_a_store_that_cannot_answer_is_told_as_not_now(
    tmp_path: Path, problem: StoreError, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Fuzzed(tmp_path)

    def fail(operation: Any) -> Any:
        raise problem

    monkeypatch.setattr(one.farm.store, "read", fail)
    monkeypatch.setattr(one.farm.store, "write", fail)
    with one.client:
        for method, path in (
            ("GET", "builds"),
            ("GET", "job/x"),
            ("POST", "cancel/x"),
            ("GET", "events/page"),
        ):
            answer = one.call(method, f"/api/v1/{path}", json={} if method == "POST" else None)
            assert answer.status_code == 503, path
            assert answer.json() == {"reason": "the farm's database cannot do it now"}, "not where it is"
            assert answer.headers["retry-after"] == "2"
            assert list(answer.json()) == ["reason"]
        token = {"Authorization": "Bearer somebodys"}
        assert one.client.get("/api/v1/builds", headers=token).status_code == 503  # not 401: nobody knows


def test_a_mistake_of_ours_is_500_without_its_innards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Fuzzed(tmp_path)

    def fail(operation: Any) -> Any:
        raise ValueError("secret")

    monkeypatch.setattr(one.farm.store, "read", fail)
    with one.client:
        answer = one.call("GET", "/api/v1/builds")
    assert (answer.status_code, answer.json()) == (500, {"reason": "the hub failed: ValueError"})
