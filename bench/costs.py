"""A year of a ledger with a million entries: a report by project and month, beside plain SQL that adds up the entries themselves."""

import itertools
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import psycopg

from bench.databases import postgresql
from bench.hub import rules
from penstock.hub import intake
from penstock.hub.context import Hub
from penstock.hub.costs.builds import builds
from penstock.hub.costs.reading import Days
from penstock.hub.costs.report import report
from penstock.model.change import Build
from penstock.model.ledger import Account, BuildCost, Entry, Ledger, Tally
from penstock.model.states import BuildState
from penstock.model.units import DAY_MS, charge_micros
from penstock.policy.charging import sums
from penstock.ports import Store
from penstock.store.folderblobs import FolderBlobs
from penstock.store.open import open_store
from penstock.wiring import Quiet, SystemClock, SystemEntropy

ENTRIES, YEAR = 1_000_000, Days(20_454, 20_819)
"""2026."""
PROJECTS = [f"project-{n:02}" for n in range(12)]
POOLS = {
    "rack": 300_000,
    "boards": 90_000,
    "minis": 140_000,
    "burst": 403_200,
    "burst-arm": 270_000,
    "windows": 742_000,
}
PLATFORMS = {f"platform-{n:02}": [list(POOLS)[n % 6], *(["burst"] if n % 3 == 0 else [])] for n in range(20)}
CLASSES, OUTCOMES = ("change", "nightly", "release"), ("PASSED", "FAILED", "LOST", "CANCELLED")
BRANCHES = ("main", "next", "stable-1", "stable-2", "topic")
A_BUILD = 30
"""Entries of one build."""
TOGETHER, RUNS, SEED = 5_000, 5, 8010
MONTH = {
    "sqlite": "strftime('%Y-%m', day * 86400, 'unixepoch')",
    "postgresql": "to_char(to_timestamp(day * 86400::bigint) AT TIME ZONE 'UTC', 'YYYY-MM')",
}
PEER = (
    "SELECT project, {month}, account, sum(amount_micros), sum(quantity) FROM {table} "
    "WHERE day >= {first} AND day < {end} GROUP BY 1, 2, 3"
)


def entries(count: int = ENTRIES) -> Iterator[Entry]:
    """What a bookkeeper enters in a year: of ten entries nine are of attempts, some jobs come often, most seldom."""
    chance = Random(SEED)
    projects = chance.choices(PROJECTS, [1 / (n + 1) for n in range(12)], k=count // A_BUILD + 1)
    kinds = chance.choices(CLASSES, (80, 15, 5), k=count // A_BUILD + 1)
    for n in range(count):
        at_ms = YEAR.first * DAY_MS + (YEAR.end - YEAR.first) * DAY_MS * n // count
        platform = chance.choice(list(PLATFORMS))
        pool, quantity = chance.choice(PLATFORMS[platform]), chance.randrange(1000, 1_800_000)
        about: dict[str, Any] = {
            "day": at_ms // DAY_MS, "at_ms": at_ms, "quantity": quantity, "price_micros": POOLS[pool], "pool": pool,
            "machine": f"m{n % 400}", "amount_micros": charge_micros(POOLS[pool], quantity), "power": "up",
        }  # fmt: skip
        if n % 10 == 0:
            yield Entry(account=Account.IDLE if n % 30 else Account.LIFECYCLE, **about)
            continue
        build = n // A_BUILD
        yield Entry(
            account=Account.DIRECT, attempt=f"a{n}", job=f"j{n}", build=f"b{build}", project=projects[build],
            branch=BRANCHES[build % 5], name=f"module-{n % 300}:build", platform=platform, klass=kinds[build],
            outcome=chance.choices(OUTCOMES, (90, 7, 2, 1))[0], final=True, **about,
        )  # fmt: skip


def fill(store: Store) -> int:
    """The entries, and what a bookkeeper adds up of them. Answers how many sums there are by day."""
    tallies: dict[sums.TallyKey, Tally] = {}
    costs: dict[str, BuildCost] = {}
    found: Iterator[list[Entry]] = iter(lambda made=entries(): list(itertools.islice(made, TOGETHER)), [])  # type: ignore[misc]
    for some in found:
        for entry in some:
            key = sums.key_of(entry)
            tallies[key] = sums.tallied(tallies.get(key), entry)
            if entry.build:
                _spent(costs, entry)
        insert(store, some)
    insert(store, tallies.values())
    insert(store, costs.values())
    insert(store, (_build(cost) for cost in costs.values()))
    insert(store, [Ledger(day=YEAR.end, from_ms=YEAR.first * DAY_MS, until_ms=YEAR.end * DAY_MS)])
    return len(tallies)


def _spent(costs: dict[str, BuildCost], entry: Entry) -> None:
    cost = costs.get(entry.build) or BuildCost(
        build=entry.build, day=entry.day, project=entry.project, branch=entry.branch, commit=entry.build
    )
    costs[entry.build] = msgspec.structs.replace(
        cost, amount_micros=cost.amount_micros + entry.amount_micros, attempts=cost.attempts + 1
    )


def _build(cost: BuildCost) -> Build:
    state = BuildState.FAILED if cost.amount_micros % 5 == 0 else BuildState.PASSED
    return Build(
        id=cost.build, change=cost.build, source="s", state=state, open=False, created_ms=cost.day * DAY_MS
    )


def insert(store: Store, records: Iterable[msgspec.Struct]) -> None:
    """Many records, thousands in a transaction."""
    rows = iter(records)
    while chunk := list(itertools.islice(rows, TOGETHER)):
        store.write(lambda tx, chunk=chunk: [tx.insert(row) for row in chunk] and None)  # type: ignore[misc]


def seconds(operation: Callable[[], object], clock: Callable[[], float]) -> float:
    """The median of five runs by this clock."""
    spans = []
    for _ in range(RUNS):
        began = clock()
        operation()
        spans.append(clock() - began)
    return statistics.median(spans)


def of_children() -> float:
    """Seconds of the processor of all that was started from here."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measured(
    hub: Hub, where: str, ask: Callable[[str], object], clock: Callable[[], float]
) -> dict[str, float]:
    """The reports and their peers on one database; `ask` runs plain SQL."""
    month = MONTH["postgresql" if where else "sqlite"]
    place = {"first": YEAR.first, "end": YEAR.end, "month": month}
    work: dict[str, Callable[[], object]] = {
        "by project and month, s": lambda: report(hub, YEAR, ["project", "month"]),
        "the same, of one month, s": lambda: report(
            hub, Days(YEAR.first, YEAR.first + 31), ["project", "month"]
        ),
        "by branch, s": lambda: report(hub, YEAR, ["branch"]),
        "cost per successful build, s": lambda: builds(hub, YEAR),
        "plain SQL over entries, s": lambda: ask(PEER.format(table="entry", **place)),
        "plain SQL over daily sums, s": lambda: ask(PEER.format(table="tally", **place)),
    }
    return {f"{where}{name}": seconds(operation, clock) for name, operation in work.items()}


def opened(store: Store, folder: Path) -> Hub:
    """A hub over this store."""
    hub = Hub(
        store, FolderBlobs(folder / "blobs"), SystemClock(), SystemEntropy(), rules(folder, ""), Quiet()
    )
    intake.open_farm(hub, "bench")
    return hub


def on_sqlite(folder: Path) -> dict[str, float]:
    """A farm in a folder; at last the whole command as people type it."""
    store = open_store("sqlite:///penstock.db", folder)
    hub = opened(store, folder)
    began = time.perf_counter()
    found = {"daily sums": fill(store), "writing them, s": time.perf_counter() - began}
    plain = sqlite3.connect(folder / "penstock.db")
    found |= measured(hub, "", lambda sql: plain.execute(sql).fetchall(), time.process_time)
    plain.close()
    store.close()
    command = [
        sys.executable,
        "-m",
        "penstock",
        "costs",
        "report",
        "--by",
        "project,month",
        "--state",
        str(folder),
    ]
    days = ["--from", "2026-01-01", "--until", "2026-12-31", "--json"]
    found["the whole command, s"] = seconds(
        lambda: subprocess.run([*command, *days], check=True, stdout=subprocess.DEVNULL), of_children
    )
    return found


def on_postgresql(url: str, folder: Path) -> dict[str, float]:
    """The same on a server of one's own."""
    store = open_store(url, folder)
    hub = opened(store, folder)
    fill(store)
    with psycopg.connect(url, autocommit=True) as plain:
        plain.execute("SET search_path TO penstock, public")
        plain.execute("ANALYZE")
        found = measured(hub, "PostgreSQL, ", lambda sql: plain.execute(sql).fetchall(), time.perf_counter)
    store.close()
    return found


def run() -> dict[str, float]:
    """Seconds, medians of five, on SQLite of the processor; each database is filled once."""
    with tempfile.TemporaryDirectory() as name:
        found = on_sqlite(Path(name))
    with postgresql() as fresh, tempfile.TemporaryDirectory() as name:
        found |= on_postgresql(fresh(), Path(name)) if fresh else {}
    return {row: round(figure, 3) for row, figure in found.items()}
