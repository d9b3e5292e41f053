"""Jobs become entries of a ledger, as the bookkeeper would enter them: first come, first served, owned slots first."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from penstock.model.job import Attempt, Job
from penstock.model.ledger import Account, Entry, Footprint, Meter, Span
from penstock.model.rules import Pool
from penstock.model.states import AttemptState, JobState, Power
from penstock.model.units import DAY_MS, MS_PER_HOUR, charge_micros
from tests.costhistory import Ran, chance
from tests.costrules import POOLS, RULES
from tests.farms import spec

KEPT_DAYS = 4
"""For how long jobs are kept behind what is entered of them."""
BOOT_MS, KEPT_MS, GOING_MS = 90_000, 600_000, 20_000


@dataclass
class Host:
    """One machine: until when each slot is held, when it began, and what attempts held of it as (from, until, share)."""

    name: str
    pool: Pool
    begun_ms: int
    free_ms: list[int]
    held: list[tuple[int, int]] = field(default_factory=list)


@dataclass
class Writer:
    """Makes records of a ledger."""

    first_ms: int
    until_ms: int
    entries: list[Entry] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    meters: list[Meter] = field(default_factory=list)
    tallies: dict[tuple[object, ...], list[int]] = field(default_factory=dict)
    builds: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    about: dict[str, Ran] = field(default_factory=dict)
    feet: dict[tuple[int, str, str, str], Footprint] = field(default_factory=dict)
    kept: list[msgspec.Struct] = field(default_factory=list)
    count: int = 0

    def enter(self, account: Account, at_ms: int, amount_micros: int, **about: object) -> None:
        """One entry and its sum; nothing where it comes to nothing."""
        if not amount_micros and account != Account.DIRECT:
            return
        entry = Entry(
            day=(at_ms - 1) // DAY_MS,
            at_ms=at_ms,
            account=account,
            amount_micros=amount_micros,
            **about,  # type: ignore[arg-type]
        )
        self.entries.append(entry)
        key = (
            entry.day,
            entry.project,
            entry.platform,
            entry.pool,
            entry.klass,
            entry.account,
            entry.outcome,
        )
        tally = self.tallies.setdefault(key, [0, 0, 0])
        for place, more in enumerate((entry.amount_micros, entry.quantity, 1)):
            tally[place] += more

    def attempt(self, ran: Ran, host: Host, begun_ms: int, ended_ms: int, outcome: str) -> int:
        """What one attempt held, cut at midnights. Answers what it cost."""
        self.count += 1
        names = {
            "attempt": f"a{self.count}",
            "job": f"j{self.count}",
            "build": ran.build,
            "project": ran.project,
        }
        names |= {"branch": ran.branch, "name": ran.name, "platform": ran.platform, "klass": ran.klass}
        price, paid, pool = host.pool.price_per_hour_micros, 0, host.pool
        cuts = [*range((begun_ms // DAY_MS + 1) * DAY_MS, ended_ms, DAY_MS), ended_ms]
        before_ms = begun_ms
        for cut in cuts:
            amount = charge_micros(price, cut - begun_ms) // pool.slots - paid
            last = cut == ended_ms
            self.enter(
                Account.DIRECT, cut, amount, quantity=cut - before_ms, price_micros=price, pool=pool.name,
                machine=host.name, span_ms=max(host.begun_ms, before_ms // DAY_MS * DAY_MS), power="up",
                outcome=outcome if last else "", final=last, **names,
            )  # fmt: skip
            host.held.append((cut, amount))
            paid, before_ms = paid + amount, cut
        if ended_ms > self.until_ms - KEPT_DAYS * DAY_MS:
            self._keep(ran, host, (begun_ms, ended_ms), (outcome, paid))
        self._note(ran, paid, outcome, ended_ms - begun_ms)
        return paid

    def _keep(self, ran: Ran, host: Host, held: tuple[int, int], came: tuple[str, int]) -> None:
        """The job and the attempt themselves, as far as a farm keeps them."""
        outcome, paid = came
        state = {"LOST": "ERROR", "CANCELLED": "CANCELLED"}.get(outcome, outcome)
        asked = spec(ran.name, platform=ran.platform, klass=ran.klass)
        self.kept += [
            Job(
                id=f"j{self.count}", build=ran.build, name=f"{ran.name} {self.count}", spec=asked, state=JobState(state), open=False,
                submitted_ms=ran.came_ms, ready_ms=ran.came_ms, ended_ms=held[1], attempts=1, project=ran.project,
            ),
            Attempt(
                id=f"a{self.count}", job=f"j{self.count}", build=ran.build, n=1, fence="i:1", machine=host.name, slot=0, session="s",
                pool=host.pool.name, project=ran.project, state=AttemptState(outcome), live=False, settled=True, cost_micros=paid,
                started_ms=held[0], ended_ms=held[1], price_per_hour_micros=host.pool.price_per_hour_micros,
            ),
        ]  # fmt: skip

    def _note(self, ran: Ran, paid: int, outcome: str, held_ms: int) -> None:
        self.about.setdefault(ran.build, ran)
        kind = {"PASSED": "passed", "LOST": "lost", "CANCELLED": "dropped"}.get(outcome, "failed")
        self.builds[ran.build].update({"amount": paid, kind: paid, "attempts": 1})
        key = (ran.came_ms // DAY_MS, ran.project, ran.name, ran.platform)
        old = self.feet.get(key) or Footprint(
            day=key[0], project=key[1], name=key[2], platform=key[3], asked_cores=4, asked_memory_mb=8192
        )
        # 1.05^s MB and thousandths of a core: from 600 MB to 7 GB by name.
        memory = str(131 + int(50 * chance(ran.name)) + int(6 * chance(ran.build, ran.name)))
        cores = str(140 + int(30 * chance(ran.platform, ran.name)) + int(4 * chance(ran.build)))
        self.feet[key] = msgspec.structs.replace(
            old,
            attempts=old.attempts + 1,
            held_ms=old.held_ms + held_ms,
            amount_micros=old.amount_micros + paid,
            memory=old.memory | {memory: old.memory.get(memory, 0) + 1},
            cores=old.cores | {cores: old.cores.get(cores, 0) + 1},
        )

    def span(self, host: Host, power: Power, from_ms: int, until_ms: int) -> None:
        """A machine in one power, cut at midnights; what no attempt held is idle, or on the way."""
        ends = [*range((from_ms // DAY_MS + 1) * DAY_MS, until_ms, DAY_MS), until_ms]
        for end in ends:
            if end > self.until_ms:
                self.meters.append(
                    Meter(machine=host.name, pool=host.pool.name, power=power, since_ms=from_ms, price_micros=host.pool.price_per_hour_micros)
                )  # fmt: skip
                return
            price = host.pool.price_per_hour_micros
            amount = charge_micros(price, end - from_ms)
            direct = sum(paid for at, paid in host.held if from_ms < at <= end) if power == Power.UP else 0
            self.spans.append(
                Span(machine=host.name, from_ms=from_ms, until_ms=end, pool=host.pool.name, power=power, price_micros=price, amount_micros=amount, counted_ms=end - from_ms)
            )  # fmt: skip
            account = Account.IDLE if power == Power.UP else Account.LIFECYCLE
            self.enter(
                account, end, amount - direct, quantity=(amount - direct) * MS_PER_HOUR // price, price_micros=price, pool=host.pool.name,
                machine=host.name, span_ms=from_ms, power=str(power),
            )  # fmt: skip
            from_ms = end

    def daily(self) -> None:
        """Fixed charges, storage and egress of each whole day."""
        for day in range(self.first_ms // DAY_MS, self.until_ms // DAY_MS):
            end = (day + 1) * DAY_MS
            for charge in RULES.charges:
                self.enter(
                    Account.OVERHEAD,
                    end,
                    charge.per_month_micros * 12 // 365,
                    quantity=DAY_MS,
                    pool=charge.pool,
                    what=charge.name,
                )
            held = 180_000_000_000 + (day - self.first_ms // DAY_MS) * 2_100_000_000
            self.enter(
                Account.STORAGE,
                end,
                held * 23_000 * 12 // 365 // 10**9,
                quantity=held,
                unit="byte",
                what="blobs",
            )
            for pool, share in (("burst", 0.05), ("windows", 0.11)):
                runs = sum(
                    v[2]
                    for k, v in self.tallies.items()
                    if k[0] == day and k[3] == pool and k[5] == Account.DIRECT
                )
                size = int(runs * share * 10**9)
                self.enter(
                    Account.EGRESS,
                    end,
                    size * 90_000 // 10**9,
                    quantity=size,
                    unit="byte",
                    pool=pool,
                    what="outputs and logs",
                )


def play(jobs: Iterable[Ran], writer: Writer) -> None:
    """First come, first served: owned slots where one is free, rented ones else."""
    hosts: list[Host] = []
    for pool in POOLS:
        for n in range(pool.machines):
            hosts.append(Host(f"{pool.name}-{n + 1}", pool, writer.first_ms, [writer.first_ms] * pool.slots))
    rented: dict[str, list[Host]] = {"burst": [], "windows": []}
    for ran in sorted(jobs, key=lambda one: (one.came_ms, one.name, one.build)):
        _run(ran, hosts, rented, writer)
    for host in hosts:
        writer.span(host, Power.UP, host.begun_ms, writer.until_ms + 1)
    for pool_hosts in rented.values():
        for host in pool_hosts:
            _ended(host, writer)


def _run(ran: Ran, hosts: Sequence[Host], rented: dict[str, list[Host]], writer: Writer) -> None:
    own = [host for host in hosts if ran.platform in host.pool.platforms]
    best = min(own, key=lambda host: (min(host.free_ms), host.name), default=None)
    wait_ms = max(0, min(best.free_ms) - ran.came_ms) if best else 1 << 60
    pool = next((p for p in POOLS if p.provider == "ec2" and ran.platform in p.platforms), None)
    if best is None or (wait_ms > 40 * 60_000 and pool is not None):
        assert pool is not None
        best = _rented(ran.came_ms, pool, rented[pool.name])
    begun = max(ran.came_ms, min(best.free_ms))
    _attempt(ran, best, begun, writer)


def _attempt(ran: Ran, host: Host, begun: int, writer: Writer) -> None:
    lost = host.pool.provider == "ec2" and chance("lost", ran.build, ran.name) < 0.02
    slot = host.free_ms.index(min(host.free_ms))
    if lost:
        half = begun + ran.took_ms // 2
        if half < writer.until_ms:
            writer.attempt(ran, host, begun, half, "LOST")
        begun = half + 30_000
    ended = begun + ran.took_ms
    host.free_ms[slot] = ended
    if ended < writer.until_ms:
        writer.attempt(ran, host, begun, ended, ran.outcome)


def _rented(now_ms: int, pool: Pool, hosts: list[Host]) -> Host:
    """A machine that is up and free, or a new one."""
    for host in reversed(hosts[-40:]):
        if min(host.free_ms) <= now_ms <= max(host.free_ms) + KEPT_MS:
            return host
    up = now_ms + BOOT_MS
    hosts.append(Host(f"i-{pool.name[0]}{len(hosts):05x}", pool, now_ms, [up] * pool.slots))
    return hosts[-1]


def _ended(host: Host, writer: Writer) -> None:
    up, idle_since = host.begun_ms + BOOT_MS, max(host.free_ms)
    gone = idle_since + KEPT_MS
    writer.span(host, Power.BOOTING, host.begun_ms, up)
    if up < writer.until_ms:
        writer.span(host, Power.UP, up, gone)
    if gone < writer.until_ms:
        writer.span(host, Power.DELETING, gone, gone + GOING_MS)
