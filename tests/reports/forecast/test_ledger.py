"""The forecast from the days of a ledger, as a document."""

import datetime
from fractions import Fraction
from typing import Any

from penstock.model.rules import Season
from penstock.reports.forecast.calendar import number
from penstock.reports.forecast.ledger import Past, expected_days, expected_until, forecast_document

END = number(datetime.date(2026, 11, 2))
"""A Monday."""
M = 1_000_000
WEEK = [100 * M, 110 * M, 120 * M, 110 * M, 100 * M, 10 * M, 20 * M]


def past(days: int = 84, **others: Any) -> Past:
    """Weeks of `burst`, and a charge of 10 a day."""
    said = {
        "first": END - days,
        "end": END,
        "begun": END - days - 1,
        "amounts": {"burst": tuple((WEEK * 60)[-days:]), "(overhead)": (10 * M,) * days},
        "year": 5 * M,
    }
    return Past(**(said | others))


def asked(of: Past, *seasons: Season, window: int = 28) -> dict[str, Any]:
    return forecast_document(of, seasons, window, "USD")


def test_a_steady_farm() -> None:
    found = asked(past())
    assert found["formula"] == "run_rate_excl_retired"
    assert (found["data_through"], found["books_from"]) == ("2026-11-01", "2026-08-09")
    # 570 a week and 10 a day.
    assert found["rate_per_day"] == "91.428571"
    assert found["so_far"] == "7685.000000"
    # 60 days to 1 January: eight weeks and Monday to Thursday.
    assert found["this_year"]["expected"] == f"{7685 + 8 * 640 + 480}.000000"
    assert found["next_year"]["expected"] == f"{52 * 640 + 110}.000000"  # from a Friday to a Friday
    assert found["this_year"]["p10"] == found["this_year"]["p90"] == found["this_year"]["expected"]
    assert (found["shift"], found["unusual"], found["retired"]) == (None, [], [])
    assert found["weekdays"][0] == {"day": "Mon", "median": "110.000000", "deviation": "0.000000"}
    assert len(found["months"]) == 14
    assert (found["months"][0]["month"], found["months"][0]["days"]) == ("2026-11", 29)
    assert found["months"][-1]["month"] == "2027-12"
    assert found["block_days"] == 28


def test_months_and_years_agree() -> None:
    found = asked(past())
    months = [float(month["expected"]) for month in found["months"]]
    assert abs(sum(months[:2]) + 7685 - float(found["this_year"]["expected"])) < 1e-5
    assert abs(sum(months[2:]) - float(found["next_year"]["expected"])) < 1e-5


def test_what_is_retired_counts_as_it_was() -> None:
    found = asked(past(retired={"burst": "not in farm.toml any more"}))
    assert (found["rate_per_day"], found["so_far"]) == ("10.000000", "7685.000000")
    assert found["retired"] == [
        {"source": "burst", "why": "not in farm.toml any more", "in_window": "2280.000000"}
    ]
    alone = asked(past(amounts={"burst": (M,) * 84}, retired={"burst": "x"}))
    assert (alone["rate_per_day"], alone["this_year"]["p50"]) == ("0.000000", None)


def test_what_if_more_is_used_from_now_on() -> None:
    found = asked(past(times={"burst": Fraction(3, 2)}))
    assert found["so_far"] == "7685.000000"
    assert found["next_year"]["expected"] == f"{52 * (855 + 70) + 160}.000000"
    assert found["what_if"] == {"burst": 1.5}
    assert found["sources"] == [
        {"source": "(overhead)", "per_day": "10.000000", "is_retired": False},
        {"source": "burst", "per_day": "81.428571", "is_retired": False},
    ]


def test_a_freeze_to_come_and_one_that_was() -> None:
    coming = Season(name="freeze", start="2026-11-02", until="2026-11-08", factor_ppm=2 * M)
    found = asked(past(), coming)
    assert found["this_year"]["expected"] == f"{7685 + 9 * 640 + 480}.000000"
    assert found["this_year"]["p50"] == found["this_year"]["expected"]
    assert found["calendar"] == [
        {"name": "freeze", "since": "2026-11-02", "until": "2026-11-08", "factor": 2.0}
    ]
    was = Season(name="freeze", start="2026-10-05", until="2026-11-01", factor_ppm=2 * M)
    assert asked(past(), was)["rate_per_day"] == "45.714286"
    gone = Season(name="old", start="2020-10-05", until="2020-11-01", factor_ppm=2 * M)
    assert asked(past(), gone)["calendar"] == []


def test_this_year_is_what_the_whole_days_of_it_cost() -> None:
    first = number(datetime.date(2025, 12, 25))
    found = asked(past(first=first, end=first + 14, amounts={"a": (M,) * 14}, year=0, begun=first))
    # 1 to 7 January.
    assert found["so_far"] == "7.000000"
    new_year = asked(past(first=first, end=first + 7, amounts={"a": (M,) * 7}, year=0, begun=first))
    assert new_year["so_far"] == "0.000000"
    assert new_year["this_year"]["expected"] == "365.000000"


def test_a_new_farm_has_no_band_and_no_weekdays() -> None:
    found = asked(past(days=5, begun=END - 5, year=0))
    assert (found["window_days"], found["weekdays"], found["block_days"]) == (5, [], None)
    assert found["this_year"]["expected"] is not None
    assert found["this_year"]["p10"] is None
    unknown = "\n".join(found["unknown"])
    for told in ("how far this may be off", "how weekdays differ", "before 2026-10-28: the books begin then"):
        assert told in unknown
    old = asked(past(begun=number(datetime.date(2020, 1, 1)), notes=("a note",)))
    assert "books begin" not in "\n".join(old["unknown"])
    assert old["unknown"][-1] == "a note"


def test_without_a_whole_day_everything_is_unknown() -> None:
    found = asked(past(first=END, amounts={}, notes=("a note",)))
    assert list(found) == list(asked(past()))
    assert (found["rate_per_day"], found["this_year"]["expected"], found["data_through"]) == (
        None,
        None,
        None,
    )
    assert found["unknown"] == ["everything: no whole day is entered yet", "a note"]
    assert asked(past(amounts={}))["rate_per_day"] == "0.000000"


def test_a_new_level_is_named() -> None:
    amounts = {"burst": tuple(M * (10 if day < 70 else 40) + day for day in range(84))}
    found = asked(past(amounts=amounts))
    assert found["shift"]["since"] == "2026-10-19"
    assert found["shift"]["in_window"] is True
    assert asked(past(amounts=amounts), window=14)["shift"]["in_window"] is False


def test_unusual_days_of_the_window_are_named() -> None:
    amounts = list(past().amounts["burst"])
    amounts[-1] = 500 * M
    found = asked(past(amounts={"burst": tuple(amounts)}))
    assert found["unusual"] == [{"date": "2026-11-01", "amount": "500.000000", "usual": "20.000000"}]


def test_a_window_of_weekdays_that_cost_nothing() -> None:
    amounts = {
        "burst": tuple([0] * 5 + [0, 0] if week < 11 else [0] * 5 + [7 * M, 7 * M] for week in range(12))
    }
    flat = {"burst": tuple(amount for week in amounts["burst"] for amount in week)}
    found = asked(past(amounts=flat), window=2)
    # The medians are nothing, so the days to come are alike.
    assert found["rate_per_day"] == "7.000000"
    assert found["next_year"]["expected"] == f"{7 * 365}.000000"
    weekend = {"burst": tuple((0 if day % 7 in (5, 6) else 7 * M) for day in range(84))}
    assert asked(past(amounts=weekend), window=2)["rate_per_day"] == "0.000000"


def test_what_is_expected_until_a_day() -> None:
    seasons = [Season(name="freeze", start="2026-11-02", until="2026-11-02", factor_ppm=2 * M)]
    assert expected_until(past(), seasons, 28, END + 7) == 640 * M + 110 * M
    assert expected_until(past(), seasons, 28, END - 7) == 0


def test_days_to_come_are_their_sum() -> None:
    days = expected_days(past(), (), 28, END + 20)
    assert days[:7] == [amount + 10 * M for amount in WEEK]
    assert abs(sum(days) - expected_until(past(), (), 28, END + 20)) <= 20
    assert expected_days(past(), (), 28, END - 3) == []
