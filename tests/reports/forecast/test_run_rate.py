"""A rate from two readings: QEMU's mail of June 2023, what it rules out, and statements that do not say enough."""

import datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.model.statement import Reading, Statement
from penstock.reports.forecast.figures import Unanswerable, decimal, later, nearest, new_year, plain
from penstock.reports.forecast.run_rate import exhausted_on, run_rate

D = Decimal
JUNE, LATE = datetime.date(2023, 6, 1), datetime.date(2023, 6, 28)


def reading(day: datetime.date, total: str, line: int = 0, **resource: str) -> Reading:
    return Reading(
        date=day,
        total=D(total),
        resource={name: D(amount) for name, amount in resource.items()},
        line=line,
    )


def statement(*readings: Reading, retired: tuple[str, ...] = ()) -> Statement:
    return Statement(currency="USD", readings=readings, retired=retired)


MAIL = statement(reading(JUNE, "2005", d2s="371"), reading(LATE, "2673", d2s="457"), retired=("d2s",))


def test_the_mail() -> None:
    found = run_rate(MAIL)
    assert found.formula == "run_rate_excl_retired"
    assert (found.window_days, found.days_left) == (27, 187)
    assert found.rate == Fraction(582, 27)
    assert decimal(found.rate, 4) == D("21.5556")
    assert decimal(found.this_year) == D("6703.89")
    assert decimal(found.next_year) == D("7867.78")


def test_with_what_is_retired_it_would_be_more() -> None:
    found = run_rate(MAIL, keep_retired=True)
    assert found.formula == "run_rate_incl_retired"
    assert decimal(found.this_year, 1) == D("7299.5")
    assert decimal(found.next_year, 1) == D("9030.4")


def test_without_anything_retired_there_is_nothing_to_keep() -> None:
    plain_one = statement(*MAIL.readings)
    assert run_rate(plain_one, keep_retired=True).formula == "run_rate_excl_retired"


def test_readings_are_moments_and_not_days() -> None:
    with pytest.raises(Unanswerable, match="27 days apart: 28 counts both of them") as wrong:
        run_rate(MAIL, window_days=28)
    assert wrong.value.instead == "ask for 27"


def test_the_window_ends_at_the_last_reading() -> None:
    more = statement(reading(datetime.date(2023, 5, 1), "1500", d2s="300"), *MAIL.readings, retired=("d2s",))
    assert run_rate(more).window_days == 27
    found = run_rate(more, window_days=58)
    assert found.rate == Fraction(2673 - 1500 - 157, 58)
    with pytest.raises(Unanswerable, match="no reading is 30 days before that of 2023-06-28") as wrong:
        run_rate(more, window_days=30)
    assert wrong.value.instead == "ask for one of: 27, 58"


def test_readings_were_rounded_when_they_were_written_down() -> None:
    bounds = run_rate(MAIL).bounds()
    # Four readings, half a unit each, over 27 days; the total itself counts twice for this year.
    assert bounds["rate_per_day"] == (Fraction(580, 27), Fraction(584, 27))
    assert [decimal(edge) for edge in bounds["this_year"]] == [D("6689.54"), D("6718.24")]
    assert [decimal(edge) for edge in bounds["next_year"]] == [D("7840.74"), D("7894.81")]
    exact = statement(reading(JUNE, "2005.00"), reading(LATE, "2673.00"))
    assert run_rate(exact).slack == Fraction(1, 100)


@pytest.mark.parametrize(
    ("readings", "told"),
    [
        ((reading(JUNE, "1"),), "one reading gives no rate"),
        ((reading(JUNE, "5"), reading(LATE, "4", 7)), "the total falls from 5 to 4"),
        (
            (reading(JUNE, "5"), reading(LATE, "9", 7, d2s="1")),
            "the reading of 2023-06-01 does not say what of it is the retired d2s",
        ),
        (
            (reading(JUNE, "5", d2s="1"), reading(LATE, "9", 7)),
            "the reading of 2023-06-28 does not say what of it is the retired d2s",
        ),
        ((reading(JUNE, "5", d2s="2"), reading(LATE, "9", 7, d2s="1")), "d2s falls from 2 to 1"),
        (
            (reading(JUNE, "5", d2s="1"), reading(LATE, "6", 7, d2s="5")),
            "what is retired rose by more than the total",
        ),
    ],
)
def test_what_a_statement_does_not_say_is_not_guessed(readings: tuple[Reading, ...], told: str) -> None:
    with pytest.raises(Unanswerable, match=told):
        run_rate(statement(*readings, retired=("d2s",)))


def test_parts_and_the_rest_add_up() -> None:
    found = run_rate(MAIL)
    gone, rest = found.parts
    assert (gone.name, gone.is_retired, gone.this_year, gone.next_year, gone.since) == (
        "d2s",
        True,
        457,
        0,
        None,
    )
    assert (rest.name, rest.used, rest.since) == ("(rest)", D(2216), datetime.date(2023, 3, 17))
    assert gone.this_year + rest.this_year == found.this_year


def test_a_part_may_have_been_put_right() -> None:
    found = run_rate(statement(reading(JUNE, "50", a="30"), reading(LATE, "77", a="3")))
    assert [(part.next_year, part.since) for part in found.parts if part.name == "a"] == [(-365, None)]


def test_no_rest_where_all_is_named() -> None:
    found = run_rate(statement(reading(JUNE, "50", a="50"), reading(LATE, "77", a="77")))
    assert [part.name for part in found.parts] == ["a"]


def test_a_credit_of_each_year() -> None:
    rate_10 = statement(reading(JUNE, "1000"), reading(LATE, "1270"))
    found = run_rate(rate_10)
    assert exhausted_on(found, D("1270"), is_yearly=True) == LATE
    assert exhausted_on(found, D("1274"), is_yearly=True) == datetime.date(2023, 6, 28)
    assert exhausted_on(found, D("1275"), is_yearly=True) == datetime.date(2023, 6, 29)
    assert exhausted_on(found, D("3500"), is_yearly=True) == datetime.date(2024, 1, 1) + datetime.timedelta(
        350
    )
    assert exhausted_on(found, D("3650"), is_yearly=True) is None


def test_a_credit_that_comes_once() -> None:
    found = run_rate(statement(reading(JUNE, "1000"), reading(LATE, "1270")))
    assert exhausted_on(found, D("5270"), is_yearly=False) == LATE + datetime.timedelta(400)
    assert exhausted_on(found, D("1000000"), is_yearly=False) is None


def test_what_costs_nothing_uses_nothing_up() -> None:
    found = run_rate(statement(reading(JUNE, "1000"), reading(LATE, "1000")))
    assert exhausted_on(found, D("1001"), is_yearly=False) is None
    assert found.parts[0].since is None


amounts = st.decimals(0, 10**6, places=4, allow_nan=False, allow_infinity=False)


@given(amounts, amounts, st.lists(st.tuples(amounts, amounts), max_size=4), st.integers(1, 400))
def test_parts_always_sum_up_to_the_whole(before: D, rise: D, parts: list[tuple[D, D]], days: int) -> None:
    first = {str(n): used for n, (used, _) in enumerate(parts)}
    last = {str(n): used + more for n, (used, more) in enumerate(parts)}
    until = JUNE + datetime.timedelta(days)
    readings = (
        Reading(date=JUNE, total=before + sum(first.values()), resource=first),
        Reading(date=until, total=before + rise + sum(last.values()), resource=last),
    )
    retired = ("0",) if parts else ()
    found = run_rate(statement(*readings, retired=retired))
    assert sum(part.this_year for part in found.parts) == found.this_year
    assert sum(part.next_year for part in found.parts) == found.next_year
    low, high = found.bounds()["this_year"]
    assert low <= found.this_year <= high


def test_figures_are_rounded_half_up() -> None:
    assert nearest(Fraction(475), 50) == 500
    assert nearest(Fraction(-475), 50) == -500
    assert nearest(Fraction(474), 50) == 450
    assert (decimal(Fraction(1, 3)), decimal(Fraction(-1, 200)), decimal(Fraction(-1, 201))) == (
        D("0.33"),
        D("-0.01"),
        D("0.00"),
    )
    assert str(decimal(Fraction(-1, 300))) == "0.00"
    assert [str(plain(D(text))) for text in ("2.500", "50", "1E+3", "100.00")] == ["2.5", "50", "1000", "100"]


def test_days_are_rounded_to_the_nearest() -> None:
    assert new_year(LATE) == datetime.date(2024, 1, 1)
    assert later(JUNE, Fraction(29, 20)) == datetime.date(2023, 6, 2)
    assert later(JUNE, Fraction(3, 2)) == datetime.date(2023, 6, 3)
    assert later(JUNE, Fraction(-(10**9))) is None
