"""The people's API as it is documented: who may call what, what is refused, pages of long lists."""

from typing import Any

import msgspec
import pytest

from penstock.hub import tokens
from penstock.model.farm import Event
from penstock.model.people import ROLES, Role, may
from penstock.web import documents as d
from penstock.web.agentcalls import FORWARD
from penstock.web.bell import Bell
from penstock.web.feed import Feed
from penstock.web.people import ACTS
from penstock.web.peoplecalls import ACT_TEXTS, people_calls
from penstock.web.site import Site
from tests.farms import Agent, planned
from tests.web.edges import OPERATOR, Edge, OneSource

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def description(edge: Edge) -> dict[str, Any]:
    return edge.client.get("/api/v1/schema/openapi.json").json()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


EXAMPLES = {
    "id": "x",
    "build": "x",
    "how": "deep",
    "key": "trusted sha256:" + "0" * 64,
    "attempt": "a1",
    "name": "tree",
    "digest": "sha256:" + "0" * 64,
    "job": "x",
    "user": "ada",
}


def operations(description: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """(method, path with names filled in, operation) of everything that is described."""
    return [
        (method.upper(), path.format(**EXAMPLES), operation)
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    ]


def test_without_a_token_nothing_is_told(edge: Edge, description: dict[str, Any]) -> None:
    for method, path, _ in operations(description):
        for headers in ({}, bearer("nonsense"), {"Authorization": "Basic " + OPERATOR}):
            answer = edge.client.request(method, path, headers=headers | JSON, content=b"{}")
            assert answer.status_code in (400, 401), (method, path)
            if answer.status_code == 401:
                assert answer.headers["www-authenticate"] == "Bearer"
            assert list(answer.json()) == ["reason"]


@pytest.mark.parametrize("role", ROLES)
def test_each_call_is_for_its_role_and_those_above(edge: Edge, role: Role) -> None:
    token = tokens.create(edge.farm.hub, "ada", role, 0)
    bell = Bell()
    site = Site(edge.farm.hub, None, OneSource(), bell, OPERATOR)
    for call in people_calls(site, Feed(edge.farm.hub, bell)):
        if call.waits:
            continue  # streams are asked below, submitting in its own tests
        path = call.path.format(**EXAMPLES)
        answer = edge.client.request(call.method, path, headers=bearer(token) | JSON, content=b"{}")
        assert (answer.status_code == 403) == (not may(role, call.role or Role.VIEWER)), (call.name, role)
        if answer.status_code == 403:
            assert (
                f"needs the role {call.role}; the token of ada has the role {role}" in answer.json()["reason"]
            )


def test_a_revoked_token_is_refused_at_once(edge: Edge) -> None:
    token = tokens.create(edge.farm.hub, "ada", Role.VIEWER, 0, "laptop")
    assert edge.client.get("/api/v1/builds", headers=bearer(token)).status_code == 200
    revoked = edge.people("POST", "tokens/revoke", json={"user": "ada", "name": "laptop"})
    assert revoked.json() == {"revoked": 1}
    answer = edge.client.get("/api/v1/builds", headers=bearer(token))
    assert (answer.status_code, answer.json()) == (401, {"reason": "the token is revoked"})
    other = tokens.create(edge.farm.hub, "ada", Role.VIEWER, 0, "ci")
    assert edge.people("DELETE", "tokens/ada?name=ci").json() == {"revoked": 1}
    assert edge.client.get("/api/v1/builds", headers=bearer(other)).status_code == 401


def test_who_did_it_is_kept_and_shown(edge: Edge) -> None:
    build = edge.farm.submit("c1", planned("zlib"))
    token = tokens.create(edge.farm.hub, "ada", Role.OPERATOR, 0)
    job = edge.farm.job(build, "zlib:build")
    (machine,) = edge.people("GET", "machines").json()["machines"]
    for what, name in (
        ("hold", job.id),
        ("drain", machine["id"]),
        ("undrain", machine["id"]),
        ("cancel", build.id),
    ):
        edge.client.post(f"/api/v1/{what}/{name}", json={"reason": "Friday"}, headers=bearer(token))
    edge.people("POST", f"quarantine/{machine['id']}", json={})
    told = {event.reason for event in edge.farm.all(Event)}
    assert {
        "held by ada: Friday",
        "drained by ada: Friday",
        "drain taken back by ada: Friday",
        "cancelled by ada: Friday",
        "quarantined by the operator",
    } <= told


def test_a_machine_that_drains_is_not_said_to_be_down(edge: Edge) -> None:
    (machine,) = edge.people("GET", "machines").json()["machines"]
    said = [edge.people("POST", f"drain/{machine['id']}", json={}).json() for _ in range(2)]
    assert said == [
        {"done": True, "said": f"{machine['id']} ends what it runs and takes nothing more"},
        {"done": False, "said": f"{machine['id']} drains already"},
    ]


def test_tokens_are_made_listed_and_never_shown_again(edge: Edge) -> None:
    asked = {"user": "ada", "role": "developer", "name": "ci", "valid_ms": 3_600_000}
    made = edge.people("POST", "tokens", json=asked)
    assert edge.client.get("/api/v1/builds", headers=bearer(made.json()["token"])).status_code == 200
    listed = edge.people("GET", "tokens")
    (line,) = listed.json()["tokens"]
    assert (line["user"], line["role"], line["name"], line["revoked"]) == ("ada", "developer", "ci", False)
    assert made.json()["token"] not in listed.text
    assert edge.people("POST", "tokens", json={**asked, "user": "a b"}).status_code == 409
    assert edge.people("POST", "tokens", json={**asked, "role": "king"}).status_code == 400


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"reason": "x"}', 404),
        (b"{}", 404),
        (b"", 400),
        (b"nonsense", 400),
        (b"null", 400),
        (b'{"reason": 1}', 400),
        (b'{"reason": null}', 400),
        (b'{"unknown": "x"}', 400),
        (b'{"reason": "a", "reason": "b"}', 404),
        (b'{"reason": "a\\u0000b"}', 400),
        (b'{"reason": "\\ud800"}', 400),
        (b'{"reason": "\xff"}', 400),
        (b"[" * 100_000, 400),
        (b'{"reason": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400),
        (b'{"reason": 1' + b"0" * 10_000 + b"}", 400),
        (b'{"reason": 1e999999999}', 400),
        (b'{"reason": "' + b"x" * 501 + b'"}', 400),
        (b'{"reason": "' + b"x" * (1 << 20) + b'"}', 413),
    ],
    ids=lambda value: str(value[:24]) if isinstance(value, bytes) else str(value),
)
def test_a_body_is_what_is_documented_or_refused(edge: Edge, body: bytes, status: int) -> None:
    answer = edge.people("POST", "cancel/x", content=body, headers=JSON)
    assert answer.status_code == status, answer.text
    assert list(answer.json()) == ["reason"]


@pytest.mark.parametrize(
    "media", ["", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1", "x"]
)
def test_only_json_is_taken_as_json(edge: Edge, media: str) -> None:
    answer = edge.people("POST", "cancel/x", content=b"{}", headers={"Content-Type": media})
    assert answer.status_code == 415
    agents = edge.agent("POST", "poll", content=b'{"call": 9}', headers={"Content-Type": media})
    assert agents.status_code == 415


@pytest.mark.parametrize(
    "path",
    [
        "builds?limit=0",
        "builds?limit=1001",
        "builds?limit=x",
        "builds?limit=",
        "builds?limit=99999999999999999999999",
        "builds?after=../x",
        "builds?unknown=1",
        "jobs?after=%00",
        "build/a%0A",
        "build/a%20b",
        "job/" + "x" * 81,
        "known/nonsense",
        "fsck/shallow",
        "log/x?offset=-1",
        "log/x?offset=1.5",
        "events/page?after=-1",
        "events?kind=JOB",
        "log/x/stream?attempt=0",
    ],
)
def test_addresses_are_what_is_documented_or_refused(edge: Edge, path: str) -> None:
    answer = edge.people("GET", path)
    assert answer.status_code == 400, answer.text
    assert list(answer.json()) == ["reason"]


@pytest.mark.parametrize("path", ["nonsense", "builds/x", "job", "job/x/y", "../../etc", "log/x/stream/z"])
def test_what_is_not_there_is_said_in_json(edge: Edge, path: str) -> None:
    answer = edge.people("GET", path)
    assert answer.status_code == 404
    assert list(answer.json()) == ["reason"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_every_path_says_which_methods_it_has(edge: Edge, description: dict[str, Any]) -> None:
    paths: dict[str, set[str]] = {}
    for method, path, _ in operations(description):
        paths.setdefault(path, set()).add(method)
    for path, methods in paths.items():
        wanted = methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())
        options = edge.client.options(path)
        assert set(options.headers["allow"].split(", ")) == wanted, path
        for method in {"GET", "POST", "PUT", "DELETE", "PATCH", "TRACE"} - methods:
            answer = edge.client.request(method, path)
            assert answer.status_code == 405, (method, path)
            assert set(answer.headers["allow"].split(", ")) == wanted, path
            assert list(answer.json()) == ["reason"]


def test_head_is_get_without_the_body(edge: Edge) -> None:
    whole, head = edge.people("GET", "machines"), edge.people("HEAD", "machines")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.content))
    assert edge.people("HEAD", "build/nonsense").status_code == 404
    assert edge.people("HEAD", "events").headers["content-type"] == "text/event-stream"


# Documents ----------------------------------------------------------------------------------------------------


def test_documents_are_of_the_types_that_are_described(edge: Edge) -> None:
    agent = Agent(edge.farm, "m2", key="ef" * 32)
    build = edge.farm.submit("c1", planned("zlib"), planned("zlib", "test", needs=["zlib"]), planned("png"))
    edge.farm.tick()
    agent.start()
    edge.farm.run_all(agent)
    again = edge.farm.submit("c2", planned("zlib"), planned("curl"))
    job = edge.farm.job(build, "zlib:build")
    for path, kind in {
        "builds": d.Builds,
        "jobs": d.Jobs,
        f"jobs/{again.id}": d.Jobs,
        f"build/{build.id}": d.BuildResult,
        f"job/{job.id}": d.JobLine,
        f"explain/{job.id}": d.Explained,
        f"outputs/{job.id}": d.Outputs,
        "machines": d.Machines,
        "fsck": d.Violations,
        "fsck/deep": d.Violations,
        f"known/{job.spec.trust} {'sha256:' + '0' * 64}": d.Known,
        f"log/{job.id}": d.LogPiece,
        "events/page": d.Events,
        "tokens": d.Tokens,
    }.items():
        answer = edge.people("GET", path)
        assert answer.status_code == 200, (path, answer.text)
        found = msgspec.json.decode(answer.content, type=kind)
        assert set(msgspec.to_builtins(found)) == set(answer.json()), path
    for what, name in (("retry", job.id), ("cancel", again.id)):
        msgspec.json.decode(edge.people("POST", f"{what}/{name}", json={}).content, type=d.Done)


def pages(edge: Edge, path: str, key: str) -> list[dict[str, Any]]:
    """All lines of a list, two at a time."""
    found, after = [], ""
    while True:
        page = edge.people("GET", f"{path}?limit=2" + (f"&after={after}" if after else "")).json()
        assert len(page[key]) <= 2
        found += page[key]
        if page["next"] is None:
            return found
        after = page["next"]


def test_pages_of_builds_and_jobs_hold_each_line_once_in_order(edge: Edge) -> None:
    builds = []
    for number in range(5):
        jobs = [planned(f"m{one}") for one in range(number)]
        builds.append(edge.farm.submit(f"c{number}", *jobs).id)
        edge.farm.tick(1000)
    assert [line["id"] for line in pages(edge, "builds", "builds")] == builds[::-1]
    every = pages(edge, "jobs", "jobs")
    assert [line["build"] for line in every] == [
        one for number, one in enumerate(builds) for _ in range(number)
    ]
    assert len({line["id"] for line in every}) == 10
    assert pages(edge, f"jobs/{builds[4]}", "jobs") == every[-4:]
    assert edge.people("GET", "builds?after=nonsense").status_code == 404
    assert edge.people("GET", f"jobs/{builds[4]}?after={every[0]['id']}").status_code == 404


def test_the_description_is_whole(edge: Edge, description: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(description)]
    assert len(ids) == len(set(ids))
    described = set(description["paths"])
    there = {
        route.path_format
        for route in edge.client.app.routes
        if route.path.startswith(("/api/v1", "/metrics")) and "schema" not in route.path
    }
    assert described == there
    (forward,) = description["paths"]["/api/v1/agent/attempts/{attempt}/forward"].values()
    assert forward["responses"]["101"]["headers"]["Upgrade"]["schema"]["const"] == FORWARD
    assert "200" not in forward["responses"]


def test_every_field_of_the_agents_messages_is_described(description: dict[str, Any]) -> None:
    schemas = description["components"]["schemas"]
    messages = [
        "Register",
        "Registered",
        "Poll",
        "Polled",
        "Offer",
        "Finish",
        "Acknowledge",
        "Accepted",
        "Held",
    ]
    lacking = [
        f"{name}.{field}"
        for name in [*messages, "Ordered", "Used", "Uploaded", "Input", "Answered", "Refused", "NextOffset"]
        for field, about in schemas[name]["properties"].items()
        if not about.get("description") and "$ref" not in about
    ]
    assert lacking == []


def test_everything_that_people_may_do_has_a_role_and_says_what_it_does() -> None:
    assert list(ACT_TEXTS) == list(ACTS)
    assert all(text.endswith(".") for _, text in ACT_TEXTS.values())
