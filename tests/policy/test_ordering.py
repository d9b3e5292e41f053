"""The queue has one order, and keys that are shared have one producer."""

import msgspec
from farms import spec

from penstock.model.job import Job
from penstock.model.states import JobState
from penstock.policy.ordering import order_key, rank_of, shared_rank, successor

JOB = Job(id="b-1", build="b", name="zlib:build", spec=spec("zlib"), state=JobState.QUEUED)


def job(name: str, rank: int = 0, ready_ms: int = 0) -> Job:
    return msgspec.structs.replace(JOB, id=name, rank=rank, ready_ms=ready_ms)


def test_priority_goes_before_age_and_age_before_the_id() -> None:
    jobs = [job("d", 1, 0), job("c", 0, 2), job("b", 0, 1), job("a", 0, 2)]
    assert [one.id for one in sorted(jobs, key=order_key)] == ["b", "a", "c", "d"]


def test_a_higher_priority_is_a_lower_rank() -> None:
    assert rank_of(5) < rank_of(0) < rank_of(-5)


def test_a_producer_goes_as_early_as_the_first_that_waits_for_it() -> None:
    assert shared_rank(job("p", 3), [job("w", 1), job("v", 2)]) == 1
    assert shared_rank(job("p", 0), [job("w", 1)]) == 0
    assert shared_rank(job("p", 0), []) == 0


def test_the_first_in_the_queue_takes_over() -> None:
    chosen = successor([job("w", 1), job("v", 0, 5), job("u", 0, 4)])
    assert chosen is not None
    assert chosen.id == "u"
    assert successor([]) is None
