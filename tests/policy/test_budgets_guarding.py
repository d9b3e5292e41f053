"""States of guards: what fires when, what a person may do, and that nothing goes to and fro."""

import json
from decimal import Decimal

import msgspec
import pytest
from guards import HOUR_MS, figure, guard, rules
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.model.curb import Figure
from penstock.model.ledger import Guarding
from penstock.model.rules import Guard, Rules
from penstock.model.states import GUARD, GuardState, NotAllowed
from penstock.policy.budgets.crossing import condition, read, watched
from penstock.policy.budgets.guarding import IN_FORCE, approved, decide, due_ms, undone

S = GuardState
CAP = guard("notify:infra", "cap:burst=3")


class Guarded:
    """One farm's guards under a clock."""

    def __init__(self, *guards: Guard, **changes: object) -> None:
        self.rules: Rules = rules(*guards, **changes)
        self.rows: dict[str, Guarding] = {}
        self.now_ms = 1000
        self.alerts: list[str] = []

    def __call__(self, *figures: Figure, hours: float = 0) -> list[GuardState]:
        """So much later, with these figures: the states that were come to."""
        self.now_ms += int(hours * HOUR_MS)
        turns = decide(self.rules, self.rows, {one.budget: one for one in figures}, self.now_ms)
        for turn in turns:
            self.rows[turn.after.name] = turn.after
            self.alerts += turn.alerts
        return [turn.after.state for turn in turns]

    @property
    def row(self) -> Guarding:
        return self.rows["g"]


def test_a_forecast_that_stays_above_for_so_long_fires() -> None:
    farm = Guarded(CAP)
    assert farm(figure(95)) == []
    assert farm(figure(95.1)) == [S.ARMED]
    assert farm(figure(96), hours=47.9) == []
    assert farm.row.fired_ms == 0
    assert farm(figure(97), hours=0.1) == [S.ACTIVE]
    assert (farm.row.since_ms, farm.row.fired_ms) == (farm.now_ms, farm.now_ms)
    assert farm.row.reason == "the forecast of credit is 97.00 of 100.00 USD, 97.0 % (the limit is 95 %)"
    assert json.loads(farm.row.figures)["forecast"] == "97"
    assert farm.alerts == ["infra"]
    assert farm(figure(99), hours=1) == []


def test_it_is_disarmed_when_the_forecast_falls_in_time_and_counts_anew() -> None:
    farm = Guarded(CAP)
    farm(figure(96))
    assert farm(figure(94), hours=47) == [S.STANDBY]
    assert farm(figure(96), hours=2) == [S.ARMED]
    assert farm(figure(96), hours=47) == []
    assert farm.alerts == []


def test_it_cools_down_and_what_it_does_stays_in_force_until_then() -> None:
    farm = Guarded(CAP)
    farm(figure(96))
    farm(figure(96), hours=48)
    fired_ms = farm.row.fired_ms
    assert farm(figure(90), hours=1) == [S.COOLING]
    assert farm(figure(96), hours=23) == [S.ACTIVE]
    assert farm(figure(90), hours=1) == [S.COOLING]
    assert farm.row.fired_ms == fired_ms
    assert farm(figure(90), hours=23.9) == []
    assert farm(figure(90), hours=0.1) == [S.STANDBY]
    assert (farm.row.fired_ms, farm.row.period) == (0, "")
    assert farm.alerts == ["infra", "infra"]


def test_without_hold_and_cooldown_it_goes_all_the_way_at_once() -> None:
    farm = Guarded(guard("frozen", hold_ms=0, cooldown_ms=0))
    assert farm(figure(96)) == [S.ARMED, S.ACTIVE]
    assert farm(figure(90)) == [S.COOLING, S.STANDBY]


def test_what_is_not_known_changes_nothing() -> None:
    farm = Guarded(CAP, budgets=())
    assert farm() == []
    assert farm(figure(None, used=99)) == []
    farm(figure(96))
    assert farm(hours=100) == []
    assert farm.row.state == S.ARMED


def test_one_that_asks_does_nothing_before_a_person_says_yes() -> None:
    farm = Guarded(guard("notify:infra", "owned_only", approval="manual", hold_ms=0))
    assert farm(figure(96)) == [S.ARMED, S.PENDING]
    assert farm(figure(96), hours=500) == []
    assert (farm.row.fired_ms, farm.alerts) == (0, ["infra"])
    farm.rows["g"] = approved(farm.row, "ann", farm.now_ms)
    assert (farm.row.state, farm.row.approved_by, farm.row.fired_ms) == (S.ACTIVE, "ann", farm.now_ms)
    assert farm(figure(90), hours=1) == [S.COOLING]
    assert farm.row.approved_by == "ann"
    assert farm(figure(90), hours=24) == [S.STANDBY]
    assert farm.row.approved_by == ""


def test_a_question_that_nobody_answered_in_time_is_taken_back() -> None:
    farm = Guarded(guard("owned_only", approval="manual", hold_ms=0))
    farm(figure(96))
    assert farm(figure(90)) == [S.STANDBY]


def test_nobody_approves_what_does_not_ask_or_takes_back_what_stands_by() -> None:
    row = Guarding(name="g")
    with pytest.raises(NotAllowed):
        approved(row, "ann", 1)
    with pytest.raises(NotAllowed):
        undone(row, "ann", "", 1)


@pytest.mark.parametrize("hours", [0, 48])
def test_what_a_person_took_back_stays_so_until_the_period_ends(hours: int) -> None:
    farm = Guarded(CAP)
    farm(figure(96))
    farm(figure(96), hours=hours)
    farm.rows["g"] = undone(farm.row, "ann", "release week", farm.now_ms)
    assert farm.row.reason == "ann took it back until its period ends: release week"
    assert (farm.row.state, farm.row.fired_ms) == (S.STANDBY, 0)
    assert farm(figure(400), hours=1000) == []
    assert farm(hours=1) == []
    assert farm(figure(96, period="2024-01-01")) == [S.STANDBY, S.ARMED]
    assert not farm.row.undone
    assert farm.row.period == "credit 2024-01-01"


def test_a_guard_that_was_taken_back_can_be_let_act_again() -> None:
    farm = Guarded(CAP)
    farm(figure(96))
    farm.rows["g"] = undone(farm.row, "ann", "", farm.now_ms)
    farm.rows["g"] = approved(farm.row, "ben", farm.now_ms)
    assert farm.row.reason == "ben lets it act again"
    assert farm(figure(96)) == [S.ARMED]


def test_a_new_period_ends_all_that_was_in_force() -> None:
    farm = Guarded(CAP)
    farm(figure(96))
    farm(figure(96), hours=48)
    assert farm(figure(10, period="2024-01-01"), hours=1) == [S.STANDBY]
    assert farm.row.reason == "a new period has begun"
    farm(figure(96, period="2024-01-01"))
    farm(figure(96, period="2024-01-01"), hours=48)
    assert farm.row.state == S.ACTIVE
    farm.rules = rules(CAP, grants=())
    assert farm() == [S.STANDBY]


def test_the_worst_of_all_that_is_watched_counts() -> None:
    plain = rules(CAP)
    assert watched(CAP, plain) == ("credit", "month")
    assert watched(guard("frozen", budget="minutes"), plain) == ("minutes",)
    seen = {
        "credit": figure(50),
        "month": figure(80, name="month"),
        "minutes": figure(900, name="minutes"),
    }
    reading = read(CAP, plain, seen)
    assert reading is not None
    assert (reading.figure.budget, reading.percent, reading.crossed) == ("month", Decimal(80), False)
    actual = read(guard("frozen", when="actual>0.5 %"), plain, {"credit": figure(None, used=0.6)})
    assert actual is not None
    assert actual.crossed
    assert actual.said() == "use of credit is 0.60 of 100.00 USD, 0.6 % (the limit is 0.5 %)"


def test_of_nothing_anything_is_too_much() -> None:
    none = read(CAP, rules(CAP), {"credit": figure(0, amount=0)})
    some = read(CAP, rules(CAP), {"credit": figure(0.01, amount=0)})
    assert none is not None
    assert some is not None
    assert (none.crossed, some.crossed) == (False, True)


def test_limits_are_read_as_they_are_written() -> None:
    assert condition("forecast > 95%") == ("forecast", Decimal(95))
    assert condition("actual>99.5 %") == ("actual", Decimal("99.5"))


def test_when_time_alone_moves_it_on() -> None:
    rows = {state: Guarding(name="g", state=state, since_ms=5) for state in S}
    found = {state: due_ms(guard("frozen", hold_ms=10, cooldown_ms=20), row) for state, row in rows.items()}
    assert found == {S.STANDBY: None, S.ARMED: 15, S.PENDING: None, S.ACTIVE: None, S.COOLING: 25}


STEPS = st.tuples(
    st.integers(0, 60),  # hours that pass
    st.sampled_from([None, 10, 94, 95, 96, 300]),  # the forecast
    st.sampled_from(["wait", "wait", "wait", "approve", "undo", "period"]),
)


@given(
    hold=st.integers(0, 50),
    cooldown=st.integers(0, 50),
    approval=st.sampled_from(["auto", "manual"]),
    steps=st.lists(STEPS, max_size=40),
)
@settings(max_examples=300, deadline=None)
def test_no_guard_goes_to_and_fro(
    hold: int, cooldown: int, approval: str, steps: list[tuple[int, float | None, str]]
) -> None:
    """In any order of figures and of what people do: each step is in the table, none is made twice, what is in force has
    a reason and stays so for its cooldown, what was taken back stays so for its period, what asks does nothing."""
    one = guard("frozen", hold_ms=hold * HOUR_MS, cooldown_ms=cooldown * HOUR_MS, approval=approval)
    farm, year = Guarded(one, budgets=()), 2023
    farm.rows["g"] = Guarding(name="g")
    high_since: int | None = None
    low_since: int | None = None
    for hours, forecast, does in steps:
        year += does == "period"
        before = farm.row
        seen = () if forecast is None else (figure(forecast, period=f"{year}-01-01"),)
        states = farm(*seen, hours=hours)
        assert len(states) == len(set(states)) or before.period != farm.row.period
        at = before.state
        for state in states:
            assert GUARD.allows(at, state) or (at == state == S.STANDBY)
            at = state
        assert (farm.row.fired_ms > 0) == (farm.row.state in IN_FORCE)
        again = farm.row
        assert farm(*seen) == []
        assert farm.row == again
        if forecast is not None:
            high_since = (high_since or farm.now_ms) if forecast > 95 else None
            low_since = (low_since or farm.now_ms) if forecast <= 95 else None
        begun = before.state not in IN_FORCE and farm.row.state in IN_FORCE
        if begun:
            assert approval == "auto"
            assert high_since is not None
            assert farm.now_ms - before.since_ms >= hold * HOUR_MS or hold == 0
        same_period = before.period in ("", farm.row.period) or farm.row.period == ""
        ended = before.state in IN_FORCE and farm.row.state == S.STANDBY
        if ended and farm.row.reason != "a new period has begun" and same_period:
            assert low_since is not None
            assert cooldown == 0 or farm.now_ms - before.since_ms >= cooldown * HOUR_MS
        if before.undone and does != "period":
            assert farm.row.undone or farm.row.reason != before.reason
        if does == "approve" and (farm.row.state == S.PENDING or farm.row.undone):
            farm.rows["g"] = approved(farm.row, "ann", farm.now_ms)
        if does == "undo" and farm.row.state != S.STANDBY:
            farm.rows["g"] = msgspec.structs.replace(undone(farm.row, "ben", "", farm.now_ms))
            assert farm(*seen, hours=1000) == []
