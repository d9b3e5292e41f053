"""Spans on grids: means and maxima agree with counting moment by moment."""

from hypothesis import given
from hypothesis import strategies as st
from simulated import T0, outcome

from penstock.reports import load
from penstock.reports.load import Grid

JOBS = [(0, 0, 10, 10, 0), (0, 10, 30, 20, 0), (5, 65, 95, 30, 1), (7, -1, -1, 0, 0)]
SPANS = st.lists(st.tuples(st.integers(-20, 60), st.integers(-20, 60)).map(lambda s: (min(s), max(s))))


@given(SPANS)
def test_means_and_maxima_are_those_of_every_moment(spans: list[load.Span]) -> None:
    cells = Grid(0, 10, 4)
    inside = [sum(start <= at < end for start, end in spans) for at in range(40)]
    parts = [inside[n : n + 10] for n in range(0, 40, 10)]
    means = [sum(part) / 10 for part in parts]
    assert all(abs(a - b) < 1e-9 for a, b in zip(load.mean_inside(spans, cells), means, strict=True))
    assert load.most_inside(spans, cells) == [max(part) for part in parts]


def test_a_grid_has_cells_that_can_be_named() -> None:
    hour = 3_600_000
    assert load.grid(T0, T0 + hour, 60).step_ms == 2 * 60_000
    assert load.grid(0, hour, 60) == Grid(0, 60_000, 60)
    assert load.grid(hour + 1, 25 * hour, 24) == Grid(hour, hour, 24)
    assert load.grid(5, 5, 10) == Grid(0, 60_000, 1)
    assert load.grid(0, 24 * hour, 24).moments()[1] == hour
    centuries = load.grid(0, 400 * 365 * 24 * hour, 100)
    assert centuries.cells <= 100
    assert centuries.ended_ms >= 400 * 365 * 24 * hour


def test_waiting_is_from_ready_to_start_and_running_the_attempt_that_ended_it() -> None:
    run = outcome(JOBS)
    assert load.waiting(run) == [(T0, T0 + 10_000), (T0 + 5_000, T0 + 65_000), (T0 + 7_000, T0 + 95_000)]
    assert load.waiting(run, [1]) == [(T0, T0 + 10_000)]
    assert load.running(run, [2, 3]) == [(T0 + 65_000, T0 + 95_000)]
    assert len(load.running(run)) == 3


def test_rows_are_grouped_and_those_of_no_group_left_out() -> None:
    assert load.rows_by([0, 2, -1, 0], 3) == [[0, 3], [], [1]]
