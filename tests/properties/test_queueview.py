"""The leader's view of the queue, followed through events, is what reading everything anew gives."""

import random

import msgspec
import pytest
from busy import dense
from farms import planned
from hypothesis import settings
from schedules import Queue

from penstock.hub import loop, placer, queueview, recorder
from penstock.hub.steps import look
from penstock.model.farm import Farm
from penstock.model.job import Job
from penstock.model.machine import Machine
from penstock.model.snapshot import Queued
from penstock.ports import Tx


def agrees(queue: Queue) -> int:
    """Let the leader's view hear of what was told since, and compare it. Returns how many jobs wait."""
    services = queue.farm.services
    services.view.stamped(recorder.stamp(services.hub))

    def compare(tx: Tx, row: Farm) -> int:
        services.view.follow(tx)
        groups, wake_ms = services.view.groups(row.time_ms)
        fresh = placer.load(services.hub, tx, row)
        seen = msgspec.structs.replace(
            fresh, groups=groups, wake_ms=wake_ms, running=dict(services.view.running)
        )
        assert seen == fresh
        assert services.view.machines == {machine.id: machine for machine in fresh.machines}
        return sum(len(group.jobs) for group in groups)

    return look(services.hub, compare)


class Followed(Queue):
    """Any schedule; instead of the books, which have tests of their own, the view is looked at after each step."""

    def books_are_in_order(self) -> None:
        agrees(self)


Followed.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestFollowed = Followed.TestCase


@pytest.mark.parametrize("seed", range(10))
def test_the_view_of_a_busy_farm_is_the_farm(seed: int) -> None:
    queue, chance = Queue(), random.Random(seed)
    weighted = dense(chance)
    queue.begin()
    waited = 0
    for _ in range(200):
        chance.choices([act for _, act in weighted], [weight for weight, _ in weighted])[0](queue)
        waited += agrees(queue)
    assert waited > 10, "a view of an empty queue shows nothing"


def test_what_no_event_told_is_found_when_the_queue_is_looked_at_again() -> None:
    queue = Queue()
    queue.begin()
    for number in range(3):
        queue.farm.submit(f"c{number}", planned(f"z{number}", platform="nowhere"))
    assert agrees(queue) == 3
    job = queue.farm.all(Job)[1]
    machine = queue.farm.all(Machine)[0]

    def behind_its_back(tx: Tx) -> None:
        tx.replace(msgspec.structs.replace(job, rank=-7))
        tx.replace(msgspec.structs.replace(machine, slots=9))

    queue.farm.store.write(behind_its_back)
    with pytest.raises(AssertionError):
        agrees(queue)
    queue.farm.pass_time(90_000)
    assert agrees(queue) == 3


def is_the_beginning(queue: Queue, forgets: bool) -> bool:
    """Hold a view that reads in portions against the books. Returns whether a part of the queue was read."""
    services = queue.farm.services
    view = services.view
    view.stamped(recorder.stamp(services.hub))
    if forgets:
        view.forget()

    def compare(tx: Tx, row: Farm) -> bool:
        view.follow(tx)
        groups, _ = view.groups(row.time_ms)
        fresh = placer.load(services.hub, tx, row)
        unread, seen = view._unread, {group.ask: group.jobs for group in groups}
        for group in fresh.groups:
            begin = tuple(job for job in group.jobs if unread is None or _place(job) <= unread)
            assert seen.pop(group.ask, ()) == begin
        assert not seen
        assert dict(view.running) == fresh.running
        assert view.machines == {machine.id: machine for machine in fresh.machines}
        return not view.complete

    return look(services.hub, compare)


def _place(job: Queued) -> tuple[object, ...]:
    return job.rank, job.ready_ms, job.job


@pytest.mark.parametrize("seed", range(8))
def test_a_queue_that_is_read_in_portions_is_the_beginning_of_the_queue(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever happens meanwhile before the place up to which it was read, and after it."""
    monkeypatch.setattr(queueview, "PAGE", 2)
    monkeypatch.setattr(loop, "PORTION", 2)
    queue, chance = Queue(), random.Random(seed)
    weighted = dense(chance)
    queue.begin()
    parts = 0
    for number in range(200):
        chance.choices([act for _, act in weighted], [weight for weight, _ in weighted])[0](queue)
        if chance.random() < 0.1:  # what nothing can run stays, and whoever comes later may go before it
            queue.farm.submit(f"n{number}", planned(f"n{number}", platform="nowhere"))
        parts += is_the_beginning(queue, forgets=chance.random() < 0.2)
    assert parts > 10, "the queue was always read at once"
