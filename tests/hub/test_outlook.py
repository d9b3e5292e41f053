"""How near what is expected comes to what happens: a farm in virtual time whose jobs never take twice the same time."""

from random import Random
from statistics import median

import pytest
from farms import Agent, TestFarm, planned

from penstock.hub.explain import explain
from penstock.hub.outlook import Outlook
from penstock.hub.queue import Work
from penstock.model.job import Attempt, Job, Source
from penstock.model.states import JobState

MODULES = 16
STEP_MS = 5000


class Busy:
    """A farm of four machines with two slots each, whose agents take their time."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)
        self.farm = TestFarm()
        self.agents = [Agent(self.farm, f"m{number}") for number in range(4)]
        self.means_s = [self.chance.uniform(60, 900) for _ in range(MODULES)]
        self.ends: list[tuple[int, Agent, Work]] = []
        self.count = 0

    def submit(self, jobs: int) -> None:
        """A build of so many modules, each with a source of its own."""
        self.count += 1
        name = f"c{self.count:04}"
        chosen = self.chance.sample(range(MODULES), jobs)
        plans = [
            planned(f"m{number:02}", source=Source(repository="/r", digest=f"{name} {number}"))
            for number in chosen
        ]
        self.farm.submit(name, *plans)

    def go(self) -> None:
        """One step of virtual time: agents call, take what there is, and end what is over."""
        self.farm.tick(STEP_MS)
        for end in [end for end in self.ends if end[0] <= self.farm.clock.wall]:
            self.ends.remove(end)
            end[1].run(end[2])
        self.farm.tick()
        for agent in self.agents:
            for work in agent.start():
                mean_s = self.means_s[int(work.job.spec.module[1:])]
                takes_ms = round(1000 * mean_s * self.chance.lognormvariate(0, 0.25))
                self.ends.append((self.farm.clock.wall + takes_ms, agent, work))

    def idle(self) -> bool:
        """True when nothing is left to do."""
        return not self.ends and not self.queued()

    def queued(self) -> list[Job]:
        """What waits for a machine."""
        return self.farm.store.read(lambda tx: tx.find(Job, "state", JobState.QUEUED))


def said(farm: TestFarm, jobs: list[Job]) -> dict[str, Outlook]:
    """What is expected of these jobs."""
    found = {job.id: explain(farm.hub, job.id).expected for job in jobs}
    return {name: outlook for name, outlook in found.items() if outlook is not None}


@pytest.mark.parametrize("seed", range(2))
def test_what_is_expected_is_near_what_happens(seed: int) -> None:
    """Builds of five jobs come until 60 wait; then all is asked, and compared with what happens."""
    busy = Busy(seed)
    for _ in range(8):
        busy.submit(MODULES)
    while not busy.idle():
        busy.go()
    for _ in range(12):
        busy.submit(5)
    busy.go()
    waiting = busy.queued()
    asked_ms = busy.farm.leading.store.read(lambda tx: tx.find(Attempt, "live", True))[0].granted_ms
    expected = said(busy.farm, waiting)
    assert len(expected) == len(waiting) > 40
    while not busy.idle():
        busy.go()
    starts_ms = {
        attempt.job: attempt.granted_ms - asked_ms for attempt in busy.farm.all(Attempt) if attempt.n == 1
    }
    pairs = [(outlook, starts_ms[name]) for name, outlook in expected.items()]
    off_s = median(abs(outlook.p50_ms - start_ms) for outlook, start_ms in pairs) / 1000
    within = sum(start_ms <= outlook.p90_ms + STEP_MS for outlook, start_ms in pairs) / len(pairs)
    longest_s = max(starts_ms[name] for name in expected) / 1000
    print(f"median off {off_s:.0f} s of waits up to {longest_s:.0f} s; {within:.0%} start within p90")
    assert off_s < 0.1 * longest_s
    assert within > 0.75
