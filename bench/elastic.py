"""One hub with 5,000 rented machines and 100,000 queued jobs: what a pass of its services takes, and how much memory.

The store is real, the provider is simulated; jobs end and are replaced all the time, machines are listed every ten seconds,
agents' calls are made between the passes and not counted. Time of the processor is that of the hub's threads; a database
server has its own. Each database in a process of its own, whose memory is told.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from bench import databases
from bench.elastic_crowds import Crowds
from bench.scale import _insert, _memory_kb
from penstock.hub import intake, poller
from penstock.hub.context import Hub
from penstock.hub.loop import Services
from penstock.hub.poller import Acknowledged, Finished, Heard, Said
from penstock.hub.queue import Ending
from penstock.hub.sessions import Registration, digest, register
from penstock.hub.steps import begin
from penstock.hub.timekeeper import Timekeeper
from penstock.model.farm import Farm
from penstock.model.job import Attempt, Job, JobSpec
from penstock.model.machine import Credential, Machine, Session
from penstock.model.rented import TAG_FARM, TAG_INCARNATION, TAG_MACHINE, Order
from penstock.model.rules import Lease, Platform, Pool, Quantiles, Rules, Waiting
from penstock.model.states import AttemptState, Health, JobState, Power, SessionState
from penstock.model.units import MS_PER_HOUR as HOUR_MS
from penstock.providers.simulated import Simulated
from penstock.sim.surroundings import NoBlobs, VirtualClock
from penstock.store.open import open_store
from penstock.wiring import Quiet, SystemEntropy

MACHINES, ASLEEP, QUEUED, NAMES = 5_000, 500, 100_000, 200
STEP_MS, ENDS, MANY = 2_000, 50, 1_000
BACKLOG, PASSES, BURSTS, SILENT = 24, 120, 3, 5
"""Passes: after the first one until all machines work; usual ones; with a thousand ends; until offers lapse."""
BEGIN_MS = 1_700_000_000_000
POOL = Pool(
    name="burst",
    provider="simulated",
    platforms=("linux",),
    max=MACHINES,
    price_per_hour_micros=403_200,
    stopped_price_per_hour_micros=10_960,
    boot=Quantiles(90_000, 120_000),
    resume=Quantiles(30_000, 45_000),
    suspend_ms=10_000,
    delete_ms=5_000,
)
RULES = Rules(
    lease=Lease(contact_ms=HOUR_MS, right_ms=HOUR_MS),
    platforms={"linux": Platform(name="linux", image="none")},
    pools=(POOL,),
    waiting=Waiting(price_per_hour_micros=20_000_000),
)


def run() -> dict[str, object]:
    """Milliseconds of a pass, megabytes of the process, for each database."""
    figures = _apart("SQLite", "sqlite:///farm.db")
    with databases.postgresql() as fresh:
        return figures | (
            _apart("PostgreSQL", fresh()) if fresh else {"PostgreSQL": "not measured: none here"}
        )


def _apart(name: str, state: str) -> dict[str, object]:
    """The figures of one database, from a process of its own."""
    words = [sys.executable, "-m", "bench.elastic", state]
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
    return {f"{name}, {row}": figure for row, figure in json.loads(done.stdout).items()}


class _Large:
    """The farm: 4,500 machines are up, 500 sleep, all jobs wait, and a new leader begins."""

    def __init__(self, state: str, folder: Path) -> None:
        self.clock = VirtualClock(BEGIN_MS)
        self.provider = Simulated(msgspec.structs.replace(POOL, max=None), self.clock.wall_ms)
        store = open_store(state, folder)
        self.hub = Hub(
            store,
            NoBlobs(),
            self.clock,
            SystemEntropy(),
            RULES,
            Quiet(),
            providers={POOL.name: self.provider},
        )
        farm = intake.open_farm(self.hub, "bench")
        for number in range(MACHINES):
            self._make(farm, number)
        self.clock.now_ms += HOUR_MS
        for number in range(ASLEEP):
            self.provider.suspend(f"{POOL.name}-{number + 1:05}")
        self.clock.now_ms += HOUR_MS
        self.sessions = {f"m{number:05}": _session(number) for number in range(ASLEEP, MACHINES)}
        _insert(store, (_machine(number) for number in range(MACHINES)))
        _insert(store, map(_known, range(ASLEEP)))
        _insert(store, self.sessions.values())
        self.calls: Counter[str] = Counter()
        self.running: deque[Attempt] = deque()
        self.passes: dict[str, list[tuple[float, float]]] = {}
        self.others: dict[str, list[tuple[float, float]]] = {}
        self.services = self._lead()
        self.services.run_once(self.clock.now_ms)  # the books begin, which they do once
        _insert(store, (_job(number) for number in range(QUEUED + MACHINES)))
        self.services = self._lead()

    def _lead(self) -> Services:
        """A process that has just taken over."""
        farm = intake.open_farm(self.hub, "bench")
        led = replace(self.hub, epoch=farm.leader_epoch)
        return Services(led, farm, Timekeeper(led, self.clock.now_ms), moment_ms=0)

    def _make(self, farm: Farm, number: int) -> None:
        """A machine at its provider."""
        name = f"m{number:05}"
        tags = {TAG_FARM: farm.uid, TAG_INCARNATION: farm.incarnation, TAG_MACHINE: name}
        self.provider.create(Order(offer=POOL.name, token=name, tags=tags, secret=name, name=name))

    def figures(self) -> dict[str, object]:
        """First the backlog, then ends and starts for four minutes, then everything at once."""
        load = os.getloadavg()[0]
        self._pass("the first pass")
        for _ in range(BACKLOG):
            self._agents(0)
            self._pass("until all machines work")
        for _ in range(PASSES):
            self._agents(ENDS)
            self._pass(f"{ENDS} jobs ended")
        busy = len(self.running)
        assert busy > MACHINES - ASLEEP, f"{busy} machines work"
        for _ in range(BURSTS):
            self._agents(MANY)
            self._pass(f"{MANY:,} jobs ended")
        for _ in range(SILENT + 1):
            self._pass(f"{MANY:,} offers lapse")
        Crowds(self, self._pass).run()
        found: dict[str, object] = {"load of the machine": f"{load:.1f} to {os.getloadavg()[0]:.1f}"}
        for about, passes in (self.passes | self.others).items():
            for what, times in zip(
                ("of the processor", "by the clock"), zip(*passes, strict=True), strict=True
            ):
                found[f"{about}, ms {what}"] = _summed(times)
        worst = max(worked for passes in self.passes.values() for worked, _ in passes)
        found["worst pass of all, ms of the processor"] = round(worst)
        return found | {
            "machines at work": busy,
            "most memory of the process, MB": round(_memory_kb("VmHWM") / 1024),
        }

    def _pass(self, about: str) -> None:
        """Two seconds later."""
        self.clock.now_ms += STEP_MS
        began, worked = time.perf_counter(), time.process_time()
        self.services.run_once(self.clock.now_ms)
        took = 1000 * (time.process_time() - worked), 1000 * (time.perf_counter() - began)
        self.passes.setdefault(about, []).append(took)

    def time(self, about: str, act: Callable[[], object]) -> None:
        """What something takes that is no pass."""
        began, worked = time.perf_counter(), time.process_time()
        act()
        took = 1000 * (time.process_time() - worked), 1000 * (time.perf_counter() - began)
        self.others.setdefault(about, []).append(took)

    def _agents(self, ends: int) -> None:
        """What was offered is begun, so many jobs that run for longest end, and who woke up says so."""
        self._wake()
        offered = self.hub.store.read(lambda tx: tx.find(Attempt, "unsettled", False, AttemptState.OFFERED))
        self.running += offered
        ended = [self.running.popleft() for _ in range(min(ends, len(self.running)))]
        calls = [self._say(one, acknowledged=(Acknowledged(one.id, one.fence, "begun"),)) for one in offered]
        over = Ending(result="passed")
        calls += [self._say(one, finished=(Finished(one.id, one.fence, "over", over),)) for one in ended]
        for call in calls:
            heard = call.result()
            assert [one.status for one in (*heard.acknowledged, *heard.finished)] == [200]

    def _say(self, attempt: Attempt, **what: Any) -> Future[Heard]:
        """A call, written together with others."""
        self.calls[attempt.machine] += 1
        session, said = self.sessions[attempt.machine], Said(self.calls[attempt.machine], **what)
        return begin(self.hub, lambda step: poller._poll(step, session, said))

    def _wake(self) -> None:
        """Machines that are up register."""
        for place, order in self.provider.up().items():
            if order.name not in self.sessions:
                asked = Registration(name=order.name, key=f"{int(place[-5:]):064x}", cores=4, memory_mb=8192)
                self.sessions[order.name] = register(self.hub, order.secret, asked).session


def _summed(times: tuple[float, ...]) -> str:
    """Of one pass what it took; of more the median, the 95th percentile and the worst."""
    if len(times) == 1:
        return f"{times[0]:.0f}"
    late = statistics.quantiles(times, n=20, method="inclusive")[-1]
    return f"{statistics.median(times):.0f}, p95 {late:.0f}, worst {max(times):.0f} of {len(times)}"


def _session(number: int) -> Session:
    return Session(
        id=f"s{number:05}",
        machine=f"m{number:05}",
        state=SessionState.IDLE,
        expires_ms=HOUR_MS,
        token_digest=f"{number}",
    )


def _known(number: int) -> Credential:
    name = f"m{number:05}"
    return Credential(digest=digest(name), kind="machine", pool=POOL.name, machine=name)


def _machine(number: int) -> Machine:
    name, up = f"m{number:05}", number >= ASLEEP
    return Machine(
        id=name,
        name=name,
        pool=POOL.name,
        platforms=POOL.platforms,
        sized=False,
        power=Power.UP if up else Power.SUSPENDED,
        health=Health.GOOD,
        session=f"s{number:05}" if up else "",
        accepting=up,
        provider_id=f"{POOL.name}-{number + 1:05}",
        client_token=name,
        called=True,
        ordered_ms=1,
    )


def _job(number: int) -> Job:
    name = f"n{number % NAMES}"
    spec = JobSpec(kind="test", module=name, platform="linux", commands=("true",), reuse="never")
    return Job(
        id=f"j{number:06}",
        name=f"{name}-{number}",
        build="b",
        spec=spec,
        state=JobState.QUEUED,
        ready_ms=number,
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(_Large(sys.argv[1], Path(folder)).figures()))
