"""What only happens where two processes write at the same time: each step of both is forced into the worst order."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import msgspec
from conformance.samples import attempt, job, machine
from conformance.store_suite import WAIT_S, Driver, insert

from penstock.model.farm import Event, Farm
from penstock.model.job import Attempt, Job
from penstock.model.machine import Machine
from penstock.ports import Stale, Store, Tx


class Held:
    """An operation of one process that stops in the middle the first time it is run, until it is let go on."""

    def __init__(self, store: Store, operation: Callable[[Tx, Callable[[], None]], Any]) -> None:
        self._reached, self._go = threading.Event(), threading.Event()
        self.runs = 0
        self.future: Future[Any] = store.submit(lambda tx: self._run(tx, operation))
        assert self._reached.wait(WAIT_S)

    def _run(self, tx: Tx, operation: Callable[[Tx, Callable[[], None]], Any]) -> Any:
        self.runs += 1
        return operation(tx, self._stop)

    def _stop(self) -> None:
        if self.runs == 1:
            self._reached.set()
            assert self._go.wait(WAIT_S)

    def go_on(self) -> Any:
        """What it raised or returned in the end."""
        self._go.set()
        return self.future.exception(WAIT_S) or self.future.result()


def stamp(tx: Tx) -> None:
    """What hub/recorder does."""
    farm = tx.get(Farm, "farm")
    fresh = tx.find(Event, "position", 0)
    for position, event in enumerate(fresh, farm.position + 1):
        tx.replace(msgspec.structs.replace(event, position=position))
    tx.replace(msgspec.structs.replace(farm, position=farm.position + len(fresh)))


class InterleavedSuite:
    """The driver has `sides`: two stores on one database, as two processes have them."""

    def test_an_event_that_is_committed_late_is_not_skipped_by_position(self, driver: Driver) -> None:
        """I16, and that a reader who goes by number does skip it."""
        here, there = driver.sides
        here.write(insert(Farm(name="example")))

        def late(tx: Tx, stop: Callable[[], None]) -> None:
            tx.insert(Event(kind="late"))
            tx.get(Job, "nobody")  # now the database has the event, and its number
            stop()

        held = Held(here, late)
        there.write(insert(Event(kind="early")))
        there.write(stamp)
        by_number = there.read(lambda tx: tx.find(Event, "key"))
        by_position = there.read(lambda tx: tx.find(Event, "position", after=(0,)))
        assert [event.kind for event in by_number] == [event.kind for event in by_position] == ["early"]
        assert held.go_on() is None
        there.write(stamp)
        skipped = there.read(lambda tx: tx.find(Event, "key", after=(by_number[-1].seq,)))
        missed = there.read(lambda tx: tx.find(Event, "position", after=(by_position[-1].position,)))
        assert [event.kind for event in skipped] == [], "if numbers were good enough this would show nothing"
        assert [event.kind for event in missed] == ["late"]

    def test_a_leader_that_lost_the_lead_in_the_middle_changes_nothing(self, driver: Driver) -> None:
        here, there = driver.sides
        here.write(insert(Farm(name="example", leader="here", leader_epoch=1), job("a")))

        def lead(tx: Tx, stop: Callable[[], None]) -> str:
            if tx.get(Farm, "farm").leader_epoch != 1:
                return "not leading"
            row = tx.get(Job, "a")
            stop()
            tx.replace(msgspec.structs.replace(row, reason="decided by the old leader"))
            return "led"

        def take_over(tx: Tx) -> None:
            farm = tx.get(Farm, "farm")
            tx.replace(msgspec.structs.replace(farm, leader="there", leader_epoch=farm.leader_epoch + 1))

        held = Held(here, lead)
        there.write(take_over)
        seen = there.write(lambda tx: tx.get(Job, "a").reason)
        assert seen == ""
        assert held.go_on() == "not leading"
        assert (held.runs, there.read(lambda tx: tx.get(Job, "a").reason)) == (2, "")

    def test_an_offer_and_a_power_command_exclude_each_other(self, driver: Driver) -> None:
        """I14: both were decided on the same version of the machine's row."""
        here, there = driver.sides
        here.write(insert(machine("m", slots=1)))
        seen = here.read(lambda tx: tx.get(Machine, "m"))

        def offer(tx: Tx, stop: Callable[[], None]) -> None:
            tx.replace(msgspec.structs.replace(seen, busy=(0,)))
            tx.insert(attempt("a"))
            tx.get(Job, "nobody")
            stop()

        held = Held(here, offer)
        power: Future[Any] = there.submit(
            lambda tx: tx.replace(msgspec.structs.replace(seen, power="draining"))
        )
        assert held.go_on() is None
        assert isinstance(power.exception(WAIT_S), Stale)
        found = there.read(lambda tx: (tx.get(Machine, "m"), tx.get(Attempt, "a")))
        assert (found[0].busy, found[0].power, found[1].live) == ((0,), seen.power, True)

    def test_two_placers_give_one_slot_once(self, driver: Driver) -> None:
        """I13, with offers that neither saw of the other."""
        here, there = driver.sides

        def place(name: str) -> Callable[[Tx, Callable[[], None]], None]:
            def operation(tx: Tx, stop: Callable[[], None]) -> None:
                assert tx.find(Attempt, "job", "nobody") == []
                stop()
                tx.insert(attempt(name, job=name))

            return operation

        first, second = Held(here, place("a")), Held(there, place("b"))
        assert first.go_on() is None
        assert type(second.go_on()).__name__ == "Duplicate"
        assert [row.id for row in here.read(lambda tx: tx.find(Attempt, "live", True))] == ["a"]

    def test_a_storm_of_conflicts_ends(self, driver: Driver) -> None:
        """All change one row, from both processes: nobody is refused, nothing is lost."""
        here, there = driver.sides
        here.write(insert(job("a")))

        def more(tx: Tx) -> None:
            row = tx.get(Job, "a")
            tx.replace(msgspec.structs.replace(row, attempts=row.attempts + 1))

        asked = [store.submit(more) for _ in range(300) for store in (here, there)]
        assert [one.exception(WAIT_S) for one in asked] == [None] * 600
        assert here.read(lambda tx: tx.get(Job, "a")).attempts == 600
