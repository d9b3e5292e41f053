"""A gathered transaction is as any other from inside, and asks little of the store."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from farms import Agent, TestFarm, planned
from hypothesis import given
from hypothesis import strategies as st

from penstock.hub.gathered import MANY, GatheredTx
from penstock.hub.poller import Acknowledged, Finished
from penstock.hub.queue import Ending
from penstock.model.farm import Event
from penstock.model.machine import Machine
from penstock.ports import Stale
from penstock.store.memory import MemoryStore

FIRST = Machine(id="a", name="a", pool="p")


class Counted:
    """Counts the calls of a transaction by name."""

    def __init__(self, tx: Any) -> None:
        self._tx = tx
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        self.calls.append(name)
        return getattr(self._tx, name)  # type: ignore[no-any-return]


def machine(tx: GatheredTx) -> Machine:
    found = tx.get(Machine, "a")
    assert found is not None
    return found


def written(act: Callable[[GatheredTx], object]) -> tuple[Machine | None, list[str]]:
    """What is stored after `act`, and what the store was asked."""
    store = MemoryStore()
    store.write(lambda tx: tx.insert(FIRST))
    counted: list[Counted] = []

    def run(tx: Any) -> None:
        counted.append(Counted(tx))
        gathered = GatheredTx(counted[0])  # type: ignore[arg-type]
        act(gathered)
        gathered.flush()

    store.write(run)
    return store.read(lambda tx: tx.get(Machine, "a")), counted[0].calls


def put(tx: GatheredTx, **changes: object) -> None:
    tx.replace(msgspec.structs.replace(machine(tx), **changes))


def test_a_record_that_is_put_three_times_is_written_once() -> None:
    def act(tx: GatheredTx) -> None:
        for slots in (2, 3, 4):
            put(tx, slots=slots)
        assert (machine(tx).slots, machine(tx).version) == (4, 3)

    stored, calls = written(act)
    assert calls == ["get", "replace"]
    assert stored is not None
    assert (stored.slots, stored.version) == (4, 1)


def test_a_search_sees_what_was_put_and_goes_on_with_its_versions() -> None:
    def act(tx: GatheredTx) -> None:
        put(tx, pool="q")
        put(tx, slots=2)
        assert tx.find(Machine, "pool", "p") == []
        (found,) = tx.find(Machine, "pool", "q")
        assert (found, found.version) == (machine(tx), 2)
        put(tx, slots=3)

    stored, calls = written(act)
    assert calls.count("replace") == 2
    assert stored is not None
    assert (stored.pool, stored.slots, stored.version) == ("q", 3, 2)


@pytest.mark.parametrize("pool", ["q", "p\0"])
def test_what_a_search_does_not_mean_goes_on_waiting(pool: str) -> None:
    def act(tx: GatheredTx) -> None:
        put(tx, slots=2)
        tx.find(Machine, "pool", pool)
        tx.insert(msgspec.structs.replace(FIRST, id="b"))
        put(tx, slots=3)

    stored, calls = written(act)
    assert calls.count("replace") == (1 if pool == "q" else 2)
    assert stored is not None
    assert (stored.slots, stored.version) == (3, calls.count("replace"))


IDS, POOLS = st.sampled_from("abc"), st.sampled_from(["p", "q", "\0", "\u2400"])
ACTS = st.one_of(
    st.tuples(st.just("put"), IDS, POOLS),
    st.tuples(st.just("insert"), IDS, POOLS),
    st.tuples(st.just("delete"), IDS, POOLS),
    st.tuples(st.just("find"), IDS, POOLS),
)


def done(tx: Any, acts: list[tuple[str, str, str]]) -> list[object]:
    """What the searches among these steps give."""
    found: list[object] = []
    for act, name, pool in acts:
        there = tx.get(Machine, name)
        if act == "find":
            found += [tx.find(Machine, "pool", pool), tx.find(Machine, "pool", limit=1, backwards=True)]
        elif act == "insert" and there is None:
            tx.insert(Machine(id=name, name=name, pool=pool))
        elif act == "put" and there is not None:
            tx.replace(msgspec.structs.replace(there, pool=pool))
        elif act == "delete" and there is not None:
            tx.delete(there)
    return found


@given(st.lists(ACTS, max_size=12))
def test_searches_find_what_they_would_in_any_transaction(acts: list[tuple[str, str, str]]) -> None:
    def gathered(tx: Any) -> list[object]:
        over = GatheredTx(tx)
        found = done(over, acts)
        over.flush()
        return found

    def rows(store: MemoryStore) -> list[tuple[str, str]]:
        return store.read(lambda tx: [(m.id, m.pool) for m in tx.find(Machine, "key")])

    plain, other = MemoryStore(), MemoryStore()
    searched, expected = other.write(gathered), plain.write(lambda tx: done(tx, acts))
    # Until it is written, text is as it was given.
    assert str(searched).replace("\\x00", "\u2400") == str(expected)
    assert rows(other) == rows(plain)


def test_an_older_record_is_refused_at_once() -> None:
    def act(tx: GatheredTx) -> None:
        old = machine(tx)
        put(tx, slots=2)
        with pytest.raises(Stale):
            tx.replace(old)

    assert written(act)[0] == msgspec.structs.replace(FIRST, slots=2, version=1)


def test_a_record_that_was_not_read_here_is_refused_when_it_is_written() -> None:
    with pytest.raises(Stale):
        written(lambda tx: tx.replace(msgspec.structs.replace(FIRST, version=7)))


def test_what_was_put_can_be_deleted_and_inserted_again() -> None:
    def act(tx: GatheredTx) -> None:
        put(tx, slots=2)
        put(tx, slots=3)
        tx.delete(machine(tx))
        assert tx.get(Machine, "a") is None
        tx.insert(FIRST)
        put(tx, slots=5)

    assert written(act)[0] == msgspec.structs.replace(FIRST, slots=5, version=1)


def test_what_began_and_ended_in_one_transaction_is_told_by_its_end() -> None:
    farm = TestFarm()
    agent = Agent(farm, "m1")
    farm.submit("c1", planned("zlib", "test"), planned("png", "test"))
    farm.tick()
    one, other = (work.attempt for work in agent.poll().offers)
    agent.poll(acknowledged=(Acknowledged(other.id, other.fence, "ack"),))
    ended = tuple(Finished(a.id, a.fence, "fin", Ending(result="passed")) for a in (one, other))
    agent.poll(acknowledged=(Acknowledged(one.id, one.fence, "ack"),), finished=ended)
    told = {name: [e.state for e in farm.all(Event) if e.job == name] for name in (one.job, other.job)}
    assert told == {
        one.job: ["queued", "offered", "PASSED"],
        other.job: ["queued", "offered", "running", "PASSED"],
    }


def test_a_machine_that_changes_without_an_event_of_its_own_tells_one() -> None:
    farm = TestFarm()
    agent = Agent(farm, "m1")
    agent.poll(draining=True)
    told = [(event.kind, event.machine) for event in farm.all(Event)]
    assert told == [("capacity", agent.machine.id)] * 2


def test_few_records_wait_however_many_are_written() -> None:
    """Each search looks through those that wait: with all of a large build waiting, it took longer than all else."""
    store = MemoryStore()
    for number in range(3 * MANY):
        store.write(lambda tx, name=f"m{number}": tx.insert(Machine(id=name, name=name, pool="p")))
    waiting: list[int] = []

    def write(tx: Any) -> None:
        gathered = GatheredTx(tx)
        for one in gathered.find(Machine, "pool", "p"):
            gathered.replace(msgspec.structs.replace(one, streak=1))
            waiting.append(len(gathered._waiting))
            put_again = gathered.get(Machine, one.id)
            assert put_again is not None
            gathered.replace(msgspec.structs.replace(put_again, streak=2))
        gathered.flush()

    store.write(write)
    assert max(waiting) == MANY
    found = store.read(lambda tx: tx.find(Machine, "pool", "p"))
    assert {(one.streak, one.version) for one in found} == {(2, 1)}
