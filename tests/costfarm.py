"""A farm with a ledger of some weeks, written as the bookkeeper would: for looking at pages of costs, and for tests.

`python -m tests.costfarm` serves it on this machine and prints where: jobs of Bitcoin Core's CI where the recorded data
is (PENSTOCK_DATA), else made-up ones. With `empty`: a farm in which nothing is entered yet.
"""

import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import msgspec

from penstock.model.change import Build
from penstock.model.farm import Farm
from penstock.model.ledger import (
    Bill,
    BillLine,
    BuildCost,
    Guarding,
    GuardState,
    Ledger,
    Price,
    Tally,
)
from penstock.model.states import BuildState
from penstock.model.units import DAY_MS, MS_PER_HOUR, decimal_text
from penstock.ports import Store, Tx
from penstock.store.logs import FolderLogs
from tests.busyfarm import Busy
from tests.costbooks import Writer, play
from tests.costhistory import Ran, chance, made_up, recorded, repeated
from tests.costrules import BY_NAME, DAYS, NOW_MS, POOLS, RULES, TODAY
from tests.farms import TestFarm

FARM_MS = DAYS * DAY_MS


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
    made = [_build(build, writer) for build in writer.builds]
    prices = [
        Price(pool=pool.name, what="hour", from_ms=writer.first_ms, price_micros=pool.price_per_hour_micros, source="tco" if pool.tco else "farm.toml")
        for pool in POOLS
    ]  # fmt: skip
    whole = Ledger(
        position=1, day=writer.until_ms // DAY_MS, from_ms=writer.first_ms, until_ms=writer.until_ms
    )
    return [
        whole, *writer.entries, *writer.spans, *writer.meters, *tallies, *builds, *made, *writer.kept, *writer.feet.values(), *prices, *bills(tallies), *guardings(),
    ]  # fmt: skip


def _build(name: str, writer: Writer) -> Build:
    """A build whose jobs have all ended, one way or the other."""
    ran, sums = writer.about[name], writer.builds[name]
    state = "CANCELLED" if sums["dropped"] else "FAILED" if sums["failed"] else "PASSED"
    source = f"https://code.example.org/{ran.project}.git"
    return Build(
        id=name, change=f"c{name}", source=source, state=BuildState(state), open=False, created_ms=ran.came_ms,
        ended_ms=ran.came_ms + 3_600_000,
    )  # fmt: skip


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
        if first <= tally.day < end and BY_NAME.get(tally.pool, POOLS[0]).provider == "ec2":
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
    """One that acts, one that is about to, one that stands by."""
    ago = [FARM_MS - hours * MS_PER_HOUR for hours in (60, 31)]
    return [
        Guarding(name="tell", state=GuardState.ACTIVE, since_ms=ago[0], fired_ms=ago[0], reason="forecast of aws-2026 is over 90 %"),
        Guarding(name="cap", state=GuardState.ARMED, since_ms=ago[1], reason="forecast of aws-2026 is over 100 %"),
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
        _farm_time(made)
    return made


def _farm_time(made: Busy) -> None:
    """The farm lives as long as its ledger."""

    def write(tx: Tx) -> None:
        row = tx.get(Farm, "farm")
        assert row is not None
        tx.replace(msgspec.structs.replace(row, time_ms=FARM_MS))

    made.farm.store.write(write)


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
