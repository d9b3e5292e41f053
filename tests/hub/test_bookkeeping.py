"""Books that are kept through everything: rented machines, frozen farms, copies, other leaders, much at once."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from bookfarm import HOUR, LOCAL, MINUTE, OWN, PRICE, T0, kept, later, one_job, rules, sums, to_midnight
from farms import Agent, MemoryBlobs, TestFarm, passed, planned
from renting import BURST, Rented

from penstock.hub import bookkeeper, incarnation, people, queue, steps
from penstock.hub.backup import Place, backup, restore
from penstock.hub.context import NotLeading
from penstock.hub.fsck import fsck
from penstock.model.farm import Event, Farm
from penstock.model.ledger import (
    BuildCost,
    Entry,
    Footprint,
    Ledger,
    Meter,
    Price,
    Span,
    Tally,
)
from penstock.model.machine import Machine
from penstock.model.rules import Billing, Pool
from penstock.model.states import Power
from penstock.model.units import DAY_MS
from penstock.ports import NoCapacity
from penstock.store.logs import FolderLogs
from penstock.store.memory import MemoryStore
from penstock.store.open import open_store
from penstock.store.tables import TableFiles


class TestRented:
    def rented(self, pool: Pool = BURST) -> Rented:
        made = Rented(rules(pool), books=True)
        made.services.finish()
        return made

    def test_from_the_request_to_the_end(self) -> None:
        farm = self.rented(msgspec.structs.replace(BURST, egress_per_gb_micros=1_000_000_000))
        farm.idle()
        farm.until(Power.SUSPENDED)
        farm.until(Power.GONE, 40_000)
        farm.services.finish()
        powers = [one.power for one in sorted(farm.all(Span), key=lambda one: one.from_ms)]
        assert [power for power, after in zip(powers, [*powers[1:], ""], strict=True) if power != after] == [
            "booting", "up", "suspending", "suspended", "deleting",
        ]  # fmt: skip
        assert farm.all(Meter) == []
        found = sums(farm)
        assert found["lifecycle"] > 0
        assert found["idle"] > 0
        assert {one.what for one in farm.all(Entry)} == {""}, "whole seconds need no rounding"

    def test_an_order_that_was_refused_costs_nothing(self) -> None:
        farm = self.rented(msgspec.structs.replace(BURST, billing=Billing(minimum_ms=HOUR)))

        def refuse(order: object) -> str:
            raise NoCapacity("none left")

        farm.provider.create = refuse  # type: ignore[method-assign]
        farm.submit("c1", planned("zlib"))
        farm.until(Power.GONE)
        assert sums(farm) == {}

    def test_an_attempt_whose_machine_goes_is_paid_to_the_end(self) -> None:
        farm = self.rented()
        _, attempt = farm.started()
        farm.tick(MINUTE)
        del farm.provider._machines["burst-00001"]
        for _ in range(16):
            farm.tick(10_000)
        farm.services.finish()
        (entry,) = [one for one in farm.all(Entry) if one.attempt == attempt.id]
        assert (entry.final, entry.outcome) == (True, "PREEMPTED")
        assert entry.amount_micros > 0
        (cost,) = farm.all(BuildCost)
        assert cost.lost_micros == entry.amount_micros
        assert sums(farm)["direct"] == entry.amount_micros


class TestKeeping:
    def test_books_begin_when_they_begin(self) -> None:
        """A farm of an older release: what ran before is in no book, what runs on is from then on."""
        farm = TestFarm(rules())
        agent = Agent(farm, "m1")
        farm.submit("c1", planned("zlib", kind="test"))
        farm.tick()
        (work,) = agent.start()
        later(farm, 20 * MINUTE, agent)
        farm.books = True
        farm.restart()
        later(farm, 15 * MINUTE, agent)
        agent.finish(work, passed())
        farm.tick(2000)
        farm.services.finish()
        assert farm.get(Ledger, "ledger").from_ms == T0 + 20 * MINUTE
        (entry,) = [one for one in farm.all(Entry) if one.attempt]
        assert (entry.amount_micros, entry.quantity) == (PRICE // 8, 15 * MINUTE)
        assert fsck(farm.hub) == []

    def test_a_frozen_farm_is_entered_when_it_is_thawed(self) -> None:
        farm = kept()
        Agent(farm, "m1")
        farm.tick(2000)
        before = farm.get(Ledger, "ledger")
        incarnation.freeze(farm.hub, "tried")
        later(farm, HOUR)
        assert farm.get(Ledger, "ledger") == before
        incarnation.adopt(farm.hub)
        to_midnight(farm)
        assert sums(farm)["idle"] == 716_800

    def test_a_copy_pays_nothing_for_the_machines_of_the_other(self) -> None:
        farm = Rented(rules(BURST, msgspec.structs.replace(LOCAL, machines=1)), books=True)
        _, attempt = farm.started()
        farm.tick(MINUTE)
        farm.services.finish()
        paid = sum(one.amount_micros for one in farm.all(Span))
        until_ms = farm.get(Ledger, "ledger").until_ms
        steps.change(farm.hub, lambda step: incarnation._put(step, "restored", frozen=True, adopted=("old",)))
        farm.clock.wall += 2 * DAY_MS
        farm.tick()
        incarnation.as_copy(farm.hub)
        farm.tick(2000)
        farm.services.finish()
        assert fsck(farm.hub) == []
        assert attempt.machine not in {one.machine for one in farm.all(Meter)}
        spans = [one for one in farm.all(Span) if one.machine == attempt.machine]
        assert max(one.until_ms for one in spans) <= until_ms + 1
        assert sum(one.amount_micros for one in spans) >= paid > 0
        assert farm.get(Ledger, "ledger").farm == farm.get(Farm, "farm").uid
        assert not [one for one in farm.all(Entry) if one.attempt == attempt.id and one.final]

    def test_a_farm_from_a_backup_does_not_pay_its_own_machine_for_the_time_between(
        self, tmp_path: Path
    ) -> None:
        farm = kept(OWN, LOCAL)
        Agent(farm, "m1")
        Agent(farm, "l1", pool="here")
        later(farm, 10 * MINUTE)
        farm.services.finish()
        place = Place(TableFiles(tmp_path / "first"), MemoryBlobs(), FolderLogs(tmp_path / "saved"))
        backup(farm.hub, FolderLogs(tmp_path / "logs"), place, "1.0")
        later(farm, 10 * MINUTE)  # what happens after it is lost
        farm.clock.wall += 50 * MINUTE
        farm.store = MemoryStore()
        farm.hub = replace(farm.hub, store=farm.store)
        restore(farm.hub, FolderLogs(tmp_path / "new logs"), place)
        farm.restart()
        later(farm, MINUTE)
        assert farm.get(Ledger, "ledger").until_ms == T0 + 10 * MINUTE, "frozen, it enters nothing"
        incarnation.adopt(farm.hub)
        to_midnight(farm)
        assert sums(farm, pool="own") == {"idle": 716_800}
        lived_ms = 11 * MINUTE + 30_000  # to midnight it takes one step of farm time at most
        assert PRICE * 10 * MINUTE // HOUR <= sums(farm, pool="here")["idle"] <= PRICE * lived_ms // HOUR

    def test_who_does_not_lead_any_more_enters_nothing(self) -> None:
        farm = kept()
        old = farm.services
        farm.restart()
        before = farm.get(Ledger, "ledger")
        farm.clock.wall += HOUR
        with pytest.raises(NotLeading):
            old.finish()
        assert farm.get(Ledger, "ledger") == before

    def test_much_at_once_is_entered_page_by_page(self, monkeypatch: pytest.MonkeyPatch) -> None:
        farm = kept()
        agent = Agent(farm, "m1")
        for _ in range(12):
            farm.clock.wall += 1
            one_job(farm, agent, 0)
        monkeypatch.setattr(bookkeeper, "TOGETHER", 4)
        monkeypatch.setattr(bookkeeper, "PAGES", 2)
        farm.restart()
        behind = farm.get(Farm, "farm").position
        for _ in range(30):
            farm.tick(500)
        assert farm.get(Ledger, "ledger").position >= behind
        assert len([one for one in farm.all(Entry) if one.final]) == 12

    def test_nothing_is_written_where_nothing_happens_but_once_a_minute(self) -> None:
        farm = kept()
        farm.tick(2000)
        seen = set()
        for _ in range(120):
            farm.tick(1000)
            seen.add(farm.get(Ledger, "ledger").version)
        assert len(seen) <= 4

    def test_events_of_a_clock_that_is_ahead_are_of_now(self) -> None:
        farm = kept()
        agent = Agent(farm, "m1")
        farm.tick(2000)
        ahead = Event(
            kind="power", machine=agent.machine.id, state="draining", at_ms=farm.clock.wall + DAY_MS
        )
        farm.store.write(lambda tx: tx.insert(ahead))
        farm.tick(2000)
        farm.services.finish()
        (meter,) = farm.all(Meter)
        assert (meter.power, meter.since_ms <= farm.clock.wall) == (Power.DRAINING, True)


def test_a_new_power_is_told_though_another_event_speaks_of_the_machine() -> None:
    farm = kept()
    agent = Agent(farm, "m1")
    farm.submit("c1", planned("zlib"))
    farm.tick()
    (work,) = agent.start()

    def act(step: steps.Step) -> None:
        machine = step.put(
            msgspec.structs.replace(step.need(Machine, work.attempt.machine), power=Power.DRAINING)
        )
        step.tell(
            Event(kind="job", job=work.job.id, machine=machine.id, state="running", attempt=work.attempt.id)
        )

    steps.change(farm.hub, act)
    assert [(one.kind, one.state) for one in farm.all(Event)[-2:]] == [
        ("job", "running"),
        ("capacity", "draining"),
    ]
    queue.renew(farm.hub, agent.session, work.attempt.id, work.attempt.fence)


def test_in_postgresql_it_comes_to_the_same(postgres_url: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    told = []
    for store in (None, open_store(postgres_url, tmp_path)):
        farm = kept(store=store)
        agent = Agent(farm, "m1")
        one_job(farm, agent, 7 * MINUTE)
        people.drain(farm.hub, agent.machine.id)
        to_midnight(farm, HOUR)
        farm.restart()
        farm.services.finish()
        assert fsck(farm.hub) == []
        told.append([farm.all(kind) for kind in (Ledger, Meter, Span, Tally, BuildCost, Footprint, Price)])
        told[-1].append([msgspec.structs.replace(one, seq=0) for one in farm.all(Entry)])
    assert told[0] == told[1]
    store.close()  # type: ignore[union-attr]
