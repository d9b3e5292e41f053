"""Level, turn and rank: who goes first, and by how much what waits for a job moves it."""

import hypothesis.strategies as st
import msgspec
import pytest
from farms import spec
from hypothesis import given

from penstock.model.job import Job
from penstock.model.snapshot import ask_of
from penstock.model.states import JobState
from penstock.model.units import DAY_MS, MS_PER_HOUR
from penstock.policy.ordering import (
    CREDIT_S,
    PRIORITIES,
    credits_s,
    level_of,
    order_key,
    rank_of,
    shared_rank,
    successor,
    turn_of,
    turn_s,
)
from penstock.policy.planning import CLASSES

JOB = Job(id="b-1", build="b", name="zlib:build", spec=spec("zlib"), state=JobState.QUEUED)


def job(name: str, rank: int = 0, ready_ms: int = 0, own_rank: int = 0) -> Job:
    return msgspec.structs.replace(JOB, id=name, rank=rank, ready_ms=ready_ms, own_rank=own_rank)


def test_rank_goes_before_age_and_age_before_the_id() -> None:
    jobs = [job("d", 1, 0), job("c", 0, 2), job("b", 0, 1), job("a", 0, 2)]
    assert [one.id for one in sorted(jobs, key=order_key)] == ["b", "a", "c", "d"]


def test_classes_go_in_their_order_and_priorities_within_them() -> None:
    levels = [
        level_of(klass, priority) for klass in reversed(CLASSES) for priority in (9999, 5, 0, -5, -9999)
    ]
    assert levels == sorted(levels)
    assert len(set(levels)) == len(levels)
    assert level_of("change", 0) == 0
    assert level_of("change", 10**9) == level_of("change", PRIORITIES)
    assert level_of("unheard-of", 3) == level_of("change", 3)


LEVELS = st.builds(level_of, st.sampled_from(CLASSES), st.integers(-3000, 3000))
TURNS = st.integers(0, 2**33 - 1)


@given(LEVELS, TURNS, LEVELS, TURNS)
def test_no_turn_goes_before_a_level(level: int, turn: int, other: int, later: int) -> None:
    one, two = rank_of(level, turn), rank_of(other, later)
    assert (one < two) == ((level, turn) < (other, later))
    assert (ask_of(job("a", one)).level, turn_of(one)) == (level, turn)
    assert -(2**53) < one < 2**53  # every reader of JSON keeps it whole


def test_who_may_wait_less_has_its_turn_earlier() -> None:
    day, hour = turn_s(0, DAY_MS, 0), turn_s(0, MS_PER_HOUR, 0)
    assert (day, hour) == (6 * 3600 + CREDIT_S, 900 + CREDIT_S)
    assert turn_s(0, 90 * DAY_MS, 0) == day
    assert turn_s(5_000, DAY_MS, 60) == day + 5 - 60
    assert turn_s(0, 0, CREDIT_S) == 0


def test_a_long_path_counts_minutes_and_many_that_wait_seconds() -> None:
    chain = {"a": [], "b": ["a"], "c": ["b"], "test": ["a"]}
    assert credits_s(chain) == {"a": 122, "b": 61, "c": 0, "test": 0}
    wide: dict[str, list[str]] = {"base": []} | {f"m{n}": ["base"] for n in range(100)}
    assert credits_s(wide)["base"] == 60 + 59
    deep = {str(n): [str(n - 1)] if n else [] for n in range(100)}
    assert credits_s(deep)["0"] == 59 * 60 + 1
    assert max(credits_s(deep).values()) <= CREDIT_S
    assert credits_s({}) == {}


def test_a_producer_goes_as_early_as_the_first_that_waits_for_it() -> None:
    assert shared_rank(job("p", 3, own_rank=3), [job("w", 1), job("v", 2)]) == 1
    assert shared_rank(job("p", 0), [job("w", 1)]) == 0
    assert shared_rank(job("p", -7, own_rank=4), []) == 4


def test_the_first_in_the_queue_takes_over() -> None:
    chosen = successor([job("w", 1), job("v", 0, 5), job("u", 0, 4)])
    assert chosen is not None
    assert chosen.id == "u"
    assert successor([]) is None


@pytest.mark.parametrize("limit_ms", [0, 1000, DAY_MS, 30 * DAY_MS])
def test_of_one_level_only_those_of_a_part_of_a_day_can_go_before(limit_ms: int) -> None:
    """No starvation within a level: what is submitted later than this goes after."""
    mine = turn_s(0, DAY_MS, 0)
    assert turn_s(DAY_MS // 4 + 1000 * CREDIT_S + 1000, limit_ms, CREDIT_S) > mine
