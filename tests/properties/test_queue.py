"""Safety and liveness of the queue, in words, under any schedule: see schedules.Queue for what happens and what holds."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from schedules import PLANS, Queue

from penstock.hub.fsck import fsck
from penstock.model.farm import Event
from penstock.model.job import Job
from penstock.store.open import open_store

Queue.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestQueue = Queue.TestCase

OUTCOMES = ["passed"] * 12 + ["failed"] * 2 + ["timed_out", "refused", "preempted", "cancelled"]
MOMENTS = [0, 1000, 1000, 1000, 9000, 11_000, 29_000] * 8 + [91_000, 1_201_000, 3_700_000]
ODD = ["jump", "restart", "died", "enrol"]


def dense(chance: random.Random) -> list[tuple[int, Callable[[Queue], None]]]:
    """What happens on a busy farm, by weight: mostly work, now and then everything else."""
    number = lambda: chance.randrange(10_000)  # noqa: E731
    yes = lambda: chance.random() < 0.5  # noqa: E731
    names = sorted(PLANS)
    acts = ["cancel_job", "cancel_build", "hold", "release", "release", "repeat"]
    return [
        (8, lambda q: q.submit(chance.choice(names), chance.randint(-1, 1), yes(), chance.random() < 0.1)),
        (20, lambda q: q.starts(number(), chance.random() < 0.1)),
        (12, lambda q: q.passes(number(), number(), chance.choice([None, None, None, b"other"]))),
        (6, lambda q: q.finishes(number(), number(), chance.choice(OUTCOMES), yes())),
        (10, lambda q: q.works([number() for _ in range(3)], chance.choice(OUTCOMES), yes())),
        (12, lambda q: q.poll(number(), chance.random() < 0.1)),
        (4, lambda q: q.acknowledge(number(), number())),
        (4, lambda q: q.renew(number(), number())),
        (3, lambda q: q.late_or_repeated_finish(number(), number(), chance.choice(["fin", "another"]))),
        (3, lambda q: q.stale_fence(number(), number())),
        (12, lambda q: q.time_passes(chance.choice(MOMENTS))),
        (4, lambda q: q.people_act(chance.choice(acts), number())),
        (
            2,
            lambda q: q.machines(number(), chance.choice(["quarantine", "unquarantine", "drain", "undrain"])),
        ),
        (2, lambda q: q.machines(number(), chance.choice(["unquarantine", "undrain"]))),
        (2, lambda q: q.agent_is_killed(number(), chance.choice(["poll", "register", "nothing"]))),
        (1, lambda q: q.agent_registers_again(number())),
        (1, lambda q: q.odd_things(chance.choice(ODD), chance.choice([-(10**10), -5000, 5000, 10**10]))),
    ]


def run(farm: Queue, seed: int, steps: int) -> None:
    """Begin, do `steps` things, and check the books after each."""
    chance = random.Random(seed)
    weighted = dense(chance)
    weights, acts = [weight for weight, _ in weighted], [act for _, act in weighted]
    farm.begin()
    for _ in range(steps):
        chance.choices(acts, weights)[0](farm)
        farm.books_are_in_order()
        farm.no_job_has_two_verdicts()


@pytest.mark.parametrize("seed", range(20))
def test_a_busy_farm_keeps_its_books(seed: int) -> None:
    farm = Queue()
    run(farm, seed, 250)
    farm.teardown()
    ended = [job for job in farm.farm.all(Job) if not job.open]
    assert ended, "a schedule in which nothing ends shows nothing"
    assert fsck(farm.farm.hub) == []


@pytest.mark.parametrize("seed", range(3))
def test_the_same_happens_in_every_store(seed: int, tmp_path: Path) -> None:
    in_memory, in_sqlite = Queue(), Queue()
    in_sqlite.store = open_store("sqlite:///farm.db", tmp_path)
    for farm in (in_memory, in_sqlite):
        run(farm, seed, 80)
        farm.teardown()
    assert in_memory.farm.all(Event) == in_sqlite.farm.all(Event)
    assert in_memory.farm.all(Job) == in_sqlite.farm.all(Job)
    in_sqlite.store.close()
