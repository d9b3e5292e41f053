"""Bugs that other autoscalers had in their services, as ours must not: each names where it was seen.

Those of their decisions are in tests/policy/capacity/test_bugs_of_others.py. Sources: taskcluster c4a35a9, Mozilla's aws_stop_idle and
its lists of names.
"""

import threading
from collections.abc import Iterator

import pytest
from renting import BURST, RULES, Rented

from penstock.hub.beside import Threads
from penstock.hub.reconciler import Reconciler
from penstock.hub.renter import Renter
from penstock.model.decision import Boot
from penstock.model.machine import Machine
from penstock.model.rented import Listing
from penstock.model.states import Power

HOUR_S = 3_600


@pytest.fixture
def go() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_a_provider_that_hangs_holds_up_no_pass(go: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    """One call to a cloud that never returned stopped the whole loop (Taskcluster 2022, c4a35a9)."""
    farm, begun = Rented(), []

    def hangs() -> Listing:
        begun.append(1)
        go.wait()
        return Listing()

    monkeypatch.setattr(farm.provider, "list", hangs)
    reconciler = Reconciler(farm.services.hub, Threads(lambda: None, patience_s=0.01))
    assert [reconciler.run_once((), now_ms) for now_ms in (10_000, 20_000, 30_000)] == [0, 0, 0]
    assert begun == [1]


def test_an_agent_that_hangs_is_not_kept_for_ever() -> None:
    """What takes connections and answers nothing was never idle, so it was never stopped (Mozilla's aws_stop_idle)."""
    farm = Rented()
    farm.started()
    for _ in range(HOUR_S // 10):
        farm.tick(10_000)
    assert farm.all(Machine)[0].power in (Power.DELETING, Power.GONE)


def test_machines_never_run_out_of_names() -> None:
    """Names came from a list, and its end was the most machines there could be, silently (Mozilla)."""
    farm = Rented(RULES)
    renter = Renter(farm.services.hub, farm.services.provisioner._renter._beside)
    for row in range(300):
        renter.intend([Boot(pool=BURST.name, row=row, reason="wanted")], 0)
    assert len({one.name for one in farm.all(Machine)}) == 300
