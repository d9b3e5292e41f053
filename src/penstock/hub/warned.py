"""Machines that their provider has said it will take back: nothing new goes there."""

from collections.abc import Iterable
from functools import partial

import msgspec

from penstock.hub.context import Hub
from penstock.hub.steps import Step, lead
from penstock.model.machine import Machine
from penstock.model.rented import Notice


class Notices:
    """One leader's: what providers said with their last listing, also of machines of which nobody knew whose they are."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._said: dict[str, dict[str, int]] = {}

    def said(self, pool: str, notices: Iterable[Notice], at_ms: int) -> None:
        """Note what a provider says now."""
        self._said[pool] = leaving(notices, at_ms)

    def __bool__(self) -> bool:
        return any(self._said.values())

    def catch_up(self, machines: Iterable[Machine]) -> None:
        """Warn of machines whose provider's name for them was learnt after it had said so."""
        for one in machines:
            leaves_ms = self._said.get(one.pool, {}).get(one.provider_id, 0)
            if leaves_ms and not one.leaves_ms:
                lead(self._hub, partial(_late, machine_id=one.id, leaves_ms=leaves_ms))


def leaving(notices: Iterable[Notice], at_ms: int) -> dict[str, int]:
    """When machines are taken back, in farm time, by their provider's names. `at_ms`: when it said so."""
    return {one.id: at_ms + max(1, one.left_ms) for one in notices}


def warn(step: Step, machine: Machine, leaves_ms: int) -> Machine:
    """The machine as it is then: taken back at `leaves_ms`, 0 = nothing was said of it."""
    if not leaves_ms or machine.leaves_ms:
        return machine
    return step.put(msgspec.structs.replace(machine, leaves_ms=leaves_ms))


def _late(step: Step, machine_id: str, leaves_ms: int) -> None:
    warn(step, step.need(Machine, machine_id), leaves_ms)
