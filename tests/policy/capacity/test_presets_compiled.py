"""Every preset gives the same acts and the same bytes whether it is compiled or not."""

from types import ModuleType

import pytest
from presetfarm import HOUR_MS, World, empty, module_of

from penstock.policy.capacity import columns as c
from penstock.policy.capacity import presets
from penstock.policy.capacity.preset_numbers import PRESETS
from penstock.sim import compiling
from penstock.sim.tables import Tables


def story(world: World) -> World:
    """Two bursts, two days."""
    world.own(1)
    for count, lasts_s, until_ms in ((12, 600, HOUR_MS), (9, 1200, 40 * HOUR_MS)):
        world.arrive(lasts_s, count=count)
        world.look()
        world.until(until_ms)
    return world


@pytest.fixture(scope="module")
def code() -> tuple[ModuleType, ModuleType]:
    """The modules that presets need, compiled: a minute where nothing is kept from an earlier time."""
    made = compiling.compiled(compiling.reached(presets))
    return module_of(made, "changes"), module_of(made, "presets")


@pytest.mark.slow
@pytest.mark.parametrize("preset", PRESETS[1:])
def test_the_same_bytes(preset: str, code: tuple[ModuleType, ModuleType]) -> None:
    plain = story(World(empty(preset)))
    tables = Tables(compiled=True)
    farm = c.Farm(*(tables.same(part) for part in empty(preset)))
    made = story(World(farm, code=code))
    assert made.log == plain.log
    assert len(made.log) > 20
    as_arrays = c.Farm(*(tables.same(part) for part in plain.farm))
    assert [bytes(memoryview(part).cast("B")) for part in made.farm] == [
        bytes(memoryview(part).cast("B")) for part in as_arrays
    ]
