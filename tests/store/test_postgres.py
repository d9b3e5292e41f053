"""What is PostgreSQL's own: answers that are lost, sessions that stall, servers and databases that are refused."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from conformance.samples import job
from postgres import Cluster

from penstock.model.farm import Event
from penstock.model.job import Job
from penstock.model.machine import Machine
from penstock.model.records import SHAPES
from penstock.ports import StoreError, Tx
from penstock.store import postgrescommit, postgressession
from penstock.store.open import open_store
from penstock.store.postgres import PostgresStore
from penstock.store.postgressession import Refused, Session
from penstock.store.statements import POSTGRES, statements

WAIT_S = 60
Run = Callable[[Session, Sequence[Any]], list[Any]]


@pytest.fixture
def store(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[PostgresStore]:
    monkeypatch.setattr(postgrescommit, "ASK_S", 0.01)
    made = PostgresStore(postgres_url, pause=lambda _s: None)
    yield made
    made.close()


def ids(store: PostgresStore) -> list[str]:
    return [row.id for row in store.read(lambda tx: tx.find(Job, "key"))]


def at_the_next_commit(monkeypatch: pytest.MonkeyPatch, instead: Run) -> list[int]:
    """Run `instead` in the place of the next round trip with a COMMIT. Returns a list that is as long as it ran."""
    real, met = Session.run, []

    def run(session: Session, statements: Sequence[Any]) -> list[Any]:
        if not met and any(sql == "COMMIT" for sql, _ in statements):
            met.append(1)
            return instead(session, statements)
        return real(session, statements)

    monkeypatch.setattr(Session, "run", run)
    return met


def counted(runs: list[str], name: str) -> Callable[[Tx], str]:
    def operation(tx: Tx) -> str:
        runs.append(name)
        tx.insert(job(name))
        return name

    return operation


def test_a_commit_whose_answer_was_lost_is_found_to_be_kept(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Session.run

    def kept(session: Session, statements: Sequence[Any]) -> list[Any]:
        real(session, statements)
        session.close()
        raise Refused("gone", lost=True)

    met, runs = at_the_next_commit(monkeypatch, kept), []
    assert store.write(counted(runs, "a")) == "a"
    assert (met, runs, ids(store)) == ([1], ["a"], ["a"])


def test_a_commit_that_never_arrived_is_run_again(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(session: Session, statements: Sequence[Any]) -> list[Any]:
        session.close()
        raise Refused("gone", lost=True)

    met, runs = at_the_next_commit(monkeypatch, lost), []
    assert store.write(counted(runs, "a")) == "a"
    assert (met, runs, ids(store)) == ([1], ["a", "a"], ["a"])


@pytest.mark.parametrize("wrote_before", [False, True])
def test_a_commit_that_arrives_after_it_was_asked_about_is_refused(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch, wrote_before: bool
) -> None:
    """A stalled network: the old session still lives, and what was sent to it comes through much later."""
    if wrote_before:
        store.write(lambda tx: tx.insert(Event()))
    real, late = Session.run, []

    def stalled(session: Session, statements: Sequence[Any]) -> list[Any]:
        late.append((session, statements))
        monkeypatch.setattr(session, "close", lambda: None)
        raise Refused("no answer", lost=True)

    monkeypatch.setattr(Session, "lost", property(lambda session: any(session is old for old, _ in late)))
    at_the_next_commit(monkeypatch, stalled)
    store.write(lambda tx: tx.insert(Event(kind="late")))
    session, statements = late.pop()
    with pytest.raises(Refused) as refused:
        real(session, statements)
    session._connection.close()
    assert refused.value.sqlstate == "40001"
    assert len(store.read(lambda tx: tx.find(Event, "kind", "late"))) == 1


def test_who_closes_while_a_commit_is_in_doubt_is_told_so(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = threading.Event()

    def lost(session: Session, statements: Sequence[Any]) -> list[Any]:
        session.close()
        raise Refused("gone", lost=True)

    def connect(url: str) -> psycopg.Connection:
        away.set()
        raise psycopg.OperationalError("nobody there")

    at_the_next_commit(monkeypatch, lost)
    monkeypatch.setattr(postgrescommit, "connect", connect)
    asked = store.submit(lambda tx: tx.insert(job("a")))
    assert away.wait(WAIT_S)
    behind = store.submit(lambda tx: tx.insert(job("b")))
    assert "nobody there" in str(behind.exception(WAIT_S)), "who waits behind it must not wait for ever"
    assert not asked.done()
    store.close()
    assert "may have kept it" in str(asked.exception(WAIT_S))


def test_a_hub_that_stalls_in_a_transaction_is_put_out(
    postgres: Cluster, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(postgressession.SETTINGS, "idle_in_transaction_session_timeout", "200ms")
    stalls, quick = PostgresStore(postgres_url), PostgresStore(postgres_url)
    quick.write(lambda tx: tx.insert(job("a")))
    holds, go, tries = threading.Event(), threading.Event(), []

    def stall(tx: Tx) -> int:
        tries.append(1)
        row = tx.get(Job, "a")
        tx.replace(row)
        tx.get(Job, "a")
        if len(tries) == 1:
            holds.set()
            assert go.wait(WAIT_S)
        return tx.get(Job, "a").version

    asked: Future[int] = stalls.submit(stall)
    assert holds.wait(WAIT_S)
    assert quick.write(lambda tx: tx.replace(tx.get(Job, "a"))) is None
    go.set()
    assert asked.result(WAIT_S) == 2
    assert len(tries) == 2
    for each in (stalls, quick):
        each.close()


def test_sessions_that_were_ended_are_replaced_without_a_word(
    postgres: Cluster, store: PostgresStore
) -> None:
    store.write(lambda tx: tx.insert(job("a")))
    assert ids(store) == ["a"]
    postgres.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'penstock'")
    assert ids(store) == ["a"]
    store.write(lambda tx: tx.insert(job("b")))
    assert ids(store) == ["a", "b"]


def test_a_database_that_is_away_is_refused_after_a_while_and_then_at_once(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    def connect(url: str) -> psycopg.Connection:
        tries.append(url)
        raise psycopg.OperationalError("nobody there")

    assert ids(store) == []
    store._link.close()
    monkeypatch.setattr(postgressession, "connect", connect)
    counts = []
    for _ in range(2):
        with pytest.raises(StoreError, match="nobody there"):
            store.write(lambda tx: tx.insert(job("a")))
        counts.append(len(tries))
    assert counts == [16, 17]
    monkeypatch.undo()
    store.write(lambda tx: tx.insert(job("a")))
    assert ids(store) == ["a"]


def test_each_search_goes_through_its_index_without_sorting(store: PostgresStore, postgres_url: str) -> None:
    with postgressession.connect(postgres_url) as connection:
        for kind, shape in SHAPES.items():
            for index in ("key", *shape.indexes):
                fields = len(shape.key if index == "key" else shape.indexes[index])
                for given, after in [*((count, 0) for count in range(fields + 1)), (fields - 1, 1)]:
                    for backwards in (False, True):
                        asked = statements(kind, POSTGRES).find(index, given, after, backwards)
                        plan = planned(connection, asked, given + after)
                        assert "Index Scan" in plan, plan
                        assert "Sort" not in plan, plan
                        assert "Filter" not in plan, plan


def planned(connection: psycopg.Connection, asked: str, values: int) -> str:
    """How PostgreSQL would run a search that was prepared."""
    connection.execute(f"PREPARE asked AS {asked}", prepare=False)
    bound = ", ".join(["NULL"] * values + ["10"])
    lines = connection.execute(f"EXPLAIN EXECUTE asked({bound})", prepare=False)
    plan = "\n".join(line for (line,) in lines)
    connection.execute("DEALLOCATE asked", prepare=False)
    return plan


def test_what_no_column_takes_harms_only_its_operation(store: PostgresStore) -> None:
    begun, go = threading.Event(), threading.Event()
    store.submit(lambda _tx: (begun.set(), go.wait(WAIT_S)))
    assert begun.wait(WAIT_S)
    asked = [
        store.submit(lambda tx: tx.insert(job("a"))),
        store.submit(lambda tx: (tx.insert(job("half")), tx.insert(job("b", rank=2**63)))),
        store.submit(lambda tx: tx.insert(job("c", name="\ud800"))),
        store.submit(lambda tx: tx.insert(job("d", reason=["no text"]))),
        store.submit(lambda tx: tx.insert(job("e"))),
    ]
    go.set()
    told = [type(one.exception(WAIT_S)).__name__ for one in asked]
    assert told == ["NoneType", "OverflowError", "UnicodeEncodeError", "TypeError", "NoneType"]
    assert ids(store) == ["a", "e"]


def test_a_server_that_forgets_is_refused(postgres: Cluster, postgres_url: str) -> None:
    """As with fsync, which can only be set where the server starts."""
    postgres.ask("ALTER SYSTEM SET full_page_writes = off")
    postgres.ask("SELECT pg_reload_conf()")
    try:
        until_it_says(postgres, "full_page_writes", "off")
        with pytest.raises(StoreError, match="set it to on"):
            PostgresStore(postgres_url)
    finally:
        postgres.ask("ALTER SYSTEM RESET full_page_writes")
        postgres.ask("SELECT pg_reload_conf()")
        until_it_says(postgres, "full_page_writes", "on")


def until_it_says(postgres: Cluster, setting: str, value: str) -> None:
    pause = threading.Event()
    while postgres.ask(f"SHOW {setting}") != [(value,)]:
        pause.wait(0.01)


def test_a_session_that_would_not_wait_for_the_disk_is_made_to(postgres: Cluster, postgres_url: str) -> None:
    name = postgres_url.partition("@/")[2].partition("?")[0]
    postgres.ask(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    with postgressession.connect(postgres_url) as connection:
        assert connection.execute("SHOW synchronous_commit").fetchone() == ("on",)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://h/db?no=thing", "address of the database cannot be read"),
        ("postgresql://penstock:geheim@127.0.0.1:9/db", "database 'db' on 127.0.0.1"),
    ],
)
def test_what_cannot_be_opened_is_said_in_a_line_without_its_password(
    postgres: Cluster, tmp_path: Any, url: str, told: str
) -> None:
    with pytest.raises(StoreError) as refused:
        open_store(url, tmp_path)
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "geheim" not in str(refused.value)


def test_many_readers_share_a_few_connections(postgres: Cluster, store: PostgresStore) -> None:
    with ThreadPoolExecutor(32) as threads:
        found = list(threads.map(lambda _: store.read(lambda tx: tx.find(Machine, "key")), range(200)))
    assert found == [[]] * 200
    assert len(store._readers) <= 8
