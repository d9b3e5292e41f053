"""What a durable answer costs: SQLite and PostgreSQL beside their plain drivers on the same disk in the same run; blobs."""

import hashlib
import os
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import psycopg

from bench.databases import postgresql
from penstock.model.farm import Event
from penstock.model.job import Job, JobSpec, moved
from penstock.model.states import JobState
from penstock.ports import Store, Tx
from penstock.store.folderblobs import FolderBlobs
from penstock.store.memory import MemoryStore
from penstock.store.postgres import PostgresStore
from penstock.store.sql import SqliteStore

ROUNDS = 5
CALLERS = 32
CALLS = 25
BLOB_MIB = 128
CHUNK = os.urandom(1 << 20)
SPEC = JobSpec(kind="build", module="zlib", platform="debian-12-gcc", commands=("./configure", "make"))


def per_second(count: int, work: Callable[[], object]) -> float:
    """How many times a second, from one run of `work` that does `count` of them."""
    began = time.perf_counter()
    work()
    return count / (time.perf_counter() - began)


def fill(store: Store) -> None:
    """A queue of 5,000 jobs."""
    rows = [
        Job(id=f"{at:08}", build="b", name=str(at), spec=SPEC, state=JobState.QUEUED, rank=at)
        for at in range(5000)
    ]
    store.write(lambda tx: [tx.insert(row) for row in rows])


def offer(tx: Tx) -> None:
    """What an offer writes, roughly: the first job of the queue, and an event."""
    job = tx.find(Job, "state", JobState.QUEUED, limit=1)[0]
    tx.replace(moved(job, JobState.OFFERED, "offered"))
    tx.insert(Event(kind="job", job=job.id, state="offered"))


def submission(numbers: Iterator[int]) -> Callable[[Tx], None]:
    """What a build of ten jobs writes, roughly."""

    def submit(tx: Tx) -> None:
        build = f"b{next(numbers)}"
        for at in range(10):
            tx.insert(
                Job(
                    id=f"{build}-{at}", build=build, name=str(at), spec=SPEC, state=JobState.QUEUED, rank=9**9
                )
            )
            tx.insert(Event(kind="job", build=build, job=f"{build}-{at}", state="queued"))

    return submit


def in_threads(work: Callable[[], object]) -> None:
    """The same from CALLERS threads."""
    threads = [threading.Thread(target=work) for _ in range(CALLERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def stores(folder: Path) -> dict[str, float]:
    """Transactions a second: one caller, many callers, all queued at once."""
    store, memory = SqliteStore(folder / "farm.db"), MemoryStore()
    for each in (store, memory):
        fill(each)
    found = {
        **rates(store, ""),
        "offers/s, memory store": per_second(1000, lambda: repeat(lambda: memory.write(offer), 1000)),
    }
    store.close()
    began = time.perf_counter()
    SqliteStore(folder / "farm.db").close()
    return {**found, "opening and closing, ms": 1000 * (time.perf_counter() - began)}


def rates(store: Store, where: str) -> dict[str, float]:
    """What a store does in a second."""
    submit = submission(count())
    return {
        f"{where}offers/s, one caller": per_second(CALLS, lambda: repeat(lambda: store.write(offer))),
        f"{where}offers/s, {CALLERS} callers": per_second(
            CALLERS * CALLS, lambda: in_threads(lambda: repeat(lambda: store.write(offer)))
        ),
        f"{where}offers/s, 1000 queued at once": per_second(1000, lambda: queued(store)),
        f"{where}submissions of 10 jobs/s, one caller": per_second(
            CALLS, lambda: repeat(lambda: store.write(submit))
        ),
        f"{where}reads/s of one job": per_second(1000, lambda: reads(store)),
    }


def shared(url: str) -> dict[str, float]:
    """The same on PostgreSQL, and its peer: psycopg with a connection for each caller, an INSERT and its COMMIT."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE public.plain (a bigint, b text)")
        found = {"plain psycopg, inserts/s, one caller": per_second(CALLS, lambda: inserts(connection))}
        callers = [psycopg.connect(url, autocommit=True) for _ in range(CALLERS)]
        turns = iter(callers)
        found[f"plain psycopg, inserts/s, {CALLERS} callers"] = per_second(
            CALLERS * CALLS, lambda: in_threads(lambda: inserts(next(turns)))
        )
        for each in callers:
            each.close()
        connection.execute("DROP TABLE public.plain")
    store = PostgresStore(url)
    fill(store)
    found |= rates(store, "PostgreSQL, ")
    store.close()
    return found


def inserts(connection: psycopg.Connection) -> None:
    """Transactions of one insert."""
    for _ in range(CALLS):
        connection.execute("INSERT INTO public.plain VALUES (%s, %s)", (1, "x" * 600))


def repeat(work: Callable[[], object], times: int = CALLS) -> None:
    """One after another."""
    for _ in range(times):
        work()


def queued(store: Store) -> None:
    """Hand in a thousand offers, then wait for all."""
    for future in [store.submit(offer) for _ in range(1000)]:
        future.result()


def reads(store: Store) -> None:
    """A thousand reads, each in a transaction of its own."""
    for at in range(1000):
        store.read(lambda tx, at=at: tx.get(Job, f"{at:08}"))


def plain(folder: Path) -> dict[str, float]:
    """The peer: an INSERT and its COMMIT, as durable, one caller and many (which take turns by a lock)."""
    connection = sqlite3.connect(folder / "plain.db", isolation_level=None, check_same_thread=False)
    for text in (
        "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = FULL",
        "CREATE TABLE t (a INTEGER, b TEXT)",
    ):
        connection.execute(text)
    lock = threading.Lock()

    def one() -> None:
        with lock:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO t VALUES (?, ?)", (1, "x" * 600))
            connection.execute("COMMIT")

    found = {
        "plain sqlite3, inserts/s, one caller": per_second(CALLS, lambda: repeat(one)),
        f"plain sqlite3, inserts/s, {CALLERS} callers": per_second(
            CALLERS * CALLS, lambda: in_threads(lambda: repeat(one))
        ),
    }
    connection.close()
    return found


def blobs(folder: Path) -> dict[str, float]:
    """Content in and out, beside the least that a durable and digested file costs."""
    store = FolderBlobs(folder / "blobs")
    upload = store.upload("a/tree")
    digest = ""

    def send() -> None:
        nonlocal digest
        repeat(lambda: upload.write(CHUNK), BLOB_MIB)
        digest, _ = upload.finish()
        store.publish("a/tree", digest)

    def least() -> None:
        sha256 = hashlib.sha256()
        with (folder / "plain").open("wb", buffering=0) as file:
            repeat(lambda: (sha256.update(CHUNK), file.write(CHUNK)), BLOB_MIB)
            os.fsync(file.fileno())

    return {
        "blob in, MiB/s": per_second(BLOB_MIB, send),
        "plain file with sha256 and fsync, MiB/s": per_second(BLOB_MIB, least),
        "blob out, MiB/s": per_second(BLOB_MIB, lambda: sum(map(len, store.read(digest)))),
    }


def run() -> dict[str, float]:
    """Medians of five rounds; store and peer take turns, so that both meet the same disk."""
    rounds = []
    with postgresql() as fresh:
        for _ in range(ROUNDS):
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                rounds.append(
                    {**stores(folder), **plain(folder), **(shared(fresh()) if fresh else {}), **blobs(folder)}
                )
    return {row: round(statistics.median(each[row] for each in rounds), 1) for row in rounds[0]}
