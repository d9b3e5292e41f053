"""What a monitoring system costs a large farm: 100,000 queued jobs, 5,000 machines, a year of the ledger, something new each time."""

import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import msgspec

from bench.scale import GROUPS, QUEUED, _hub, _insert, _spec
from penstock.hub.census import Census
from penstock.hub.context import Hub
from penstock.hub.metrics import Metrics
from penstock.hub.steps import look
from penstock.model.farm import Event
from penstock.model.job import Job
from penstock.model.ledger import Account, Ledger, Meter, Tally, day_of
from penstock.model.machine import Machine
from penstock.model.rules import Budget, Grant, Pool
from penstock.model.states import Health, JobState, Power
from penstock.model.units import DAY_MS
from penstock.web.metrics import text_of

MACHINES, POOLS, DAYS, TALLIES_A_DAY, ROUNDS = 5_000, 10, 365, 300, 30
PAUSE_S = 0.5
"""Between two scrapes, so that what is counted behind one has ended."""


def run() -> dict[str, object]:
    """Milliseconds of one answer, and of the processor with what is counted behind it; medians of thirty."""
    with tempfile.TemporaryDirectory() as name:
        hub = _filled(_hub(Path(name)))
        metrics = Metrics(hub, Census(hub))
        first_ms, _ = _asked(metrics)
        began = time.perf_counter()
        while b"penstock_machines{" not in text_of(metrics.samples(1.0)):
            pass
        counted_s = time.perf_counter() - began
        rounds = []
        for number in range(ROUNDS):
            _something_happens(hub, number)
            before = time.process_time()
            took_ms, size = _asked(metrics)
            time.sleep(PAUSE_S)
            rounds.append((took_ms, 1000 * (time.process_time() - before), size))
        hub.store.close()
    walls = sorted(wall for wall, _, _ in rounds)
    return {
        "one answer, median, ms": round(statistics.median(walls), 1),
        "one answer, the slowest of thirty, ms": round(walls[-1], 1),
        "processor, with what is counted behind it, ms": round(statistics.median(c for _, c, _ in rounds), 1),
        "the first answer, when nothing is counted yet, ms": round(first_ms, 1),
        "until all is counted the first time, s": round(counted_s, 2),
        "size, bytes": rounds[-1][2],
    }


def _asked(metrics: Metrics) -> tuple[float, int]:
    began = time.perf_counter()
    text = text_of(metrics.samples())
    return 1000 * (time.perf_counter() - began), len(text)


def _filled(hub: Hub) -> Hub:
    pools = tuple(
        Pool(name=f"p{n}", provider="ec2" if n % 2 else "owned", platforms=("bench",)) for n in range(POOLS)
    )
    rules = msgspec.structs.replace(
        hub.rules,
        pools=pools,
        budgets=(Budget(name="month", amount=Decimal(9)), Budget(name="year", amount=Decimal(9), per="year")),
        grants=(
            Grant(
                name="credit", amount=Decimal(9_000), currency="USD", start="2020-01-01", until="2040-01-01"
            ),
        ),
    )
    now_ms = hub.clock.wall_ms()
    today = day_of(now_ms)
    for records in (_jobs(), _machines(now_ms), _tallies(today)):
        _insert(hub.store, records)
    if look(hub, lambda tx, farm: tx.get(Ledger, "ledger")) is None:
        _insert(hub.store, [Ledger(day=today, from_ms=(today - DAYS) * DAY_MS, until_ms=now_ms)])
    return replace(hub, rules=rules)


def _jobs() -> Iterator[Job]:
    specs = [msgspec.structs.replace(_spec(n), platform=f"platform-{n}") for n in range(GROUPS)]
    for n in range(QUEUED):
        yield Job(
            id=f"b{n // 1000}-{n:06}", build=f"b{n // 1000}", name=str(n), spec=specs[n % GROUPS], state=JobState.QUEUED,
            rank=n, ready_ms=n, deadline_ms=1 << 50,
        )  # fmt: skip


def _machines(now_ms: int) -> Iterator[Machine | Meter]:
    for n in range(MACHINES):
        name, pool = f"m{n:05}", f"p{n % POOLS}"
        yield Machine(id=name, name=name, pool=pool, platforms=("bench",), power=Power.UP, health=Health.GOOD)
        yield Meter(
            machine=name, pool=pool, power=Power.UP, since_ms=now_ms - 3_600_000, price_micros=400_000
        )


def _tallies(today: int) -> Iterator[Tally]:
    for day in range(today - DAYS, today + 1):
        for n in range(TALLIES_A_DAY):
            yield Tally(
                day=day, project=f"project-{n % 5}", platform=f"platform-{n // 50}", pool=f"p{n // 5 % POOLS}", klass="change",
                account=Account.DIRECT, outcome="PASSED", amount_micros=123_456, quantity=3_600_000, count=4,
            )  # fmt: skip


def _something_happens(hub: Hub, number: int) -> None:
    """A machine and a job are told of; the job is taken, so that a group of the queue changes."""
    name = f"b{number}-{number * 1000:06}"
    job = look(hub, lambda tx, farm: tx.get(Job, name))
    assert job is not None
    held = msgspec.structs.replace(job, state=JobState.HELD)
    hub.store.write(lambda tx: tx.replace(held))
    told = [
        Event(kind="job", job=name, state="held"),
        Event(kind="machine", machine=f"m{number:05}", state="up"),
    ]
    _insert(hub.store, told)
