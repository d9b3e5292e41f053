"""Weekdays, calendars, changes of level and bands: each by itself, on days that are made up."""

import datetime

import pytest

from penstock.model.rules import Season
from penstock.reports.forecast.blocks import Horizon, bands, block_days
from penstock.reports.forecast.calendar import MILLION, date_of, factors_ppm, number, weekday
from penstock.reports.forecast.shifts import shift
from penstock.reports.forecast.weekdays import Usual, median, unusual, usual

MONDAY = number(datetime.date(2026, 1, 5))
WEEK = [100, 110, 120, 110, 100, 10, 20]


def test_days_have_numbers_and_weekdays() -> None:
    assert (weekday(MONDAY), weekday(MONDAY + 6), weekday(0)) == (0, 6, 3)
    assert date_of(MONDAY) == datetime.date(2026, 1, 5)


def test_seasons_that_overlap_are_multiplied() -> None:
    freeze = Season(name="freeze", start="2026-01-06", until="2026-01-08", factor_ppm=2 * MILLION)
    fair = Season(name="fair", start="2025-12-01", until="2026-01-06", factor_ppm=MILLION // 2)
    far = Season(name="far", start="2027-12-01", until="2028-01-06", factor_ppm=MILLION // 2)
    found = factors_ppm([freeze, fair, far], MONDAY, MONDAY + 5)
    assert [factor / MILLION for factor in found] == [0.5, 1, 2, 2, 1]


def test_the_middle() -> None:
    assert (median([5]), median([1, 9, 2]), median([1, 2, 4, 9]), median([1, 2])) == (5, 2, 3, 1)


def test_weekdays_differ() -> None:
    known = usual(WEEK * 8, MONDAY)
    assert known == Usual(tuple(WEEK), (0,) * 7)
    assert sum(known.shape()) == 7
    assert known.shape()[5] * 570 == 7 * 10


def test_only_the_last_eight_weeks_count_and_the_last_may_be_cut() -> None:
    known = usual([10_000] * 70 + WEEK * 8 + WEEK[:3], MONDAY + 3)
    assert known is not None
    assert known.medians == tuple(WEEK)


@pytest.mark.parametrize("days", [[0] * 28, [-1, 5, 5, 5, 5, 5, 5] * 4])
def test_where_days_cost_nothing_or_less_they_are_alike(days: list[int]) -> None:
    known = usual(days, MONDAY)
    assert known is not None
    assert known.shape() == (1,) * 7


def test_a_month_is_needed_to_tell_weekdays_apart() -> None:
    assert usual(WEEK * 3 + WEEK[:6], MONDAY) is None


def test_a_day_far_from_its_weekday_is_unusual() -> None:
    days = [day + 10 * (week % 2) for week in range(8) for day in WEEK]
    days[-7] = 500
    days[-2] = 40
    known = usual(days, MONDAY)
    assert known is not None
    assert unusual(days[-28:], MONDAY, known, floor=0) == [(MONDAY - 7, 500, 105)]
    assert unusual(days[-28:], MONDAY, known, floor=400) == []


def test_a_change_of_level_is_found() -> None:
    days = [value + 7 * (week % 3) for week in range(12) for value in WEEK]
    assert shift(days, MONDAY) is None
    days = days[:42] + [3 * value for value in days[42:]]
    found = shift(days, MONDAY)
    assert found is not None
    assert found.day == MONDAY - 42
    assert 2.8 < found.after / found.before < 3.2


def test_a_level_that_never_changes_has_no_change() -> None:
    assert shift(WEEK * 12, MONDAY) is None
    assert shift(WEEK * 7 + [0] * 6, MONDAY) is None


def ahead(days: int, *sums: tuple[int, int], factor: int = MILLION) -> Horizon:
    return Horizon([factor] * days, sums or ((0, days),))


def noisy(weeks: int) -> list[int]:
    return [value * (3 + week * week % 7) for week in range(weeks) for value in WEEK]


def test_days_that_repeat_have_a_band_of_one_value() -> None:
    assert bands(WEEK * 8, 28, ahead(365, (0, 7), (7, 365))) == [(570, 570, 570), (570 * 51 + 100,) * 3]


def test_a_band_is_the_same_each_time_and_has_a_width() -> None:
    found = bands(noisy(20), 28, ahead(91))
    assert found == bands(noisy(20), 28, ahead(91))
    assert found is not None
    [band] = found
    assert band.p10 < band.p50 < band.p90
    other = bands(noisy(20), 28, ahead(92))
    assert other is not None
    assert other[0] != band


def test_more_to_come_is_more_in_all_paths() -> None:
    once, twice = (bands(WEEK * 8, 28, ahead(28, factor=factor)) for factor in (MILLION, 2 * MILLION))
    assert (once, twice) == ([(4 * 570,) * 3], [(8 * 570,) * 3])


def test_a_window_need_not_be_whole_weeks() -> None:
    # Monday to Friday cost 540 a week, and these 5 days are the window.
    found = bands(WEEK * 8 + WEEK[:5], 5, ahead(2))
    assert found == [(30, 30, 30)]


def test_too_few_days_and_days_without_cost_have_no_band() -> None:
    assert bands(WEEK * 3, 21, ahead(7)) is None
    assert bands(WEEK * 4, 29, ahead(7)) is None
    assert bands([0] * 56, 28, ahead(7)) is None


def test_blocks_are_months_where_there_are_three_of_them() -> None:
    assert (block_days(83), block_days(84)) == (7, 28)
