"""What every store must do when several threads use it at once: forced interleavings, no sleeping.

Written for stores where writers overlap (and one is run again) as well as for those where they take turns: a gate
holds writers at the dangerous place only where another can get there too.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import msgspec
from conformance.samples import attempt, edge, job
from conformance.store_suite import WAIT_S, Driver, insert

from penstock.model.farm import Event
from penstock.model.job import Attempt, Edge, Job
from penstock.ports import Duplicate, Stale, Tx


def outcomes(asked: list["Future[Any]"]) -> list[Any]:
    """What each returned or raised."""
    return [one.exception(WAIT_S) or one.result() for one in asked]


class Gate:
    """Lets `parties` threads through together, once each; lets everybody through where they take turns."""

    def __init__(self, driver: Driver, parties: int) -> None:
        self._barrier = threading.Barrier(parties) if driver.interleaves else None
        self._passed: set[int] = set()

    def wait(self) -> None:
        own = threading.get_ident()
        if self._barrier is not None and own not in self._passed:
            self._passed.add(own)  # an operation that is run again must not wait for those that are through
            self._barrier.wait(WAIT_S)


class ConcurrencySuite:
    """Two at once, in the worst order."""

    @staticmethod
    def race(driver: Driver, operations: list[Callable[[Tx], Any]]) -> list[Any]:
        """Write from one thread each, begun together."""
        begin = threading.Barrier(len(operations))

        def one(operation: Callable[[Tx], Any]) -> Any:
            begin.wait(WAIT_S)
            return driver.store.write(operation)

        with ThreadPoolExecutor(len(operations)) as threads:
            return outcomes([threads.submit(one, operation) for operation in operations])

    def test_a_lost_update_is_refused(self, driver: Driver) -> None:
        driver.store.write(insert(job("a")))
        have_read = threading.Barrier(2)

        def decide_then_write(rank: int) -> None:
            seen = driver.store.read(lambda tx: tx.get(Job, "a"))
            have_read.wait(WAIT_S)
            driver.store.write(lambda tx: tx.replace(msgspec.structs.replace(seen, rank=rank)))

        with ThreadPoolExecutor(2) as threads:
            answers = outcomes([threads.submit(decide_then_write, rank) for rank in (5, 6)])
        assert sorted(type(answer).__name__ for answer in answers) == ["NoneType", "Stale"]
        kept = driver.store.read(lambda tx: tx.get(Job, "a"))
        assert (kept.rank, kept.version) == (5 + answers.index(None), 1)

    def test_two_parents_that_finish_together_free_their_child(self, driver: Driver) -> None:
        driver.store.write(insert(job("child", unmet=2), edge("p1", "child"), edge("p2", "child")))
        gate = Gate(driver, 2)

        def finish(parent: str) -> Callable[[Tx], None]:
            def operation(tx: Tx) -> None:
                line, child = tx.get(Edge, parent, "child"), tx.get(Job, "child")
                gate.wait()
                tx.replace(msgspec.structs.replace(line, met=True))
                tx.replace(msgspec.structs.replace(child, unmet=child.unmet - 1))

            return operation

        assert self.race(driver, [finish("p1"), finish("p2")]) == [None, None]
        assert driver.store.read(lambda tx: tx.get(Job, "child")).unmet == 0

    def test_one_slot_is_given_once(self, driver: Driver) -> None:
        gate = Gate(driver, 2)

        def offer(name: str) -> Callable[[Tx], None]:
            def operation(tx: Tx) -> None:
                tx.insert(job(name))
                gate.wait()
                tx.insert(attempt(name, job=name))

            return operation

        answers = self.race(driver, [offer("a"), offer("b")])
        assert sorted(type(answer).__name__ for answer in answers) == ["Duplicate", "NoneType"]
        refused = next(answer for answer in answers if isinstance(answer, Duplicate))
        assert refused.constraint == "one_live_attempt_per_slot"
        winner = "ab"[answers.index(None)]
        assert [row.id for row in driver.store.read(lambda tx: tx.find(Job, "key"))] == [winner]
        assert [row.id for row in driver.store.read(lambda tx: tx.find(Attempt, "live", True))] == [winner]

    def test_what_was_not_there_when_counted_stays_away(self, driver: Driver) -> None:
        """A phantom: both count, both find room for one, only one may have it."""
        gate = Gate(driver, 2)

        def reserve(name: str) -> Callable[[Tx], bool]:
            def operation(tx: Tx) -> bool:
                room = len(tx.find(Job, "build", "b")) < 1
                gate.wait()
                if room:
                    tx.insert(job(name))
                return room

            return operation

        assert sorted(self.race(driver, [reserve("a"), reserve("b")])) == [False, True]
        assert len(driver.store.read(lambda tx: tx.find(Job, "key"))) == 1

    def test_each_decided_on_what_the_other_changed(self, driver: Driver) -> None:
        """Write skew: two rows, each may be closed only while the other is open."""
        driver.store.write(insert(job("a"), job("b")))
        gate = Gate(driver, 2)

        def close(mine: str, other: str) -> Callable[[Tx], bool]:
            def operation(tx: Tx) -> bool:
                beside, own = tx.get(Job, other), tx.get(Job, mine)
                gate.wait()
                if beside.open:
                    tx.replace(msgspec.structs.replace(own, open=False))
                return beside.open

            return operation

        assert sorted(self.race(driver, [close("a", "b"), close("b", "a")])) == [False, True]

    def test_nobody_sees_what_is_not_committed(self, driver: Driver) -> None:
        driver.store.write(insert(job("a")))
        with ThreadPoolExecutor(2) as threads:
            look: list[Future[Any]] = []

            def operation(tx: Tx) -> None:
                tx.insert(job("b"))
                tx.replace(job("a", rank=9))
                look.append(threads.submit(driver.store.read, lambda tx: tx.find(Job, "key")))
                if driver.reads_beside:
                    look[0].result(WAIT_S)
                raise ArithmeticError("mine")

            answer = threads.submit(driver.store.write, operation).exception(WAIT_S)
            assert isinstance(answer, ArithmeticError)
            assert look[-1].result(WAIT_S) == [job("a")]

    def test_a_read_sees_one_moment(self, driver: Driver) -> None:
        driver.store.write(insert(job("a"), job("b")))

        def both(tx: Tx) -> None:
            tx.replace(job("a", rank=1))
            tx.replace(job("b", rank=1))

        with ThreadPoolExecutor(1) as threads:
            change: list[Future[Any]] = []

            def look(tx: Tx) -> list[int]:
                first = tx.get(Job, "a").rank
                change.append(threads.submit(driver.store.write, both))
                if driver.reads_beside:
                    change[0].result(WAIT_S)
                return [first, tx.get(Job, "b").rank, tx.find(Job, "build", "b")[0].rank]

            assert driver.store.read(look) == [0, 0, 0]
            change[0].result(WAIT_S)
        assert driver.store.read(lambda tx: [row.rank for row in tx.find(Job, "key")]) == [1, 1]

    def test_what_was_answered_is_seen_by_everybody(self, driver: Driver) -> None:
        driver.store.write(insert(job("a")))
        with ThreadPoolExecutor(4) as threads:
            for version in range(20):
                driver.store.write(lambda tx, version=version: tx.replace(job("a", version=version)))
                seen = [threads.submit(driver.store.read, lambda tx: tx.get(Job, "a")) for _ in range(4)]
                assert [one.result(WAIT_S).version for one in seen] == [version + 1] * 4

    def test_many_threads_lose_nothing(self, driver: Driver) -> None:
        driver.store.write(insert(job("a")))

        def count(tx: Tx) -> None:
            row = tx.get(Job, "a")
            tx.replace(msgspec.structs.replace(row, attempts=row.attempts + 1))
            tx.insert(Event(job="a", kind=str(row.attempts)))

        with ThreadPoolExecutor(8) as threads:
            assert outcomes([threads.submit(driver.store.write, count) for _ in range(200)]) == [None] * 200
        assert driver.store.read(lambda tx: tx.get(Job, "a")).attempts == 200
        told = driver.store.read(lambda tx: tx.find(Event, "job", "a"))
        assert [event.kind for event in told] == [str(number) for number in range(200)]

    def test_a_refused_change_can_be_decided_again(self, driver: Driver) -> None:
        """The way out of Stale: read again, decide again."""
        driver.store.write(insert(job("a")))

        def until_kept() -> int:
            for tries in range(1, 100):
                seen = driver.store.read(lambda tx: tx.get(Job, "a"))
                changed = msgspec.structs.replace(seen, attempts=seen.attempts + 1)
                try:
                    driver.store.write(lambda tx, changed=changed: tx.replace(changed))
                except Stale:
                    continue
                return tries
            return 0

        with ThreadPoolExecutor(4) as threads:
            assert all(outcomes([threads.submit(until_kept) for _ in range(20)]))
        assert driver.store.read(lambda tx: tx.get(Job, "a")).attempts == 20
