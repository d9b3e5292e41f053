"""Secrets over HTTP: who gets one, and everybody else."""

import base64
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import msgspec
import pytest
from litestar.testing import TestClient

from penstock.hub import sessions, steps
from penstock.model.machine import Machine
from penstock.model.rules import Rules
from penstock.model.secret import Secret
from penstock.store.logs import FolderLogs
from penstock.web.app import make_app
from penstock.web.bell import Bell
from penstock.web.site import Site
from tests.farms import KEY, POOL, RULES, TestFarm, planned
from tests.web.edges import OPERATOR, Document, Edge, OneSource, right

VALUE = b"hunter2\n"
OWN = msgspec.structs.replace(POOL, trust=("trusted",))
OPEN = msgspec.structs.replace(POOL, name="open", trust=("trusted", "untrusted"))
GIVEN = {name: Secret(name=name, file=f"{name}.secret") for name in ("KEY", "OTHER")}


def edge_of(folder: Path, rules: Rules) -> Iterator[Edge]:
    for name in GIVEN:
        path = folder / f"{name}.secret"
        path.write_bytes(VALUE)
        path.chmod(0o600)
    farm = TestFarm(msgspec.structs.replace(rules, folder=str(folder), secrets=GIVEN))
    app = make_app(Site(farm.hub, FolderLogs(folder / "logs"), OneSource(), Bell(), OPERATOR))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield Edge(farm, client, sessions.create_token(farm.hub, "own"))


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[Edge]:
    for one in edge_of(tmp_path, msgspec.structs.replace(RULES, pools=(OWN, OPEN))):
        one.register(KEY)
        yield one


def submit(edge: Edge, module: str = "app", **changes: object) -> None:
    edge.farm.submit(module, planned(module, **({"trust": "trusted", "secrets": ("KEY",)} | changes)))


def ask(edge: Edge, one: Document, name: str = "KEY", **said: str) -> httpx.Response:
    attempt = said.get("attempt", one["attempt"])
    headers = {"X-Penstock-Fence": said.get("fence", one["fence"])}
    return edge.agent("GET", f"attempts/{attempt}/secrets/{name}", headers=headers)


def test_a_trusted_attempt_that_runs_in_a_sandbox_of_a_trusted_pool_gets_its_own(edge: Edge) -> None:
    submit(edge)
    one = edge.started()
    assert one["secrets"] == ["KEY"]
    answer = ask(edge, one)
    assert (answer.status_code, answer.json()) == (
        200,
        {"name": "KEY", "value": base64.b64encode(VALUE).decode()},
    )
    assert answer.headers["cache-control"] == "no-store"
    assert ask(edge, one, "OTHER").status_code == 404, "it did not ask for that one"
    assert ask(edge, one, "..%2fKEY").status_code == 404


def test_it_is_given_while_it_runs_and_not_before_or_after(edge: Edge) -> None:
    submit(edge)
    one = edge.offer()
    early = ask(edge, one)
    assert (early.status_code, early.json()["stop"]) == (409, False)
    edge.agent("POST", f"attempts/{one['attempt']}/acknowledge", json=right(one))
    assert ask(edge, one).status_code == 200
    assert ask(edge, one, fence="old:0").status_code == 409
    ended = {**right(one), "result": "failed", "exit_code": 1}
    assert edge.agent("POST", f"attempts/{one['attempt']}/finish", json=ended).status_code == 200
    assert ask(edge, one).status_code == 409


def test_another_machine_of_the_same_pool_gets_nothing(edge: Edge) -> None:
    submit(edge)
    one = edge.started()
    assert edge.register("cd" * 32, sessions.create_token(edge.farm.hub, "own")).status_code == 200
    assert ask(edge, one).status_code == 409
    assert edge.client.get(f"/api/v1/agent/attempts/{one['attempt']}/secrets/KEY").status_code == 401


def _open_pool(machine: Machine) -> Machine:
    return msgspec.structs.replace(machine, pool="open")


def _open_machine(machine: Machine) -> Machine:
    return msgspec.structs.replace(machine, trust=("trusted", "untrusted"))


def _plain(machine: Machine) -> Machine:
    return msgspec.structs.replace(machine, sandbox="plain")


@pytest.mark.parametrize("made", [_open_pool, _open_machine, _plain])
def test_it_is_held_against_the_machine_once_more_when_it_is_handed_out(
    edge: Edge, made: Callable[[Machine], Machine]
) -> None:
    """What was placed rightly may be wrong by now: the pool's trust is another in farm.toml, or the agent's sandbox."""
    submit(edge)
    one = edge.started()
    machine = edge.farm.all(Machine)[0]
    steps.change(edge.farm.hub, lambda step: step.put(made(machine)))
    assert ask(edge, one).status_code == 404


def test_a_job_without_secrets_gets_none(edge: Edge) -> None:
    submit(edge, secrets=())
    one = edge.started()
    assert one["secrets"] == []
    assert ask(edge, one).status_code == 404


def test_a_pool_that_takes_untrusted_jobs_too_is_given_no_job_with_secrets(edge: Edge) -> None:
    edge.register("cd" * 32, sessions.create_token(edge.farm.hub, "open"))
    (own,) = (one for one in edge.farm.all(Machine) if one.pool == "own")
    steps.change(edge.farm.hub, lambda step: step.put(closed(own)))
    submit(edge)
    edge.farm.tick()
    assert edge.poll()["offers"] == []
    (job,) = edge.people("GET", "jobs").json()["jobs"]
    told = " ".join(edge.people("GET", f"explain/{job['id']}").json()["sentences"])
    assert "given secrets, and it takes untrusted jobs, too" in told


def closed(machine: Machine) -> Machine:
    return msgspec.structs.replace(machine, accepting=False)


def test_what_the_hub_cannot_read_is_said_without_where_it_lies(edge: Edge, tmp_path: Path) -> None:
    (tmp_path / "KEY.secret").chmod(0o644)
    submit(edge)
    answer = ask(edge, edge.started())
    assert answer.status_code == 404
    assert (
        answer.json()["reason"]
        == "secret KEY cannot be read on the hub: its file can be read by others: chmod 600"
    )


def test_a_value_is_in_no_record_and_in_no_answer_to_people(edge: Edge) -> None:
    submit(edge)
    one = edge.started()
    assert ask(edge, one).status_code == 200
    pages = [f"explain/{one['job']}", "jobs", "builds", "events/page", f"build/{one['build']}"]
    for path in pages:
        answer = edge.people("GET", path)
        assert answer.status_code == 200, path
        assert "hunter2" not in answer.text
        assert base64.b64encode(VALUE).decode() not in answer.text
