"""Owned machines that can be switched, as the policy sees them: they wake and sleep, none is made, none is given back."""

import msgspec
import pytest
from fullfarms import BURST, OWN
from fullfarms import rules as rules_of
from seenfarm import Told, wanted

from penstock.model.decision import Boot, Delete, Resume, Suspend
from penstock.model.pool_power import Control
from penstock.model.rules import Pool, Quantiles, Rules, Waiting
from penstock.model.units import NEVER_MS
from penstock.policy.capacity import columns as c
from penstock.policy.capacity.journal import packed_start
from penstock.policy.capacity.rows import Rows
from penstock.policy.capacity.setting import (
    Choice,
    boot_of,
    break_even_ms,
    can_suspend,
    is_switched,
    running_price,
    setting,
    stopped_price,
    unswitched,
)
from penstock.policy.capacity.standing import Phase, Standing

CONTROLS = (Control(machine="m1", address="ipmi://bmc-1", user="farm", password_file="/secret"),)
POWER: Pool = msgspec.structs.replace(
    OWN,
    controls=CONTROLS,
    price_per_hour_micros=300_000,
    stopped_price_per_hour_micros=200_000,
    resume=Quantiles(60_000, 60_000),
    boot=Quantiles(7, 7),
    cold_cache_ms=5_000,
    uses=3,
    min=1,
)
RULES: Rules = msgspec.structs.replace(
    rules_of(POWER, BURST), waiting=Waiting(price_per_hour_micros=1_000_000)
)


def machine(name: str = "m1", phase: Phase = "up", version: int = 0) -> Standing:
    return Standing(name, POWER.name, phase, version)


def pools_of(rules: Rules, field: int) -> list[int]:
    return list(Rows(rules, Choice()).farm.pools[field][: len(rules.pools)])


class TestPrices:
    def test_what_counts_is_the_power(self) -> None:
        assert is_switched(POWER)
        assert (running_price(POWER), stopped_price(POWER)) == (100_000, 0)
        assert (running_price(BURST), stopped_price(BURST)) == (
            BURST.price_per_hour_micros,
            BURST.stopped_price_per_hour_micros or 0,
        )
        dear = msgspec.structs.replace(POWER, stopped_price_per_hour_micros=400_000)
        unknown = msgspec.structs.replace(POWER, stopped_price_per_hour_micros=None)
        assert (running_price(dear), running_price(unknown)) == (0, 300_000)

    def test_off_when_idling_has_cost_what_waking_costs_and_never_given_back(self) -> None:
        assert break_even_ms(POWER, 0) == (60_000, NEVER_MS)
        assert break_even_ms(POWER, 1_000_000) == (660_000, NEVER_MS)

    @pytest.mark.parametrize("lacks", [{"resume": None}, {"stopped_price_per_hour_micros": 300_000}])
    def test_where_nothing_is_saved_or_known_it_stays_on(self, lacks: dict[str, object]) -> None:
        assert break_even_ms(msgspec.structs.replace(POWER, **lacks), 0) == (NEVER_MS, 0)

    def test_an_order_takes_as_long_as_waking(self) -> None:
        assert boot_of(POWER) == Quantiles(60_000, 60_000)
        assert boot_of(msgspec.structs.replace(POWER, resume=None)) == Quantiles(7, 7)
        assert boot_of(msgspec.structs.replace(POWER, controls=())) == Quantiles(7, 7)
        assert can_suspend(POWER)
        assert not can_suspend(msgspec.structs.replace(POWER, controls=()))

    def test_the_columns_have_it_as_rented_without_room_for_orders(self) -> None:
        assert pools_of(RULES, c.POOL_OWNED)[0] == 0
        assert pools_of(RULES, c.POOL_MOST)[0] == 0
        assert pools_of(RULES, c.POOL_LEAST)[0] == 0
        assert pools_of(RULES, c.POOL_USES)[0] == 0, "it is cleaned, not replaced"
        assert pools_of(RULES, c.POOL_COLD_MS)[0] == 0
        assert pools_of(RULES, c.POOL_BOOT_MS)[0] == 60_000

    def test_trials_on_a_history_have_it_on(self) -> None:
        done = setting(RULES, Choice(), ())
        assert done.rules.pools[0].controls == ()
        assert unswitched(done.rules) is done.rules

    def test_a_journal_does_not_say_who_may_switch(self) -> None:
        start = packed_start(Rows(RULES, Choice()), RULES, Choice())
        assert b"/secret" not in start
        assert b"bmc-1" not in start
        assert b'"machine":"m1"' in start


class TestDeciding:
    def test_it_sleeps_when_idle_and_wakes_before_anything_is_rented(self) -> None:
        told = Told(RULES)
        told(machines=(machine(),))
        slept = told(2_000_000)
        assert [type(one) for one in slept.power] == [Suspend]
        told(machines=(machine(phase="suspended", version=1),))
        woken = told(waiting=(wanted("j1"),))
        later = told(900_000, waiting=(wanted("j1"),)) if not woken.power else woken
        assert [type(one) for one in later.power] == [Resume]

    def test_one_that_could_not_be_switched_when_it_came_to_rest_sleeps_once_it_can_be(self) -> None:
        told = Told(RULES)
        told(machines=(machine(phase="kept"),))
        assert told(2_000_000).power == ()
        told(machines=(machine(version=1),))
        assert [type(one) for one in told(2_000_000).power] == [Suspend]

    def test_nothing_is_made_there_and_the_rest_is_rented(self) -> None:
        told = Told(RULES)
        told(machines=(machine(phase="suspended"),))
        acts = [type(one) for one in told(waiting=tuple(wanted(f"j{n}") for n in range(9))).power]
        acts += [type(one) for one in told(900_000, waiting=tuple(wanted(f"j{n}") for n in range(9))).power]
        assert acts.count(Resume) == 1
        assert acts.count(Boot) >= 1

    def test_where_all_are_at_work_jobs_wait_for_them(self) -> None:
        told = Told(msgspec.structs.replace(RULES, pools=(POWER,)))
        told(machines=(machine(),))
        told(waiting=(wanted("j1"),))
        assert told(900_000, waiting=(wanted("j1"), wanted("j2"))).power == ()

    def test_it_is_never_deleted_however_long_it_sleeps(self) -> None:
        told = Told(RULES)
        told(machines=(machine(phase="suspended"),))
        assert not any(isinstance(one, Delete) for one in told(10**10).power)

    def test_one_that_nobody_can_switch_stays_on(self) -> None:
        told = Told(RULES)
        told(machines=(machine(phase="kept"),))
        assert told(10**9).power == ()
        assert told.flags("m1") & c.PINNED
        told(machines=(machine(phase="up", version=1),))
        assert not told.flags("m1") & c.PINNED
