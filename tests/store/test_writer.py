"""How often a transaction is run that is lost to others, and how long is waited between, without a clock."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conformance.samples import job

from penstock.ports import Stale, StoreError, Tx
from penstock.store.link import Broken
from penstock.store.statements import POSTGRES
from penstock.store.writer import PAUSES_S, GroupWriter

WAIT_S = 60


class Stormy:
    """A connection whose COMMITs meet what `losses` says, one after another."""

    dialect = POSTGRES
    most = 60
    careful = False

    def __init__(self, losses: list[Broken]) -> None:
        self.losses = losses
        self.begun: list[bool] = []
        self.marks = 0

    def begin(self, alone: bool = False) -> None:
        self.begun.append(alone)

    def commit(self) -> None:
        if self.losses:
            raise self.losses.pop(0)

    def mark(self) -> None:
        self.marks += 1

    def rows(self, sql: str, values: Any) -> list[Any]:
        return []

    def change(self, sql: str, values: Any) -> int:
        return 1

    def undo(self) -> None: ...
    def abandon(self) -> None: ...
    def later(self, sql: str, values: Any, sure: bool) -> None: ...
    def close(self) -> None: ...


def met() -> Broken:
    return Broken("met", again=True, met=True)


class Run:
    """A writer on a connection, and how long it paused."""

    def __init__(self, losses: list[Broken]) -> None:
        self.link = Stormy(losses)
        self.paused: list[float] = []
        self.writer = GroupWriter(self.link, self.paused.append)


@pytest.fixture
def made() -> Iterator[Callable[[list[Broken]], Run]]:
    runs: list[Run] = []

    def make(losses: list[Broken]) -> Run:
        runs.append(Run(losses))
        return runs[-1]

    yield make
    for run in runs:
        run.writer.close()


def test_who_met_another_one_is_alone_the_next_time(made: Callable[[list[Broken]], Run]) -> None:
    run = made([met(), met()])
    assert run.writer.submit(lambda _tx: 5).result(WAIT_S) == 5
    assert run.link.begun == [False, True, True]
    assert len(run.paused) == 2


def test_a_storm_ends_in_a_refusal_after_a_bounded_time(made: Callable[[list[Broken]], Run]) -> None:
    run = made([met() for _ in range(100)])
    with pytest.raises(StoreError, match="met"):
        run.writer.submit(lambda _tx: 5).result(WAIT_S)
    assert len(run.link.begun) == len(PAUSES_S)
    assert all(paused <= most for paused, most in zip(run.paused, PAUSES_S, strict=True))
    run.link.losses.clear()
    assert run.writer.submit(lambda _tx: 6).result(WAIT_S) == 6


def test_a_lost_connection_is_no_reason_to_keep_others_out(made: Callable[[list[Broken]], Run]) -> None:
    run = made([Broken("gone", again=True)])
    assert run.writer.submit(lambda _tx: 5).result(WAIT_S) == 5
    assert run.link.begun == [False, False]


def test_what_would_happen_again_is_refused_at_once(made: Callable[[list[Broken]], Run]) -> None:
    run = made([Broken("disk full")])
    with pytest.raises(StoreError, match="disk full"):
        run.writer.submit(lambda _tx: 5).result(WAIT_S)
    assert run.link.begun == [False]


def test_who_wrote_and_raised_is_run_again_with_care(made: Callable[[list[Broken]], Run]) -> None:
    """Its answer may be another one then: what it wrote may have been refused before it raised."""
    run, seen = made([]), []

    def operation(tx: Tx) -> None:
        seen.append(tx)
        tx.insert(job("a"))
        raise Stale("mine")

    with pytest.raises(Stale, match="mine"):
        run.writer.submit(operation).result(WAIT_S)
    assert len(seen) == 2
    assert run.paused == []


def test_who_only_read_and_raised_is_not(made: Callable[[list[Broken]], Run]) -> None:
    run, seen = made([]), []

    def operation(tx: Tx) -> None:
        seen.append(tx)
        raise Stale("mine")

    with pytest.raises(Stale, match="mine"):
        run.writer.submit(operation).result(WAIT_S)
    assert len(seen) == 1
