"""Simulated agents: they call the hub's services as real ones do, and work for as long as a job lasts.

An agent knows what an agent can know: what it was offered. How long that lasts is asked of the world.
"""

import json
from collections.abc import Callable
from typing import Protocol

from penstock.hub import poller, sessions
from penstock.hub.context import Hub, Refused, Unauthorized
from penstock.hub.poller import Acknowledged, Finished, Said
from penstock.hub.queue import Ending, Work
from penstock.hub.sessions import Held, Registration
from penstock.model.job import Usage


class Surroundings(Protocol):
    """What an agent needs of its world."""

    hub: Hub

    def started(self, agent: "Agent", work: Work) -> None:
        """The agent has begun this; it is to be told `end` when it is over."""
        ...

    def ended(self, agent: "Agent", work: Work) -> None:
        """The hub has taken the end of this."""
        ...


class Agent:
    """One machine's agent. `secret` is what it enrols with; `cold`: nothing has run on its disk yet."""

    def __init__(self, world: Surroundings, name: str, pool: str, secret: str, about: dict[str, int]) -> None:
        self._world = world
        self.pool, self.name = pool, name
        self._secret, self._about = secret, about
        self.starts = 0
        self._call = 0
        self.machine = ""
        self.deaf = False
        self._session: sessions.Session | None = None
        self.holding: dict[str, Work] = {}
        self._fresh: list[Work] = []
        self._done: list[tuple[Work, Ending]] = []

    def register(self) -> bool:
        """Begin a session, naming what it holds. False where it is not wanted any more."""
        asked = Registration(
            name=self.name,
            key=_key(self.name),
            slots=self._about["slots"],
            cores=self._about["cores"],
            memory_mb=self._about["memory_mb"] or None,
            holds=tuple(self._holds()),
            document=_document(self._world.hub, self.pool, self.name),
        )
        try:
            answer = sessions.register(self._world.hub, self._secret, asked)
        except Unauthorized:
            return False
        self._secret = answer.credential or self._secret
        self._session, self.machine, self._call = answer.session, answer.machine.id, 0
        self._obey(answer.orders)
        return True

    def poll(self) -> None:
        """Say all there is to say, take what is offered and begin it; repeated until nothing is new."""
        if self.deaf:
            return
        more = True
        while more:
            try:
                more = self._once()
            except Unauthorized:
                more = self.register()
            except Refused:
                more = False

    def end(self, attempt: str, ending: Ending) -> None:
        """What it worked on is over; it says so with its next poll."""
        work = self.holding.get(attempt)
        if work is not None and all(one.attempt.id != attempt for one, _ in self._done):
            self._done.append((work, ending))

    def die(self) -> None:
        """It is killed: what it held is forgotten, and it registers again."""
        self.holding, self._fresh, self._done = {}, [], []
        if not self.deaf:
            self.register()

    def _once(self) -> bool:
        if self._session is None:
            return self.register()
        self._call += 1
        said = Said(
            call=self._call,
            holds=tuple(self._holds()),
            acknowledged=tuple(
                Acknowledged(one.attempt.id, one.attempt.fence, "begun") for one in self._fresh
            ),
            finished=tuple(
                Finished(one.attempt.id, one.attempt.fence, "over", ending) for one, ending in self._done
            ),
        )
        fresh, self._fresh = self._fresh, []
        done, self._done = self._done, []
        heard = self._called(self._session, said)
        self._obey(heard.orders)
        self._heard(fresh, done, heard)
        return bool(heard.offers)

    def _called(self, session: sessions.Session, said: Said) -> poller.Heard:
        return poller.poll(self._world.hub, session, said)

    def _heard(self, fresh: list[Work], done: list[tuple[Work, Ending]], heard: poller.Heard) -> None:
        statuses = {answer.attempt: answer.status for answer in heard.acknowledged}
        for work in fresh:
            if statuses.get(work.attempt.id) == 200:
                self._world.started(self, work)
                self.starts += 1
            else:
                self.holding.pop(work.attempt.id, None)
        statuses = {answer.attempt: answer.status for answer in heard.finished}
        for work, _ in done:
            self.holding.pop(work.attempt.id, None)
            if statuses.get(work.attempt.id) == 200:
                self._world.ended(self, work)
        for work in heard.offers:
            self._offered(work)

    def _offered(self, work: Work) -> None:
        self.holding[work.attempt.id] = work
        self._fresh.append(work)

    def _holds(self) -> list[Held]:
        ended = {work.attempt.id for work, _ in self._done}
        return [
            Held(attempt=work.attempt.id, fence=work.attempt.fence)
            for work in self.holding.values()
            if work.attempt.id not in ended
        ]

    def _obey(self, orders: tuple[sessions.Ordered, ...]) -> None:
        for order in orders:
            if order.order == "stop":
                self.holding.pop(order.attempt, None)


def passed(took_ms: int) -> Ending:
    """The end of a job that passed."""
    return Ending(result="passed", exit_code=0, usage=Usage(wall_ms=took_ms, measured_by="simulated"))


def _key(name: str) -> str:
    """A key that is the agent's own."""
    return name.encode().hex().rjust(64, "0")[-64:]


Act = Callable[[], object]


def _document(hub: Hub, pool: str, name: str) -> str:
    """What EC2 would tell the machine of this name about itself; "" in other pools."""
    said = next((one.ec2 for one in hub.rules.pools if one.name == pool), None)
    if said is None:
        return ""
    return json.dumps({"instanceId": name, "region": said.region, "accountId": said.account})
