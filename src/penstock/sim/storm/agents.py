"""Agents as they are on bad days: answers that never arrive, calls that arrive twice or late, offers that are declined."""

from random import Random

from penstock.hub import poller
from penstock.hub.context import Refused
from penstock.hub.poller import Said
from penstock.hub.queue import Ending, Work
from penstock.hub.sessions import Session
from penstock.sim.agents import Agent, Surroundings

LOST, LATE, DECLINED = 0.02, 0.01, 0.02


class Restless(Agent):
    """One machine's agent. `mute`: it never says a word. `calm`: nothing goes wrong any more."""

    def __init__(
        self, world: Surroundings, name: str, pool: str, secret: str, about: dict[str, int], chance: Random
    ) -> None:
        super().__init__(world, name, pool, secret, about)
        self._chance = chance
        self.mute = self.calm = False
        self.accepted_late = 0

    @property
    def session(self) -> Session | None:
        """The session that it is in, as far as it knows."""
        return self._session

    def register(self) -> bool:
        """As Agent; one that is cut off or mute is not heard."""
        return not self.mute and not self.deaf and super().register()

    def poll(self) -> None:
        """As Agent."""
        if not self.mute:
            super().poll()

    def _called(self, session: Session, said: Said) -> poller.Heard:
        """The call, perhaps twice because the first answer was lost, perhaps followed by an older one on its long way."""
        drawn = 1.0 if self.calm else self._chance.random()
        heard = super()._called(session, said)
        if drawn < LOST:
            heard = super()._called(session, said)
        elif drawn < LOST + LATE and said.call > 1:
            self._late(session, said.call - 1)
        return heard

    def _late(self, session: Session, call: int) -> None:
        try:
            super()._called(session, Said(call=call))
        except Refused:
            return
        self.accepted_late += 1

    def _offered(self, work: Work) -> None:
        if self.calm or self._chance.random() >= DECLINED:
            super()._offered(work)
            return
        self.holding[work.attempt.id] = work
        self._done.append((work, Ending(result="refused", cause="no room on its disk")))
