"""Machines that are gone for a week are forgotten, with all that let their agents in; nothing else is."""

import msgspec
import pytest
from renting import Rented

from penstock.hub import forgetter, queue
from penstock.hub.explain import explain
from penstock.hub.forgetter import KEPT_MS, Forgetter
from penstock.hub.fsck import fsck
from penstock.model.job import Attempt
from penstock.model.ledger import Meter
from penstock.model.machine import Credential, Machine, Session
from penstock.model.states import Power
from penstock.ports import Tx


@pytest.fixture
def farm() -> Rented:
    """A farm whose only machine ran a job and is gone."""
    farm = Rented()
    who, attempt = farm.started()
    queue.finish(farm.hub, who.session, attempt.id, attempt.fence, "fin", queue.Ending(result="failed"))
    farm.until(Power.GONE, 40_000)
    farm.services.finish()
    return farm


def forget(farm: Rented, later_ms: int) -> int:
    since_ms = farm.all(Machine)[0].since_ms
    return Forgetter(farm.services.hub).run_once(since_ms + later_ms)["forgotten"]


def test_after_a_week_it_is_forgotten_with_all_that_let_its_agent_in(farm: Rented) -> None:
    assert farm.all(Session)
    assert forget(farm, KEPT_MS - 1) == 0
    assert forget(farm, KEPT_MS) == 1
    assert (farm.all(Machine), farm.all(Session), farm.all(Credential)) == ([], [], [])
    assert fsck(farm.hub) == []


def test_what_ran_there_is_still_explained(farm: Rented) -> None:
    (attempt,) = farm.all(Attempt)
    assert forget(farm, KEPT_MS) == 1
    assert attempt.machine in " ".join(explain(farm.hub, attempt.job).sentences)


def test_one_whose_last_second_is_not_in_the_books_is_kept(farm: Rented) -> None:
    (gone,) = farm.all(Machine)
    meter = Meter(machine=gone.id, pool="burst", power=Power.DELETING, since_ms=1, price_micros=1)
    farm.hub.store.write(lambda tx: tx.insert(meter))
    assert forget(farm, KEPT_MS) == 0


def test_only_what_is_gone_is_forgotten(farm: Rented) -> None:
    (gone,) = farm.all(Machine)
    asleep = msgspec.structs.replace(gone, id="asleep", name="asleep", power=Power.SUSPENDED, version=0)
    farm.hub.store.write(lambda tx: tx.insert(asleep))
    assert forget(farm, KEPT_MS) == 1
    assert [one.id for one in farm.all(Machine)] == ["asleep"]


def test_it_goes_round_them_a_few_at_a_time(farm: Rented, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgetter, "LOOKED_AT", 2)
    (gone,) = farm.all(Machine)

    def more(tx: Tx) -> None:
        for number in range(6):
            since_ms = gone.since_ms + (KEPT_MS if number < 3 else 0)
            tx.insert(
                msgspec.structs.replace(
                    gone, id=f"a{number}", name=f"a{number}", since_ms=since_ms, version=0
                )
            )

    farm.hub.store.write(more)
    one = Forgetter(farm.services.hub)
    counts = [one.run_once(gone.since_ms + KEPT_MS)["forgotten"] for _ in range(4)]
    assert counts == [0, 1, 2, 1]
    assert sorted(left.id for left in farm.all(Machine)) == ["a0", "a1", "a2"]
