"""Money is conserved: whatever happens to machines, attempts, prices and clocks, however often the bookkeeper dies.

A schedule of the queue (see schedules.Queue) with more that costs: rented machines that come, sleep and go, prices that
change, machines that enrol anew, and a bookkeeper that is killed before or after a commit, or told the same twice.
"""

import random
from contextlib import suppress

import hypothesis.strategies as st
import msgspec
import pytest
from farms import Agent
from hypothesis import settings
from hypothesis.stateful import rule
from schedules import Queue

from penstock.hub import bookkeeper, steps
from penstock.hub.fsck import fsck
from penstock.hub.steps import change
from penstock.model.job import Attempt
from penstock.model.ledger import Account, Entry, Meter, Span
from penstock.model.machine import Machine, powered
from penstock.model.states import POWER, Power

LIVES = 6


class Killed(BaseException):
    """The bookkeeper's process ends here."""


class Books(Queue):
    """A farm whose ledger is kept."""

    fatal, rented = "", 0

    def written(self, *given: object, **how: object) -> object:
        """As steps.lead, with death where it was asked for."""
        fatal, self.fatal = self.fatal, ""
        if fatal == "before":
            raise Killed
        result = steps.lead(*given, **how)  # type: ignore[arg-type]
        if fatal == "after":
            raise Killed
        return result

    @rule(when=st.sampled_from(["before", "after", ""]), again=st.booleans())
    def books_are_kept(self, when: str, again: bool) -> None:
        """To the end, or killed at some transaction; then perhaps by another process."""
        self.fatal = when
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(bookkeeper, "lead", self.written)
            with suppress(Killed):
                self.farm.services.finish()
        self.fatal = ""
        if again:
            self.farm.restart()
        self.farm.services.finish()

    @rule(pool=st.integers(0, 2), micros=st.integers(0, 10**6), count=st.integers(0, 5))
    def prices_change(self, pool: int, micros: int, count: int) -> None:
        pools = list(self.farm.hub.rules.pools)
        pools[pool] = msgspec.structs.replace(pools[pool], price_per_hour_micros=micros, machines=count)
        self.farm.with_rules(msgspec.structs.replace(self.farm.hub.rules, pools=tuple(pools)))

    @rule()
    def a_machine_is_ordered(self) -> None:
        self.rented += 1
        machine = Machine(
            id=f"r{self.rented}",
            name=f"r{self.rented}",
            pool="spot",
            power=Power.REQUESTED,
            client_token=f"t{self.rented}",
        )

        def order(step: steps.Step) -> None:
            step.tx.insert(machine)
            step.put(step.need(Machine, machine.id))

        change(self.farm.hub, order)

    @rule(which=st.integers(0, 100), then=st.integers(0, 100), made=st.booleans())
    def a_machine_turns(self, which: int, then: int, made: bool) -> None:
        """One step of the power of a rented machine without an agent; nobody says so but the transaction itself."""
        alive = [one for one in self.farm.all(Machine) if one.client_token and one.power != Power.GONE]
        if not alive:
            return
        chosen = alive[which % len(alive)]

        def turn(step: steps.Step) -> None:
            machine = step.need(Machine, chosen.id)
            follows = POWER.follows[machine.power]
            after = powered(machine, Power(follows[then % len(follows)]), "chance", step.now_ms)
            step.put(
                msgspec.structs.replace(after, provider_id=machine.provider_id or f"i-{machine.id}" * made)
            )

        change(self.farm.hub, turn)

    @rule(number=st.integers(0, 3))
    def a_machine_enrols_anew(self, number: int) -> None:
        """It was set up again: the farm knows it as another machine, where it is not local."""
        old = self.agents[number]
        self.agents[number] = Agent(self.farm, old.registration.name, old.machine.pool)

    def all_is_entered(self) -> None:
        """Entries are what machines cost and what has a price of its own; and all that has ended has its last entry."""
        self.farm.services.finish()
        assert [str(one) for one in fsck(self.farm.hub)] == []
        entries = self.farm.all(Entry)
        of_spans = sum(one.amount_micros for one in entries if one.machine)
        cut = sum(one.amount_micros for one in self.farm.all(Span))
        running = sum(one.direct_micros for one in self.farm.all(Meter))
        assert of_spans == cut + running
        ended = {one.attempt for one in entries if one.final and one.account == Account.DIRECT}
        assert ended == {one.id for one in self.farm.all(Attempt) if one.settled}

    def teardown(self) -> None:
        if hasattr(self, "farm"):
            super().teardown()
            self.all_is_entered()


Books.TestCase.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
TestBooks = Books.TestCase


@pytest.mark.parametrize("seed", range(LIVES))
def test_a_busy_farm_keeps_its_ledger(seed: int) -> None:
    chance = random.Random(f"ledger {seed}")
    farm = Books()
    farm.begin()
    for _ in range(150):
        number = chance.randrange(100)
        if number < 15:
            farm.books_are_kept(chance.choice(["before", "after", ""]), number < 5)
        elif number < 20:
            farm.prices_change(chance.randrange(3), chance.randrange(10**6), chance.randrange(6))
        elif number < 25:
            farm.a_machine_is_ordered()
        elif number < 50:
            farm.a_machine_turns(chance.randrange(100), chance.randrange(100), number < 40)
        elif number < 55:
            farm.a_machine_enrols_anew(chance.randrange(4))
        elif number < 65:
            farm.time_passes(chance.choice([0, 1000, 61_000, 3_700_000]))
        elif number < 80:
            farm.submit(chance.choice(["one", "pair", "diamond", "tests"]), 0, False, False)
        else:
            farm.works(
                [chance.randrange(4) for _ in range(3)], chance.choice(["passed", "failed", "refused"]), True
            )
        farm.books_are_in_order()
    farm.teardown()
    entries = farm.farm.all(Entry)
    assert {"direct", "idle", "lifecycle"} <= {str(one.account) for one in entries}
