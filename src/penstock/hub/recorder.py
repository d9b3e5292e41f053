"""Stamps outbox events with positions after their commit (I16): readers go by position and miss nothing."""

import msgspec

from penstock.hub.context import Hub
from penstock.hub.steps import Step, lead, look
from penstock.model.farm import Event

TOGETHER = 500
"""Events stamped in one transaction."""


def run_once(hub: Hub, now_ms: int) -> dict[str, int]:
    """Stamp all events that have no position, in the order of their numbers."""
    return {"stamped": len(stamp(hub))}


def stamp(hub: Hub, some: bool = False) -> list[Event]:
    """As `run_once`; returns the events that were stamped, in the order of their positions.

    `some`: the caller has seen events without a position. Else it is looked for first: a vain write costs more.
    """
    stamped: list[Event] = []
    while some or look(hub, lambda tx, farm: tx.find(Event, "position", 0, limit=1)):
        batch = lead(hub, stamp_some, frozen_too=True)
        stamped += batch
        some = len(batch) == TOGETHER
        if not some:
            break
    return stamped


def stamp_some(step: Step, most: int = TOGETHER) -> list[Event]:
    """Stamp at most so many events, inside a transaction of the leader. Returns them as they were."""
    events = step.tx.find(Event, "position", 0, limit=most)
    if not events:
        return []
    step.tx.place(events, "position", step.farm.position + 1)
    step.put(msgspec.structs.replace(step.farm, position=step.farm.position + len(events)))
    step.woken.add("events")
    return events
