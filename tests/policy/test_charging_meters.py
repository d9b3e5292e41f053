"""Machines: spans that are cut, rounded and billed, to the micro-unit."""

import hypothesis.strategies as st
import msgspec
from conformance import samples
from hypothesis import given

from penstock.model.ledger import Account, Hold, Meter, day_of
from penstock.model.rules import Billing, Pool
from penstock.model.states import Power
from penstock.model.units import DAY_MS, charge_micros
from penstock.policy.charging.meters import (
    Closed,
    Moment,
    Terms,
    absent,
    begin,
    counted_ms,
    cut,
    repriced,
    rounded,
    terms_of,
    turn,
)

T0 = 1_700_000_000_000
PRICE = 403_200
POOL = Pool(
    name="burst",
    provider="ec2",
    platforms=(),
    billing=Billing(granularity_ms=1_000, minimum_ms=60_000),
)
TERMS = terms_of(POOL, PRICE, 10_960)


def at(after_ms: int, farm_ms: int = 0) -> Moment:
    return Moment(T0 + after_ms, farm_ms)


def started(power: Power = Power.REQUESTED, terms: Terms = TERMS) -> Meter:
    return begin(samples.machine("m", pool="burst", power=power, slots=4), terms, at(0))


def amounts(closed: Closed) -> dict[str, int]:
    return {str(one.account): one.amount_micros for one in closed.entries}


def test_terms_are_of_the_pool_and_who_gives_its_machines() -> None:
    assert (TERMS.rented, TERMS.mortal, TERMS.minimum_ms, TERMS.granularity_ms) == (
        True,
        False,
        60_000,
        1_000,
    )
    own = terms_of(msgspec.structs.replace(POOL, provider="owned"), PRICE, 0)
    assert (own.rented, own.mortal, own.minimum_ms, own.granularity_ms) == (False, False, 0, 1)
    assert terms_of(msgspec.structs.replace(POOL, provider="local"), PRICE, 0).mortal
    assert [TERMS.price(what) for what in ("hour", "stopped", "")] == [PRICE, 10_960, 0]


def test_a_life_is_paid_from_the_request_to_the_end() -> None:
    booting = turn(started(), Power.BOOTING, TERMS, at(0))
    assert booting.span is None, "it took no time"
    up = turn(booting.meter, Power.UP, TERMS, at(90_000))
    assert (amounts(up), up.meter.run_ms) == ({"lifecycle": 10_080}, T0)
    stopping = turn(up.meter, Power.SUSPENDING, TERMS, at(690_500))
    assert amounts(stopping) == {"idle": 67_256}
    stopped = turn(stopping.meter, Power.SUSPENDED, TERMS, at(700_500))
    assert amounts(stopped) == {"lifecycle": 56}, "its last entry is what the half second is rounded up to"
    assert [one.amount_micros for one in stopped.entries] == [1_120, 56]
    assert [one.what for one in stopped.entries] == ["", "rounding"]
    assert stopped.span is not None
    assert (stopped.span.amount_micros, stopped.span.extra_micros) == (1_176, 56)
    assert (stopped.meter.what, stopped.meter.price_micros, stopped.meter.run_paid_micros) == (
        "stopped",
        10_960,
        0,
    )
    going = turn(stopped.meter, Power.DELETING, TERMS, at(800_500))
    assert (amounts(going), going.meter.what, going.meter.run_ms) == ({"idle": 304}, "stopped", T0 + 700_500)
    gone = turn(going.meter, Power.GONE, TERMS, at(802_500))
    assert (amounts(gone), gone.meter.what, gone.meter.run_ms, gone.meter.price_micros) == (
        {"lifecycle": 7},
        "",
        0,
        0,
    )
    assert charge_micros(PRICE, 701_000) == 10_080 + 67_256 + 1_176


def test_a_start_costs_the_minimum() -> None:
    gone = turn(started(Power.BOOTING), Power.GONE, TERMS, at(10_000))
    assert gone.span is not None
    assert gone.span.amount_micros == charge_micros(PRICE, 60_000)
    assert gone.span.extra_micros == gone.span.amount_micros - charge_micros(PRICE, 10_000)
    at_once = turn(started(Power.BOOTING), Power.GONE, TERMS, at(0))
    assert at_once.span is not None
    assert at_once.span.until_ms - at_once.span.from_ms == 1, "spans are told apart by when they began"
    assert at_once.span.amount_micros == charge_micros(PRICE, 60_000)


def test_an_order_that_came_to_nothing_costs_nothing() -> None:
    refused = turn(started(), Power.GONE, TERMS, at(5_000), came=False)
    assert (refused.span.amount_micros, refused.entries) == (0, ()) if refused.span else False
    over_midnight = cut(started(), TERMS, at(3_000)).meter
    taken_back = turn(over_midnight, Power.GONE, TERMS, at(5_000), came=False)
    assert amounts(taken_back) == {"lifecycle": -charge_micros(PRICE, 3_000)}
    assert taken_back.span is not None
    assert taken_back.span.extra_micros == taken_back.span.amount_micros


def test_an_order_that_went_on_to_another_offer_costs_what_that_does_from_the_request_on() -> None:
    other = terms_of(POOL, 2 * PRICE, 0)
    closed = turn(repriced(started(), other), Power.BOOTING, other, at(3_600_000))
    assert closed.span is not None
    assert (closed.span.amount_micros, closed.span.price_micros) == (2 * PRICE, 2 * PRICE)


def test_a_resume_that_was_refused_costs_nothing() -> None:
    resuming = turn(started(Power.SUSPENDED), Power.RESUMING, TERMS, at(1_000)).meter
    again = turn(resuming, Power.SUSPENDED, TERMS, at(1_000))
    assert (again.span, again.meter.what) == (None, "stopped")


def test_machines_of_this_process_count_while_the_farm_lives() -> None:
    terms = terms_of(msgspec.structs.replace(POOL, provider="local"), PRICE, 0)
    meter = started(Power.UP, terms)
    assert counted_ms(meter, terms, at(3_600_000, 60_000)) == 60_000
    assert counted_ms(meter, terms, at(1_000, 60_000)) == 1_000
    assert counted_ms(meter, terms, at(1_000, -5)) == 0
    assert counted_ms(meter, TERMS, at(-5)) == 0, "clocks that go back charge nothing"
    closed = cut(meter, terms, at(3_600_000, 60_000))
    assert amounts(closed) == {"idle": 6_720}
    assert cut(meter, Terms(), at(3_600_000, 60_000)).span == closed.span, (
        "its meter knows, whatever farm.toml says"
    )
    assert closed.meter.farm_ms == 60_000


def test_a_new_price_holds_from_then_on_and_rounding_goes_on() -> None:
    dear = Terms(hour=2 * PRICE)
    first = cut(started(Power.UP), dear, at(100))
    second = cut(first.meter, dear, at(200))
    assert (first.span.price_micros, second.span.price_micros) == (PRICE, 2 * PRICE) if second.span else False
    assert first.meter.price_micros == 2 * PRICE
    assert second.meter.run_paid_micros == charge_micros(3 * PRICE, 100)


def test_what_never_registered_costs_as_many_times() -> None:
    meter = absent("rack", 3, Terms(hour=1_000), at(0))
    assert amounts(cut(meter, Terms(hour=1_000), at(3_600_000))) == {"idle": 3_000}
    assert cut(meter, Terms(hour=1_000), at(3_600_000)).entries[0].quantity == 3 * 3_600_000


def test_what_attempts_held_is_not_idle() -> None:
    meter = msgspec.structs.replace(started(Power.UP), direct_micros=300, direct_ms=2_000)
    closed = cut(meter, TERMS, at(3_600_000))
    assert amounts(closed) == {"idle": PRICE - 300}
    assert closed.entries[0].quantity == 3_598_000
    assert (closed.meter.direct_micros, closed.meter.direct_ms) == (0, 0)


def test_a_machine_that_is_gone_waits_for_its_last_attempt() -> None:
    gone = turn(started(Power.UP), Power.GONE, TERMS, at(60_000)).meter
    late = msgspec.structs.replace(gone, direct_micros=4, held={"a": Hold(T0)})
    closed = cut(late, TERMS, at(70_000))
    assert amounts(closed) == {"idle": -4}
    assert closed.span is not None
    assert closed.span.amount_micros == 0


def test_entries_are_of_the_day_that_ends() -> None:
    midnight_ms = (day_of(T0) + 1) * DAY_MS
    closed = cut(started(Power.UP), TERMS, Moment(midnight_ms))
    assert closed.entries[0].day == day_of(T0)
    assert closed.entries[0].account == Account.IDLE


@given(st.integers(0, 10**9), st.lists(st.integers(0, 10**8), max_size=20))
def test_cuts_change_nothing(price: int, times: list[int]) -> None:
    carry, total = 0, 0
    for lasted_ms in times:
        amount, carry = rounded(carry, price, lasted_ms)
        total += amount
    assert total == charge_micros(price, sum(times))


POWERS = [
    Power.BOOTING,
    Power.UP,
    Power.DRAINING,
    Power.SUSPENDING,
    Power.SUSPENDED,
    Power.RESUMING,
    Power.DELETING,
]


@given(
    st.lists(st.tuples(st.sampled_from([*POWERS, "cut", "dear"]), st.integers(0, 10**7)), max_size=25),
    st.integers(0, 10**7),
)
def test_spans_of_a_run_sum_up_to_it(turns: list[tuple[Power | str, int]], step: int) -> None:
    """Whatever happens to a machine: amounts are price x time of each run, rounded once, and what the provider adds."""
    meter, terms, now_ms, spans = started(), TERMS, 0, []
    for kind, passed_ms in [*turns, (Power.GONE, step)]:
        now_ms += passed_ms
        if kind == "dear":
            terms = msgspec.structs.replace(terms, hour=terms.hour + 7)
        closed = (
            turn(meter, kind, terms, at(now_ms)) if isinstance(kind, Power) else cut(meter, terms, at(now_ms))
        )
        meter = closed.meter
        spans += [closed.span] if closed.span else []
        assert sum(one.amount_micros for one in closed.entries) == (
            closed.span.amount_micros if closed.span else 0
        )
    for run_ms in {span.run_ms for span in spans}:
        run = [span for span in spans if span.run_ms == run_ms]
        exact = sum(span.price_micros * span.counted_ms for span in run)
        assert sum(s.amount_micros - s.extra_micros for s in run) == charge_micros(exact, 1)
