"""The same use at other prices: by what slots do, with egress; what cannot be compared is said."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.model.machine import Machine
from penstock.model.rules import Billing, Charge, Pool, Rules
from penstock.model.states import Power
from penstock.model.units import MS_PER_HOUR, charge_micros
from penstock.policy.charging.fixed import share_micros, stored
from penstock.policy.charging.meters import Moment, begin, terms_of, turn
from penstock.reports.reprice import GB, Line, Shared, Unmapped, Use, charges_there, reprice, storage_there
from penstock.reports.tco import rounded

LINUX = ("linux",)


def pool(name: str, price: int, **about: object) -> Pool:
    values = {"provider": "ec2", "platforms": LINUX, "price_per_hour_micros": price} | about
    return Pool(name=name, **values)  # type: ignore[arg-type]


def used(hours: int = 100, **about: object) -> Use:
    values = {
        "pool": "burst",
        "platforms": LINUX,
        "running_ms": hours * MS_PER_HOUR,
        "machine_micros": 5,
    } | about
    return Use(**values)  # type: ignore[arg-type]


def one(use: Use, *pools: Pool, **mapping: str) -> Line:
    (line,) = reprice([use], Rules(pools=pools), mapping)
    return line


def test_hours_at_the_price_of_the_pool_of_that_name() -> None:
    line = one(used(), pool("other", 1), pool("burst", 300_000))
    assert (line.to, line.running, line.stopped, line.egress) == ("burst", 30_000_000, 0, 0)
    assert (line.there, line.then_micros, line.notes) == (30_000_000, 5, ())


def test_without_that_name_the_cheapest_that_serves_the_same() -> None:
    two = used(platforms=("linux", "mac"))
    pools = [
        pool("a", 1),
        pool("b", 9, platforms=("mac", "linux", "x")),
        pool("c", 12, platforms=("linux", "mac"), slots=2),
    ]
    assert one(two, *pools).to == "c"  # 6 for what a machine here does


def test_machines_that_do_more_are_needed_for_less_time() -> None:
    line = one(used(slots=2, speed=1.0), pool("burst", 600_000, slots=4, speed=1.5))
    assert line.running == 100 * 600_000 * Fraction(2, 4) / Fraction(3, 2)


def test_what_was_suspended_and_what_left() -> None:
    use = used(stopped_ms=10 * MS_PER_HOUR, egress_bytes=3 * GB // 2)
    line = one(use, pool("burst", 0, stopped_price_per_hour_micros=7, egress_per_gb_micros=80_000))
    assert (line.stopped, line.egress, line.there) == (70, 120_000, 120_070)


def test_nothing_there_serves_the_same() -> None:
    line = one(used(), pool("mac", 1, platforms=("mac",)))
    assert (line.to, line.there) == (None, None)
    assert line.notes == ("no pool there serves linux: say where it goes with --map",)
    assert (
        one(used(pool="gone", platforms=()), pool("mac", 1)).notes[0].startswith("it is no pool of this farm")
    )


def test_a_mapping_comes_first_and_names_what_is_there() -> None:
    pools = pool("burst", 1), pool("big", 2)
    assert one(used(), *pools, burst="big").to == "big"
    with pytest.raises(Unmapped, match="there is no pool bog in the other farm"):
        one(used(), *pools, burst="bog")
    with pytest.raises(Unmapped, match="pool brust was not used"):
        one(used(), *pools, brust="big")


def test_nobody_rents_machines_to_let_them_idle_all_year() -> None:
    rack = used(owned=True, slots=4, held_ms=80 * MS_PER_HOUR)
    rented = one(rack, pool("burst", 300_000, slots=2))
    assert rented.running == 40 * 300_000
    assert rented.notes[0].startswith("burst is owned: only the time that its slots were held")
    other = one(rack, pool("burst", 300_000, slots=2, provider="owned"))
    assert (other.running, other.notes) == (200 * 300_000, ())


def test_what_is_not_comparable_is_said() -> None:
    there = pool("burst", 1, provider="owned", egress_per_gb_micros=1)
    owned, resting, left = one(used(stopped_ms=1), there).notes
    assert owned.startswith("burst is owned: its machines cost the same")
    assert resting.startswith("burst does not suspend")
    assert left.startswith("bytes that left burst were not counted")
    assert (
        one(used(stopped_ms=1, egress_bytes=1), pool("burst", 1, stopped_price_per_hour_micros=0)).notes == ()
    )


@given(st.integers(0, 10**8), st.integers(0, 28), st.sampled_from([28, 29, 30]))
def test_charges_of_a_whole_month_are_the_charge(per_month: int, days: int, length: int) -> None:
    charges = [Charge(name="c", per_month_micros=per_month)]
    assert charges_there(charges, {length: length}) == per_month
    assert charges_there(charges, {length: days, 31: 31}) == per_month + Fraction(per_month * days, length)
    assert charges_there([], {31: 1}) == 0


def test_charges_and_storage_are_those_of_the_ledger() -> None:
    """The same formulas as what is metered here, but for the rounding of each day."""
    charges = [Charge(name="c", per_month_micros=258_000_000)]
    days = range(20_400, 20_431)
    metered = sum(share_micros(258_000_000, day) for day in days)
    assert abs(metered - charges_there(charges, {30: 10, 31: 21})) < 31 * 10**6
    entry = stored(123 * GB, 23_000, 20_400)[0]
    there = Rules(storage_per_gb_month_micros=23_000)
    assert rounded(storage_there(Shared(storage_byte_days=123 * GB), there)) == entry.amount_micros


@given(st.integers(0, 10**12), st.integers(0, 10**9), st.integers(1, 64), st.sampled_from([0.5, 1.0, 1.7]))
def test_the_same_farm_gives_the_same_price(running_ms: int, price: int, slots: int, speed: float) -> None:
    same = pool("burst", price, slots=slots, speed=speed)
    use = used(running_ms=running_ms, slots=slots, speed=speed)
    assert rounded(one(use, same).running) == charge_micros(price, running_ms)


def test_amounts_are_exact() -> None:
    line = one(used(hours=1), pool("burst", 1, slots=3))
    assert line.running == Fraction(1, 3)
    assert Decimal(rounded(line.running)) == 0


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [Power.BOOTING, Power.UP, Power.DRAINING, Power.SUSPENDING, Power.SUSPENDED, Power.RESUMING]
        ),
        st.integers(1, 10**8),
    ),
    min_size=1,
    max_size=20,
)


@given(STEPS, st.integers(0, 10**7), st.integers(0, 10**6))
def test_what_was_metered_costs_the_same_at_the_same_prices(
    steps: list[tuple[Power, int]], hour: int, stopped: int
) -> None:
    """But for what providers round up, and for a resume that was refused, which was not billed."""
    same = pool("burst", hour, stopped_price_per_hour_micros=stopped, billing=Billing(minimum_ms=60_000))
    terms, at = terms_of(same, hour, stopped), 0
    meter, spans = begin(Machine(id="m", name="m", pool="burst", power=Power.REQUESTED), terms, Moment(0)), []
    for power, lasted_ms in steps:
        if meter.power == Power.RESUMING and power == Power.SUSPENDED:
            continue
        at += lasted_ms
        closed = turn(meter, power, terms, Moment(at))
        spans.append(closed.span)
        meter = closed.meter
    kept = [span for span in spans if span]
    use = used(
        running_ms=sum(span.counted_ms for span in kept if span.power != Power.SUSPENDED),
        stopped_ms=sum(span.counted_ms for span in kept if span.power == Power.SUSPENDED),
    )
    there = one(use, same).there
    assert there is not None
    billed = sum(span.amount_micros - span.extra_micros for span in kept)
    assert abs(there - billed) <= len(kept)
