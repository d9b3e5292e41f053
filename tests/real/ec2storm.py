"""A farm on a real database that rents from EC2, agents that start by what instances are given, and hubs that are killed."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from farms import TestFarm, planned
from real.ec2proxy import Ec2Proxy

from penstock.hub import intake, poller, queue, sessions
from penstock.hub.context import Refused, Unauthorized
from penstock.hub.loop import Services
from penstock.hub.poller import Said
from penstock.hub.sessions import Held, Registered, Registration
from penstock.model.job import Job
from penstock.model.machine import Machine
from penstock.model.rented import TAG_MACHINE
from penstock.model.rules import Platform, Pool, Rules
from penstock.model.states import Power
from penstock.ports import Store
from penstock.providers.ec2.instances import Ec2
from penstock.store.open import open_store

WEATHER = {
    "throttled": 0.04,
    "no_answer": 0.2,
    "late": 0.005,
    "no_capacity": 0.15,
    "part_missing": 0.1,
    "boot_failed": 0.05,
}


TURNS = 8
"""A job takes so many steps."""


class Killed(BaseException):
    """The hub's process ends here."""


class Mortal:
    """A provider whose caller dies now and then, before a call or after it."""

    def __init__(self, provider: Ec2, dies: Callable[[], bool]) -> None:
        self._provider, self._dies = provider, dies

    def offers(self) -> Any:
        return self._provider.offers()

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._provider, name)

        def act(*given: Any) -> Any:
            if self._dies():
                raise Killed
            answer = call(*given)
            if self._dies():
                raise Killed
            return answer

        return act


class MortalStore:
    """The store of a hub that dies now and then, before it writes or after that is durable."""

    def __init__(self, store: Store, dies: Callable[[], bool]) -> None:
        self._store, self._dies = store, dies

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def write(self, operation: Any) -> Any:
        if self._dies():
            raise Killed
        done = self._store.write(operation)
        if self._dies():
            raise Killed
        return done


@dataclass
class Box:
    """What runs on one instance: it enrols with the secret that the instance was given, then polls as an agent does."""

    key: str
    secret: str
    who: Registered | None = None
    credential: str = ""
    call: int = 0
    holds: list[Held] = field(default_factory=list)
    left: int = 0

    def live(self, farm: "Storm", document: str) -> None:
        """One turn: what it has ends, what it is offered begins. `document`: of its instance, as it was started last."""
        try:
            if self.who is None:
                about = Registration(name="any", key=self.key, holds=tuple(self.holds), document=document)
                self.who = sessions.register(farm.hub, self.credential or self.secret, about)
                self.credential, self.call = self.who.credential or self.credential, 0
            self.call += 1
            session = self.who.session
            heard = poller.poll(farm.hub, session, Said(call=self.call, holds=tuple(self.holds)))
            self.left -= 1
            for held in self.holds if self.left <= 0 else ():
                queue.finish(
                    farm.hub, session, held.attempt, held.fence, "fin", queue.Ending(result="failed")
                )
            self.holds = self.holds if self.left > 0 else []
            for work in heard.offers:
                one = work.attempt
                queue.acknowledge(farm.hub, session, one.id, one.fence, "ack")
                self.holds.append(Held(attempt=one.id, fence=one.fence))
                self.left = TURNS
        except (Unauthorized, Refused):
            self.who, self.holds = None, []


class Storm(TestFarm):
    """`kills`: hubs that died. Its clock is the cloud's, too."""

    __test__ = False

    def __init__(self, proxy: Ec2Proxy, pools: tuple[Pool, ...], folder: Path, make: Any, seed: int) -> None:
        rules = Rules(
            platforms={"linux": Platform(name="linux")}, pools=pools, address="https://hub.example.org"
        )
        self.chance, self.deadly = Random(seed), 0.0
        super().__init__(rules, open_store("sqlite:///farm.db", folder))
        self.proxy = proxy
        self.kills, self.jobs = 0, 0
        self.boxes: dict[str, Box] = {}
        self._pools, self._make = pools, make
        self.again()

    def again(self) -> None:
        """A new process: it knows what the database knows."""
        made = {pool.name: self._make(pool, self.clock.wall_ms) for pool in self._pools}
        self.hub = replace(self.hub, providers=made)
        while True:
            try:
                self.restart()
                return
            except Killed:
                self.kills += 1

    def restart(self) -> None:
        """As TestFarm.restart; agents call another process, which lives."""
        led = intake.open_farm(self.hub, "test")
        called = {name: Mortal(provider, self._dies) for name, provider in self.hub.providers.items()}
        mortal = replace(self.hub, store=MortalStore(self.store, self._dies), providers=called)  # type: ignore[arg-type]
        self.services = Services(mortal, led, books=self.books)
        self.leading = self.services.hub
        self.tick()

    def _dies(self) -> bool:
        return self.chance.random() < self.deadly

    def step(self, passed_ms: int) -> None:
        """Let time pass; whoever dies in it is followed by another."""
        try:
            self.tick(passed_ms)
        except Killed:
            self.kills += 1
            self.again()
        self._agents()

    def work(self) -> None:
        """Something is always to be done, and sometimes an instance goes without a word."""
        open_jobs = self.store.read(lambda tx: tx.find(Job, "open", True))
        if len(open_jobs) < 12 and self.chance.random() < 0.1:
            for _ in range(self.chance.randrange(1, 6)):
                self.jobs += 1
                self.submit(f"c{self.jobs}", planned(f"m{self.jobs}", "test"))
        running = [id_ for id_, state in sorted(self.proxy.states().items()) if state == "running"]
        if running and self.chance.random() < 0.02:
            self.proxy.take_away(self.chance.choice(running))

    def _agents(self) -> None:
        """Agents of instances that run; those of others are gone, what they held with them."""
        told = {id_: one.user_data for id_, one in self.proxy.machines.items()}
        for id_, state in sorted(self.proxy.states().items()):
            if state != "running":
                box = self.boxes.get(id_)
                if box is not None:
                    box.who, box.holds = None, []
                continue
            box = self.boxes.get(id_)
            if box is None:
                secret = re.search(r"printf '%s\\n' (\S+) >", told[id_])
                assert secret is not None
                box = self.boxes[id_] = Box(f"{len(self.boxes) + 1:064x}", secret[1])
            box.live(self, _document(id_, self.proxy.machines[id_].started_ms))

    def differences(self) -> list[str]:
        """Where the books and the cloud do not say the same, instance by instance and row by row."""
        rows = {one.id: one for one in self.all(Machine)}
        there = {id_: one for id_, one in self.proxy.states().items() if one != "terminated"}
        found = []
        for id_, state in there.items():
            owners = [one for one in rows.values() if one.provider_id == id_ and one.power != Power.GONE]
            if len(owners) != 1 or POWERS.get(owners[0].power) != state:
                found.append(
                    f"{id_} is {state}, the books have {[(one.name, str(one.power)) for one in owners]}"
                )
        for one in rows.values():
            if one.power != Power.GONE and one.provider_id not in there:
                found.append(f"{one.name} is {one.power} in the books, and not there")
        for id_, one_machine in self.proxy.machines.items():
            if one_machine.tags.get(TAG_MACHINE) not in rows:
                found.append(f"{id_} was made without a row")
        return found


def _document(id_: str, started_ms: int) -> str:
    """What an instance says of itself; it shows the moment of its last start."""
    said = {"instanceId": id_, "region": "eu-west-1", "accountId": "123456789012"}
    pending = datetime.fromtimestamp(started_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return json.dumps(said | {"pendingTime": pending})


POWERS = {Power.UP: "running", Power.SUSPENDED: "stopped"}
