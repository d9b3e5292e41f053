"""What every store must do. A subclass gives the fixture `driver`; see test_store.py."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from conformance.samples import attempt, edge, job, machine, records
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.model.farm import Event
from penstock.model.job import Attempt, Edge, Job
from penstock.model.machine import Machine
from penstock.model.records import SHAPES
from penstock.model.states import AttemptState, JobState
from penstock.ports import Duplicate, Stale, Store, StoreError, Tx

WAIT_S = 60
"""How long a test waits for another thread before it fails; nothing is judged by it."""


class Driver:
    """One implementation, as the suite sees it.

    `interleaves`: two operations may write at the same time (and one is run again). `reads_beside`: reading goes
    on while an operation writes. `durable`: what was written is there after `reopen`.
    """

    interleaves = False
    reads_beside = False
    durable = False

    def __init__(self, make: Callable[[], Store]) -> None:
        self._make = make
        self.store = make()

    def reopen(self) -> None:
        self.store.close()
        self.store = self._make()

    def together(self, *operations: Callable[[Tx], Any]) -> list[BaseException | Any]:
        """Write operations, each from a thread of its own, while another operation holds the store up.

        Returns what each returned or raised. A store that groups writes gets most of them as one group.
        """
        begun, go = threading.Event(), threading.Event()

        def hold(_tx: Tx) -> None:
            begun.set()
            assert go.wait(WAIT_S)

        with ThreadPoolExecutor(len(operations) + 1) as threads:
            first = threads.submit(self.store.write, hold)
            assert begun.wait(WAIT_S)
            asked = [threads.submit(self.store.write, operation) for operation in operations]
            go.set()
            first.result(WAIT_S)
            return [one.exception(WAIT_S) or one.result() for one in asked]


def insert(*rows: Any) -> Callable[[Tx], None]:
    """An operation that inserts records."""

    def operation(tx: Tx) -> None:
        for row in rows:
            tx.insert(row)

    return operation


def replace(row: Any, **fields: Any) -> Callable[[Tx], None]:
    """An operation that writes a record as it was read, with other fields."""
    return lambda tx: tx.replace(msgspec.structs.replace(row, **fields))


class StoreSuite:
    """Records one at a time: finding, uniqueness, versions, undoing."""

    @pytest.fixture
    def store(self, driver: Driver) -> Store:
        return driver.store

    @staticmethod
    def get(store: Store, kind: type, *key: Any) -> Any:
        return store.read(lambda tx: tx.get(kind, *key))

    @staticmethod
    def ids(store: Store, kind: type, index: str, *given: Any, limit: int | None = None) -> list[str]:
        return [row.id for row in store.read(lambda tx: tx.find(kind, index, *given, limit=limit))]

    # Reading what was written

    @pytest.mark.parametrize("kind", list(SHAPES), ids=lambda kind: kind.__name__)
    def test_every_record_comes_back_as_it_was(self, driver: Driver, kind: type) -> None:
        shape = SHAPES[kind]

        @settings(max_examples=15, suppress_health_check=list(HealthCheck))
        @given(st.data())
        def check(data: st.DataObject) -> None:
            record = data.draw(records(kind))

            def operation(tx: Tx) -> Any:
                tx.insert(record)
                key = [getattr(record, field) for field in shape.key]
                found = tx.find(kind, "key")[-1] if shape.numbered else tx.get(kind, *key)
                tx.delete(found)
                return found

            found = driver.store.write(operation)
            names = [name for name in kind.__struct_fields__ if not (shape.numbered and name in shape.key)]
            for name in names:
                mine, theirs = getattr(found, name), getattr(record, name)
                assert (mine, type(mine)) == (theirs, type(theirs)), name

        check()

    def test_missing_record_is_none(self, store: Store) -> None:
        assert self.get(store, Job, "nobody") is None
        assert self.get(store, Edge, "a", "b") is None

    def test_key_of_several_fields(self, store: Store) -> None:
        store.write(insert(edge("a", "b"), edge("b", "a", met=True)))
        assert self.get(store, Edge, "b", "a") == edge("b", "a", met=True)

    def test_find_orders_by_the_rest_of_the_index_then_the_key(self, store: Store) -> None:
        rows = [
            job("c", rank=1, ready_ms=5),
            job("a", rank=1, ready_ms=5),
            job("b", rank=1, ready_ms=4),
            job("d", rank=-1, ready_ms=9),
            job("e", rank=0, state=JobState.RUNNING),
        ]
        store.write(insert(*rows))
        assert self.ids(store, Job, "state", JobState.QUEUED) == ["d", "b", "a", "c"]
        assert self.ids(store, Job, "state", JobState.QUEUED, 1) == ["b", "a", "c"]
        assert self.ids(store, Job, "state", "queued", 1, 5) == ["a", "c"]
        assert self.ids(store, Job, "state") == ["d", "b", "a", "c", "e"]
        assert self.ids(store, Job, "state", JobState.HELD) == []

    def test_find_takes_at_most_limit(self, store: Store) -> None:
        store.write(insert(*(job(name) for name in "cab")))
        assert self.ids(store, Job, "build", "b", limit=2) == ["a", "b"]
        assert self.ids(store, Job, "build", "b", limit=9) == ["a", "b", "c"]
        assert self.ids(store, Job, "build", "b", limit=0) == []

    def test_the_key_can_be_searched_by_its_first_fields(self, store: Store) -> None:
        store.write(insert(edge("p", "z"), edge("p", "a"), edge("o", "m"), edge("pp", "b")))
        found = store.read(lambda tx: tx.find(Edge, "key", "p"))
        assert [row.child for row in found] == ["a", "z"]
        assert [row.parent for row in store.read(lambda tx: tx.find(Edge, "key"))] == ["o", "p", "p", "pp"]

    def test_text_is_ordered_by_code_point(self, store: Store) -> None:
        names = ["", "Z", "a", "a b", "aa", "\u00e9", "\uffee", "\U0001d11e"]
        store.write(insert(*(machine(f"{9 - at}", name=name) for at, name in enumerate(names))))
        found = store.read(lambda tx: tx.find(Machine, "pool", "own"))
        assert [row.name for row in found] == names

    def test_flags_and_numbers_are_searched_by_value(self, store: Store) -> None:
        rows = [job("a", open=False), job("b", deadline_ms=7), job("c", deadline_ms=2**62)]
        store.write(insert(*rows))
        assert self.ids(store, Job, "open", True) == ["b", "c"]
        assert self.ids(store, Job, "open", True, 2**62) == ["c"]
        assert self.ids(store, Job, "open", False) == ["a"]

    @pytest.mark.parametrize(
        ("index", "given", "limit"),
        [("nonsense", (), None), ("waits_on", ("a", "b"), None), ("waits_on", (), -1)],
    )
    def test_a_search_that_no_index_answers_is_refused(
        self, store: Store, index: str, given: tuple[str, ...], limit: int | None
    ) -> None:
        with pytest.raises(ValueError):
            store.read(lambda tx: tx.find(Job, index, *given, limit=limit))

    def test_a_key_of_the_wrong_length_is_refused(self, store: Store) -> None:
        with pytest.raises(ValueError):
            self.get(store, Edge, "only")

    def test_what_is_not_stored_is_refused(self, store: Store) -> None:
        with pytest.raises(TypeError):
            self.get(store, type(job().spec), "x")
        with pytest.raises(TypeError):
            store.write(insert(job().spec))

    # Uniqueness

    def test_a_key_is_taken_once(self, store: Store) -> None:
        store.write(insert(job("a", rank=1)))
        with pytest.raises(Duplicate) as refused:
            store.write(insert(job("a", name="other", rank=2)))
        assert refused.value.constraint == "key"
        assert self.get(store, Job, "a").rank == 1

    def test_a_constraint_without_a_flag_holds_for_all_rows(self, store: Store) -> None:
        store.write(insert(job("a", name="zlib", open=False)))
        with pytest.raises(Duplicate) as refused:
            store.write(insert(job("b", name="zlib")))
        assert refused.value.constraint == "name_in_build"
        store.write(insert(job("b", name="zlib", build="other")))

    def test_a_constraint_with_a_flag_holds_for_flagged_rows(self, store: Store) -> None:
        store.write(insert(attempt("a", n=1, live=False), attempt("b", n=2, live=True)))
        store.write(insert(attempt("c", n=3, live=False)))
        with pytest.raises(Duplicate) as refused:
            store.write(insert(attempt("d", n=4, machine="other")))
        assert refused.value.constraint == "one_live_attempt_per_job"
        with pytest.raises(Duplicate) as refused:
            store.write(insert(attempt("d", n=1, job="other")))
        assert refused.value.constraint == "one_live_attempt_per_slot"

    def test_the_key_is_named_first_then_the_first_constraint_of_the_shape(self, store: Store) -> None:
        store.write(insert(attempt("a")))
        for same, named in (("a", "key"), ("b", "one_live_attempt_per_job")):
            with pytest.raises(Duplicate) as refused:
                store.write(insert(attempt(same)))
            assert refused.value.constraint == named

    def test_replace_may_not_break_a_constraint_either(self, store: Store) -> None:
        store.write(insert(attempt("a", n=1), attempt("b", n=2, live=False)))
        with pytest.raises(Duplicate) as refused:
            store.write(replace(attempt("b", n=2), live=True))
        assert refused.value.constraint == "one_live_attempt_per_job"
        assert self.get(store, Attempt, "b") == attempt("b", n=2, live=False)

    def test_what_goes_makes_room(self, store: Store) -> None:
        store.write(insert(attempt("a")))
        store.write(replace(attempt("a"), live=False, state=AttemptState.LOST))
        store.write(insert(attempt("b", n=2)))
        store.write(lambda tx: tx.delete(attempt("b", n=2)))
        store.write(insert(attempt("c", n=2)))
        assert self.ids(store, Attempt, "job", "job") == ["a", "c"]

    def test_a_refused_insert_leaves_the_transaction_as_it_was(self, store: Store) -> None:
        store.write(insert(job("a")))

        def operation(tx: Tx) -> None:
            tx.insert(job("b"))
            with pytest.raises(Duplicate):
                tx.insert(job("a"))
            with pytest.raises(Duplicate):
                tx.insert(job("c", name="b"))
            tx.insert(job("d"))

        store.write(operation)
        assert self.ids(store, Job, "key") == ["a", "b", "d"]

    # Versions

    def test_replace_raises_the_version_by_one(self, store: Store) -> None:
        store.write(insert(job("a", version=4)))
        store.write(replace(job("a", version=4), rank=7))
        assert self.get(store, Job, "a") == job("a", rank=7, version=5)

    def test_a_record_that_changed_meanwhile_is_stale(self, store: Store) -> None:
        store.write(insert(job("a")))
        store.write(replace(job("a"), rank=1))
        for operation in (replace(job("a"), rank=2), lambda tx: tx.delete(job("a"))):
            with pytest.raises(Stale):
                store.write(operation)
        assert self.get(store, Job, "a") == job("a", rank=1, version=1)

    def test_a_record_that_is_gone_is_stale(self, store: Store) -> None:
        for operation in (replace(job("a")), lambda tx: tx.delete(job("a"))):
            with pytest.raises(Stale):
                store.write(operation)

    def test_stale_is_said_before_duplicate(self, store: Store) -> None:
        store.write(insert(job("a"), job("b")))
        with pytest.raises(Stale):
            store.write(replace(job("b", version=3), name="a"))

    def test_rows_follow_a_replaced_record_in_every_index(self, store: Store) -> None:
        store.write(insert(job("a", rank=2), job("b", rank=1)))
        assert self.ids(store, Job, "state", "queued") == ["b", "a"]
        store.write(replace(job("a", rank=2), rank=0))
        assert self.ids(store, Job, "state", "queued") == ["a", "b"]
        store.write(replace(job("b", rank=1), state=JobState.OFFERED))
        assert self.ids(store, Job, "state", "queued") == ["a"]

    # Transactions

    def test_a_transaction_sees_its_own_writes(self, store: Store) -> None:
        def operation(tx: Tx) -> list[Any]:
            tx.insert(job("a"))
            tx.replace(job("a"))
            tx.insert(job("b"))
            tx.delete(job("b"))
            return [tx.get(Job, "a"), tx.get(Job, "b"), len(tx.find(Job, "state", JobState.QUEUED))]

        assert store.write(operation) == [job("a", version=1), None, 1]

    @pytest.mark.parametrize("raised", [ValueError("mine"), KeyboardInterrupt(), Stale("mine")])
    def test_what_raises_leaves_nothing(self, store: Store, raised: BaseException) -> None:
        store.write(insert(job("kept"), attempt("kept")))

        def operation(tx: Tx) -> None:
            tx.insert(job("a"))
            tx.replace(job("kept", rank=9))
            tx.delete(attempt("kept"))
            tx.insert(attempt("new"))
            raise raised

        with pytest.raises(type(raised)) as seen:
            store.write(operation)
        assert seen.value is raised
        assert self.ids(store, Job, "key") == ["kept"]
        assert self.get(store, Job, "kept") == job("kept")
        assert self.ids(store, Attempt, "live", True) == ["kept"]

    def test_what_was_undone_can_be_done_again(self, store: Store) -> None:
        with pytest.raises(ZeroDivisionError):
            store.write(lambda tx: (tx.insert(attempt("a")), 1 // 0))
        store.write(insert(attempt("a")))
        with pytest.raises(Duplicate):
            store.write(insert(attempt("b")))

    def test_one_failure_in_a_group_is_undone_alone(self, driver: Driver) -> None:
        def fails(tx: Tx) -> None:
            tx.insert(job("half"))
            raise ArithmeticError("mine")

        answers = driver.together(
            insert(job("a")), fails, insert(job("b"), job("b2")), insert(job("a", name="x"))
        )
        assert self.ids(driver.store, Job, "key") == ["a", "b", "b2"]
        assert isinstance(answers[1], ArithmeticError)
        assert answers[2] is None
        # Each is asked in a thread of its own, so either of the two with one key may be first.
        assert {type(answers[n]) for n in (0, 3)} == {Duplicate, type(None)}

    def test_a_read_cannot_write(self, store: Store) -> None:
        store.write(insert(job("a")))
        for operation in (insert(job("b")), replace(job("a")), lambda tx: tx.delete(job("a"))):
            with pytest.raises(TypeError):
                store.read(operation)
        assert self.ids(store, Job, "key") == ["a"]

    def test_operations_are_not_nested(self, store: Store) -> None:
        for outer in (store.read, store.write):
            for inner in (store.read, store.write, store.submit):
                with pytest.raises(RuntimeError):
                    outer(lambda _tx, inner=inner: inner(lambda _tx: None))
        assert store.read(lambda _tx: 1) == 1
        assert store.write(lambda _tx: 2) == 2

    def test_submit_answers_by_a_future(self, store: Store) -> None:
        assert store.submit(lambda _tx: 5).result(WAIT_S) == 5
        store.submit(insert(job("a"))).result(WAIT_S)
        assert isinstance(store.submit(insert(job("a"))).exception(WAIT_S), Duplicate)

    def test_a_closed_store_refuses(self, store: Store) -> None:
        store.close()
        store.close()
        for call in (store.read, store.write):
            with pytest.raises(StoreError):
                call(lambda _tx: None)

    # Numbers that the store gives

    @staticmethod
    def numbers(store: Store) -> list[int]:
        return [event.seq for event in store.read(lambda tx: tx.find(Event, "key"))]

    def test_numbered_keys_rise_whatever_the_record_says(self, store: Store) -> None:
        store.write(insert(Event(kind="a"), Event(seq=1, kind="b"), Event(seq=77, kind="c")))
        found = self.numbers(store)
        assert found == sorted(set(found))
        assert found[0] > 0
        assert len(found) == 3

    def test_numbers_are_never_given_twice(self, driver: Driver) -> None:
        seen: set[int] = set()
        for _ in range(3):
            driver.store.write(insert(Event(), Event()))
            fresh = driver.store.read(lambda tx: tx.find(Event, "key"))
            assert not seen & {event.seq for event in fresh}
            assert all(number < fresh[0].seq for number in seen)
            seen |= {event.seq for event in fresh}
            driver.store.write(lambda tx, rows=tuple(fresh): [tx.delete(row) for row in rows])
            if driver.durable:
                driver.reopen()

    # What stays

    def test_what_was_answered_is_there_after_reopening(self, driver: Driver, tmp_path: Path) -> None:
        if not driver.durable:
            assert not list(tmp_path.iterdir()), "what keeps nothing leaves nothing behind"
            return
        driver.store.write(insert(job("a"), attempt("a")))
        driver.reopen()
        assert self.get(driver.store, Job, "a") == job("a")
        assert self.ids(driver.store, Attempt, "live", True) == ["a"]
