"""How far what was agreed is used, and what it comes to: by hand."""

from datetime import date
from decimal import Decimal

from guards import rules

from penstock.model.curb import Figure
from penstock.model.ledger import Account, Tally
from penstock.model.rules import Budget, Grant, Rules
from penstock.reports.agreed import Books, bands, figures, first_day
from penstock.reports.costs import day_number, day_text

TODAY = day_number(date(2023, 6, 28))
JUNE_1 = TODAY - 27
MICROS = 1_000_000


def tally(day: int, amount: int, pool: str = "burst", minutes: int = 0) -> Tally:
    return Tally(
        day=day,
        project="",
        platform="",
        pool=pool,
        klass="",
        account=Account.DIRECT,
        outcome="",
        amount_micros=amount * MICROS,
        quantity=minutes * 60_000,
    )


def seen(ruled: Rules, tallies: list[Tally], first: int = JUNE_1 - 40, end: int = TODAY) -> dict[str, Figure]:
    return figures(ruled, Books(tallies=tallies, first=first, end=end, today=TODAY))


def test_a_budget_goes_on_as_its_last_days_did() -> None:
    ruled = rules(grants=(), budgets=(Budget(name="month", amount=Decimal(100)),))
    month = seen(ruled, [tally(day, 2) for day in range(TODAY - 28, TODAY)])["month"]
    assert (month.period, month.amount, month.unit) == ("2023-06-01", Decimal(100), "USD")
    assert (month.used, month.forecast) == (Decimal(54), Decimal(60))
    more = seen(ruled, [tally(day, 2) for day in range(TODAY - 28, TODAY)] + [tally(TODAY, 9)])["month"]
    assert (more.used, more.forecast) == (Decimal(63), Decimal(63))


def test_a_year_and_pools_and_what_is_retired() -> None:
    year = Budget(name="year", amount=Decimal(1000), per="year", pools=("burst", "gone"))
    days = [tally(day, 1) for day in range(TODAY - 28, TODAY)]
    gone = [tally(TODAY - 5, 100, pool="gone")]
    others = [tally(day, 50, pool="own") for day in range(TODAY - 28, TODAY)]
    found = seen(rules(grants=(), budgets=(year,)), days + gone + others)["year"]
    assert found.period == "2023-01-01"
    assert (found.used, found.forecast) == (Decimal(128), Decimal(128 + 187))


def test_minutes_count_by_their_factor() -> None:
    shared = Budget(name="shared", amount=Decimal(400), unit="minutes", factor_ppm=500_000)
    found = seen(
        rules(grants=(), budgets=(shared,)), [tally(day, 7, minutes=20) for day in range(TODAY - 28, TODAY)]
    )["shared"]
    assert (found.used, found.forecast, found.unit) == (Decimal(270), Decimal(300), "minutes")


def test_without_a_whole_day_there_is_no_forecast() -> None:
    found = seen(rules(), [tally(TODAY, 3)], first=TODAY, end=TODAY)
    assert [(one.used, one.forecast) for one in found.values()] == [
        (Decimal(3), None),
        (Decimal(0), None),
        (Decimal(3), None),
    ]


def grant(name: str, first: str, last: str, pools: tuple[str, ...] = (), amount: int = 100) -> Grant:
    return Grant(name=name, amount=Decimal(amount), currency="USD", start=first, until=last, pools=pools)


def test_a_grant_pays_for_what_is_rented_and_can_be_used_beyond_its_amount() -> None:
    ruled = rules(grants=(grant("credit", "2023-06-01", "2023-07-07", amount=50),), budgets=())
    days = range(JUNE_1 - 3, TODAY)
    tallies = [tally(day, 2) for day in days] + [tally(day, 5, pool="own") for day in days]
    found = seen(ruled, tallies)["credit"]
    assert (found.used, found.forecast, found.period) == (Decimal(54), Decimal(74), "2023-06-01")


def test_what_another_grant_paid_is_not_this_ones() -> None:
    both = (grant("first", "2023-06-01", "2023-06-30", amount=20), grant("next", "2023-06-01", "2023-07-31"))
    found = seen(rules(grants=both, budgets=()), [tally(day, 2) for day in range(JUNE_1, TODAY)])
    assert found["first"].used == Decimal(20)
    assert found["next"].used == Decimal(34)


def test_a_grant_that_has_ended_or_not_begun_is_not_used() -> None:
    both = (grant("old", "2022-06-01", "2023-06-27"), grant("new", "2023-07-01", "2023-07-31"))
    found = seen(rules(grants=both, budgets=()), [tally(day, 2) for day in range(JUNE_1, TODAY)])
    assert (found["old"].used, found["old"].forecast, found["old"].period) == (Decimal(0), None, "ended")
    assert (found["new"].used, found["new"].forecast, found["new"].period) == (Decimal(0), None, "2023-07-01")


def test_days_before_a_grant_say_nothing_of_it() -> None:
    ruled = rules(grants=(grant("credit", "2023-06-26", "2023-07-07"),), budgets=())
    found = seen(ruled, [tally(day, 90) for day in range(JUNE_1, TODAY - 2)] + [tally(TODAY - 1, 4)])
    assert (found["credit"].used, found["credit"].forecast) == (Decimal(4), Decimal(4 + 20))


def test_from_which_day_on_all_must_be_known() -> None:
    ruled = rules(grants=(), budgets=())
    assert first_day(ruled, TODAY) == TODAY - 28
    assert day_text(first_day(rules(), TODAY)) == "2023-01-01"
    assert day_text(first_day(rules(grants=()), JUNE_1 + 40)) == "2023-06-13"


def test_how_far_a_forecast_may_be_off() -> None:
    """Of a budget that is used alike each day not at all; of one that is used by chance both edges lie about the forecast."""
    month, year = (
        Budget(name="month", amount=Decimal(100)),
        Budget(name="year", amount=Decimal(1), per="year"),
    )
    ruled = rules(grants=(), budgets=(month, year))
    days = range(TODAY - 56, TODAY)

    def edges(tallies: list[Tally], first: int, end: int = TODAY) -> dict[str, tuple[Decimal, Decimal]]:
        return bands(ruled, Books(tallies=tallies, first=first, end=end, today=TODAY))

    alike = [tally(day, 2) for day in days]
    assert edges(alike, days[0]) == {
        "month": (Decimal(60), Decimal(60)),
        "year": (Decimal(2 * (56 + 187)),) * 2,
    }
    odd = [tally(day, 3 + 40 * (day % 9 == 0) + day // 7 % 4) for day in days]
    low, high = edges(odd, days[0])["year"]
    forecast = seen(ruled, odd, first=days[0])["year"].forecast
    assert forecast is not None
    assert low < forecast < high
    assert edges(alike, TODAY - 27) == {}, "too few days"
    assert edges(alike, TODAY) == {}, "none"
    assert edges([], days[0]) == {}, "nothing was used"
    assert edges([*alike, tally(TODAY, 50)], days[0])["month"] == (Decimal(54 + 50),) * 2, (
        "more is used by now"
    )
