"""A tiny world for presets: one heap, machines that come up in time, jobs that end in time."""

import heapq
from types import ModuleType
from typing import Any

from penstock.policy.capacity import blank, changes, presets
from penstock.policy.capacity import columns as c
from penstock.policy.capacity import preset_numbers as n

HOUR_MS = 3_600_000
BOOT_MS, RESUME_MS, SUSPEND_MS, DELETE_MS = 90_000, 45_000, 10_000, 5_000
OWN, BURST, OTHER = 0, 1, 2


def empty(preset: str, asks: int = 1, jobs: int = 64, rows: int = 64, **over: int) -> c.Farm:
    """One island: an owned pool without machines, a rented one, and a dear third that only the last of several asks suits."""
    farm = blank.empty(c.Shape(jobs, asks, 3, 1, rows, 4, 1), 4 * (jobs + rows))
    for at, (option, value, _) in enumerate(n.PRESET_NUMBERS[preset]):
        farm.rules[c.RULE_OF_PRESET + at] = over.get(option, value)
    farm.rules[c.RULE_PRESET] = n.PRESETS.index(preset)
    farm.rules[c.RULE_POOLS], farm.rules[c.RULE_PROMISE_MS] = 3, 900_000
    for pool in range(3):
        values = {
            c.POOL_SLOTS: 1,
            c.POOL_MOST: -1,
            c.POOL_OWNED: int(pool == OWN),
            c.POOL_PRICE: 403_200 * pool,
            c.POOL_STOPPED_PRICE: 10_960,
            c.POOL_BOOT_MS: BOOT_MS,
            c.POOL_RESUME_MS: RESUME_MS,
            c.POOL_SUSPEND_MS: SUSPEND_MS,
            c.POOL_DELETE_MS: DELETE_MS,
            c.POOL_STOP_MS: 46_000,
            c.POOL_GONE_MS: 1_600_000,
        }
        for field, value in values.items():
            farm.pools[field][pool] = value
        for ask in range(asks):
            farm.suits[ask][pool] = int(pool != OTHER or (asks > 1 and ask == asks - 1))
    return farm


class World:
    """Goes from event to event: ends, machines, arrivals, then one look. `code`: the modules that decide."""

    def __init__(self, farm: c.Farm, begin_ms: int = 0, code: tuple[Any, Any] = (changes, presets)) -> None:
        self.farm, self.now_ms = farm, begin_ms
        self.changes, self.presets = code
        self.heap: list[tuple[int, int, int, int]] = []
        self.jobs, self.looks, self.serial = 0, 0, 0
        self.lasts: dict[int, int] = {}
        self.log: list[tuple[int, int, int, int, int]] = []

    def own(self, count: int) -> None:
        for _ in range(count):
            self.changes.owned(self.farm, OWN, self.now_ms)

    def arrive(self, lasts_s: float = 600, ask: int = 0, count: int = 1) -> int:
        """Jobs come now; they are looked at with everything else of this moment. Returns the first."""
        first = self.jobs
        for job in range(first, first + count):
            self.farm.jobs[c.JOB_ASK][job] = ask
            self.lasts[job] = round(lasts_s * 1000)
            self.changes.arrived(self.farm, job, self.now_ms)
        self.jobs += count
        return first

    def look(self) -> list[tuple[int, int, int, int, int]]:
        """One look now; returns its acts as (kind, job, machine, lane, why), and lets them take their time."""
        self.looks += 1
        self.farm.head[c.HEAD_ACTS] = 0
        self.presets.look(self.farm, 0, self.now_ms)
        count = int(self.farm.head[c.HEAD_ACTS])
        acts = [tuple(int(self.farm.acts[field][at]) for field in range(c.ACT_FIELDS)) for at in range(count)]
        for act in acts:
            self._begin(act)
        self.log += [(self.now_ms, *act[:3], act[4]) for act in acts]
        return acts

    def until(self, moment_ms: int) -> None:
        """Go on to this moment, all of its events included, without looking at it when there are none."""
        while True:
            wake_ms = int(self.farm.islands[c.ISLAND_WAKE_MS][0])
            due_ms = min(wake_ms, self.heap[0][0] if self.heap else c.NEVER_MS)
            if due_ms > moment_ms:
                self.now_ms = moment_ms
                return
            self.now_ms = max(due_ms, self.now_ms)
            while self.heap and self.heap[0][0] <= self.now_ms:
                self._happen(heapq.heappop(self.heap))
            self.look()

    def count(self, state: int, pool: int = BURST) -> int:
        return int(self.farm.lists[c.LIST_COUNT][pool * c.KINDS + state])

    def kinds(self, kind: int) -> list[int]:
        """When acts of this kind were decided."""
        return [moment for moment, found, *_ in self.log if found == kind]

    def _at(self, moment_ms: int, kind: int, row: int) -> None:
        self.serial += 1
        heapq.heappush(self.heap, (int(moment_ms), self.serial, kind, row))

    def _begin(self, act: tuple[int, ...]) -> None:
        kind, job, machine = act[:3]
        if kind == c.START:
            self._at(self.now_ms + self.lasts[job], kind, job)
        elif kind in (c.BOOT, c.RESUME):
            self._at(self.farm.machines[c.MACHINE_READY_MS][machine], kind, machine)
        else:
            self._at(self.now_ms + (SUSPEND_MS if kind == c.SUSPEND else DELETE_MS), kind, machine)

    def _happen(self, event: tuple[int, int, int, int]) -> None:
        _, _, kind, row = event
        if kind == c.START:
            self.changes.ended(self.farm, row, self.now_ms, self.lasts[row])
        elif kind in (c.BOOT, c.RESUME):
            self.changes.up(self.farm, row, self.now_ms)
        elif kind == c.SUSPEND:
            self.changes.suspended(self.farm, row, self.now_ms)
        else:
            self.changes.gone(self.farm, row, self.now_ms)


def world(preset: str, owned: int = 0, begin_ms: int = 0, **over: int) -> World:
    """A farm under a preset with some numbers otherwise."""
    made = World(empty(preset, **over), begin_ms)
    made.own(owned)
    return made


def module_of(made: dict[str, ModuleType], name: str) -> ModuleType:
    """A compiled module by its short name."""
    return made[f"penstock.policy.capacity.{name}"]
