"""A large farm: 100,000 queued jobs on 2,000 machines, a store with a million finished jobs, a log of 50 MB/s."""

import http.client
import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from bench.hub import rules
from bench.served import Served
from penstock.hub import intake, placer, poller, sessions
from penstock.hub.context import Hub
from penstock.hub.loop import Services
from penstock.hub.poller import Acknowledged, Finished, Said
from penstock.hub.queue import Ending
from penstock.hub.queueview import QueueView
from penstock.hub.steps import look
from penstock.model.farm import Event, Farm
from penstock.model.job import Attempt, Job, JobSpec
from penstock.model.machine import Machine
from penstock.model.states import AttemptState, Health, JobState, Power
from penstock.policy import placement
from penstock.ports import Store
from penstock.store.folderblobs import FolderBlobs
from penstock.store.open import open_store
from penstock.store.statements import statements
from penstock.store.upgrade import connect
from penstock.wiring import Quiet, SystemClock, SystemEntropy

QUEUED, MACHINES, SLOTS, GROUPS = 100_000, 2_000, 4, 50
FEW, MANY = 10_000, 1_000_000
ROUNDS, CLAIMS, TURNS = 5, 200, 11
TOGETHER = 5_000
LOG_BYTES_PER_S, LOG_S, PIECE = 50_000_000, 10, 1 << 20


def run(many: int = MANY) -> dict[str, object]:
    """Milliseconds, claims a second, megabytes; medians of five."""
    with tempfile.TemporaryDirectory() as name:
        figures = _passes(_hub(Path(name)))
    return figures | claims(many) | _log()


def claims(many: int = MANY) -> dict[str, object]:
    """Claims beside few finished jobs and beside many, in turns; medians, by the clock and of the processor."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        made = {FEW: _claiming(Path(one), FEW), many: _claiming(Path(other), many)}
        rounds = [{finished: _rate(claim) for finished, claim in made.items()} for _ in range(TURNS)]
    figures: dict[str, object] = {}
    for finished in made:
        label = f"claims (finish and next offer in one poll), {finished:,} finished jobs"
        figures[f"{label}, per s"] = round(statistics.median(one[finished][0] for one in rounds), 1)
        figures[f"{label}, ms of processor"] = round(statistics.median(one[finished][1] for one in rounds), 2)
    for at, what in enumerate(("rate", "processor time")):
        parts = [one[many][at] / one[FEW][at] for one in rounds]
        figures[f"{what} with many, part of that with few"] = round(statistics.median(parts), 3)
    return figures


def _hub(folder: Path) -> Hub:
    store = open_store("sqlite:///farm.db", folder)
    hub = Hub(
        store, FolderBlobs(folder / "blobs"), SystemClock(), SystemEntropy(), rules(folder, ""), Quiet()
    )
    intake.open_farm(hub, "bench")
    return hub


def _insert(store: Store, records: Any) -> None:
    """Many records, thousands in a transaction."""
    rows = iter(records)
    while chunk := list(itertools.islice(rows, TOGETHER)):
        store.write(lambda tx, chunk=chunk: [tx.insert(row) for row in chunk])  # type: ignore[misc]


def _spec(number: int) -> JobSpec:
    return JobSpec(
        kind="test",
        module=f"m{number}",
        platform="bench",
        commands=("true",),
        reuse="never",
        environment={"N": str(number)},
    )


def _job(number: int, state: JobState, **about: Any) -> Job:
    name = f"{state}-{number:07}"
    project = f"p{number % GROUPS}"
    values = {"id": name, "name": name, "build": "b", "spec": _spec(number), "project": project}
    return Job(**values, state=state, rank=number % 1000, ready_ms=number, **about)


def _machine(number: int) -> Machine:
    return Machine(
        id=f"machine-{number:05}",
        name=f"m{number}",
        pool="bench",
        platforms=("bench",),
        slots=SLOTS,
        sized=False,
        power=Power.UP,
        health=Health.GOOD,
        accepting=True,
        session="s",
    )


def _median_ms(work: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return round(1000 * statistics.median(times), 2)


def _passes(hub: Hub) -> dict[str, object]:
    """What a pass costs with a long queue: following 100 events, deciding, and reading everything anew."""
    _insert(hub.store, (_job(n, JobState.QUEUED) for n in range(QUEUED)))
    _insert(hub.store, (_machine(n) for n in range(MACHINES)))
    services = Services(hub)
    view = QueueView()
    began = time.perf_counter()
    before_kb = _memory_kb("VmRSS")
    look(hub, lambda tx, farm: view.follow(tx))
    loaded_s, held_kb = time.perf_counter() - began, _memory_kb("VmRSS") - before_kb
    events = [Event(seq=n + 1, kind="job", job=f"queued-{n:07}", state="queued") for n in range(100)]

    def follow() -> None:
        view.stamped(events)
        look(hub, lambda tx, farm: view.follow(tx))

    def decide(free: int) -> None:
        some = dict(itertools.islice(view.machines.items(), free // SLOTS))
        busy = {
            name: msgspec.structs.replace(machine, busy=tuple(range(SLOTS)))
            for name, machine in view.machines.items()
            if name not in some
        }
        machines = (*some.values(), *busy.values())
        groups, wake_ms = view.groups(0, free + 1)
        snapshot = msgspec.structs.replace(placer.about(hub, machines, 0), groups=groups, wake_ms=wake_ms)
        assert len(placement.decide(snapshot).places) == free

    found = {
        "reading a queue of 100,000 anew, ms": round(1000 * loaded_s),
        "memory of a queued job in the view, bytes": round(1024 * held_kb / QUEUED),
        "following 100 events, ms": _median_ms(follow),
        "deciding for 100 free slots of 8,000, ms": _median_ms(lambda: decide(100)),
        "deciding for 8,000 free slots, ms": _median_ms(lambda: decide(MACHINES * SLOTS)),
    }
    began, offered = time.perf_counter(), 0
    while not offered:  # the queue is read in portions first
        offered = services.run_once(0)["offered"]
    found["reading the queue in passes and writing 8,000 offers, ms"] = round(
        1000 * (time.perf_counter() - began)
    )
    assert offered == MACHINES * SLOTS
    found["a pass with nothing to place, ms"] = _median_ms(lambda: services.run_once(0))
    hub.store.close()
    return found


def _rate(claim: Callable[[], None]) -> tuple[float, float]:
    """Claims a second, and milliseconds of the processor for one."""
    began, used = time.perf_counter(), time.process_time()
    for _ in range(CLAIMS):
        claim()
    return CLAIMS / (time.perf_counter() - began), 1000 * (time.process_time() - used) / CLAIMS


def _fill(folder: Path, hub: Hub, finished: int) -> None:
    """So many finished jobs, told long ago: the books, which begin with the first pass, begin after them. Written past the
    store, by many rows a statement."""
    connection = connect(folder / "farm.db")
    for first in range(0, finished, TOGETHER):
        connection.execute("BEGIN IMMEDIATE")
        for records in zip(*map(_history, range(first, min(first + TOGETHER, finished))), strict=True):
            how = statements(type(records[0]))
            connection.executemany(how.insert, (how.insertion(how.codec.row(one)) for one in records))
        connection.execute("COMMIT")
    connection.close()
    hub.store.write(
        lambda tx: [
            tx.replace(msgspec.structs.replace(farm, position=2 * finished)) for farm in tx.find(Farm, "key")
        ]
    )


def _claiming(folder: Path, finished: int) -> Callable[[], None]:
    """What one agent with one slot does again and again, on a store with so many finished jobs, their attempts and events."""
    hub = _hub(folder)
    _fill(folder, hub, finished)
    _insert(hub.store, (_job(n, JobState.QUEUED) for n in range(10_000)))
    token = sessions.create_token(hub, "bench")
    asked = sessions.Registration(name="m", key="ab" * 32, cores=64, memory_mb=1 << 20, sandbox="plain")
    registered = sessions.register(hub, token, asked)
    services = Services(hub)
    calls = itertools.count(1)
    held: list[Any] = []
    clock = itertools.count(0)
    while not services.view.complete:
        services.run_once(next(clock))

    def claim() -> None:
        named = [(work.attempt.id, work.attempt.fence) for work in held]
        said = Said(
            call=next(calls),
            acknowledged=tuple(Acknowledged(*one, "ack") for one in named),
            finished=tuple(Finished(*one, "fin", Ending(result="passed")) for one in named),
        )
        heard = poller.poll(hub, registered.session, said)
        assert all(answer.status == 200 for answer in heard.finished)
        services.run_once(next(clock))
        held[:] = poller.open_offers(hub, registered.session)
        assert len(held) == 1

    for _ in range(20):
        claim()
    return claim


def _history(number: int) -> list[Any]:
    """A job that has passed, its attempt, and what was told of it."""
    job = _job(number, JobState.PASSED, open=False, attempts=1)
    attempt = Attempt(
        id=f"a{number:07}",
        job=job.id,
        build="b",
        n=1,
        fence="i:1",
        machine=f"machine-{number % MACHINES:05}",
        slot=0,
        session="s",
        pool="bench",
        state=AttemptState.PASSED,
        live=False,
        settled=True,
    )
    told = [
        Event(position=2 * number + at, kind="job", job=job.id, build="b", state=state)
        for at, state in ((1, "offered"), (2, "PASSED"))
    ]
    return [job, attempt, *told]


def _log() -> dict[str, object]:
    """The most memory of a hub that takes a log of 50 MB/s for ten seconds."""
    with Served() as farm:
        client = http.client.HTTPConnection(farm.address.partition("//")[2])
        (token,) = farm.ask(tokens=1)
        key = os.urandom(32).hex()
        about = {"name": "log", "key": key, "cores": 8, "memory_mb": 1 << 15, "sandbox": "plain"}
        token = _call(client, "register", token, about)["token"]
        farm.ask(submit=1)
        offer: dict[str, Any] = {}
        for call in itertools.count(1):
            offers = _call(client, "poll", token, {"call": call, "wait_s": 1.0})["offers"]
            if offers:
                offer = offers[0]
                break
        named = {"attempt": offer["attempt"], "fence": offer["fence"]}
        _call(client, f"attempts/{offer['attempt']}/acknowledge", token, named)
        sent, began, piece = 0, time.monotonic(), os.urandom(PIECE)
        while (passed_s := time.monotonic() - began) < LOG_S:
            if sent > LOG_BYTES_PER_S * passed_s:
                time.sleep(0.005)
                continue
            path = f"/api/v1/agent/attempts/{offer['attempt']}/log?offset={sent}"
            headers = {"Authorization": f"Bearer {token}", "X-Penstock-Fence": offer["fence"]}
            client.request("POST", path, piece, headers)
            client.getresponse().read()
            sent += PIECE
        return {
            "log taken, MB/s": round(sent / 1e6 / (time.monotonic() - began), 1),
            "most memory of the hub, MB": round(farm.ask(memory=None) / 1024),
        }


def _call(client: http.client.HTTPConnection, path: str, token: str, body: dict[str, Any]) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    client.request("POST", f"/api/v1/agent/{path}", msgspec.json.encode(body), headers)
    answer = client.getresponse()
    found: dict[str, Any] = msgspec.json.decode(answer.read())
    if answer.status != 200:
        raise RuntimeError(f"{path}: {found}")
    return found


def _memory_kb(what: str) -> int:
    return int(Path("/proc/self/status").read_text().partition(f"{what}:")[2].split()[0])


if __name__ == "__main__":
    only, number = "claims" in sys.argv, int(sys.argv[-1]) if sys.argv[-1].isdigit() else MANY
    for row, figure in (claims(number) if only else run(number)).items():
        print(f"{row:<70} {figure}")
