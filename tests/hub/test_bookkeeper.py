"""Usage becomes entries: what machines and attempts cost, by account and to the micro-unit."""

import msgspec
from bookfarm import HOUR, LOCAL, MINUTE, OWN, PRICE, T0, kept, later, one_job, rules, sums, to_midnight
from farms import Agent, passed, planned

from penstock.hub import people, steps
from penstock.hub.fsck import fsck
from penstock.hub.queue import Ending
from penstock.model.job import Usage
from penstock.model.ledger import (
    Account,
    BuildCost,
    Entry,
    Footprint,
    Ledger,
    Meter,
    Price,
    Span,
    Tally,
    day_of,
)
from penstock.model.machine import Machine
from penstock.model.rules import Charge
from penstock.model.states import Power
from penstock.model.units import DAY_MS


def test_a_day_of_an_owned_machine_as_the_docs_tell_it() -> None:
    """docs/explanation/ledger.md has these numbers."""
    farm = kept(charges=(Charge(name="switch", per_month_micros=30_000_000, pool="own"),))
    agent = Agent(farm, "m1")
    later(farm, 10 * MINUTE, agent)
    one_job(farm, agent, 25 * MINUTE)
    to_midnight(farm)
    lasted_ms = DAY_MS - T0 % DAY_MS
    assert lasted_ms == 6_400_000
    (span,) = farm.all(Span)
    assert (span.from_ms, span.until_ms, span.power) == (T0, T0 + lasted_ms, Power.UP)
    assert span.amount_micros == 716_800
    assert sums(farm) == {"direct": 84_000, "idle": 632_800, "overhead": 1_000_000}
    direct, idle, overhead = farm.all(Entry)
    assert (direct.quantity, direct.final, direct.outcome) == (25 * MINUTE, True, "PASSED")
    assert (direct.project, direct.branch, direct.name, direct.platform, direct.klass) == (
        "qt", "dev", "zlib:test", "linux", "change",
    )  # fmt: skip
    assert idle.quantity == lasted_ms - 25 * MINUTE // 2, "one of two slots"
    assert (overhead.what, overhead.pool, overhead.day) == ("switch", "own", day_of(T0))
    assert {(one.account, one.amount_micros, one.count) for one in farm.all(Tally)} == {
        ("direct", 84_000, 1), ("idle", 632_800, 1), ("overhead", 1_000_000, 1),
    }  # fmt: skip


def test_a_build_pays_for_each_attempt_and_its_jobs_leave_footprints() -> None:
    farm = kept()
    agent = Agent(farm, "m1")
    used = Usage(wall_ms=MINUTE, held_ms=MINUTE, cpu_ms=90_000, memory_peak_mb=700)
    one_job(farm, agent, 6 * MINUTE, Ending(result="failed", exit_code=2, usage=used))
    farm.services.finish()
    (cost,), (foot,) = farm.all(BuildCost), farm.all(Footprint)
    assert (cost.amount_micros, cost.attempts, cost.passed_micros, cost.branch) == (20_160, 1, 0, "dev")
    assert (foot.project, foot.name, foot.held_ms, foot.amount_micros) == (
        "qt",
        "zlib:test",
        6 * MINUTE,
        20_160,
    )
    assert (len(foot.memory), len(foot.cores)) == (1, 1)


def test_what_runs_over_a_cut_is_entered_in_pieces() -> None:
    farm = kept()
    agent = Agent(farm, "m1")
    farm.submit("c1", planned("zlib", kind="test"))
    farm.tick()
    (work,) = agent.start()
    later(farm, 10 * MINUTE, agent)
    people.drain(farm.hub, work.attempt.machine)
    later(farm, 5 * MINUTE, agent)
    agent.finish(work, passed())
    farm.tick()
    people.undrain(farm.hub, work.attempt.machine)
    later(farm, MINUTE)
    farm.services.finish()
    up, draining = farm.all(Span)
    assert (up.power, up.amount_micros, draining.power, draining.amount_micros) == (
        "up",
        67_200,
        "draining",
        33_600,
    )
    assert sums(farm, span_ms=up.from_ms) == {"direct": 33_600, "idle": 33_600}
    assert sums(farm, span_ms=draining.from_ms) == {"direct": 16_800, "lifecycle": 16_800}
    pieces = [one for one in farm.all(Entry) if one.attempt]
    assert [(one.amount_micros, one.quantity, one.final) for one in pieces] == [
        (33_600, 10 * MINUTE, False), (16_800, 5 * MINUTE, True),
    ]  # fmt: skip


def test_a_day_ends_at_midnight_whenever_it_is_looked_at() -> None:
    farm = kept(
        charges=(Charge(name="switch", per_month_micros=30_000_000),), storage_per_gb_month_micros=23_000
    )
    agent = Agent(farm, "m1")
    one_job(farm, agent, MINUTE)
    farm.clock.wall += 3 * DAY_MS
    farm.tick()
    days = [span.until_ms % DAY_MS for span in farm.all(Span)]
    assert days == [0, 0, 0]
    assert sums(farm)["overhead"] == 3_000_000
    assert {one.day for one in farm.all(Entry) if one.account == Account.STORAGE} == {
        day_of(T0) + n for n in range(3)
    }
    assert farm.get(Ledger, "ledger").day == day_of(T0) + 3


class TestPrices:
    def test_a_new_price_holds_from_then_on_and_rewrites_nothing(self) -> None:
        farm = kept()
        agent = Agent(farm, "m1")
        later(farm, 20 * MINUTE, agent)
        farm.services.finish()
        farm.with_rules(rules(msgspec.structs.replace(OWN, price_per_hour_micros=2 * PRICE)))
        assert farm.all(Machine)[0].price_per_hour_micros == 2 * PRICE, "for what is offered from now on"
        one_job(farm, agent, 20 * MINUTE)
        to_midnight(farm)
        first, second = farm.all(Span)
        assert (first.price_micros, first.amount_micros) == (PRICE, PRICE // 3)
        assert (second.price_micros, second.amount_micros) == (2 * PRICE, 1_164_800)
        assert sums(farm)["direct"] == PRICE // 3, "one of two slots"
        hours = [one for one in farm.all(Price) if one.what == "hour"]
        assert [(one.from_ms, one.price_micros, one.source) for one in hours] == [
            (T0, PRICE, "farm.toml"), (T0 + 20 * MINUTE, 2 * PRICE, "farm.toml"),
        ]  # fmt: skip

    def test_two_prices_of_one_moment_are_two(self) -> None:
        farm = kept()
        for price in (5, 7):
            farm.with_rules(rules(msgspec.structs.replace(OWN, price_per_hour_micros=price)))
        farm.services.finish()
        assert [one.price_micros for one in farm.all(Price) if one.what == "hour"] == [PRICE, 5, 7]

    def test_a_pool_that_farm_toml_has_no_more_costs_on_as_long_as_its_machines_are_there(self) -> None:
        farm = kept()
        Agent(farm, "m1")
        farm.tick()
        farm.with_rules(rules(msgspec.structs.replace(LOCAL, price_per_hour_micros=0)))
        later(farm, HOUR)
        to_midnight(farm)
        assert sums(farm, pool="own")["idle"] == 716_800

    def test_a_local_pool_that_farm_toml_has_no_more_costs_nothing(self) -> None:
        farm = kept(LOCAL)
        Agent(farm, "l1", pool="here")
        later(farm, 10 * MINUTE)
        farm.with_rules(rules(OWN))
        later(farm, 10 * MINUTE)
        to_midnight(farm)
        assert sums(farm, pool="here")["idle"] == PRICE // 6
        assert [one.source for one in farm.all(Price) if one.pool == "here" and one.what == "hour"] == [
            "farm.toml",
            "gone",
        ]


class TestOwned:
    def test_a_machine_that_never_registered_costs_what_the_others_cost(self) -> None:
        farm = kept(msgspec.structs.replace(OWN, machines=3))
        later(farm, 30 * MINUTE)
        Agent(farm, "m1")
        later(farm, 30 * MINUTE)
        farm.services.finish()
        absent = [one for one in farm.all(Meter) if one.machine == "pool:own"]
        assert [one.count for one in absent] == [2]
        assert sums(farm) == {"idle": 3 * PRICE // 2}
        to_midnight(farm)
        assert sum(sums(farm).values()) == 3 * 716_800

    def test_a_machine_that_enrolled_anew_is_paid_once(self) -> None:
        farm = kept()
        old = Agent(farm, "m1")
        later(farm, HOUR)
        silent = msgspec.structs.replace(old.machine, session="")
        farm.store.write(lambda tx: tx.replace(silent))
        new = Agent(farm, "m1")
        later(farm, MINUTE)
        farm.services.finish()
        assert [one.machine for one in farm.all(Meter)] == [new.machine.id]
        assert fsck(farm.hub) == []
        people.quarantine(farm.hub, old.machine.id, "what is left of it")
        steps.change(farm.hub, lambda step: step.put(step.need(Machine, silent.id)))
        farm.tick(2000)
        farm.services.finish()
        assert [one.machine for one in farm.all(Meter)] == [new.machine.id]

    def test_two_machines_of_one_name_are_both_paid_while_they_are_there(self) -> None:
        farm = kept()
        Agent(farm, "m1")
        Agent(farm, "m1")
        farm.tick(2000)
        farm.services.finish()
        assert len(farm.all(Meter)) == 2

    def test_a_hub_that_was_off_for_hours_charges_what_was_there_all_the_same(self) -> None:
        farm = kept(OWN, LOCAL)
        Agent(farm, "m1")
        Agent(farm, "l1", pool="here")
        later(farm, 10 * MINUTE)
        farm.clock.wall += HOUR
        farm.clock.monotonic += 0  # another process: its monotonic clock says nothing
        farm.restart()
        to_midnight(farm)
        assert sums(farm, pool="own") == {"idle": 716_800}
        lived_ms = 10 * MINUTE + 30_000  # the last step of farm time at most
        assert sums(farm, pool="here")["idle"] <= PRICE * lived_ms // HOUR

    def test_a_clock_that_goes_back_charges_nothing_twice(self) -> None:
        farm = kept()
        Agent(farm, "m1")
        later(farm, 20 * MINUTE)
        farm.clock.wall -= 20 * MINUTE
        later(farm, 20 * MINUTE)
        farm.services.finish()
        later(farm, 20 * MINUTE)
        to_midnight(farm)
        assert sum(sums(farm).values()) == 716_800


def test_what_is_left_at_the_end_is_entered_though_months_went_by() -> None:
    """The last pages were given up after five days without an event: a clock that was set, a hub that was off."""
    farm = kept()
    agent = Agent(farm, "m1")
    farm.services.finish()
    farm.clock.wall += 40 * DAY_MS
    one_job(farm, agent, MINUTE)
    farm.services.finish()
    (ledger,) = farm.all(Ledger)
    assert ledger.day == day_of(farm.clock.wall)
    assert [one.final for one in farm.all(Entry) if one.attempt] == [True]
    assert fsck(farm.hub) == []
