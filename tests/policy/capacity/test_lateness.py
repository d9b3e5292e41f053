"""The lateness that a promise leaves: when the guard is on, and what is spent on what."""

from capacityfarm import ALONE, HOUR_MS, OWNED, RENTED, Town, farm

from penstock.policy.capacity import changes, lateness, orders, reasons, seats
from penstock.policy.capacity import columns as c
from penstock.policy.capacity import sheet as on


def test_the_guard_is_on_where_one_late_job_more_would_break_the_promise() -> None:
    made = farm([OWNED])
    made.islands[c.ISLAND_SEEN][0] = 100
    made.islands[c.ISLAND_LATE][0] = 3
    assert not lateness.guarded(made, 0)
    made.islands[c.ISLAND_LATE_PENDING][0] = 1
    assert lateness.guarded(made, 0)
    made.rules[c.RULE_PROMISE_PPM] = 1_000_000
    made.islands[c.ISLAND_LATE][0] = made.islands[c.ISLAND_LATE_PENDING][0] = 0
    assert lateness.guarded(made, 0)


def asked(made: c.Farm, works_ms: list[int], machine: int = -1) -> int:
    """Jobs that wait and are planned one behind the other on one machine that could be ordered. Returns the group."""
    sheet = made.scratch
    on.begin(sheet, 0, HOUR_MS)
    seats.clear(sheet)
    sheet[on.FRAME][on.SEQUENCE_MOST] = 12
    seat = seats.add(sheet, machine, 1, HOUR_MS)
    sheet[on.GROUP_MACHINE][0], sheet[on.GROUP_POOL][0], sheet[on.GROUP_FROM][0] = machine, 1, seat
    for place, work_ms in enumerate(works_ms):
        job = made.islands[c.ISLAND_SEEN][0] % 100
        changes.arrived(made, job, HOUR_MS)
        sheet[on.JOB][place], sheet[on.WORK_MS][place] = job, work_ms
        sheet[on.DUE_MS][place] = HOUR_MS * 9
        assert seats.put(sheet, seat, place)
    return 0


def spending(**rules: int) -> c.Farm:
    made = farm([OWNED, RENTED], **({"RULE_SPEND": 1} | rules))
    made.islands[c.ISLAND_SEEN][0] = 1000
    return made


def test_nothing_is_spent_where_that_is_not_said_or_waiting_has_a_price_or_nothing_is_left() -> None:
    for rules in ({"RULE_SPEND": 0}, {"RULE_WAIT_PRICE": 1}, {"RULE_PROMISE_PPM": 995_000}):
        made = spending(**rules)
        assert not lateness.spend(made, 0, asked(made, [600_000]), 1)


def test_the_dearest_machine_so_far_is_let_go_and_its_jobs_may_be_late() -> None:
    made = spending()
    assert lateness.spend(made, 0, asked(made, [600_000, 600_000]), 2)
    assert made.islands[c.ISLAND_LATE_PENDING][0] == 2
    assert made.jobs[c.JOB_DUE_MS][0] == HOUR_MS + 8 * 900_000
    assert made.scratch[on.MARK][0] == on.LATE


def test_what_is_cheaper_than_others_lately_is_not_let_go_while_little_is_left() -> None:
    made = spending()
    changes.owned(made, 0, HOUR_MS)
    made.islands[c.ISLAND_LATE][0] = 44
    made.islands[c.ISLAND_ASKED][0] = 900
    for _ in range(50):
        lateness._insert(made, 0, 800_000)
    assert not lateness.spend(made, 0, asked(made, [600_000]), 1)
    assert not lateness.spend(made, 0, 0, 1), "each job is asked about once"
    assert lateness.spend(made, 0, asked(made, [900_000]), 1)
    assert not lateness.spend(made, 0, asked(made, [900_000]), 1), "45 are late, and the budget is 45.1"


def test_without_owned_machines_the_work_has_to_be_paid_anyway() -> None:
    made = farm([OWNED, {**RENTED, c.POOL_COLD_MS: 7_000}], RULE_SPEND=1)
    price = lateness._price_ms(made, 0, asked(made, [600_000]))
    assert price == 90_000 + 7_000 + RENTED[c.POOL_STOP_MS] // 10
    changes.owned(made, 0, HOUR_MS)
    assert lateness._price_ms(made, 0, asked(made, [600_000])) == price + 600_000
    machine = changes.boot(made, 1, HOUR_MS, reasons.LEAST)
    assert lateness._price_ms(made, 0, asked(made, [600_000], machine)) == price + 600_000 - 45_000
    made.machines[c.MACHINE_STARTS][machine] = 1
    made.pools[c.POOL_STOP_MS][1] = c.NEVER_MS
    assert lateness._price_ms(made, 0, asked(made, [600_000], machine)) == 645_000


def test_the_last_thousand_prices_are_kept_sorted() -> None:
    made = farm([OWNED])
    told = [(at * 7919) % 1009 for at in range(2500)]
    for price in told:
        kept = lateness._insert(made, 0, price)
    assert kept == c.PRICES_KEPT
    assert list(made.prices[0]) == sorted(told[-1000:])


def test_the_guard_orders_for_jobs_that_would_wait_behind_one_that_runs() -> None:
    def at_the_last_moment(late: int) -> int:
        town = Town([ALONE])
        town.know(400)
        town.come(400)
        town.until(town.now_ms + 905_000)
        town.farm.islands[c.ISLAND_LATE][0] = late
        town.come(400)
        town.until(town.now_ms + 400_000)
        return len(town.acts(c.BOOT))

    assert at_the_last_moment(0) == 1
    town = Town([ALONE])
    town.know(850)
    town.come(850)
    town.until(town.now_ms + 900_000)
    town.come(850)
    town.farm.islands[c.ISLAND_LATE][0] = 2
    town.until(town.now_ms + 849_000)
    assert len(town.acts(c.BOOT)) == 2
    town = Town([ALONE])
    town.know(850)
    town.come(850)
    town.until(town.now_ms + 900_000)
    town.come(850)
    town.until(town.now_ms + 849_000)
    assert len(town.acts(c.BOOT)) == 1


def test_a_suspended_machine_is_relied_on_by_one_job_and_kept_for_it() -> None:
    def behind(count: int) -> Town:
        town = Town([OWNED, RENTED], owned=2)
        town.know(860, times=20)
        town.know(3000, times=11)
        machine = changes.boot(town.farm, 1, town.now_ms, reasons.LEAST)
        changes.up(town.farm, machine, town.now_ms)
        changes.suspend(town.farm, machine, town.now_ms, reasons.LEAST)
        changes.suspended(town.farm, machine, town.now_ms)
        town.come(860, count=2)
        town.come(860, count=count)
        town.until(town.now_ms + 808_999)
        town.farm.machines[c.MACHINE_GONE_MS][machine] = town.now_ms + 20_000
        town.farm.islands[c.ISLAND_TIMER_MS][0] = 0
        town.until(town.now_ms + 2 * HOUR_MS)
        return town

    one, two = behind(1), behind(2)
    assert max(one.waits_s()) == max(two.waits_s()) == 860
    assert [len(town.acts(c.BOOT)) for town in (one, two)] == [0, 1]
    assert [moment for moment, _ in one.acts(c.RESUME)] == [1_900_000 - 46_000], (
        "it was still there when it was needed"
    )


def test_with_the_guard_on_a_suspended_machine_counts_as_one_that_must_boot() -> None:
    town = Town([RENTED])
    town.come(60)
    town.until(town.now_ms + 1_200_000)
    town.farm.islands[c.ISLAND_LATE][0] = 1
    again_ms = town.now_ms
    town.come(60)
    town.until(again_ms + HOUR_MS)
    assert [moment for moment, _ in town.acts(c.RESUME)] == [again_ms + 899_000 - 90_000]


def test_the_mean_start_counts_boots_resumes_and_disks() -> None:
    made = farm([RENTED])
    assert orders.start_ms(made, 0, 0) == 90_000
    made.islands[c.ISLAND_BOOTS][0], made.islands[c.ISLAND_RESUMES][0] = 1, 2
    assert orders.start_ms(made, 0, 0) == (2 * 90_000 + 2 * 45_000) // 4
    made.islands[c.ISLAND_HELD_MS][0] = 4 * RENTED[c.POOL_PRICE] * 1000
    assert orders.start_ms(made, 0, 0) == 67_500 + RENTED[c.POOL_STOPPED_PRICE] * 1000
