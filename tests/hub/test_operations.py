"""What the hot path asks of the store, counted: it must not creep up."""

from collections.abc import Callable
from typing import Any

import pytest
from farms import Agent, TestFarm, planned

from penstock.hub.poller import Acknowledged, Finished
from penstock.hub.queue import Ending, Work
from penstock.model.job import Attempt
from penstock.model.states import AttemptState


class CountedTx:
    """A transaction that counts what is asked of it."""

    def __init__(self, tx: Any, counts: list[str]) -> None:
        self._tx, self._counts = tx, counts

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            self._counts.append(name)
            return getattr(self._tx, name)(*arguments, **named)

        return call


@pytest.fixture
def farm() -> TestFarm:
    return TestFarm()


def count(farm: TestFarm, act: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many operations each write transaction of `act` makes; those that change nothing are left out."""
    transactions: list[list[str]] = []
    write = farm.store.write

    def counting(operation: Any) -> Any:
        asked: list[str] = []
        transactions.append(asked)
        return write(lambda tx: operation(CountedTx(tx, asked)))

    with monkeypatch.context() as patched:
        patched.setattr(farm.store, "write", counting)
        act()
    return [len(asked) for asked in transactions if set(asked) - {"get", "find"}]


def start(farm: TestFarm, agent: Agent) -> Work:
    farm.submit("c1", planned("zlib"))
    farm.tick()
    work = agent.poll().offers[0]
    agent.take(work)
    return work


def test_an_offer_costs_seven(farm: TestFarm, monkeypatch: pytest.MonkeyPatch) -> None:
    Agent(farm, "m1")
    farm.submit("c1", planned("zlib"))
    farm.tick()  # the first pass derives everything again
    farm.submit("c2", planned("png"))
    assert max(count(farm, lambda: farm.services.run_once(farm.clock.monotonic), monkeypatch)) <= 7


def test_an_acknowledgement_in_a_call_of_its_own_costs_seven(
    farm: TestFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = Agent(farm, "m1")
    farm.submit("c1", planned("zlib"))
    farm.tick()
    work = agent.poll().offers[0]
    assert count(farm, lambda: agent.take(work), monkeypatch) == [7]


def test_a_poll_that_renews_costs_six(farm: TestFarm, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = Agent(farm, "m1")
    start(farm, agent)
    farm.tick(1000)
    assert count(farm, agent.poll, monkeypatch) == [6]


def test_a_finish_in_a_call_of_its_own_costs_nine_and_its_settling_fifteen(
    farm: TestFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = Agent(farm, "m1")
    agent.run(start(farm, agent))  # a machine's first verdict writes its health, too
    farm.submit("c2", planned("png"))
    farm.tick()
    work = agent.start()[0]
    assert count(farm, lambda: agent.run(work), monkeypatch) == [4, 9]
    settling = count(farm, lambda: farm.services.run_once(farm.clock.monotonic), monkeypatch)
    assert settling[0] <= 15


def test_a_poll_that_acknowledges_and_finishes_costs_nineteen(
    farm: TestFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything in one round trip: session, machine, attempt and job are read once and written once."""
    agent = Agent(farm, "m1")
    agent.run(start(farm, agent))
    farm.submit("c2", planned("png", "test", reuse="never"))
    farm.tick()
    attempt = agent.poll().offers[0].attempt
    named = (attempt.id, attempt.fence)
    both = {
        "acknowledged": (Acknowledged(*named, "ack"),),
        "finished": (Finished(*named, "fin", Ending(result="passed")),),
    }
    assert count(farm, lambda: agent.poll(**both), monkeypatch) == [19]
    assert farm.get(Attempt, attempt.id).state == AttemptState.PASSED
