"""Everything goes wrong at once, by seed: all jobs end, the books keep every invariant, and no machine is forgotten."""

from functools import partial
from random import Random

import msgspec
import pytest
from fullfarms import BURST, OWN, history, rules

from penstock.hub.fsck import load_books
from penstock.hub.steps import look
from penstock.model.invariants import violations
from penstock.model.job import Attempt, Job
from penstock.model.machine import Machine
from penstock.model.rules import Rules
from penstock.model.states import JobState, Power
from penstock.model.trial import Fault, Faults, Policy
from penstock.policy.capacity import columns as c
from penstock.providers.simulated import Weather
from penstock.sim.hubworld import FAULTS, World
from penstock.sim.world import FullRun, simulate

STORM = Weather(
    no_capacity=0.05,
    throttled=0.05,
    no_answer=0.1,
    boot_failed=0.1,
    part_missing=0.1,
    behind_ms=7_000,
    notice_ms=60_000,
)
SPOT = msgspec.structs.replace(BURST, name="spot", price_per_hour_micros=150_000, reclaim_per_hour=2.0)
EVERY = 7
"""So many instants pass between two checks of the books: each check reads all of them."""


class Storm:
    """A run under all faults. `broken` is what was not as it must be."""

    def __init__(self, seed: int, farm: Rules, jobs: int = 40, weather: Weather = STORM) -> None:
        self.chance = Random(f"storm {seed}")
        given = history(jobs, seed, gap_s=40, mean_s=400)
        self.run = FullRun(given, farm, Policy(), seed, weather=weather)
        self.world = self.run.world
        self.broken: list[str] = []
        self._instants = 0
        self.world.settled = self._check

    def go(self) -> None:
        begin_ms, end_ms = self.run.workload.submitted_ms[0], self.run.workload.submitted_ms[-1] + 600_000
        for act, count in ((self.kill, 6), (self.deafen, 4), (self.restart, 2), (self.away, 1)):
            for _ in range(count):
                self.world.at(self.chance.randrange(begin_ms, end_ms), FAULTS, act)
        self.run.go()

    def kill(self) -> None:
        """An agent forgets what it holds."""
        if self.world.agents:
            agent = self.chance.choice(list(self.world.agents.values()))
            self.world.reach(agent.die)

    def deafen(self) -> None:
        """A cable is pulled for a while: shorter or longer than a right lasts."""
        if self.world.agents:
            agent = self.chance.choice(list(self.world.agents.values()))
            agent.deaf = True
            self.world.at(
                self.world.clock.now_ms + self.chance.choice((30_000, 300_000, 1_500_000)),
                FAULTS,
                partial(setattr, agent, "deaf", False),
            )

    def restart(self) -> None:
        self.world.reach(self.world.restart)

    def away(self) -> None:
        self.world.away(self.world.clock.now_ms + 240_000)

    def _check(self, world: World) -> None:
        self._instants += 1
        if self._instants % EVERY == 0:
            self.broken += [str(one) for one in violations(look(world.hub, load_books))]
            assert not self.broken
            self._counted_once()

    def _counted_once(self) -> None:
        """I7: the policy has each rented machine that the books have in one list, and no other."""
        sight = self.world.services.provisioner.sight
        if sight is None:
            return
        owned = {
            name
            for name in sight.rows.machines
            if sight.rows.farm.pools[c.POOL_OWNED][sight.rows.pools[self.pool(name)]]
        }
        rented = {
            one.id
            for one in self.all(Machine)
            if one.pool in self.world.providers and one.power != Power.GONE
        }
        assert set(sight.rows.machines) - owned == rented
        counted = sum(sight.rows.farm.lists[c.LIST_COUNT])
        assert counted == len(sight.rows.machines)

    def pool(self, machine: str) -> str:
        return str(self.world.store.read(lambda tx: tx.get(Machine, machine)).pool)  # type: ignore[union-attr]

    def left(self) -> dict[str, str]:
        """Machines that their providers still have, and what the books say of each; "" where they say nothing."""
        books = {
            one.provider_id: str(one.power)
            for one in self.all(Machine)
            if one.provider_id and one.power != Power.GONE
        }
        return {
            name: books.get(name, "")
            for provider in self.world.providers.values()
            for name, state in provider.states().items()
            if state not in ("going", "gone")
        }

    def all(self, kind):  # type: ignore[no-untyped-def]
        return self.world.store.read(lambda tx: tx.find(kind, "key"))

    def calm(self) -> None:
        """Nothing goes wrong any more; an hour later everything must have been found."""
        for provider in self.world.providers.values():
            provider.weather = Weather()
        for agent in self.world.agents.values():
            agent.deaf = False
        until_ms = self.world.clock.now_ms + 3_600_000
        self.world.run(lambda: self.world.clock.now_ms < until_ms)


@pytest.mark.parametrize("seed", range(6))
def test_whatever_goes_wrong_all_jobs_end_and_no_machine_is_forgotten(seed: int) -> None:
    farm = rules(*((OWN, BURST), (BURST, SPOT), (OWN, SPOT))[seed % 3])
    storm = Storm(seed, farm)
    storm.go()
    assert storm.broken == []
    jobs = storm.all(Job)
    assert {job.state for job in jobs} <= {JobState.PASSED, JobState.ERROR}
    storm.calm()
    assert "" not in storm.left().values()
    known = {one.provider_id for one in storm.all(Machine) if one.provider_id and one.power != Power.GONE}
    assert known == set(storm.left())
    assert not [one for one in storm.all(Attempt) if one.live]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="no_capacity", until_ms=2_000_000),
        Fault(kind="quota", pool="burst", limit=1),
        Fault(kind="throttled", until_ms=2_000_000),
        Fault(kind="boot_failures", until_ms=1_800_000, share=0.7),
        Fault(kind="lost", pool="burst", begin_ms=1_500_000),
        Fault(kind="partition", begin_ms=600_000, until_ms=2_400_000, share=0.7),
        Fault(kind="reclaim", pool="burst", begin_ms=1_500_000),
        Fault(kind="hub_away", begin_ms=600_000, until_ms=900_000),
    ],
    ids=lambda fault: fault.kind,
)
def test_faults_of_a_file_befall_a_run_in_full_mode(fault: Fault) -> None:
    given = history(25, 3, gap_s=40, mean_s=900)
    farm = rules(msgspec.structs.replace(OWN, machines=1), BURST)
    calm = simulate(given, farm, Policy())
    full = FullRun(given, farm, Policy(), faults=Faults(faults=(fault,)))
    full.go()
    outcome = full.outcome()
    assert min(outcome.end_ms) > 0
    assert outcome.digest != calm.digest
    assert violations(look(full.world.hub, load_books)) == []
    if fault.kind in ("lost", "reclaim"):
        assert sum(outcome.attempts) > len(outcome.attempts)
    if fault.kind == "quota":
        assert outcome.peaks[1] == 1


def test_equal_runs_give_equal_bytes() -> None:
    """Whatever goes wrong, and whatever order sets and dictionaries have: seeds decide."""
    told: list[bytes] = []
    for _ in range(2):
        storm = Storm(4, rules(OWN, SPOT), jobs=20)
        storm.go()
        storm.run.outcome(told.append)
    assert told[0] == told[1]
