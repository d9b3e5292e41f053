"""Attempts, fixed charges, storage and egress, and what all of it is added up to."""

from calendar import monthrange
from datetime import date

import msgspec
import pytest
from conformance import samples

from penstock.model.job import Attempt, Output, Usage
from penstock.model.ledger import Account, BuildCost, Entry, Footprint, Hold, Meter, Tally
from penstock.model.rules import Charge
from penstock.model.states import AttemptState, Power
from penstock.model.units import DAY_MS, Size
from penstock.policy.charging import fixed, sums
from penstock.policy.charging.attempts import About, enter, slot_ms, so_far

T0 = 1_700_000_000_000
PRICE = 400_000
ABOUT = About(
    job="j", build="b", project="qt", branch="main", name="zlib:build", platform="linux", klass="change"
)


def attempt(state: AttemptState = AttemptState.RUNNING, **changes: object) -> Attempt:
    live = state in (AttemptState.OFFERED, AttemptState.RUNNING)
    values = {"price_per_hour_micros": PRICE, "offered_ms": T0, "live": live, "settled": str(state).isupper()}
    return samples.attempt("a", state=state, **(values | changes))


def meter(**changes: object) -> Meter:
    values: dict[str, object] = {
        "machine": "m",
        "pool": "p",
        "power": Power.UP,
        "since_ms": T0,
        "price_micros": PRICE,
    }
    return Meter(**(values | {"slots": 2, "held": {"a": Hold(T0)}} | changes))  # type: ignore[arg-type]


class TestAttempts:
    def test_one_that_runs_costs_what_it_held_so_far(self) -> None:
        assert so_far(attempt(), 2, T0 + 3_600_000) == (200_000, 3_600_000)
        assert so_far(attempt(), 2, T0 - 5) == (0, 0)

    def test_one_that_ended_costs_all_of_it_from_then_on(self) -> None:
        ended = attempt(AttemptState.FINISHING, ended_ms=T0 + 60_000, cost_micros=3_000)
        assert so_far(ended, 2, T0 + 60_000) == (3_000, 60_000)
        assert so_far(ended, 2, T0 + 18_000) == (1_000, 18_000)
        assert so_far(ended, 2, T0 + 59_999) == (3_000, 59_999), "never more than it came to"

    def test_time_is_what_was_measured_where_that_is_longer(self) -> None:
        assert slot_ms(attempt(ended_ms=T0 + 50, usage=Usage(held_ms=70))) == 70
        assert slot_ms(attempt(ended_ms=T0 - 50)) == 0

    def test_pieces_and_the_last_entry_sum_up_to_the_cost(self) -> None:
        piece, after = enter(meter(), attempt(), ABOUT, T0 + 3_600_000)
        assert (piece.amount_micros, piece.quantity, piece.final, piece.outcome) == (
            200_000,
            3_600_000,
            False,
            "",
        )
        assert after.held == {"a": Hold(T0, 200_000, 3_600_000)}
        assert (after.direct_micros, after.direct_ms) == (200_000, 1_800_000)
        ended = attempt(AttemptState.FAILED, ended_ms=T0 + 5_400_000, cost_micros=300_001)
        last, after = enter(after, ended, ABOUT, T0 + 5_500_000, final=True)
        assert (last.amount_micros, last.quantity, last.final, last.outcome) == (
            100_001,
            1_800_000,
            True,
            "FAILED",
        )
        assert (after.held, after.direct_micros) == ({}, 300_001)
        assert (last.account, last.machine, last.span_ms, last.project, last.branch) == (
            Account.DIRECT,
            "m",
            T0,
            "qt",
            "main",
        )

    def test_a_clock_that_went_back_makes_no_negative_time(self) -> None:
        _, after = enter(meter(), attempt(), ABOUT, T0 + 3_600_000)
        last, _ = enter(
            after,
            attempt(AttemptState.LOST, ended_ms=T0 + 9, cost_micros=1),
            ABOUT,
            T0 + 3_600_000,
            final=True,
        )
        assert (last.amount_micros, last.quantity) == (1 - 200_000, 0)


class TestByTheDay:
    @pytest.mark.parametrize("month", [(2024, 2), (2023, 2), (2026, 11), (2026, 12)])
    def test_shares_of_a_month_sum_up_to_the_charge(self, month: tuple[int, int]) -> None:
        first = (date(*month, 1) - date(1970, 1, 1)).days
        days = [fixed.share_micros(73_000_001, first + n) for n in range(monthrange(*month)[1])]
        assert sum(days) == 73_000_001
        assert max(days) - min(days) <= 1

    def test_a_charge_is_an_entry_a_day(self) -> None:
        (entry,) = fixed.charged(
            [Charge(name="control plane", per_month_micros=30_000_000, pool="burst")], 20_409
        )
        assert (entry.account, entry.amount_micros, entry.what, entry.pool) == (
            Account.OVERHEAD, 1_000_000, "control plane", "burst",
        )  # fmt: skip
        assert (entry.day, entry.at_ms) == (20_409, 20_410 * DAY_MS)

    def test_storage_costs_by_the_gb_and_month(self) -> None:
        (entry,) = fixed.stored(487 * 10**9, 23_000, 5)
        assert (entry.amount_micros, entry.quantity, entry.unit) == (16 * 23_000, 487 * 10**9, "byte")
        assert fixed.stored(10**12, 0, 5) == []

    def test_what_leaves_a_pool_costs_by_the_gb(self) -> None:
        ended = attempt(log_bytes=500_000_000, outputs=(Output("tree", "d", 1_500_000_000),))
        direct = enter(meter(), attempt(AttemptState.PASSED), ABOUT, T0, final=True)[0]
        (entry,) = fixed.sent(direct, ended, 90_000)
        assert (entry.account, entry.amount_micros, entry.quantity, entry.project) == (
            Account.EGRESS, 180_000, 2_000_000_000, "qt",
        )  # fmt: skip
        assert (entry.machine, entry.span_ms, entry.final) == ("", 0, False)
        assert fixed.sent(direct, ended, 0) == []
        assert fixed.sent(direct, attempt(), 90_000) == []


class TestSums:
    def test_entries_that_agree_are_one_tally(self) -> None:
        entry = Entry(
            day=7,
            at_ms=1,
            account=Account.DIRECT,
            amount_micros=5,
            quantity=3,
            project="qt",
            outcome="PASSED",
        )
        one = sums.tallied(None, entry)
        two = sums.tallied(one, entry)
        assert (two.amount_micros, two.quantity, two.count) == (10, 6, 2)
        assert sums.key_of(entry) == (7, "qt", "", "", "", Account.DIRECT, "PASSED")
        assert isinstance(two, Tally)

    def test_a_build_pays_for_its_failures_and_for_what_the_farm_lost(self) -> None:
        cost = BuildCost(build="b", day=7)
        for state in (
            AttemptState.PASSED,
            AttemptState.FAILED,
            AttemptState.PREEMPTED,
            AttemptState.CANCELLED,
        ):
            cost = sums.spent(cost, attempt(state, cost_micros=10))
        assert (cost.amount_micros, cost.passed_micros, cost.lost_micros, cost.dropped_micros, cost.attempts) == (
            40, 10, 10, 10, 4,
        )  # fmt: skip

    def test_steps_are_of_five_per_cent(self) -> None:
        for amount in (1, 2, 20, 21, 22, 1000, 123_456):
            step = sums.step_of(amount)
            assert 21**step <= amount * 20**step < amount * 20 ** (step + 1)
            assert 1.05**step <= amount < 1.05 ** (step + 1)
        assert sums.step_of(0) == 0

    def test_what_was_used_stands_beside_what_was_asked(self) -> None:
        before = Footprint(day=7, project="", name="zlib:build", platform="linux")
        job = samples.job(spec=msgspec.structs.replace(samples.SPEC, size=Size(4, 8192)))
        used = Usage(wall_ms=10_000, cpu_ms=21_000, memory_peak_mb=100)
        once = sums.trodden(before, job, attempt(usage=used, cost_micros=9), 12_000)
        twice = sums.trodden(once, job, attempt(usage=used), 1)
        assert (twice.asked_cores, twice.asked_memory_mb, twice.attempts, twice.held_ms) == (
            4,
            8192,
            2,
            12_001,
        )
        assert twice.memory == {str(sums.step_of(100)): 2}
        assert twice.cores == {str(sums.step_of(2100)): 2}
        assert twice.amount_micros == 9

    @pytest.mark.parametrize("usage", [Usage(wall_ms=5), Usage(cpu_ms=5)])
    def test_what_was_not_measured_is_not_counted(self, usage: Usage) -> None:
        before = Footprint(day=7, project="", name="zlib:build", platform="linux")
        after = sums.trodden(before, samples.job(), attempt(usage=usage), 0)
        assert (after.attempts, after.memory, after.cores) == (1, {}, {})


def test_entries_of_machines_say_which_offer_they_are_of() -> None:
    def offer(account: Account, what: str) -> str:
        return Entry(day=1, at_ms=1, account=account, amount_micros=1, what=what).offer

    assert offer(Account.IDLE, "offer large east-1") == offer(
        Account.LIFECYCLE, "rounding, offer large east-1"
    )
    assert offer(Account.DIRECT, "offer large east-1") == "large east-1"
    assert (offer(Account.LIFECYCLE, "rounding"), offer(Account.OVERHEAD, "offer of the year")) == ("", "")
