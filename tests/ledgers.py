"""A small ledger whose sums can be done by hand, in memory or in a state folder."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from penstock.model.change import Build
from penstock.model.ledger import Account, BuildCost, Entry, Footprint, Ledger, Tally, day_of
from penstock.model.rules import Platform, Pool, Rules
from penstock.model.states import BuildState
from penstock.model.units import DAY_MS, Size
from penstock.policy.charging.sums import step_of
from penstock.ports import Store
from penstock.store.open import open_store
from tests.farms import TestFarm

NOW_MS = int(datetime(2026, 11, 10, 12, tzinfo=UTC).timestamp()) * 1000
TODAY = day_of(NOW_MS)
UNIT = 1_000_000
POOLS = (
    Pool(name="rack", provider="owned", platforms=("linux",), slots=2, size=Size(8, 32_768), machines=2),
    Pool(
        name="burst", provider="ec2", platforms=("linux",), size=Size(4, 8192), price_per_hour_micros=400_000
    ),
)
RULES = Rules(platforms={"linux": Platform(name="linux", image="linux")}, pools=POOLS)
FARM_TOML = """
[platform.linux]
image = "linux"
[[pool]]
name = "rack"
provider = "owned"
platforms = ["linux"]
machines = 2
slots = 2
cores = 8
memory_mb = 32768
[[pool]]
name = "burst"
provider = "simulated"
platforms = ["linux"]
cores = 4
memory_mb = 8192
price_per_hour = 0.4
"""


def ms_of(day: int, hour: float = 0) -> int:
    """The wall clock at an hour of a day."""
    return day * DAY_MS + int(hour * 3_600_000)


def tally(account: str, units: float, **about: Any) -> Tally:
    """A sum of entries, in whole units of money."""
    values = {"day": TODAY, "project": "", "platform": "", "pool": "", "klass": "", "outcome": "", "count": 1}
    return Tally(account=Account(account), amount_micros=int(units * UNIT), **(values | about))


def direct(units: float, **about: Any) -> Tally:
    """What attempts of the project `core` held in `burst`, an hour for each unit of money."""
    values = {"project": "core", "platform": "linux", "pool": "burst", "klass": "change", "outcome": "PASSED"}
    return tally("direct", units, **({"quantity": int(units * 3_600_000)} | values | about))


def entry(account: str, units: float, **about: Any) -> Entry:
    """One entry of today at noon, in whole units of money."""
    values = {"day": TODAY, "at_ms": NOW_MS}
    return Entry(account=Account(account), amount_micros=int(units * UNIT), **(values | about))


def cost(build: str, units: float, **about: Any) -> BuildCost:
    """What a build of today cost."""
    values = {"day": TODAY, "project": "core", "branch": "main", "attempts": 1}
    return BuildCost(build=build, amount_micros=int(units * UNIT), **(values | about))


def foot(name: str, memory_mb: int = 1000, attempts: int = 20, **about: Any) -> Footprint:
    """What attempts of a job used today: each so much memory, and a core and a half."""
    values = {
        "day": TODAY, "project": "core", "platform": "linux", "asked_cores": 4, "asked_memory_mb": 8192,
        "memory": {str(step_of(memory_mb)): attempts}, "cores": {str(step_of(1500)): attempts},
    }  # fmt: skip
    return Footprint(name=name, attempts=attempts, amount_micros=10 * UNIT, **(values | about))


def made(build: str, state: str = "PASSED", **about: Any) -> Build:
    """A build that was created today at noon."""
    values = {"change": "c", "source": "s", "created_ms": NOW_MS, "open": False}
    return Build(id=build, state=BuildState(state), **(values | about))


BOOKS = Ledger(position=1, day=TODAY, from_ms=ms_of(TODAY - 40), until_ms=NOW_MS)
SPENT = (
    BOOKS,
    direct(30),
    direct(10, project="gui", count=2),
    direct(5, outcome="LOST"),
    direct(8, day=TODAY - 10, outcome="PASSED"),
    tally("idle", 9, pool="burst"),
    tally("lifecycle", 4.5, pool="burst"),
    tally("overhead", 12),
    cost("b1", 35, passed_micros=30 * UNIT, lost_micros=5 * UNIT, attempts=2),
    cost("b2", 8, project="gui", branch="next"),
    made("b1"),
    made("b2", "FAILED"),
)
"""45 direct in this month before today's idle: 40 of them by `core` and `gui` that passed; 8 ten days ago, in October."""


def write(store: Store, *records: msgspec.Struct) -> None:
    """Put records into a store."""
    store.write(lambda tx: [tx.insert(record) for record in records] and None)


def ledger_farm(*records: msgspec.Struct) -> TestFarm:
    """A farm in memory with these records, today."""
    farm = TestFarm(RULES)
    farm.clock.wall = NOW_MS
    write(farm.store, *records)
    return farm


def ledger_state(folder: Path, *records: msgspec.Struct) -> list[str]:
    """A state folder with these records that nobody serves; answers the options that name it."""
    store = open_store(f"sqlite:///{folder}/penstock.db", folder)
    TestFarm(RULES, store)
    write(store, *records)
    store.close()
    (folder / "farm.toml").write_text(FARM_TOML)
    return ["--farm", str(folder / "farm.toml"), "--state", str(folder)]
