"""A farm with a ledger of some weeks, written as the bookkeeper would: for looking at pages of costs, and for tests.

`python -m tests.costfarm` serves it on this machine and prints where: jobs of Bitcoin Core's CI where the recorded data
is (PENSTOCK_DATA), else made-up ones. With `empty`: a farm in which nothing is entered yet.
"""

import os
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import msgspec

from penstock.model.ledger import (
    Account,
    Bill,
    BillLine,
    BuildCost,
    Entry,
    Footprint,
    Guarding,
    GuardState,
    Ledger,
    Meter,
    Price,
    Span,
    Tally,
)
from penstock.model.rules import Billed, Budget, Charge, Grant, Guard, Platform, Pool, Rules, Tco
from penstock.model.states import Power
from penstock.model.units import DAY_MS, MS_PER_HOUR, Size, charge_micros, decimal_text
from penstock.ports import Store
from penstock.store.logs import FolderLogs
from tests.busyfarm import Busy
from tests.costhistory import Ran, chance, made_up, recorded, repeated
from tests.farms import TestFarm

NOW_MS = int(datetime(2026, 11, 20, 15, 12, tzinfo=UTC).timestamp()) * 1000
TODAY = NOW_MS // DAY_MS
DAYS = 84
LINUX = ("linux-gcc", "linux-asan", "linux-msan", "linux-tsan", "linux-fuzz", "centos-stream")
PLATFORMS = (*LINUX, "linux-arm", "macos-14", "windows-2022")
SERVER = Tco(
    purchase_micros=12_000_000_000, residual_ppm=50_000, watts=450, pue_ppm=1_500_000, kwh_price_micros=150_000,
    colo_per_month_micros=108_000_000, staff_minutes_per_month=120, staff_per_hour_micros=75_000_000,
    spares_ppm=30_000, network_per_month_micros=30_000_000,
)  # fmt: skip
MINI = Tco(
    purchase_micros=1_600_000_000, residual_ppm=200_000, life_years=4, watts=25, kwh_price_micros=150_000,
    colo_per_month_micros=35_000_000, staff_minutes_per_month=30, staff_per_hour_micros=75_000_000,
)  # fmt: skip
POOLS = (
    Pool(
        name="rack", provider="owned", platforms=LINUX, slots=2, size=Size(32, 131_072), machines=2,
        price_per_hour_micros=797_100, tco=SERVER,
    ),
    Pool(
        name="boards", provider="owned", platforms=("linux-arm",), slots=2, size=Size(8, 32_768), machines=1,
        price_per_hour_micros=92_000,
    ),
    Pool(
        name="minis", provider="owned", platforms=("macos-14",), slots=1, size=Size(8, 16_384), machines=2,
        price_per_hour_micros=138_400, tco=MINI,
    ),
    Pool(
        name="burst", provider="ec2", platforms=LINUX, slots=2, size=Size(8, 16_384), max=40,
        price_per_hour_micros=403_200, reclaim_per_hour=0.02, egress_per_gb_micros=90_000,
    ),
    Pool(
        name="windows", provider="ec2", platforms=("windows-2022",), slots=1, size=Size(8, 32_768), max=12,
        price_per_hour_micros=742_000, egress_per_gb_micros=90_000,
    ),
)  # fmt: skip
RULES = Rules(
    name="lighthouse",
    platforms={name: Platform(name=name, image=name) for name in PLATFORMS},
    pools=POOLS,
    charges=(Charge(name="control plane", per_month_micros=258_000_000, pool="burst"), Charge(name="monitoring", per_month_micros=60_000_000)),
    grants=(
        Grant(name="aws-2026", amount=Decimal(9000), currency="USD", start="2026-01-01", until="2026-12-31", pools=("burst", "windows")),
        Grant(name="azure-2027", amount=Decimal(12000), currency="USD", start="2027-01-01", until="2027-12-31", pools=("burst", "windows")),
    ),
    budgets=(
        Budget(name="hosting", amount=Decimal(1900), per="month", pools=("rack", "boards", "minis")),
        Budget(name="windows minutes", amount=Decimal(60_000), unit="minutes", per="month", pools=("windows",)),
    ),
    guards=(
        Guard(name="tell", when="forecast > 90%", hold_ms=0, then=("notify:infra",)),
        Guard(name="cap", when="forecast > 100%", hold_ms=48 * MS_PER_HOUR, then=("cap:burst=3",), exempt=("release", "security"), budget="aws-2026"),
        Guard(name="stop", when="actual > 95%", hold_ms=0, then=("drain:burst",), approval="manual", exempt=("release",)),
    ),
    billed=(Billed(pool="burst", match={"sku": "*m5*"}), Billed(pool="windows", match={"sku": "*windows*"})),
    storage_per_gb_month_micros=23_000,
)  # fmt: skip
BY_NAME = {pool.name: pool for pool in POOLS}
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
        self._note(ran, paid, outcome, ended_ms - begun_ms)
        return paid

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
                Span(machine=host.name, from_ms=from_ms, until_ms=end, pool=host.pool.name, power=power, price_micros=price, amount_micros=amount)
            )  # fmt: skip
            account = Account.IDLE if power == Power.UP else Account.LIFECYCLE
            self.enter(
                account, end, amount - direct, quantity=end - from_ms, price_micros=price, pool=host.pool.name,
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
    if best is None or (wait_ms > 12 * 60_000 and pool is not None):
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


def records(writer: Writer) -> list[msgspec.Struct]:
    """Everything that was made, beside prices, the bills and the guards."""
    names = (
        "day",
        "project",
        "platform",
        "pool",
        "klass",
        "account",
        "outcome",
        "amount_micros",
        "quantity",
        "count",
    )
    tallies = [Tally(**dict(zip(names, (*key, *sums), strict=True))) for key, sums in writer.tallies.items()]
    builds = [
        BuildCost(
            build=build, day=writer.about[build].came_ms // DAY_MS, project=writer.about[build].project,
            branch=writer.about[build].branch, commit=f"{int(chance(build) * 2**48):012x}", amount_micros=sums["amount"],
            passed_micros=sums["passed"], lost_micros=sums["lost"], dropped_micros=sums["dropped"], attempts=sums["attempts"],
        )
        for build, sums in writer.builds.items()
    ]  # fmt: skip
    prices = [
        Price(pool=pool.name, what="hour", from_ms=writer.first_ms, price_micros=pool.price_per_hour_micros, source="tco" if pool.tco else "farm.toml")
        for pool in POOLS
    ]  # fmt: skip
    whole = Ledger(
        position=1, day=writer.until_ms // DAY_MS, from_ms=writer.first_ms, until_ms=writer.until_ms
    )
    return [
        whole, *writer.entries, *writer.spans, *writer.meters, *tallies, *builds, *writer.feet.values(), *prices, *bills(tallies), *guardings(),
    ]  # fmt: skip


def bills(tallies: Sequence[Tally]) -> list[msgspec.Struct]:
    """What a provider billed for the months that have ended: a little more than was metered, on two days much more."""
    found: list[msgspec.Struct] = []
    for number, (month, following) in enumerate(((9, 10), (10, 11)), 1):
        first, end = (datetime(2026, m, 1, tzinfo=UTC).timestamp() / 86_400 for m in (month, following))
        lines = list(_bill_lines(f"aws-2026-{month:02d}", tallies, int(first), int(end)))
        total = str(sum(Decimal(line.billed) for line in lines))
        found.append(
            Bill(
                id=f"aws-2026-{month:02d}", provider="aws", account="4711", first=int(first), end=int(end), form="cur",
                currency="USD", billed=total, effective=total, rows=len(lines), file=f"cur-2026-{month:02d}.csv.gz",
                digest="sha256:" + "0" * 64, taken_ms=NOW_MS - number * DAY_MS, lines=len(lines), days_from=int(first),
                days_until=int(end), chain=f"aws-2026-{month:02d}",
            )
        )  # fmt: skip
        found += lines
    return found


def _bill_lines(bill: str, tallies: Sequence[Tally], first: int, end: int) -> Iterable[BillLine]:
    sums: Counter[tuple[int, str]] = Counter()
    for tally in tallies:
        if (
            first <= tally.day < end
            and BY_NAME.get(tally.pool, POOLS[0]).provider == "ec2"
            and tally.account != Account.OVERHEAD
        ):
            sums[tally.day, tally.pool] += tally.amount_micros
    for line, ((day, pool), amount) in enumerate(sorted(sums.items()), 2):
        more = 1.09 if day % 23 == 5 and pool == "burst" else 1.0 + 0.012 * chance(day, pool)
        text = decimal_text(int(amount * more))
        sku = {"burst": "BoxUsage:m5.2xlarge", "windows": "BoxUsage:windows"}[pool]
        yield BillLine(
            bill=bill, day=day, service="AmazonEC2", sku=sku, region="eu-west-1", pool=pool, billed=text, effective=text,
            listed=text, quantity="1", unit="Hrs", line=line,
        )  # fmt: skip


def guardings() -> list[Guarding]:
    """One that acts, one that waits for a person, one that stands by."""
    hour = MS_PER_HOUR
    return [
        Guarding(name="tell", state=GuardState.ACTIVE, since_ms=hour, reason="forecast of aws-2026 is 97 % of 9,000 USD"),
        Guarding(name="cap", state=GuardState.ARMED, since_ms=3 * hour, reason="forecast of aws-2026 is over 100 % since 31 h, of 48 h"),
        Guarding(name="stop", state=GuardState.STANDBY),
    ]  # fmt: skip


def make(
    folder: Path, store: Store | None = None, block: Sequence[Ran] | None = None, days: int = DAYS
) -> Busy:
    """The farm, its ledger written; without a `block` of jobs an empty one."""
    made = Busy(TestFarm(RULES, store), FolderLogs(folder / "logs"))
    made.farm.clock.wall = NOW_MS
    if block is not None:
        first_ms = (TODAY - days) * DAY_MS
        writer = Writer(first_ms, NOW_MS - 24_000)
        play(repeated(block, days, writer.until_ms), writer)
        writer.daily()
        put(made, records(writer))
    return made


def put(made: Busy, found: Sequence[msgspec.Struct]) -> None:
    """Write records, some thousand at a time, over what a farm begins with."""
    made.farm.store.write(lambda tx: [tx.delete(one) for one in tx.find(Ledger, "key")] and None)
    for at in range(0, len(found), 5000):
        part = found[at : at + 5000]
        made.farm.store.write(lambda tx, part=part: [tx.insert(one) for one in part] and None)


def block_of(words: Sequence[str]) -> list[Ran] | None:
    """The jobs that are asked for."""
    if "empty" in words:
        return None
    data = Path(os.environ.get("PENSTOCK_DATA") or Path(__file__).parents[2] / "shared" / "data")
    file = data / "bitcoin-ci" / "tasks.json.gz"
    return recorded(file) if file.is_file() and "small" not in words else made_up()


def serve(words: Sequence[str]) -> str:
    """Serve such a farm from this process; answers the address that lets one in."""
    import socket

    from penstock.store.open import open_store
    from penstock.web.app import make_app
    from penstock.web.bell import Bell
    from penstock.web.server import Edge
    from penstock.web.site import Site
    from tests.web.edges import OneSource

    folder = Path(tempfile.mkdtemp())
    made = make(folder, open_store(f"sqlite:///{folder}/penstock.db", folder), block_of(words))
    site = Site(made.farm.hub, made.logs, OneSource(), Bell(), "token")
    edge = Edge(make_app(site), socket.create_server(("127.0.0.1", 0))).start()
    return f"{edge.address}/login?token=token"


if __name__ == "__main__":
    print(serve(sys.argv[1:]), flush=True)
    while True:
        time.sleep(3600)
