"""Farms that keep books, and what tests ask of them."""

import msgspec
from farms import POOL, Agent, TestFarm, passed, planned

from penstock.hub.fsck import fsck
from penstock.hub.queue import Ending
from penstock.model.ledger import Entry
from penstock.model.rules import Platform, Pool, Rules
from penstock.model.units import DAY_MS
from penstock.ports import Store

PRICE = 403_200
OWN = msgspec.structs.replace(POOL, machines=1, price_per_hour_micros=PRICE)
LOCAL = Pool(name="here", provider="local", platforms=("linux",), slots=2, price_per_hour_micros=PRICE)
T0 = 1_700_000_000_000
MINUTE, HOUR = 60_000, 3_600_000


def rules(*pools: Pool, **more: object) -> Rules:
    return Rules(platforms={"linux": Platform(name="linux")}, pools=pools or (OWN,), **more)  # type: ignore[arg-type]


def kept(*pools: Pool, store: Store | None = None, **more: object) -> TestFarm:
    """A farm that keeps books."""
    return TestFarm(rules(*pools, **more), store, books=True)


def later(farm: TestFarm, passed_ms: int, *agents: Agent) -> None:
    """So much later, in steps that farm time allows. The agents are heard of meanwhile."""
    while passed_ms > 0:
        farm.tick(min(passed_ms, 30_000))
        passed_ms -= 30_000
        for agent in agents:
            agent.poll()


def sums(farm: TestFarm, **which: object) -> dict[str, int]:
    """Micro-units by account, of entries that have these values."""
    farm.services.finish()
    assert [str(one) for one in fsck(farm.hub)] == []
    found: dict[str, int] = {}
    for one in farm.all(Entry):
        if all(getattr(one, name) == value for name, value in which.items()):
            found[str(one.account)] = found.get(str(one.account), 0) + one.amount_micros
    return found


def to_midnight(farm: TestFarm, beyond_ms: int = 0) -> None:
    """The day ends; nothing else happens."""
    left_ms = DAY_MS - farm.clock.wall % DAY_MS + beyond_ms
    farm.clock.wall += left_ms
    farm.clock.monotonic += left_ms
    farm.tick()


def one_job(farm: TestFarm, agent: Agent, ran_ms: int, ending: Ending | None = None) -> str:
    """A job that has its slot for so long. Returns its attempt."""
    farm.submit(
        f"c{farm.clock.wall}", planned("zlib", kind="test", reuse="never"), project="qt", branch="dev"
    )
    farm.tick()
    (work,) = agent.start()
    later(farm, ran_ms, agent)
    agent.finish(work, ending or passed())
    farm.tick()
    return work.attempt.id
