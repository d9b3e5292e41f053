"""POST /api/v1/submit: who may, what is passed on, and that the hub answers others meanwhile."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from penstock.hub import tokens
from penstock.hub.context import Refused
from penstock.hub.submission import Accepted, Submission, Unfit
from penstock.model.change import Build
from penstock.model.people import Role
from penstock.store.logs import FolderLogs
from penstock.web import submitting
from penstock.web.app import make_app
from penstock.web.bell import Bell
from penstock.web.site import Site
from tests.farms import TestFarm
from tests.web.edges import OPERATOR, OneSource

BODY = {"request": "r1", "repository": "https://git.example/zlib.git"}
BUILT = Accepted(build=Build(id="b1", change="c1", source="x"))


class Desk:
    """An edge that submits with `answer`."""

    def __init__(self, folder: Path) -> None:
        self.farm = TestFarm()
        self.asked: list[Submission] = []
        self.answer: Any = lambda: BUILT
        site = Site(
            self.farm.hub,
            FolderLogs(folder),
            OneSource(),
            Bell(),
            OPERATOR,
            submit=self._submit,  # type: ignore[arg-type]
        )
        self.client = TestClient(make_app(site), base_url="http://127.0.0.1")

    def _submit(self, asked: Submission) -> Accepted:
        self.asked.append(asked)
        built: Accepted = self.answer()
        return built

    def post(self, token: str = OPERATOR, **changes: Any) -> Any:
        headers = {"Authorization": f"Bearer {token}"}
        return self.client.post("/api/v1/submit", json={**BODY, **changes}, headers=headers)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    one = Desk(tmp_path)
    with one.client:
        yield one


def test_a_developer_submits_under_their_own_name(desk: Desk) -> None:
    ada = tokens.create(desk.farm.hub, "ada", Role.DEVELOPER, 0)
    assert desk.post(ada, ref="v1", queue_limit_s=60).json() == {"build": "b1", "warnings": []}
    (asked,) = desk.asked
    assert asked == Submission(
        request="r1",
        repository=BODY["repository"],
        ref="v1",
        user="ada",
        who="ada",
        queue_limit_ms=60_000,
    )
    assert desk.post(ada, who="ada").status_code == 200
    assert desk.post(ada, who="bob").status_code == 403
    assert desk.post(ada, priority=1).status_code == 403
    viewer = tokens.create(desk.farm.hub, "eve", Role.VIEWER, 0)
    assert desk.post(viewer).status_code == 403
    assert len(desk.asked) == 2


def test_an_operator_submits_for_others_and_raises_priorities(desk: Desk) -> None:
    forge = tokens.create(desk.farm.hub, "forge", Role.OPERATOR, 0)
    assert desk.post(forge, who="bob", priority=5).status_code == 200
    assert [(one.user, one.who, one.priority, one.local) for one in desk.asked] == [
        ("forge", "bob", 5, False)
    ]


def test_what_nobody_could_take_is_answered(desk: Desk) -> None:
    desk.answer = lambda: Accepted(build=BUILT.build, warnings=("no pool", "no machine"))
    answer = desk.post()
    assert (answer.status_code, answer.json()) == (
        200,
        {"build": "b1", "warnings": ["no pool", "no machine"]},
    )


def test_only_the_local_operators_token_on_this_machine_is_local(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submitting, "LOOPBACK_ADDRESSES", ("testclient",))
    named_so = tokens.create(desk.farm.hub, "operator", Role.ADMIN, 0)
    desk.post()
    desk.post(named_so)
    monkeypatch.setattr(submitting, "LOOPBACK_ADDRESSES", ("127.0.0.1", "::1"))
    desk.post()
    assert [one.local for one in desk.asked] == [True, False, False]


@pytest.mark.parametrize(("problem", "status"), [(Unfit("a: b; c"), 400), (Refused("no", stop=False), 409)])
def test_what_is_wrong_is_said(desk: Desk, problem: Exception, status: int) -> None:
    def refuse() -> Accepted:
        raise problem

    desk.answer = refuse
    answer = desk.post()
    assert (answer.status_code, answer.json()) == (status, {"reason": str(problem)})


@pytest.mark.parametrize(
    "wrong",
    [
        {"request": ""},
        {"request": "a b"},
        {"repository": ""},
        {"repository": "x\n"},
        {"ref": "a\u0000"},
        {"dirty": True},
        {"queue_limit_s": 0},
        {"priority": 10_000},
        {"who": "a b"},
    ],
    ids=str,
)
def test_a_body_is_what_is_documented(desk: Desk, wrong: dict[str, Any]) -> None:
    assert desk.post(**wrong).status_code == 400
    assert desk.asked == []


def test_a_slow_repository_holds_up_nobody_and_ends(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submitting, "LIMIT_S", 0.2)
    go = threading.Event()

    def slow() -> Accepted:
        assert go.wait(20)
        return BUILT

    desk.answer = slow
    answers: list[Any] = []
    callers = [threading.Thread(target=lambda: answers.append(desk.post())) for _ in range(6)]
    for one in callers:
        one.start()
    begun = time.monotonic()
    found = desk.client.get("/api/v1/builds", headers={"Authorization": f"Bearer {OPERATOR}"})
    assert found.status_code == 200
    for one in callers:
        one.join(20)
    assert time.monotonic() - begun < 10
    go.set()
    assert {answer.status_code for answer in answers} == {503}
    assert all("retry-after" in answer.headers for answer in answers)
    assert len(desk.asked) >= submitting.TOGETHER


def test_more_than_can_wait_are_told_to_come_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submitting, "MOST_WAITING", 0)
    with TestClient(
        make_app(Site(desk.farm.hub, None, OneSource(), Bell(), OPERATOR, submit=desk._submit))
    ) as full:  # type: ignore[arg-type]
        answer = full.post(
            "/api/v1/submit", json=BODY, headers={"Authorization": f"Bearer {OPERATOR}", "Host": "localhost"}
        )
    assert (answer.status_code, desk.asked) == (503, [])
