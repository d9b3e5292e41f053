"""Where machines are ordered, and what the world says of orders."""

import pytest
from capacityfarm import ALONE, BOOT_MS, HOUR_MS, OWNED, PRICE, RENTED, SPOT, Town, farm

from penstock.policy.capacity import changes, offers, reasons
from penstock.policy.capacity import columns as c
from penstock.policy.capacity import sheet as on

MINUTE_MS = 60_000


def ordered(pools: list[dict[int, int]]) -> c.Farm:
    """A farm with one machine coming in pool 0."""
    made = farm(pools)
    on.begin(made.scratch, 0, HOUR_MS)
    assert changes.boot(made, 0, HOUR_MS, reasons.LEAST) >= 0
    return made


def test_an_offer_without_capacity_rests_for_longer_each_time_until_it_was_clean() -> None:
    made, now_ms = ordered([ALONE]), 20 * HOUR_MS
    pauses = []
    for _ in range(6):
        offers.refused(made, 0, offers.NO_CAPACITY, now_ms)
        pauses.append(made.pools[c.POOL_PAUSED_MS][0] - now_ms)
        now_ms = made.pools[c.POOL_PAUSED_MS][0]
    assert pauses == [180_000, 360_000, 720_000, 1_440_000, 1_800_000, 1_800_000]
    offers.refused(made, 0, offers.NO_CAPACITY, now_ms + 3 * HOUR_MS)
    assert made.pools[c.POOL_PAUSED_MS][0] == now_ms + 3 * HOUR_MS + 180_000


def test_quota_rests_for_a_quarter_of_an_hour_and_throttling_halves_the_orders_left() -> None:
    made = ordered([ALONE])
    offers.refused(made, 0, offers.NO_QUOTA, HOUR_MS)
    assert made.pools[c.POOL_PAUSED_MS][0] == HOUR_MS + 15 * MINUTE_MS
    made.pools[c.POOL_TOKENS][0] = 100
    offers.refused(made, 0, offers.THROTTLED, HOUR_MS)
    assert made.pools[c.POOL_TOKENS][0] == 50
    assert made.pools[c.POOL_PAUSED_MS][0] == HOUR_MS + 15 * MINUTE_MS, "the longer pause stands"


def crowd(made: c.Farm, now_ms: int) -> int:
    """An order is refused for a quota that others share. How long nothing is ordered then."""
    offers.refused(made, 0, offers.CROWDED, now_ms)
    return int(made.pools[c.POOL_PAUSED_MS][0]) - now_ms


def test_a_quota_that_frees_itself_is_tried_again_soon_and_ever_more_seldom() -> None:
    made, now_ms = ordered([ALONE]), HOUR_MS
    pauses = []
    for _ in range(7):
        pauses.append(crowd(made, now_ms))
        now_ms += pauses[-1]
    assert pauses == [30_000, 60_000, 120_000, 240_000, 480_000, 900_000, 900_000]
    offers.came(made, 0, now_ms)
    assert crowd(made, now_ms) == 30_000
    offers.refused(made, 0, offers.NO_CAPACITY, now_ms)
    assert made.pools[c.POOL_PAUSED_MS][0] == now_ms + 180_000, "no capacity is another trouble"
    offers.came(made, 0, now_ms)
    assert made.pools[c.POOL_PENALTY_MS][0] == 180_000


def test_the_machine_that_goes_makes_room_and_the_order_that_was_refused_does_not() -> None:
    made = ordered([ALONE])
    changes.up(made, 0, HOUR_MS)
    row = changes.boot(made, 0, HOUR_MS, reasons.LEAST)
    assert crowd(made, HOUR_MS) == 30_000
    changes.gone(made, row, HOUR_MS)
    assert made.pools[c.POOL_PAUSED_MS][0] == HOUR_MS + 30_000
    changes.gone(made, 0, HOUR_MS + 1_000)
    assert made.pools[c.POOL_PAUSED_MS][0] == HOUR_MS + 1_000
    assert crowd(made, HOUR_MS + 1_000) == 30_000


def test_room_ends_no_pause_that_is_for_something_else() -> None:
    made = ordered([ALONE])
    crowd(made, HOUR_MS)
    made.pools[c.POOL_PAUSED_MS][0] = HOUR_MS + 30 * MINUTE_MS
    offers.room(made, 0, HOUR_MS)
    assert made.pools[c.POOL_PAUSED_MS][0] == HOUR_MS + 30 * MINUTE_MS
    offers.room(made, 0, HOUR_MS + 30 * MINUTE_MS)
    assert made.pools[c.POOL_PAUSED_MS][0] == HOUR_MS + 30 * MINUTE_MS, "over is over"


def test_three_machines_in_a_row_that_do_not_come_close_an_offer_for_half_an_hour() -> None:
    made = ordered([ALONE])
    for _ in range(2):
        offers.failed(made, 0, HOUR_MS)
    offers.came(made, 0, HOUR_MS)
    for _ in range(2):
        offers.failed(made, 0, HOUR_MS)
    assert made.pools[c.POOL_PAUSED_MS][0] == 0
    offers.failed(made, 0, HOUR_MS)
    assert made.pools[c.POOL_PAUSED_MS][0] == HOUR_MS + 30 * MINUTE_MS
    assert made.islands[c.ISLAND_FAILED_MS][0] == HOUR_MS


def test_nothing_idle_is_given_up_while_machines_do_not_come() -> None:
    town = Town([ALONE])
    town.come(60)
    town.until(town.now_ms + 900_000)
    offers.failed(town.farm, 0, town.now_ms)
    failed_ms = town.now_ms
    town.until(town.now_ms + HOUR_MS)
    (given_up_ms,) = [moment for moment, _ in town.acts(c.DELETE)]
    assert failed_ms + 180_000 <= given_up_ms <= failed_ms + 240_000


def test_so_does_one_in_five_of_the_last_orders() -> None:
    made = ordered([ALONE])
    for at in range(24):
        offers.failed(made, 0, HOUR_MS) if at % 4 == 0 else offers.came(made, 0, HOUR_MS)
    assert made.pools[c.POOL_PAUSED_MS][0] == HOUR_MS + 30 * MINUTE_MS


def test_old_orders_count_less() -> None:
    made = ordered([ALONE])
    for _ in range(64):
        offers.came(made, 0, HOUR_MS)
    offers.failed(made, 0, HOUR_MS)
    assert made.pools[c.POOL_ORDERS][0] == 33
    assert made.pools[c.POOL_ORDERS_FAILED][0] == 1


def test_orders_are_given_at_a_rate() -> None:
    made = farm([ALONE])
    on.begin(made.scratch, 0, HOUR_MS)
    assert sum(offers.token(made, 0, HOUR_MS) for _ in range(1200)) == 1000
    assert made.scratch[on.FRAME][on.WAKE_MS] == HOUR_MS + 500
    assert sum(offers.token(made, 0, HOUR_MS + 10_000) for _ in range(1200)) == 20
    assert sum(offers.token(made, 0, HOUR_MS + 10_499) for _ in range(1200)) == 0


def test_a_job_waits_for_the_rate_of_orders() -> None:
    town = Town([RENTED])
    town.farm.pools[c.POOL_TOKENS_MS][0] = town.now_ms + 900_000
    town.come()
    town.until(town.now_ms + 900_000)
    assert town.farm.jobs[c.JOB_WHY][0] == reasons.RATE_OF_ORDERS
    town.until(town.now_ms + HOUR_MS)
    assert len(town.starts()) == 1


def test_the_cheapest_finished_job_wins_not_the_cheapest_hour() -> None:
    slow = {**ALONE, c.POOL_PRICE: PRICE * 6 // 10, c.POOL_SPEED_PPM: 500_000}
    assert pool_for([ALONE, slow], 600) == 0
    far = {**ALONE, c.POOL_PRICE: PRICE // 2, c.POOL_BOOT_MS: 3_000_000}
    assert pool_for([ALONE, far], 600) == 0
    assert pool_for([ALONE, far], 36_000) == 1


def test_machines_that_are_reclaimed_are_for_short_jobs() -> None:
    often = {**SPOT, c.POOL_PRICE: PRICE // 2, c.POOL_RECLAIM_PPM: 500_000}
    assert pool_for([ALONE, often], 600) == 1
    assert pool_for([ALONE, often], 6 * 3600) == 0
    assert offers.expected_cost(farm([often]), 0, 10**9) < offers.expected_cost(farm([often]), 0, 10**10)


def test_an_offer_whose_orders_failed_is_reckoned_dearer() -> None:
    made = farm([ALONE, {**ALONE, c.POOL_PRICE: PRICE + 1000}])
    assert choice(made, 600) == 0
    made.pools[c.POOL_ORDERS][0], made.pools[c.POOL_ORDERS_FAILED][0] = 10, 1
    assert choice(made, 600) == 1


def test_the_series_is_the_exponential() -> None:
    made = farm([{**ALONE, c.POOL_BOOT_MS: 0, c.POOL_PRICE: 1, c.POOL_RECLAIM_PPM: 1_000_000}])
    assert offers.expected_cost(made, 0, HOUR_MS) / HOUR_MS == pytest.approx(1.718281828459045)
    assert offers.expected_cost(made, 0, 10 * HOUR_MS) / HOUR_MS == pytest.approx(22025.465794806718)


def test_a_full_or_resting_offer_is_passed_over_in_the_same_decision() -> None:
    town = Town([{**ALONE, c.POOL_MOST: 1}, {**ALONE, c.POOL_PRICE: 2 * PRICE}])
    town.know(3600)
    town.come(3600, count=3)
    town.until(town.now_ms + HOUR_MS)
    pools = [town.farm.machines[c.MACHINE_POOL][machine] for _, machine in town.acts(c.BOOT)]
    assert sorted(pools) == [0, 1, 1]
    rest = Town([{**ALONE, c.POOL_PAUSED_MS: c.NEVER_MS}, {**ALONE, c.POOL_PRICE: 2 * PRICE}])
    rest.come()
    rest.until(rest.now_ms + HOUR_MS)
    assert [rest.farm.machines[c.MACHINE_POOL][machine] for _, machine in rest.acts(c.BOOT)] == [1]


def test_what_can_be_rented_nowhere_waits_until_a_pause_ends() -> None:
    town = Town([{**ALONE, c.POOL_PAUSED_MS: 4_000_000}])
    town.come()
    town.until(3_900_000)
    assert town.farm.jobs[c.JOB_WHY][0] == reasons.RENT_STOPPED
    assert not town.log
    town.until(4_000_000 + BOOT_MS)
    assert len(town.starts()) == 1


def test_pools_of_another_island_are_not_looked_at() -> None:
    town = Town([OWNED, ALONE, {**ALONE, c.POOL_PRICE: 1, c.POOL_ISLAND: 1}])
    town.come()
    town.until(town.now_ms + HOUR_MS)
    assert [town.farm.machines[c.MACHINE_POOL][machine] for _, machine in town.acts(c.BOOT)] == [1]


def test_a_suspended_machine_of_a_resting_offer_is_left_alone() -> None:
    town = Town([RENTED])
    town.come(60)
    town.until(town.now_ms + 1_200_000)
    assert town.count(c.STOPPED, 0) == 1
    town.farm.pools[c.POOL_PAUSED_MS][0] = c.NEVER_MS
    town.come(60)
    town.until(town.now_ms + 20 * MINUTE_MS)
    assert not town.acts(c.RESUME)


def choice(made: c.Farm, work_s: int) -> int:
    on.begin(made.scratch, 0, HOUR_MS)
    offers.allow(made, 0, 0)
    return offers.best(made, 0, work_s * 1000, False)


def pool_for(pools: list[dict[int, int]], work_s: int) -> int:
    """Where a new machine is ordered for a job of this length."""
    return choice(farm(pools), work_s)
