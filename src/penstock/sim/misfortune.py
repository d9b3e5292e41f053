"""The faults of a trial (model.trial), brought upon a world in full mode."""

from collections.abc import Callable, Iterable
from functools import partial
from random import Random
from typing import Any

import msgspec

from penstock.model.trial import Fault, Faults
from penstock.model.units import NEVER_MS
from penstock.providers.simulated import Simulated
from penstock.sim.agents import Agent
from penstock.sim.hubworld import FAULTS, World


def bring(world: World, faults: Faults, seed: int) -> None:
    """Let all of them happen in their time, counted from now."""
    for provider in world.providers.values():
        provider.weather = msgspec.structs.replace(provider.weather, notice_ms=faults.notice_ms)
    for number, fault in enumerate(faults.faults):
        chance = Random(f"fault {seed} {number}")
        begin = partial(_KINDS[fault.kind], world, fault, chance)
        world.at(world.clock.now_ms + fault.begin_ms, FAULTS, begin)


def _weather(world: World, fault: Fault, chance: Random, **change: Any) -> None:
    """Providers are like this from now on, and until the fault is over."""
    for provider in _providers(world, fault):
        usual = {name: getattr(provider.weather, name) for name in change}
        provider.weather = msgspec.structs.replace(provider.weather, **change)
        _later(world, fault, partial(_clear, provider, usual))


def _clear(provider: Simulated, usual: dict[str, Any]) -> None:
    provider.weather = msgspec.structs.replace(provider.weather, **usual)


def _no_capacity(world: World, fault: Fault, chance: Random) -> None:
    _weather(world, fault, chance, no_capacity=1.0)


def _quota(world: World, fault: Fault, chance: Random) -> None:
    _weather(world, fault, chance, quota=fault.limit)


def _throttled(world: World, fault: Fault, chance: Random) -> None:
    _weather(world, fault, chance, throttled=1.0)


def _boot_failures(world: World, fault: Fault, chance: Random) -> None:
    _weather(world, fault, chance, boot_failed=fault.share)


def _lost(world: World, fault: Fault, chance: Random) -> None:
    """Agents that are never heard again, whatever their machines' provider says."""
    for agent in _hit(world, fault, chance):
        agent.deaf = True


def _partition(world: World, fault: Fault, chance: Random) -> None:
    for agent in _hit(world, fault, chance):
        agent.deaf = True
        _later(world, fault, partial(_hears, world, agent))


def _hears(world: World, agent: Agent) -> None:
    agent.deaf = False
    world.woken.wake(f"machine:{agent.machine}")


def _reclaim(world: World, fault: Fault, chance: Random) -> None:
    for agent in _hit(world, fault, chance):
        if agent.pool in world.providers:
            world.providers[agent.pool].take_back(agent.name)


def _hub_away(world: World, fault: Fault, chance: Random) -> None:
    world.away(world.clock.now_ms + fault.until_ms - fault.begin_ms)


def _later(world: World, fault: Fault, act: Callable[[], object]) -> None:
    """When the fault is over, if it ever is."""
    if fault.until_ms < NEVER_MS:
        world.at(world.clock.now_ms + fault.until_ms - fault.begin_ms, FAULTS, act)


def _providers(world: World, fault: Fault) -> Iterable[Simulated]:
    return [one for name, one in world.providers.items() if fault.pool in ("", name)]


def _hit(world: World, fault: Fault, chance: Random) -> list[Agent]:
    """The share of agents that it hits."""
    there = sorted(world.agents.values(), key=lambda agent: agent.name)
    mine = [agent for agent in there if fault.pool in ("", agent.pool)]
    return [agent for agent in mine if chance.random() < fault.share]


_KINDS: dict[str, Callable[[World, Fault, Random], None]] = {
    "no_capacity": _no_capacity,
    "quota": _quota,
    "throttled": _throttled,
    "boot_failures": _boot_failures,
    "lost": _lost,
    "partition": _partition,
    "reclaim": _reclaim,
    "hub_away": _hub_away,
}
