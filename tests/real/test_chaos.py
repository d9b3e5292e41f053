"""Farms whose hubs, agents and database are killed again and again while jobs run: nothing is lost, nothing counts twice.

PENSTOCK_CHAOS multiplies the kills, PENSTOCK_SEED chooses others. Most of the processes die at a named passage (dying.py, dyingagent.py), the others
at a moment that the seed chooses.
"""

import os
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from postgres import Cluster
from real.farmed import Farmed, farmed, modules, work
from real.killing import HERE, LOOK_S, wait_for
from real.processes import Process, address_of

from penstock.model.job import Job
from penstock.model.states import JobState

pytestmark = [pytest.mark.slow, pytest.mark.needs("git")]
TIMES = int(os.environ.get("PENSTOCK_CHAOS", "1"))
LEASE = (2.0, 6.0, 2.0)
AGENTS = 5
MACHINES = 40
BUILD = 30
HUB_POINTS = (
    ("write", 150),
    ("commit", 150),
    ("upload", 10),
    ("finish", 10),
    ("publish", 10),
    ("published", 10),
    ("log", 3),
)
"""Where a hub dies (dying.py), and after how many passages at most: a job has about fifteen writes."""
AGENT_POINTS = (("call", 20), ("answer", 20), ("begin", 5), ("end", 5), ("kept", 5), ("upload", 5))
AGENT_LIFE_S = (1.0, 6.0)
SEED = int(os.environ.get("PENSTOCK_SEED", "1"))
NO_DATABASE = 3
"""How a hub ends that is started while PostgreSQL recovers: with a line that says so."""
GIVEN_UP = ("poison: ", "given up ")


@dataclass
class Chaos:
    """Kills and starts again. Every process of it ends by SIGKILL, whoever sent that."""

    farm: Farmed
    dice: random.Random
    hubs: list[str]
    hub_life_s: tuple[float, float]
    kills: Counter[str] = field(default_factory=Counter)
    alive: dict[str, Process] = field(default_factory=dict)
    dies_s: dict[str, float] = field(default_factory=dict)
    dead: list[Process] = field(default_factory=list)
    commits: list[str] = field(default_factory=list)
    looked_s: float = field(default_factory=time.monotonic)

    def begin(self, kills: int) -> None:
        """Hubs, agents, what they will build, and tokens for machines to come."""
        for name in self.hubs:
            self.start(name, calm=True)
        self.farm.wait_served()
        # A pool for each: that many machines of one pool fail together is held against the pool, and it waits.
        self.farm.stock = [self.farm.token(n) for n in range(MACHINES)]
        for n in range(AGENTS):
            self.start(f"agent{n}", calm=True)
        wait_for(lambda: len(self.farm.machines()) == AGENTS, "all agents to register")
        self.commits = self.farm.repository(
            [modules(BUILD, work(self.farm, n), f"b{n}m") for n in range(kills // 2)]
        )

    def start(self, name: str, calm: bool = False) -> None:
        """Start a process, mostly one that dies at a passage. `calm`: one that lives."""
        is_hub = name in self.hubs
        program = ["-m", "penstock" if is_hub else "penstock.agent"]
        if not calm and self.dice.random() < 0.6:
            point, most = self.dice.choice(HUB_POINTS if is_hub else AGENT_POINTS)
            number = str(self.dice.randint(1, most))
            program = [str(HERE / ("dying.py" if is_hub else "dyingagent.py")), point, number]
        begin = self.farm.start_hub if is_hub else self.farm.start_agent
        self.alive[name] = begin(name, program=program)
        life_s = self.hub_life_s if is_hub else AGENT_LIFE_S
        self.dies_s[name] = time.monotonic() + self.dice.uniform(*life_s)

    def turn(self) -> None:
        """Whose time has come dies; who is dead is started again. Nobody's time passes while no hub serves."""
        gone_s, self.looked_s = time.monotonic() - self.looked_s, time.monotonic()
        served = any(address_of(self.alive[name]) for name in self.hubs)
        for name, process in list(self.alive.items()):
            if not served or (name in self.hubs and not address_of(process)):
                self.dies_s[name] += gone_s
            if process.lives and time.monotonic() >= self.dies_s[name]:
                process.kill()
            if not process.lives:
                self.follow(name)

    def follow(self, name: str, calm: bool = False) -> None:
        """Start what died again, one agent in five as a machine that is new: the old one never comes back."""
        gone = self.alive.pop(name)
        if name in self.hubs and gone.ended()["status"] == NO_DATABASE:
            self.start(name, calm)  # as whoever supervises it does
            return
        self.kills["hub" if name in self.hubs else "agent"] += 1
        self.dead.append(gone)
        fresh = name not in self.hubs and bool(self.farm.stock) and self.dice.random() < 0.3
        self.start(f"agent{AGENTS + len(self.dead)}" if fresh else name, calm)

    def kill_leader(self) -> bool:
        """The hub that leads, if one does now; `turn` starts it again. False when there was none."""
        for name in self.hubs:
            address = address_of(self.alive[name])
            if address and self.farm.ready(address).get("leads"):
                self.alive[name].kill()
                self.kills["of them leader"] += 1
                return True
        return False

    def feed(self) -> None:
        """There is always something to do; a submission that is not answered is sent again."""
        if not self.commits or len(self.farm.read(lambda tx: tx.find(Job, "open", True, limit=40))) > BUILD:
            return
        if self.farm.submit(self.commits[-1]):
            self.commits.pop()

    def calm(self) -> None:
        """From now nobody dies."""
        for name, process in list(self.alive.items()):
            process.kill()
            self.follow(name, calm=True)

    def check(self) -> None:
        """Every job ended, what passed counts once; the dead died by SIGKILL and left nothing running."""
        jobs = self.farm.wait_all_ended()
        accepted = self.farm.accepted()
        given_up = [job for job in jobs if job.state != JobState.PASSED]
        begun = (self.farm.open / "runs").read_text().count("run")
        print(f"{dict(self.kills)}; {len(jobs)} jobs, {begun} begun, {len(given_up)} given up")
        assert all(job.state == JobState.ERROR and job.reason.startswith(GIVEN_UP) for job in given_up)
        assert len(given_up) <= len(jobs) // 10
        assert begun >= len(accepted) > 0
        self.farm.assert_logs_whole(accepted)
        assert self.farm.fsck() == []
        assert self.farm.faults_said() == []
        for process in [*self.farm.agents.values(), *self.farm.hubs.values()]:
            process.kill()
        for process in [*self.dead, *self.farm.agents.values(), *self.farm.hubs.values()]:
            ended = process.ended()
            assert (ended["status"], ended["left"]) == (-9, []), (
                process.name,
                process.log.read_text()[-3000:],
            )


def test_hub_and_agents_killed_over_and_over_on_sqlite(tmp_path: Path) -> None:
    kills = 80 * TIMES
    with farmed(tmp_path / "farm", lease=LEASE, pools=MACHINES) as farm:
        chaos = Chaos(farm, random.Random(SEED), ["hub"], (3.0, 10.0))
        chaos.begin(kills)
        while chaos.kills.total() < kills:
            chaos.feed()
            chaos.turn()
            time.sleep(LOOK_S)
        chaos.calm()
        chaos.check()


def test_leader_hubs_agents_and_database_killed_over_and_over_on_postgresql(
    tmp_path: Path, postgres: Cluster, postgres_url: str
) -> None:
    kills = 70 * TIMES
    with farmed(tmp_path / "farm", postgres_url, lease=LEASE, pools=MACHINES) as farm:
        chaos = Chaos(farm, random.Random(SEED), ["hub0", "hub1", "hub2"], (8.0, 30.0))
        chaos.begin(kills)
        turns = random.Random(SEED)
        database_s = leader_s = time.monotonic() + 4
        while chaos.kills.total() - chaos.kills["of them leader"] < kills:
            if time.monotonic() >= database_s:
                postgres.kill()
                postgres.start()
                chaos.kills["database"] += 1
                database_s = time.monotonic() + turns.uniform(7, 14)
            if time.monotonic() >= leader_s and chaos.kill_leader():
                leader_s = time.monotonic() + turns.uniform(9, 15)
            chaos.feed()
            chaos.turn()
            time.sleep(LOOK_S)
        chaos.calm()
        chaos.check()
        assert chaos.kills["of them leader"] > 0
        assert chaos.kills["database"] > 0
