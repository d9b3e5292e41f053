"""Parts of a workload: halves by time, rows with the needs that are among them."""

from simulated import workload

from penstock.model.parts import halves, rows

HISTORY = workload(
    [{"at_s": at, "runs_s": at + 1, "name": f"n{at}"} for at in (0, 1, 5, 6, 10)], [[], [0], [1], [2, 0], [3]]
)


def test_halves_are_of_the_time_not_of_the_jobs() -> None:
    first, second = halves(HISTORY)
    assert (first.ids, second.ids) == (["j0", "j1"], ["j2", "j3", "j4"])
    assert list(second.duration_ms) == [6_000, 7_000, 11_000]
    assert [second.names[n] for n in second.name] == ["n5", "n6", "n10"]


def test_needs_that_are_not_among_the_rows_are_left_out() -> None:
    first, second = halves(HISTORY)
    assert (list(first.needs_from), list(first.needs)) == ([0, 0, 1], [0])
    assert (list(second.needs_from), list(second.needs)) == ([0, 0, 1, 2], [0, 1])


def test_a_part_without_needs_has_none() -> None:
    part = rows(HISTORY, 0, 1)
    assert (len(part.needs_from), len(part.needs), part.jobs) == (0, 0, 1)
    alone = workload([{"at_s": 0, "runs_s": 1}, {"at_s": 9, "runs_s": 1}])
    assert [half.jobs for half in halves(alone)] == [1, 1]


def test_nothing_has_two_halves_of_nothing() -> None:
    assert [half.jobs for half in halves(workload([]))] == [0, 0]
