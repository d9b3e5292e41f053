"""Blobs and logs that do not answer take no thread from those who ask the database."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import httpx

from penstock.hub import sessions
from penstock.store.logs import FolderLogs
from penstock.web.app import make_app
from penstock.web.bell import Bell
from penstock.web.site import Site
from tests.farms import KEY, Agent, TestFarm, planned
from tests.web.edges import OPERATOR, OneSource

MANY = 16
"""More than the threads that asyncio has for everything else on a small machine."""
LIMIT_S = 15


class Stuck:
    """A folder of logs whose reads hang, and how many do."""

    def __init__(self, folder: Path) -> None:
        self._logs, self.go, self.hanging = FolderLogs(folder), threading.Event(), threading.Semaphore(0)

    def read(self, attempt: str, offset: int, most_bytes: int) -> bytes:
        self.hang()
        return self._logs.read(attempt, offset, most_bytes)

    def append(self, attempt: str, offset: int, data: bytes) -> int:
        self.hang()
        return self._logs.append(attempt, offset, data)

    def hang(self) -> None:
        self.hanging.release()
        self.go.wait(2 * LIMIT_S)


class Uploads:
    """An upload that hangs as well."""

    def __init__(self, stuck: Stuck) -> None:
        self._stuck = stuck

    def write(self, chunk: bytes) -> None:
        self._stuck.hang()

    def finish(self) -> tuple[str, int]:
        return "sha256:" + "0" * 64, 1

    def abandon(self) -> None:
        """Nothing to forget."""


def test_who_asks_the_database_is_answered_while_blobs_and_logs_hang(tmp_path: Path) -> None:
    farm, stuck = TestFarm(), Stuck(tmp_path / "logs")
    agent = Agent(farm, "m1", key=KEY)
    farm.submit("c1", planned("zlib"))
    farm.tick()
    (work,) = agent.start()
    farm.blobs.upload = lambda name: Uploads(stuck)  # type: ignore[assignment,method-assign]
    app = make_app(Site(farm.hub, stuck, OneSource(), Bell(), OPERATOR))  # type: ignore[arg-type]
    asyncio.run(_calls(app, stuck, agent, work.attempt))
    assert sessions.authenticate(farm.hub, agent.answer.token)


async def _calls(app: Any, stuck: Stuck, agent: Agent, attempt: Any) -> None:
    ours = {"Authorization": f"Bearer {agent.answer.token}", "X-Penstock-Fence": attempt.fence}
    people = {"Authorization": f"Bearer {OPERATOR}"}
    path = f"/api/v1/agent/attempts/{attempt.id}"
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        calls = [
            asyncio.ensure_future(call)
            for _ in range(MANY // 4)
            for call in (
                client.put(f"{path}/outputs/tree", content=b"x", headers=ours),
                client.post(f"{path}/log?offset=0", content=b"x", headers=ours),
                client.get(f"/api/v1/log/{attempt.job}", headers=people),
                client.get(f"/api/v1/log/{attempt.job}", headers=people),
            )
        ]
        try:
            async with asyncio.timeout(LIMIT_S):
                for _ in range(MANY):
                    while not stuck.hanging.acquire(blocking=False):
                        await asyncio.sleep(0.01)
                answer = await client.get("/api/v1/machines", headers=people)
            assert answer.status_code == 200
        finally:
            stuck.go.set()
            await asyncio.gather(*calls, return_exceptions=True)
