"""Safety and liveness of the queue, in words, under any schedule: see schedules.Queue for what happens and what holds."""

import random
from pathlib import Path

import msgspec
import pytest
from busy import dense
from hypothesis import settings
from schedules import Queue

from penstock.hub.fsck import fsck
from penstock.model.farm import Event
from penstock.model.job import Job
from penstock.model.ledger import BuildCost, Entry, Span, Tally
from penstock.store.open import open_store

Queue.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestQueue = Queue.TestCase


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
    assert in_memory.farm.all(Entry) == in_sqlite.farm.all(Entry)
    in_sqlite.store.close()


@pytest.mark.parametrize("seed", range(2))
def test_the_same_happens_in_postgres(seed: int, postgres_url: str, tmp_path: Path) -> None:
    """But for numbers of events: those of transactions that were run again are left out."""
    in_memory, in_postgres = Queue(), Queue()
    in_postgres.store = open_store(postgres_url, tmp_path)
    for farm in (in_memory, in_postgres):
        run(farm, seed, 60)
        farm.teardown()
    told = [
        [msgspec.structs.replace(event, seq=0) for event in farm.farm.all(Event)]
        for farm in (in_memory, in_postgres)
    ]
    assert told[0] == told[1]
    assert in_memory.farm.all(Job) == in_postgres.farm.all(Job)
    for kind in (Span, Tally, BuildCost):
        assert in_memory.farm.all(kind) == in_postgres.farm.all(kind)
    assert fsck(in_postgres.farm.hub) == []
    in_postgres.store.close()
