"""Wakes between processes: who hears what, what is told once, and what happens when the connection is lost."""

import threading
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue

import psycopg
import pytest
from postgres import Cluster

from penstock.store import notices
from penstock.store.notices import EVERYBODY, PostgresNotices

WAIT_S = 30


class Side:
    """One process's notices, and what it heard."""

    def __init__(self, url: str) -> None:
        self.heard: SimpleQueue[str] = SimpleQueue()
        self.notices = PostgresNotices(url, self.heard.put)

    def next(self) -> str:
        return self.heard.get(timeout=WAIT_S)

    def rest(self) -> list[str]:
        found = []
        while True:
            try:
                found.append(self.heard.get_nowait())
            except Empty:
                return found


def listening(postgres: Cluster, url: str) -> int:
    """How many sessions of a database listen."""
    database = url.partition("@/")[2].partition("?")[0]
    ours = f"datname = '{database}' AND query = 'LISTEN penstock'"
    return postgres.ask(f"SELECT count(*) FROM pg_stat_activity WHERE {ours}")[0][0]  # noqa: S608


def until(true: Callable[[], bool]) -> None:
    waited = threading.Event()
    for _ in range(WAIT_S * 100):
        if true():
            return
        waited.wait(0.01)
    raise AssertionError("it did not come about")


@pytest.fixture
def sides(postgres: Cluster, postgres_url: str) -> Iterator[tuple[Side, Side]]:
    made = Side(postgres_url), Side(postgres_url)
    until(lambda: listening(postgres, postgres_url) == 2)
    yield made
    for side in made:
        side.notices.close()
        side.notices.close()


def test_others_hear_it_and_oneself_does_not(sides: tuple[Side, Side]) -> None:
    here, there = sides
    here.notices.wake("machine:m")
    assert there.next() == "machine:m"
    there.notices.wake("farm")
    assert here.next() == "farm"
    assert (here.rest(), there.rest()) == ([], [])


def test_many_wakes_of_one_topic_in_a_moment_are_told_once(sides: tuple[Side, Side]) -> None:
    here, there = sides
    with here.notices._changed:
        for _ in range(50):
            here.notices._topics["farm"] = None
    for at in range(200):
        here.notices.wake(f"machine:{at}")
    heard = [there.next() for _ in range(201)]
    assert heard == ["farm", *(f"machine:{at}" for at in range(200))]


@pytest.mark.parametrize("topic", ["x" * 101, "\u00e9" * 51])
def test_a_topic_that_is_too_long_wakes_everybody(sides: tuple[Side, Side], topic: str) -> None:
    sides[0].notices.wake(topic)
    assert sides[1].next() == EVERYBODY


def test_what_others_say_in_our_channel_is_left_alone(sides: tuple[Side, Side], postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        for payload in ("", "hello", "{}", "[1, 2]", '["a", "b"]'):
            connection.execute("SELECT pg_notify('penstock', %s)", (payload,))
    sides[0].notices.wake("after")
    assert sides[1].next() == "after"


def test_after_the_connection_was_lost_everybody_looks_again(
    postgres: Cluster, postgres_url: str, sides: tuple[Side, Side], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "AGAIN_S", 0.02)
    here, there = sides
    postgres.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'penstock'")
    for side in sides:
        assert [side.next(), side.next()] == ["farm", EVERYBODY]
    here.notices.wake("machine:m")
    assert there.next() == "machine:m"


def test_what_is_woken_while_the_server_is_away_is_told_afterwards(
    postgres: Cluster, sides: tuple[Side, Side], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "AGAIN_S", 0.02)
    here, there = sides
    postgres.kill()
    here.notices.wake("machine:m")
    postgres.start()
    # Told before the other listens again, it is part of what EVERYBODY stands for.
    assert [there.next(), there.next()] == ["farm", EVERYBODY]
    here.notices.wake("machine:n")
    assert there.next() in ("machine:m", "machine:n")


def test_closing_does_not_wait_for_a_server_that_is_away(postgres: Cluster, postgres_url: str) -> None:
    side = Side("postgresql://nobody@127.0.0.1:9/nothing")
    side.notices.wake("farm")
    side.notices.close()
    assert side.rest() == []
