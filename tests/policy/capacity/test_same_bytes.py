"""The default policy gives the same acts and the same bytes whether it is compiled or not."""

from types import ModuleType
from typing import Any

import pytest
from capacityfarm import ALONE, HOUR_MS, OWNED, RENTED, SPOT, Town

from penstock.policy.capacity import changes, decide
from penstock.policy.capacity import columns as c
from penstock.sim.run import Engine
from penstock.sim.tables import Tables

SIZED = {c.POOL_SLOTS: 2, c.POOL_CORES: 3, c.POOL_MEMORY_MB: 3000}
FARMS: dict[str, tuple[list[dict[int, int]], int, dict[str, int]]] = {
    "owned and rented": ([OWNED, RENTED], 2, {}),
    "lateness is spent": ([OWNED, {**RENTED, c.POOL_COLD_MS: 300_000}], 1, {"RULE_SPEND": 1}),
    "by the tick": ([OWNED, ALONE], 2, {"RULE_TICK_MS": 5_000, "RULE_SPEND": 1}),
    "waiting is dear": ([OWNED, RENTED], 1, {"RULE_WAIT_PRICE": 20_000_000}),
    "sizes and reclaims": ([{**OWNED, **SIZED}, {**ALONE, **SIZED}, {**SPOT, c.POOL_USES: 3}], 1, {}),
}


class Called:
    """A module of functions over tables, each called with the tables as compiled code takes them."""

    def __init__(self, engine: Engine, module: ModuleType) -> None:
        self._engine, self._module = engine, module

    def __getattr__(self, name: str) -> Any:
        return lambda *given: self._engine.call(self._module, name, *given)


@pytest.fixture(scope="module")
def engine() -> Any:
    """The compiled engine: a minute where nothing is kept from an earlier time."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PENSTOCK_COMPILED", "1")
        return Engine(1)


def story(town: Town) -> Town:
    """Two days with bursts."""
    town.farm.asks[c.ASK_CORES][1] = 2
    for at in range(60):
        town.come(60 + 97 * (at % 17), name=at % 2, count=1 + at % 3, ask=at % 2)
        town.until(town.now_ms + (20 + 701 * (at % 5)) * 1000)
    town.until(town.now_ms + 30 * HOUR_MS)
    return town


@pytest.mark.slow
@pytest.mark.parametrize("name", FARMS)
def test_the_same_bytes(name: str, engine: Engine) -> None:
    pools, owned, rules = FARMS[name]
    plain = story(Town(pools, owned, asks=2, **rules))
    tables = Tables(compiled=True)
    made = Town(pools, 0, asks=2, **rules)
    made.farm = c.Farm(*(tables.same(part) for part in made.farm))
    made.changes, made.presets = Called(engine, changes), Called(engine, decide)
    made.own(owned)
    assert story(made).log == plain.log
    assert len(made.log) > 120
    for field, one, other in zip(c.Farm._fields, made.farm, plain.farm, strict=True):
        assert bytes(memoryview(one).cast("B")) == bytes(memoryview(tables.same(other)).cast("B")), field
