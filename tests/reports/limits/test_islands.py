"""Limits of farms: which pools are one market, and what it is taken for."""

import numpy as np
import pytest
from markets import HOUR_MS, cheapest_now, span

from penstock.reports.limits import Aim, Jobs, Limit, LimitPool, limits
from penstock.reports.limits.islands import islands
from penstock.reports.limits.market import Rent

MINUTE = 60_000
AIM = Aim(15 * MINUTE)


def history(*jobs: tuple[int, int, int]) -> Jobs:
    """Jobs as (minute of submission, length in minutes, kind)."""
    table = np.array(jobs, dtype=np.int64).reshape(-1, 3)
    return Jobs(table[:, 0] * MINUTE, table[:, 1] * MINUTE, table[:, 2])


def pool(*takes: int, price: float = 1.0, **changed: float) -> LimitPool:
    """A rented pool at a price for a minute, two minutes to boot."""
    given = {"price_per_slot_ms": price / MINUTE, "boot_ms": 2 * MINUTE}
    return LimitPool(frozenset(takes), **(given | changed))  # type: ignore[arg-type]


def own(*takes: int, slots: int = 1, speed: float = 1.0) -> LimitPool:
    """An owned pool."""
    return LimitPool(frozenset(takes), owned=True, slots=slots, speed=speed)


def test_pools_that_share_a_kind_are_one_market() -> None:
    takes = [frozenset({1}), frozenset({2}), frozenset({3}), frozenset({2, 1}), frozenset[int]()]
    assert islands(takes) == [[0, 1, 3], [2], [4]]
    assert islands([]) == []


def test_without_owned_machines_it_is_exact() -> None:
    jobs = history((0, 10, 0), (1, 10, 1), (11, 5, 0))
    found = limits(jobs, [pool(0), pool(1, price=3.0)], AIM, waiting=False)
    # Kind 0: boots 2, works 15, a gap of 1. Kind 1: boots 2, works 10, at three times the price.
    assert found == Limit(pytest.approx(45), pytest.approx(18 + 36), "exact")


@pytest.mark.parametrize(
    "pools",
    [[pool(0), own(0)], [pool(0, cold_ms=MINUTE)], [pool(0), pool(0, price=2.0)]],
    ids=["owned", "cold", "two pools"],
)
def test_otherwise_it_is_a_bound(pools: list[LimitPool]) -> None:
    assert limits(history((0, 10, 0)), pools, AIM, waiting=False).kind == "bound"


def test_an_owned_pool_without_slots_is_none() -> None:
    assert limits(history((0, 10, 0)), [pool(0), own(0, slots=0)], AIM, waiting=False).kind == "exact"


def test_a_market_has_the_best_of_each_of_its_pools() -> None:
    dear = pool(0, price=3.0, boot_ms=MINUTE, resume_ms=0, stopped_per_slot_ms=0.5 / MINUTE, speed=2.0)
    cheap = pool(0, 1, cold_ms=5 * MINUTE)
    found = limits(history((0, 10, 0), (60, 10, 1)), [dear, cheap], AIM, waiting=False)
    # Price 1, boot 1, never cold, twice as fast: 5 minutes each, and a boot between, cheaper than half of 55.
    assert (found.work, found.zero_wait) == (pytest.approx(10), pytest.approx(12))


def test_the_fastest_machines_decide_what_is_above_the_owned_ones() -> None:
    jobs = history((0, 10, 0), (5, 10, 0))
    slow, fast = (limits(jobs, [pool(0), own(0, speed=speed)], AIM) for speed in (1.0, 2.0))
    assert slow.zero_wait == pytest.approx(5 + 2)
    assert fast == Limit(0, 0, "bound", pytest.approx(0, abs=1e-6), pytest.approx(0, abs=1e-6))
    assert slow.at_target == pytest.approx(0, abs=1e-6), "the second job can wait for the first"
    assert limits(jobs, [pool(0, speed=2.0), own(0)], AIM, waiting=False).zero_wait == 0


def test_markets_add_up_and_share_the_late_jobs() -> None:
    # Twenty jobs of a minute in each of two markets, all at once: each wants a machine of its own at least in part.
    jobs = history(*((0, 30, kind) for kind in (0, 1) for _ in range(20)))
    both = limits(jobs, [pool(0), pool(1)], Aim(0))
    one = limits(history(*((0, 30, 0) for _ in range(20))), [pool(0)], Aim(0))
    assert both.zero_wait == pytest.approx(2 * one.zero_wait) == pytest.approx(2 * 20 * 32)
    assert both.at_target == pytest.approx(both.zero_wait, rel=1e-3)
    assert both.at_target_share is not None
    assert one.at_target_share == pytest.approx(one.zero_wait, rel=1e-3), "late, but not after the promise"
    assert both.at_target_share <= both.at_target


def test_a_share_may_be_late() -> None:
    jobs = history(*((0, 30, 0) for _ in range(20)))
    found = limits(jobs, [pool(0)], Aim(5 * MINUTE))
    # One of the twenty follows another, and saves its boot.
    assert found.at_target == pytest.approx(20 * 32, rel=1e-3)
    assert found.at_target_share is not None
    assert 0.997 * 638 < found.at_target_share <= 638
    assert limits(jobs, [pool(0)], Aim(5 * MINUTE, share=1.0)).at_target_share == found.at_target


def test_waiting_has_its_price() -> None:
    jobs = history((0, 10, 0), (1, 10, 0))
    costs = [
        limits(jobs, [pool(0, boot_ms=10 * MINUTE)], Aim(15 * MINUTE, 1.0, int(price * 60e6))).at_target
        for price in (0, 0.5, 5)
    ]
    # In turn, with one boot and 9 minutes of waiting, until a second boot is cheaper.
    assert costs == [pytest.approx(price, rel=2e-3) for price in (30, 34.5, 40)]
    assert HOUR_MS == 60 * MINUTE


def test_cold_jobs_when_nobody_waits() -> None:
    jobs = history((0, 100, 0), (700, 100, 0))
    cold = pool(0, boot_ms=90 * MINUTE, cold_ms=600 * MINUTE)
    true = cheapest_now(span((0, 100), (700, 100)), Rent(1.0, 90, 600))
    quick, full = (limits(jobs, [cold], AIM, waiting=waiting).zero_wait for waiting in (False, True))
    assert quick <= full <= true == 90 + 700 + 100
    assert full == pytest.approx(true, rel=1e-3)


def test_what_cannot_be_rented_costs_no_rent() -> None:
    assert limits(history(), [pool(0)], AIM) == Limit(0, 0, "exact", 0.0, 0.0)
    assert limits(history((0, 10, 0)), [own(0)], AIM) == Limit(0, 0, "exact", 0.0, 0.0)
    assert limits(history((0, 10, 7)), [pool(0)], AIM, waiting=False) == Limit(0, 0, "exact")
    assert limits(history((0, 10, 0)), [], AIM, waiting=False) == Limit(0, 0, "exact")
