"""Who is served next: levels, shares, turns; nobody starves, and nothing is left idle."""

import itertools
from random import Random

import pytest
from virtual import Virtual, machine, queued

from penstock.model.snapshot import Snapshot, groups_of
from penstock.policy.line import SLICE_MS, Line, overdue, overdue_first

HOUR_MS = 3_600_000


def line_of(*jobs: object, now_ms: int = 0, **about: object) -> tuple[Line, Snapshot]:
    groups, _ = groups_of(jobs, now_ms)  # type: ignore[arg-type]
    snapshot = Snapshot(now_ms=now_ms, groups=groups, **about)  # type: ignore[arg-type]
    return Line(snapshot), snapshot


def served(line: Line) -> list[str]:
    names = []
    while first := line.first():
        names.append(first[1].job)
        line.served(first[0])
    return names


def test_classes_go_first_and_a_turn_within_them() -> None:
    line, _ = line_of(
        queued("nightly", klass="nightly"),
        queued("old"),
        queued("young", now_ms=60_000),
        queued("needed", now_ms=60_000, credit_s=90),
        queued("urgent", now_ms=60_000, priority=1),
        queued("release", now_ms=60_000, klass="release"),
    )
    assert served(line) == ["release", "urgent", "needed", "old", "young", "nightly"]


def test_of_one_level_who_holds_least_goes_first() -> None:
    jobs = [queued(f"{project}{n}", now_ms=n, project=project) for project in "ab" for n in range(3)]
    line, _ = line_of(*jobs, running={"a": 1})
    assert served(line) == ["b0", "a0", "b1", "a1", "b2", "a2"]
    line, _ = line_of(*jobs, shares={"b": 2})
    assert served(line) == ["a0", "b0", "b1", "a1", "b2", "a2"]


def test_a_higher_class_goes_first_whoever_holds_what() -> None:
    line, _ = line_of(queued("a", project="a", klass="release"), queued("b", project="b"), running={"a": 99})
    assert served(line) == ["a", "b"]


def test_what_a_project_has_kept_for_it_counts_as_held() -> None:
    jobs = [queued("big", project="a", cores=9), queued("a", 1, project="a"), queued("b", 2, project="b")]
    line, _ = line_of(*jobs)
    number, first = line.first() or (0, None)
    assert first is not None
    assert first.job == "big"
    line.holds(number)
    line.passed_over(number)
    assert served(line) == ["b", "a"]


def test_who_gives_back_is_served_again() -> None:
    jobs = [queued(f"{project}{n}", now_ms=n, project=project) for project in "ab" for n in range(2)]
    line, _ = line_of(*jobs, queued("c", project="a", klass="try"), running={"a": 1})
    line.gives_back("a", 2)
    assert served(line) == ["a0", "b0", "a1", "b1", "c"]
    line.gives_back("a", 1)
    assert line.first() is None


def test_those_left_are_named_in_order() -> None:
    line, _ = line_of(queued("a", klass="try"), queued("b"), queued("c", now_ms=9))
    first = line.first()
    assert first is not None
    line.served(first[0])
    assert [head.job for head in line.rest()] == ["c", "a"]
    line.passed_over(first[0])
    assert [head.job for head in line.rest()] == ["a"]


def test_one_half_hour_of_eight_is_for_the_overdue() -> None:
    moments = [n * SLICE_MS for n in range(16)]
    assert [n for n, moment in enumerate(moments) if overdue_first(moment)] == [7, 15]
    job = queued("a")
    assert not overdue(job.rank, 6 * HOUR_MS)
    assert overdue(job.rank, 8 * HOUR_MS)


@pytest.mark.parametrize(
    ("now_ms", "order"),
    [
        (15 * SLICE_MS, ["old try", "try", "old", "new", "new try"]),
        (16 * SLICE_MS, ["old", "new", "old try", "try", "new try"]),
    ],
)
def test_then_the_longest_overdue_goes_first(now_ms: int, order: list[str]) -> None:
    """The two that are overdue in one group go one after the other; who is not overdue waits as always."""
    line, _ = line_of(
        queued("new", now_ms=now_ms),
        queued("old", now_ms=2000),
        queued("old try", klass="try"),
        queued("try", now_ms=1000, klass="try"),
        queued("new try", now_ms=now_ms, klass="try"),
        now_ms=now_ms,
    )
    assert served(line) == order


# In words: what holds however long the queue is


def flood(farm: Virtual, project: str, chance: Random, **about: object) -> None:
    """Keep eight jobs of a project in the queue."""
    numbers = itertools.count(len(farm.started) + len(farm.queue))
    while sum(job.project == project for job in farm.queue.values()) < 8:
        name = f"{project}{next(numbers):06}"
        if name not in farm.started and name not in farm.queue:
            job = queued(name, now_ms=farm.now_ms, project=project, **about)
            farm.add(job, chance.randint(1, 1000) * 600)


@pytest.mark.parametrize("shares", [{}, {"a": 3}, {"a": 5, "b": 2, "c": 1}])
def test_held_cores_come_to_the_shares_within_one_job(shares: dict[str, int]) -> None:
    """While all projects want more than there is, each holds its share, give or take one job."""
    chance = Random(1)
    farm = Virtual(*(machine(f"m{n}") for n in range(6)), shares=shares)
    for project in "abc":
        flood(farm, project, chance)
    farm.place()
    for number in farm.steps(600):
        for project in "abc":
            flood(farm, project, chance)
        parts = sum(shares.get(project, 1) for project in "abc")
        if number > 100:
            for project in "abc":
                assert abs(farm.held[project] - 24 * shares.get(project, 1) / parts) <= 1


def test_a_newcomer_has_its_share_after_as_many_ends_as_it_has_cores() -> None:
    chance = Random(2)
    farm = Virtual(machine("m1"), machine("m2"))
    flood(farm, "a", chance)
    farm.place()
    assert farm.held["a"] == 8
    flood(farm, "b", chance)
    for _ in farm.steps(8):
        flood(farm, "a", chance)
        if farm.held["b"] == 4:
            break
    assert (farm.held["a"], farm.held["b"]) == (4, 4)


def test_a_project_alone_gets_everything() -> None:
    farm = Virtual(machine("m1"), shares={"a": 1, "b": 100})
    flood(farm, "a", Random(3))
    farm.place()
    assert farm.held["a"] == 4


@pytest.mark.parametrize("share", [1, 5])
@pytest.mark.parametrize("seed", range(3))
def test_a_big_job_at_the_head_starts_under_a_stream_of_small_ones(seed: int, share: int) -> None:
    """What is kept for it stays kept: its machine is let run empty, whoever else holds how much. (Were it not
    counted as held, the others would fill the machine again and again: 486 ends instead of 29 have been seen.)"""
    chance = Random(seed)
    farm = Virtual(machine("m1"), machine("m2"), shares={"b": share})
    flood(farm, "a", chance)
    flood(farm, "b", chance)
    farm.place()
    farm.add(queued("big", now_ms=farm.now_ms, project="a", cores=4), 1000)
    for _ in farm.steps(60):
        flood(farm, "a", chance)
        flood(farm, "b", chance)
        if "big" in farm.started:
            break
    assert "big" in farm.started


@pytest.mark.parametrize("about", [{"klass": "nightly"}, {"klass": "nightly", "cores": 4}])
def test_every_job_starts_at_last(about: dict[str, object]) -> None:
    """Though the queue is never empty of higher classes, what is overdue starts in the half-hour that it has,
    as long as attempts end within one: also a job that needs a whole machine."""
    chance = Random(4)
    farm = Virtual(machine("m1"), machine("m2"))
    farm.add(queued("poor", project="p", **about), 1000)
    flood(farm, "a", chance, klass="release")
    farm.place()
    flood(farm, "a", chance, klass="release")
    for _ in farm.steps(20_000):
        flood(farm, "a", chance, klass="release")
        if "poor" in farm.started:
            break
    # A quarter of its day, the minutes of its turn, and at most one round of slices.
    assert 6 * HOUR_MS < farm.started["poor"] < 12 * HOUR_MS
