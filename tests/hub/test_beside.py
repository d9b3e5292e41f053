"""What may take long holds up no pass, and what comes of it is not lost."""

import threading
from collections.abc import Callable, Iterator

import pytest

from penstock.hub.beside import THREADS, AtOnce, Threads
from penstock.hub.loop import Services
from penstock.ports import Away
from tests.farms import Agent, TestFarm, planned

LIMIT_S = 20
Hangs = Callable[[], str]


@pytest.fixture
def go() -> Iterator[threading.Event]:
    found = threading.Event()
    yield found
    found.set()


def hanging(go: threading.Event, said: str = "late") -> Hangs:
    def act() -> str:
        go.wait(LIMIT_S)
        return said

    return act


def test_what_is_quick_is_there_at_once() -> None:
    for beside in (AtOnce(), Threads(lambda: None, LIMIT_S)):
        work = {str(number): (lambda number=number: number * number) for number in range(50)}
        assert beside.results(work) == {str(number): number * number for number in range(50)}


def test_what_is_slow_is_begun_once_rings_and_is_there_when_it_is_asked_for_again(
    go: threading.Event,
) -> None:
    rung, begun = threading.Event(), []
    beside = Threads(rung.set, 0.05)

    def slow() -> str:
        begun.append(1)
        go.wait(LIMIT_S)
        return "late"

    work = {"slow": slow, "quick": lambda: "now"}
    assert beside.results(work) == {"quick": "now"}
    assert beside.results({"slow": slow}) == {}
    assert not rung.is_set()
    go.set()
    assert rung.wait(LIMIT_S)
    assert beside.results({"slow": slow}) == {"slow": "late"}
    assert len(begun) == 1


def test_what_nobody_asks_for_any_more_is_forgotten(go: threading.Event) -> None:
    rung = threading.Event()
    beside = Threads(rung.set, 0.05)
    assert beside.results({"old": hanging(go)}) == {}
    go.set()
    assert rung.wait(LIMIT_S)
    assert beside.results({}) == {}
    assert beside.results({"old": lambda: "new"}) == {"old": "new"}


def test_what_goes_wrong_is_raised_to_who_asks() -> None:
    def fails() -> None:
        raise ValueError("a mistake of ours")

    for beside in (AtOnce(), Threads(lambda: None, LIMIT_S)):
        with pytest.raises(ValueError, match="of ours"):
            beside.results({"one": fails})
        assert beside.results({"one": lambda: 1}) == {"one": 1}


def test_more_than_the_threads_wait_for_their_turn(go: threading.Event) -> None:
    beside = Threads(lambda: None, 0.05)
    work = {str(number): hanging(go, str(number)) for number in range(3 * THREADS)}
    assert beside.results(work) == {}
    go.set()
    found: dict[str, str] = {}
    while len(found) < len(work):
        found |= beside.results({name: act for name, act in work.items() if name not in found})
    assert found == {name: name for name in work}


def test_what_nobody_waits_for_is_done_once_at_a_time(go: threading.Event) -> None:
    done, both = [], threading.Event()

    def act() -> None:
        go.wait(LIMIT_S)
        done.append(1)
        both.set()

    beside = Threads(lambda: None)
    beside.later("prune", act)
    beside.later("prune", act)
    go.set()
    assert both.wait(LIMIT_S)
    beside.results({"after": lambda: 1})
    assert done == [1]


def test_a_blob_store_that_does_not_answer_holds_up_no_other_end(go: threading.Event) -> None:
    """One upload hangs in the store, then the store says that it is away: others are settled and placed meanwhile."""
    farm, rung = TestFarm(), threading.Event()
    stuck: list[str] = []
    returned: list[str] = []
    right = farm.blobs.publish

    def publish(name: str, digest: str) -> None:
        if name.startswith(stuck[0]) and not go.is_set():
            go.wait(LIMIT_S)
            returned.append(name)
            raise Away("the object store did not answer")
        right(name, digest)

    farm.blobs.publish = publish  # type: ignore[method-assign]
    farm.services = Services(farm.leading, beside=Threads(rung.set, 0.2))
    agent = Agent(farm, "m1")
    builds = [farm.submit(name, planned(name)) for name in ("zlib", "png", "jpeg")]
    farm.tick()
    first, second = agent.start()
    stuck.append(first.attempt.id)
    for work in (first, second):
        agent.run(work)
    counts = farm.tick()
    assert (counts["settled"], counts["unsettled"], counts["offered"]) == (1, 1, 1)
    assert returned == [], "the pass waited for it"
    go.set()
    assert rung.wait(LIMIT_S)
    for _ in range(2):
        farm.tick()
    assert [farm.verdict(build) for build in builds] == ["PASSED", "PASSED", "open"]
