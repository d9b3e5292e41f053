"""A tiny world for the default policy: any pools, islands and sizes; checks after every look what must never be."""

from typing import Any

from presetfarm import BOOT_MS, HOUR_MS, RESUME_MS, World

from penstock.policy.capacity import blank, changes, decide, estimates
from penstock.policy.capacity import columns as c

PRICE, STOPPED_PRICE = 403_200, 10_960
OWNED = {c.POOL_OWNED: 1, c.POOL_PRICE: 0, c.POOL_BOOT_MS: -1, c.POOL_RESUME_MS: -1, c.POOL_STOPPED_PRICE: -1}
RENTED = {
    c.POOL_PRICE: PRICE,
    c.POOL_STOPPED_PRICE: STOPPED_PRICE,
    c.POOL_BOOT_MS: BOOT_MS,
    c.POOL_RESUME_MS: RESUME_MS,
    c.POOL_GRANULARITY_MS: 1000,
    c.POOL_STOP_MS: 46_257,
    c.POOL_GONE_MS: 1_655_474,
}
ALONE = {
    **RENTED,
    c.POOL_STOPPED_PRICE: -1,
    c.POOL_RESUME_MS: -1,
    c.POOL_STOP_MS: BOOT_MS,
    c.POOL_GONE_MS: c.NEVER_MS,
}
"""A pool that cannot suspend."""
SPOT = {**ALONE, c.POOL_PRICE: PRICE // 3, c.POOL_RECLAIM_PPM: 50_000}
RULES = {
    c.RULE_PROMISE_MS: 900_000,
    c.RULE_PROMISE_PPM: 950_000,
    c.RULE_CHAIN_LEAD_MS: 120_000,
    c.RULE_LATE_CAP: 8,
    c.RULE_PACK_MOST: 1000,
    c.RULE_SEQUENCE_MOST: 12,
    c.RULE_LOOK_MOST: 64,
}


def farm(
    pools: list[dict[int, int]], asks: int = 1, rows: int = 64, islands: int = 1, **rules: int
) -> c.Farm:
    """These pools, on island 0 unless they say otherwise; every ask suits every pool. `rules`: by name, RULE_SPEND=1."""
    width = max(pool.get(c.POOL_SLOTS, 1) for pool in pools)
    made = blank.empty(c.Shape(400, asks, len(pools), islands, rows, width, 2), 2000)
    for field, value in (RULES | {getattr(c, name): value for name, value in rules.items()}).items():
        made.rules[field] = value
    for row, pool in enumerate(pools):
        shared = {c.POOL_SLOTS: 1, c.POOL_MOST: -1, c.POOL_SPEED_PPM: 1_000_000}
        for field, value in (shared | pool).items():
            made.pools[field][row] = value
        for ask in range(asks):
            made.suits[ask][row] = 1
    return made


class Town(World):
    """A world that the default policy decides. `lasts` are work at speed 1; cold disks and speed count."""

    def __init__(self, pools: list[dict[int, int]], owned: int = 0, begin_ms: int = 1_000_000, **more: Any):
        super().__init__(farm(pools, **more), begin_ms, (changes, decide))
        self.own(owned)

    def know(self, lasts_s: float, name: int = 0, times: int = 40) -> None:
        """Jobs of this name have always lasted so long."""
        for _ in range(times):
            estimates.learn(self.farm, name, round(lasts_s * 1000))

    def come(self, lasts_s: float = 600, name: int = 0, count: int = 1, ask: int = 0) -> int:
        """Jobs arrive, and it is decided."""
        for job in range(self.jobs, self.jobs + count):
            self.farm.jobs[c.JOB_NAME][job] = name
        first = self.arrive(lasts_s, ask, count)
        self.look()
        return first

    def look(self) -> list[tuple[int, int, int, int, int]]:
        self.looks += 1
        self.farm.head[c.HEAD_ACTS] = 0
        self.presets.decide(self.farm, 0, self.now_ms)
        count = self.farm.head[c.HEAD_ACTS]
        acts = [tuple(self.farm.acts[field][at] for field in range(c.ACT_FIELDS)) for at in range(count)]
        for act in acts:
            self._begin(act)
        self.log += [(self.now_ms, *act[:3], act[4]) for act in acts]
        self.check(acts)
        return acts

    def check(self, acts: list[tuple[int, ...]]) -> None:
        """What must be so after every look."""
        farm = self.farm
        assert not any(farm.acts[c.ACT_WHY][at] == 0 for at in range(len(acts))), "every act has a reason"
        for machine, state in enumerate(farm.machines[c.MACHINE_STATE]):
            if state == c.ABSENT:
                continue
            pool = farm.machines[c.MACHINE_POOL][machine]
            begin = machine * farm.rules[c.RULE_WIDTH]
            jobs = [
                job for job in farm.lanes[c.LANE_JOB][begin : begin + farm.rules[c.RULE_WIDTH]] if job >= 0
            ]
            assert len(jobs) + farm.machines[c.MACHINE_FREE][machine] == farm.pools[c.POOL_SLOTS][pool]
            assert all(farm.suits[farm.jobs[c.JOB_ASK][job]][pool] for job in jobs)
            assert not jobs or state in (c.OPEN, c.FULL)
            if farm.pools[c.POOL_CORES][pool]:
                assert farm.machines[c.MACHINE_CORES][machine] >= 0
                assert (
                    not farm.pools[c.POOL_MEMORY_MB][pool] or farm.machines[c.MACHINE_MEMORY_MB][machine] >= 0
                )
            uses = farm.pools[c.POOL_USES][pool]
            assert not uses or farm.machines[c.MACHINE_STARTS][machine] <= uses
        assert farm.islands[c.ISLAND_WAKE_MS][0] > self.now_ms
        for pool in range(farm.rules[c.RULE_POOLS]):
            most = farm.pools[c.POOL_MOST][pool]
            assert most < 0 or farm.pools[c.POOL_MACHINES][pool] <= most

    def starts(self) -> dict[int, int]:
        """When each job was first started."""
        found: dict[int, int] = {}
        for moment, kind, job, *_ in self.log:
            if kind == c.START:
                found.setdefault(job, moment)
        return found

    def waits_s(self) -> list[float]:
        """How long each job that started had waited, in order of submission."""
        begun = self.starts()
        return [(begun[job] - self.farm.jobs[c.JOB_READY_MS][job]) / 1000 for job in sorted(begun)]

    def acts(self, kind: int) -> list[tuple[int, int]]:
        """Moments and machines of acts of this kind."""
        return [(moment, machine) for moment, found, _, machine, _ in self.log if found == kind]

    def pending(self) -> int:
        return self.farm.islands[c.ISLAND_PENDING][0]

    def _begin(self, act: tuple[int, ...]) -> None:
        kind, job, machine, lane, _ = act
        if kind != c.START:
            super()._begin(act)
            return
        speed = self.farm.pools[c.POOL_SPEED_PPM][self.farm.machines[c.MACHINE_POOL][machine]]
        took_ms = self.lasts[job] * 1_000_000 // speed + self.farm.lanes[c.LANE_COLD_MS][lane]
        self._at(self.now_ms + took_ms, kind, job)


__all__ = ["ALONE", "BOOT_MS", "HOUR_MS", "OWNED", "PRICE", "RENTED", "RESUME_MS", "SPOT", "Town", "farm"]
