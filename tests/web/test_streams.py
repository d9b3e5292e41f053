"""Live streams over a real server: resumed at every position, nothing missed, nothing twice, in order."""

import asyncio
import base64
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from penstock.hub import tokens
from penstock.model.farm import Event, Farm
from penstock.model.job import Attempt
from penstock.model.people import Role
from penstock.store.logs import FolderLogs
from penstock.web import answers, feed, watching
from penstock.web.app import make_app
from penstock.web.bell import Bell
from penstock.web.feed import Feed, Kept, Watch
from penstock.web.server import Edge
from penstock.web.site import Site
from tests.farms import Agent, TestFarm, planned
from tests.web.edges import OPERATOR, OneSource

HEADERS = {"Authorization": f"Bearer {OPERATOR}"}
WAIT_S = 20


class Served:
    """A farm behind a real server."""

    def __init__(self, folder: Path) -> None:
        self.bell = Bell()
        self.farm = TestFarm()
        self.farm.hub.wake.wake = self.bell.wake  # type: ignore[method-assign]
        self.logs = FolderLogs(folder)
        site = Site(self.farm.hub, self.logs, OneSource(), self.bell, OPERATOR)  # type: ignore[arg-type]
        self.edge = Edge(make_app(site), socket.create_server(("127.0.0.1", 0))).start()

    def tell(self, number: int) -> None:
        """One event, stamped."""
        self.farm.store.write(
            lambda tx: tx.insert(
                Event(kind="job" if number % 2 else "machine", state="queued", reason=str(number))
            )
        )
        self.farm.tick()

    def position(self) -> int:
        return int(self.farm.get(Farm, "farm").position)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    one = Served(tmp_path)
    yield one
    one.bell.close()
    one.edge.stop()


class Reader:
    """A reader of text/event-stream, as the standard has it."""

    def __init__(self, served: Served, path: str, last: str = "") -> None:
        headers = HEADERS | ({"Last-Event-ID": last} if last else {})
        self.client = httpx.Client(base_url=served.edge.address, headers=headers, timeout=WAIT_S)
        self.stream = self.client.stream("GET", f"/api/v1/{path}")
        self.answer = self.stream.__enter__()
        assert self.answer.status_code == 200
        assert self.answer.headers["content-type"] == "text/event-stream"
        self.lines = self.answer.iter_lines()
        self.last = last

    def messages(self) -> Iterator[tuple[str, str, Any]]:
        """(event, id, data) of each message; what only says where we are changes `last` alone."""
        said: dict[str, str] = {}
        for line in self.lines:
            if line:
                name, _, value = line.partition(": ")
                said[name] = value
                continue
            self.last = said.get("id", self.last)
            if "data" in said:
                yield said["event"], self.last, json.loads(said["data"])
            said = {}

    def begun(self) -> "Reader":
        """Wait for the first sign of life."""
        assert next(self.lines).startswith(":")
        return self

    def take(self, count: int) -> list[tuple[str, str, Any]]:
        found = self.messages()
        return [next(found) for _ in range(count)]

    def close(self) -> None:
        self.stream.__exit__(None, None, None)
        self.client.close()


def test_a_reader_that_begins_anywhere_gets_everything_behind_in_order(served: Served) -> None:
    for number in range(8):
        served.tell(number)
    newest = served.position()
    for start in range(newest + 1):
        reader = Reader(served, f"events?after={start}")
        found = reader.take(newest - start)
        assert [data["position"] for _, _, data in found] == list(range(start + 1, newest + 1))
        assert [id_ for _, id_, _ in found] == [str(data["position"]) for _, _, data in found]
        reader.close()


def test_readers_that_break_off_and_come_again_miss_nothing(served: Served) -> None:
    total, start = 40, served.position()
    seen: list[list[int]] = [[], [], []]

    def read(mine: list[int], pieces: int) -> None:
        last = str(start)
        while len(mine) < total:
            reader = Reader(served, "events", last)
            for _, id_, data in reader.take(min(pieces, total - len(mine))):
                mine.append(int(data["reason"]))
                last = id_
            reader.close()

    readers = [threading.Thread(target=read, args=(mine, 1 + 3 * n)) for n, mine in enumerate(seen)]
    for one in readers:
        one.start()
    for number in range(total):
        served.tell(number)
    for one in readers:
        one.join(WAIT_S)
    assert seen == [list(range(total))] * 3


def test_without_a_place_a_stream_begins_now_and_wakes_for_what_happens(served: Served) -> None:
    served.tell(1)
    reader = Reader(served, "events").begun()
    served.tell(3)
    ((kind, _, data),) = reader.take(1)
    assert (kind, data["reason"]) == ("job", "3")
    reader.close()


def test_a_filter_leaves_out_and_nothing_else(served: Served) -> None:
    after = served.position()
    for number in range(6):
        served.tell(number)
    reader = Reader(served, f"events?after={after}&kind=machine")
    assert [data["reason"] for _, _, data in reader.take(3)] == ["0", "2", "4"]
    reader.close()
    build = served.farm.submit("c1", planned("zlib"), planned("png"))
    served.farm.tick()
    reader = Reader(served, f"events?after={after}&build={build.id}")
    assert {data["build"] for _, _, data in reader.take(3)} == {build.id}
    reader.close()


def test_a_place_that_is_not_kept_is_told_with_what_there_is(served: Served) -> None:
    for number in range(6):
        served.tell(number)
    newest = served.position()

    def prune(tx: Any) -> None:
        for event in tx.find(Event, "position")[:3]:
            tx.delete(event)

    served.farm.store.write(prune)
    for wrong in ("1", str(newest + 1), "999999999999"):
        reader = Reader(served, "events", wrong)
        ((kind, id_, data),) = list(reader.messages())  # and the stream ends
        assert (kind, data) == ("gone", {"oldest": 4, "newest": newest})
        reader.close()
        again = Reader(served, "events", id_)
        assert again.take(1)[0][2]["position"] == 4
        again.close()


def test_streams_end_when_the_hub_does(served: Served) -> None:
    reader = Reader(served, "events").begun()
    job = served.farm.job(served.farm.submit("c1", planned("zlib")), "zlib:build")
    log = Reader(served, f"log/{job.id}/stream").begun()
    served.bell.close()
    assert list(reader.messages()) == []
    assert list(log.messages()) == []
    reader.close()
    log.close()


def test_events_come_in_pages_too(served: Served) -> None:
    for number in range(5):
        served.tell(number)
    client = httpx.Client(base_url=served.edge.address, headers=HEADERS)
    found, after = [], 0
    while page := client.get(f"/api/v1/events/page?limit=2&after={after}").json()["events"]:
        found += [one["position"] for one in page]
        after = found[-1]
    assert found == list(range(1, served.position() + 1))
    client.close()


# Logs -----------------------------------------------------------------------------------------------------------


def text_of(messages: list[tuple[str, str, Any]]) -> bytes:
    return b"".join(base64.b64decode(data["base64"]) for kind, _, data in messages if kind == "log")


def test_a_log_is_followed_to_the_end_of_its_job_from_every_byte(served: Served) -> None:
    agent = Agent(served.farm, "m1")
    build = served.farm.submit("c1", planned("zlib"))
    served.farm.tick()
    (work,) = agent.start()
    attempt, job = work.attempt.id, work.job.id
    reader = Reader(served, f"log/{job}/stream").begun()
    printed = b"one\n\xff\x00two\n"
    served.logs.append(attempt, 0, printed)
    served.bell.wake(f"log:{attempt}")
    found = [next(reader.messages())]
    served.logs.append(attempt, len(printed), b"three\n")
    agent.run(work)
    served.farm.tick()
    found += list(reader.messages())
    assert text_of(found) == printed + b"three\n"
    assert found[-1][0] == "end"
    assert found[-1][2]["state"] == served.farm.states(build)["zlib:build"] == "PASSED"
    whole = printed + b"three\n"
    for offset in range(len(whole) + 1):
        again = Reader(served, f"log/{job}/stream", f"1:{offset}")
        messages = list(again.messages())
        assert (text_of(messages), messages[-1][0]) == (whole[offset:], "end")
        again.close()
    reader.close()


def test_a_log_goes_on_with_the_next_attempt(served: Served) -> None:
    agent = Agent(served.farm, "m1")
    served.farm.submit("c1", planned("zlib"))
    served.farm.tick()
    (work,) = agent.start()
    served.logs.append(work.attempt.id, 0, b"first")
    agent.again()  # it does not name what it ran: lost
    offers: list[Any] = []
    while not offers:
        served.farm.tick(5_000)
        offers = agent.start()
    (second,) = offers
    served.logs.append(second.attempt.id, 0, b"second")
    agent.run(second)
    served.farm.tick()
    reader = Reader(served, f"log/{work.job.id}/stream?attempt=1")
    messages = list(reader.messages())
    assert [(data["attempt"], data["offset"]) for kind, _, data in messages if kind == "log"] == [
        (1, 0),
        (2, 0),
    ]
    assert text_of(messages) == b"firstsecond"
    newest = Reader(served, f"log/{work.job.id}/stream")
    assert text_of(list(newest.messages())) == b"second"
    assert len(served.farm.all(Attempt)) == 2
    reader.close()
    newest.close()


def test_a_log_of_no_job_is_404(served: Served) -> None:
    answer = httpx.get(f"{served.edge.address}/api/v1/log/nonsense/stream", headers=HEADERS)
    assert answer.status_code == 404


# Without a server -----------------------------------------------------------------------------------------------


def told(farm: TestFarm, count: int) -> None:
    farm.store.write(
        lambda tx: [tx.insert(Event(kind="job", state="queued", reason=str(n))) for n in range(count)]
    )
    farm.tick()


def test_many_readers_share_one_reading_of_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    farm, bell, readings = TestFarm(), Bell(), []
    farm.hub.wake.wake = bell.wake  # type: ignore[method-assign]
    real = feed.page
    monkeypatch.setattr(feed, "page", lambda *given: readings.append(given) or real(*given))

    async def run() -> list[list[int]]:
        shared = Feed(farm.hub, bell)

        async def read() -> list[int]:
            found: list[int] = []
            async for some in shared.follow(0):
                found += [one.position for one in some]
                if len(found) == 100:
                    return found
            return found

        told(farm, 50)
        reading = [asyncio.ensure_future(read()) for _ in range(40)]
        await asyncio.sleep(0.2)
        readings.clear()
        told(farm, 50)
        return await asyncio.wait_for(asyncio.gather(*reading), WAIT_S)

    assert asyncio.run(run()) == [list(range(1, 101))] * 40
    assert len(readings) <= 4


def test_a_reader_that_takes_nothing_is_dropped() -> None:
    sent: list[Any] = []

    async def chunks() -> Any:
        while True:
            yield b"x"

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)
        if len(sent) > 3:
            await asyncio.Event().wait()

    streamed = answers.Streamed(chunks(), "text/plain", slow_s=0.05)
    asyncio.run(asyncio.wait_for(streamed({}, receive, send), WAIT_S))  # type: ignore[arg-type]
    assert len(sent) == 4
    assert all(message.get("more_body", True) for message in sent)  # never ended: the connection is closed


def test_a_reader_that_leaves_ends_its_stream() -> None:
    ended = []

    async def chunks() -> Any:
        try:
            yield b"x"
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async def receive() -> Any:
        await asyncio.sleep(0.01)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        pass

    asyncio.run(asyncio.wait_for(answers.Streamed(chunks(), "text/plain")({}, receive, send), WAIT_S))  # type: ignore[arg-type]
    assert ended == [True]


def test_heartbeats_say_how_far_a_filtered_reader_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "HEARTBEAT_S", 0.01)
    farm, bell = TestFarm(), Bell()
    told(farm, 5)

    async def run() -> list[bytes]:
        stream = watching.events(farm.hub, Feed(farm.hub, bell), 0, Watch(build="none"))
        found = [await anext(stream) for _ in range(3)]
        await stream.aclose()  # type: ignore[attr-defined]
        return found

    first, *others = asyncio.run(run())
    assert b"id: 0\n" in first
    assert b"id: 5\n" in others[-1]
    assert not any(b"data:" in chunk for chunk in (first, *others))


@pytest.mark.parametrize(
    ("last", "asked", "wanted"),
    [(None, None, None), (None, 3, 3), ("7", 3, 7), ("nonsense", 3, 3), ("9" * 30, None, None), ("²", 1, 1)],
)
def test_where_a_reader_goes_on(last: str | None, asked: int | None, wanted: int | None) -> None:
    assert watching.position_of(last, asked) == wanted


def test_what_is_kept() -> None:
    assert [Kept(4, 9).has_all_after(at) for at in (2, 3, 9, 10)] == [False, True, True, False]
    assert [Kept(1, 0).has_all_after(at) for at in (0, 1)] == [True, False]
    assert msgspec.json.encode(Kept(4, 9)) == b'{"oldest":4,"newest":9}'


def test_a_stream_ends_after_a_while_and_a_token_that_is_revoked_begins_no_other(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "LIFE_S", 0.2)
    monkeypatch.setattr(watching, "HEARTBEAT_S", 0.1)
    token = tokens.create(served.farm.hub, "ada", Role.VIEWER, 0)
    asked = f"{served.edge.address}/api/v1/events", {"Authorization": f"Bearer {token}"}
    assert b"id: " in httpx.get(asked[0], headers=asked[1], timeout=WAIT_S).content
    tokens.revoke(served.farm.hub, "ada", "")
    assert httpx.get(asked[0], headers=asked[1]).status_code == 401
