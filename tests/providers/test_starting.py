"""What the agent of a machine that was ordered is started with."""

import msgspec

from penstock.agent.__main__ import parse
from penstock.model.rented import Order
from penstock.model.rules import Pool
from penstock.providers.starting import agent_words

POOL = Pool(name="burst", provider="simulated", platforms=("p",), slots=3, power_off_after_ms=90_000)
ORDER = Order(offer="burst", token="t", tags={}, name="burst-1", hub="https://hub.example.org")


def test_the_agent_takes_them() -> None:
    options = parse(agent_words(POOL, ORDER, "/run/token", "/var/work"))
    assert (options.hub, options.name, options.slots) == (["https://hub.example.org"], "burst-1", 3)
    assert (options.token_file, options.work_dir) == ("/run/token", "/var/work")
    assert options.power_off_after == 1.5


def test_a_pool_may_forgo_the_power_off() -> None:
    pool = msgspec.structs.replace(POOL, power_off_after_ms=0)
    assert parse(agent_words(pool, ORDER, "/run/token", "/var/work")).power_off_after == 0.0
