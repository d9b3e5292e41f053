"""PostgreSQL is killed again and again while hubs write: what was answered is there, what was refused is not."""

import os
import random
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest
from postgres import Cluster

from penstock.model.job import Edge
from penstock.ports import Store, StoreError, Tx
from penstock.store import postgrescommit, postgreslink
from penstock.store.postgres import PostgresStore

KILLS = int(os.environ.get("PENSTOCK_KILLS", "10"))
"""How often the server is killed; more with PENSTOCK_KILLS=30."""
WAIT_S = 60


@pytest.fixture
def server() -> Iterator[Cluster]:
    """A server that nobody else uses."""
    made = Cluster()
    yield made
    made.close()


class Storm:
    """Threads that write pairs of rows, and remember what they were told."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ends = threading.Event()
        self.kept: set[str] = set()
        self.refused: set[str] = set()
        self.answered = threading.Semaphore(0)

    def write(self, number: int) -> None:
        for at in count():
            if self._ends.is_set():
                return
            name = f"{number}-{at}"
            try:
                self._store.write(lambda tx, name=name: self.pair(tx, name))
                self.kept.add(name)
                self.answered.release()
            except StoreError:
                self.refused.add(name)

    @staticmethod
    def pair(tx: Tx, name: str) -> None:
        tx.insert(Edge(name, "first"))
        assert tx.get(Edge, name, "second") is None
        tx.insert(Edge(name, "second"))

    def end(self) -> None:
        self._ends.set()


@pytest.mark.needs("postgres")
@pytest.mark.real
@pytest.mark.slow
def test_kills_lose_nothing_and_keep_nothing_that_was_refused(
    server: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgreslink, "PAUSES_S", (0.0, *[0.02] * 200))
    monkeypatch.setattr(postgrescommit, "ASK_S", 0.02)
    chance = random.Random(5)
    url = server.farm()
    stores = [PostgresStore(url), PostgresStore(url)]
    storms = [Storm(store) for store in stores]
    with ThreadPoolExecutor(8) as threads:
        asked = [
            threads.submit(storm.write, 10 * at + number)
            for at, storm in enumerate(storms)
            for number in range(4)
        ]
        for _ in range(KILLS):
            for storm in storms:
                for _ in range(chance.randrange(1, 40)):
                    assert storm.answered.acquire(timeout=WAIT_S), "nothing is answered any more"
            server.kill()
            server.start()
        for storm in storms:
            storm.end()
        for one in asked:
            one.result(WAIT_S)
    edges = stores[0].read(lambda tx: tx.find(Edge, "key"))
    for store in stores:
        store.close()
    found = Counter(edge.parent for edge in edges)
    kept = set().union(*(storm.kept for storm in storms))
    refused = set().union(*(storm.refused for storm in storms))
    assert kept == set(found), "answered and lost, or kept and not answered"
    assert not refused & set(found), "refused and kept"
    assert set(found.values()) == {2}, "half of a transaction"


def test_a_server_that_is_killed_begins_no_session_that_outlives_it(
    server: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One did, now and then, and the next server would not start beside it."""
    states, look = [], server._children

    def children() -> list[int]:
        states.append(server._server_state())
        return look()

    monkeypatch.setattr(server, "_children", children)
    server.kill()
    server.start()
    assert states == ["T"]
    assert server.ask("SELECT 1") == [(1,)]
