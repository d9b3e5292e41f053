"""An agent and an operator that speak HTTP, for tests."""

from collections.abc import Iterator
from typing import Any

import httpx
from litestar.testing import TestClient

from penstock.model.job import Source
from penstock.web.bell import Bell
from tests.farms import TestFarm

OPERATOR = "operator-token"
Document = dict[str, Any]


class OneSource:
    """A forge whose every source is the same few bytes."""

    def resolve(self, repository: str, ref: str = "HEAD", dirty: bool = False, path: str = ".") -> Source:
        return Source(repository=repository, ref=ref, path=path)

    def inside(self, source: Source, path: str) -> Source:
        return source

    def read_file(self, source: Source, name: str, max_bytes: int) -> bytes:
        return b""

    def archive(self, source: Source) -> Iterator[bytes]:
        return iter([b"a tar of ", source.repository.encode()])


class Edge:
    """The farm behind the edge, and calls to it as an agent and as the operator."""

    bell: Bell

    def __init__(self, farm: TestFarm, client: TestClient[Any], enrolment: str) -> None:
        self.farm, self.client, self.enrolment = farm, client, enrolment
        self.token, self.calls = "", 0

    def agent(self, method: str, path: str, **said: Any) -> httpx.Response:
        """A call with the session's token."""
        headers = {"Authorization": f"Bearer {self.token}"} | said.pop("headers", {})
        return self.client.request(method, f"/api/v1/agent/{path}", headers=headers, **said)

    def people(self, method: str, path: str, **said: Any) -> httpx.Response:
        """A call with the operator's token."""
        headers = {"Authorization": f"Bearer {OPERATOR}"} | said.pop("headers", {})
        return self.client.request(method, f"/api/v1/{path}", headers=headers, **said)

    def register(self, key: str, token: str = "", **about: Any) -> httpx.Response:
        """Register with a token, by default the enrolment's, and speak as that session from now."""
        body = {"name": "m1", "key": key, "slots": 2, "cores": 2, "memory_mb": 4096, **about}
        headers = {"Authorization": f"Bearer {token or self.enrolment}"}
        answer = self.client.post("/api/v1/agent/register", json=body, headers=headers)
        if answer.status_code == 200:
            self.token, self.calls = answer.json()["token"], 0
        return answer

    def poll(self, **said: Any) -> Document:
        """One poll that does not wait."""
        self.calls += 1
        answer = self.agent("POST", "poll", json={"call": self.calls, "wait_s": 0, **said})
        assert answer.status_code == 200, answer.text
        document: Document = answer.json()
        return document

    def offer(self) -> Document:
        """Let the services run and take the one offer that there is."""
        self.farm.tick()
        (one,) = self.poll()["offers"]
        document: Document = one
        return document

    def started(self) -> Document:
        """An offer, acknowledged."""
        one = self.offer()
        answer = self.agent("POST", f"attempts/{one['attempt']}/acknowledge", json=right(one))
        assert answer.json() == {"order": "continue", "reason": ""}
        return one


def right(offer: Document) -> Document:
    """What names an attempt in a body."""
    return {"attempt": offer["attempt"], "fence": offer["fence"]}


def fence(offer: Document) -> dict[str, str]:
    """What names it in a raw body's headers."""
    return {"X-Penstock-Fence": offer["fence"]}
