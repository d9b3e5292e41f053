"""Sorting on the sheet, and sequences on seats: every planned start in time, whatever is put where."""

from hypothesis import given
from hypothesis import strategies as st

from penstock.policy.capacity import blank, seats
from penstock.policy.capacity import columns as c
from penstock.policy.capacity import sheet as on

NOW_MS = 1000


def fresh() -> c.Table:
    sheet = blank.empty(c.Shape(1, 1, 1, 1, 1, 1, 1), 1).scratch
    on.begin(sheet, 0, NOW_MS)
    seats.clear(sheet)
    sheet[on.FRAME][on.SEQUENCE_MOST] = 12
    sheet[on.ALLOWED][0] = 1
    return sheet


@given(st.lists(st.integers(-5, 60), max_size=200))
def test_rank_is_a_stable_sort(keys: list[int]) -> None:
    sheet = fresh()
    for row, key in enumerate(keys):
        sheet[on.KEY][row], sheet[on.ORDER][row] = key, row
    on.rank(sheet, len(keys))
    assert list(sheet[on.ORDER][: len(keys)]) == sorted(range(len(keys)), key=lambda row: keys[row])


def starts(sheet: c.Table, seat: int) -> dict[int, int]:
    """The planned start of each job on the seat."""
    found, free_ms, extra_ms = {}, sheet[on.FREE_MS][seat], sheet[on.EXTRA_MS][seat]
    place = sheet[on.FIRST][seat]
    while place >= 0:
        found[place] = free_ms
        free_ms += seats.span_ms(sheet[on.WORK_MS][place], sheet[on.SPEED_PPM][seat]) + extra_ms
        extra_ms = 0
        place = sheet[on.NEXT][place]
    if found:
        assert sheet[on.LOAD_MS][seat] == free_ms
        assert sheet[on.FIRM_MS][seat] <= free_ms
    firm = [place for place in found if sheet[on.DUE_MS][place] < on.ENDLESS_MS]
    if firm:
        assert sheet[on.SLACK_MS][seat] == sheet[on.DUE_MS][firm[-1]] - found[firm[-1]]
    return found


JOBS = st.lists(st.tuples(st.integers(1, 900), st.integers(0, 1500)), max_size=30)
LANES = st.lists(
    st.tuples(
        st.integers(0, 600), st.sampled_from([0, 0, 300]), st.sampled_from([1_000_000, 700_000, 1_300_000])
    ),
    min_size=1,
    max_size=4,
)


@given(JOBS, LANES, st.booleans())
def test_every_planned_start_is_in_time_and_what_fits_nowhere_is_left(jobs, lanes, first_fit: bool) -> None:  # type: ignore[no-untyped-def]
    sheet = fresh()
    for free_ms, extra_ms, speed in lanes:
        seat = seats.add(sheet, 0, 0, NOW_MS + free_ms)
        sheet[on.EXTRA_MS][seat] = extra_ms
        seats.pace(sheet, seat, speed)
    for place, (work_ms, slack_ms) in enumerate(jobs):
        sheet[on.WORK_MS][place] = work_ms
        sheet[on.DUE_MS][place] = NOW_MS + slack_ms if slack_ms < 1300 else on.ENDLESS_MS
        before = [starts(sheet, seat) for seat in range(len(lanes))]
        seat = seats.first_fit(sheet, place, 0) if first_fit else seats.least_loaded(sheet, place)
        after = [starts(sheet, seat) for seat in range(len(lanes))]
        for planned in after:
            assert all(start_ms <= sheet[on.DUE_MS][job] for job, start_ms in planned.items())
            assert len(planned) <= 12
        if seat < 0:
            assert after == before
            assert all(not fits(sheet, seat, place) for seat in range(len(lanes)))
        else:
            assert place in after[seat]
            assert sum(map(len, after)) == sum(map(len, before)) + 1
    for seat in range(len(lanes)):
        planned = starts(sheet, seat)
        for place in planned:
            sheet[on.LATEST_MS][place] = sheet[on.DUE_MS][place]
        if planned:
            assert seats.slack_ms(sheet, seat) == min(
                sheet[on.DUE_MS][job] - at for job, at in planned.items()
            )


def fits(sheet: c.Table, seat: int, place: int) -> bool:
    """Whether some order by deadline has the job in time, found by trying."""
    jobs = sorted(
        [*starts(sheet, seat), place], key=lambda job: (sheet[on.DUE_MS][job], sheet[on.WORK_MS][job], job)
    )
    free_ms, extra_ms = sheet[on.FREE_MS][seat], sheet[on.EXTRA_MS][seat]
    for job in jobs:
        if free_ms > sheet[on.DUE_MS][job]:
            return False
        free_ms += seats.span_ms(sheet[on.WORK_MS][job], sheet[on.SPEED_PPM][seat]) + extra_ms
        extra_ms = 0
    return len(jobs) <= 12


def test_seats_that_a_job_may_not_have_are_passed_over() -> None:
    sheet = fresh()
    for _ in range(2):
        seats.add(sheet, 0, 1, NOW_MS)
    sheet[on.DUE_MS][0] = NOW_MS + 5
    assert seats.first_fit(sheet, 0, 0) == seats.least_loaded(sheet, 0) == -1
    sheet[on.ALLOWED][1] = 1
    sheet[on.SEAT_CORES][0] = sheet[on.SEAT_MEMORY_MB][1] = 1
    sheet[on.FRAME][on.NEED_CORES] = sheet[on.FRAME][on.NEED_MEMORY_MB] = 2
    assert seats.first_fit(sheet, 0, 0) == seats.least_loaded(sheet, 0) == -1
    sheet[on.SEAT_CORES][0] = 2
    assert seats.first_fit(sheet, 0, 0) == 0


def test_an_empty_seat_is_one_that_nothing_is_planned_on() -> None:
    sheet = fresh()
    for place in range(3):
        sheet[on.WORK_MS][place], sheet[on.DUE_MS][place] = 100, NOW_MS + 500
    for _ in range(2):
        seats.add(sheet, 0, 0, NOW_MS)
    assert seats.first_fit(sheet, 0, 0) == 0
    assert [seats.empty_fit(sheet, place) for place in (1, 2)] == [1, -1]


def test_lanes_of_one_machine_fill_evenly() -> None:
    sheet = fresh()
    for behind in range(3):
        sheet[on.BLOCK][seats.add(sheet, 0, 0, NOW_MS)] = 3 - behind
    for place in range(6):
        sheet[on.WORK_MS][place], sheet[on.DUE_MS][place] = 100, NOW_MS + 500
    assert [seats.first_fit(sheet, place, 0) for place in range(6)] == [0, 1, 2, 0, 1, 2]


def test_a_decision_is_woken_by_the_next_moment_only() -> None:
    sheet = fresh()
    for moment_ms in (NOW_MS, NOW_MS - 1, NOW_MS + 9, NOW_MS + 5, NOW_MS + 7):
        on.wake_at(sheet, moment_ms)
    assert sheet[on.FRAME][on.WAKE_MS] == NOW_MS + 5
