"""A long queue is read in portions; what is decided, and in which order jobs start, is as if it had been read at once."""

import msgspec
import pytest
from farms import Agent, TestFarm, planned
from renting import Rented

from penstock.hub import capacityview, loop, queueview
from penstock.hub.steps import look
from penstock.model.job import Attempt, Job
from penstock.policy.capacity.view import Seen

JOBS = 12


@pytest.fixture(params=[2, 4, 1000], ids=["by two", "by four", "at once"])
def portion(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(queueview, "PAGE", 2)
    monkeypatch.setattr(loop, "PORTION", request.param)
    monkeypatch.setattr(capacityview, "MOST_WAITING", 4)
    return int(request.param)


def read(farm: TestFarm) -> int:
    """Passes until the whole queue is read. Each that leaves something rings for the next."""
    for passes in range(20):
        if farm.services.view.complete:
            return passes
        assert farm.bell.topics[-1] == "farm"
        farm.bell.topics.clear()
        farm.tick()
    raise AssertionError("the queue has no end")


def test_whoever_goes_first_starts_first_though_he_is_read_last(portion: int) -> None:
    farm = TestFarm()
    for number in range(JOBS):
        # what nobody can run is read, too; the last of all is the most urgent
        where = {"platform": "nowhere"} if number % 3 == 0 else {}
        farm.submit(f"c{number}", planned(f"m{number}", **where), priority=number)
    agent = Agent(farm, "m1")
    farm.restart()
    assert (len(farm.all(Attempt)) == 0) == (portion < JOBS)
    assert (read(farm) > 0) == (portion < JOBS)
    started = [farm.get(Job, work.job.id).name for work in agent.start()]
    assert started == ["m11:build", "m10:build"]


def looks(farm: TestFarm) -> list[Seen]:
    """The whole queue is read anew; what the capacity policy is told meanwhile."""
    told: list[Seen] = []
    farm.services.provisioner.told = lambda rows, seen: told.append(seen)
    farm.services.view.forget()
    farm.tick()
    read(farm)
    return told


def test_the_policy_is_told_when_as_much_was_read_as_it_looks_at(portion: int) -> None:
    farm = Rented()
    for number in range(JOBS):
        farm.submit(f"c{number}", planned(f"m{number}"), priority=number)
    told = looks(farm)
    assert len(told) == {2: 6, 4: 4, 1000: 1}[portion]
    for seen in told:
        assert [farm.get(Job, one.job).name for one in seen.waiting] == [
            f"m{number}:build" for number in (11, 10, 9, 8)
        ]


def test_a_queue_shorter_than_that_is_read_to_its_end(portion: int) -> None:
    farm = Rented()
    for number in range(3):
        farm.submit(f"c{number}", planned(f"m{number}"), priority=number)
    (seen,) = looks(farm)
    assert len(seen.waiting) == 3


def test_a_job_that_backs_off_is_known_before_it_is_read(portion: int) -> None:
    farm = Rented()
    build = farm.submit("c", planned("late"))
    farm.submit("d", planned("cancelled"))
    farm.tick()
    job = farm.job(build, "late:build")
    later = msgspec.structs.replace(job, not_before_ms=10**9)
    farm.store.write(lambda tx: tx.replace(later))
    for number in range(JOBS):
        farm.submit(f"c{number}", planned(f"m{number}"), priority=1 + number)
    told = looks(farm)
    assert [seen.later for seen in told] == [(job.id,)] * len(told)
    assert len(told) > 0


def test_a_job_that_moved_since_it_was_read_is_there_once() -> None:
    farm = TestFarm()
    builds = [farm.submit(f"c{number}", planned(f"m{number}"), priority=-number) for number in range(4)]
    view = queueview.QueueView(portion=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(queueview, "PAGE", 1)
        look(farm.leading, lambda tx, row: view.follow(tx))
        job = farm.job(builds[0], "m0:build")
        farm.store.write(lambda tx: tx.replace(msgspec.structs.replace(job, rank=2**50)))
        while not view.complete:
            view.go_on()
            look(farm.leading, lambda tx, row: view.follow(tx))
    groups, _ = view.groups(0)
    found = sorted(one for group in groups for one in group.jobs)
    first, *others = (farm.job(build, f"m{number}:build").id for number, build in enumerate(builds))
    assert [one.job for one in found] == [*others, first]
