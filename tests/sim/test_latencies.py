"""How soon the farm acts on what it is told: the same services as live, under simulated time, calls taking none."""

from collections.abc import Callable

import msgspec
import pytest
from fullfarms import BEGIN_MS, BURST, rules, workload

from penstock.model.farm import Farm
from penstock.model.rented import TAG_FARM, TAG_INCARNATION, TAG_MACHINE, Listing, Order
from penstock.model.rules import Waiting
from penstock.model.trial import Policy
from penstock.providers.simulated import Simulated, Weather
from penstock.sim.hubworld import FAULTS
from penstock.sim.world import FullRun

MOST_MS = 2_000
FARM = msgspec.structs.replace(rules(BURST), waiting=Waiting(price_per_hour_micros=5_000_000))
"""Waiting is dear enough that nothing waits for long, and that what is idle for ten minutes sleeps."""
MINUTE_MS, HOUR_MS = 60_000, 3_600_000


class Heard:
    """What one provider was asked, and what it told, each with its time."""

    def __init__(self, provider: Simulated, now: Callable[[], int], patch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[int, str, str]] = []
        self.lists: list[tuple[int, Listing]] = []
        for name in ("resume", "delete"):
            patch.setattr(provider, name, self._noting(name, getattr(provider, name), now))
        usual = provider.list

        def told() -> Listing:
            self.lists.append((now(), usual()))
            return self.lists[-1][1]

        patch.setattr(provider, "list", told)

    def _noting(
        self, name: str, usual: Callable[[str], None], now: Callable[[], int]
    ) -> Callable[[str], None]:
        def call(id_: str) -> None:
            self.calls.append((now(), name, id_))
            usual(id_)

        return call

    def first(self, name: str, from_ms: int) -> int:
        return next(at_ms for at_ms, call, _ in self.calls if call == name and at_ms >= from_ms)


def run_of(
    rows: list[tuple[int, int, int]], patch: pytest.MonkeyPatch, **about: object
) -> tuple[FullRun, Heard]:
    run = FullRun(workload(rows), FARM, Policy(), **about)  # type: ignore[arg-type]
    return run, Heard(run.world.providers["burst"], lambda: run.world.clock.now_ms, patch)


def test_a_backlog_wakes_a_machine_within_two_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    later_ms = BEGIN_MS + HOUR_MS + 7_321
    rows = [(BEGIN_MS, 300_000, 0), *((later_ms, 300_000, 1) for _ in range(20))]
    run, heard = run_of(rows, monkeypatch)
    run.go()
    assert 0 <= heard.first("resume", later_ms) - later_ms < MOST_MS


def test_what_its_provider_says_is_lost_is_queued_again_within_two_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run, heard = run_of([(BEGIN_MS, 20 * MINUTE_MS, 0)], monkeypatch, weather=Weather(notice_ms=0))
    provider, gone_ms, queued = run.world.providers["burst"], BEGIN_MS + 8 * MINUTE_MS + 123, []
    run.world.at(gone_ms, FAULTS, lambda: provider.take_back("burst-00001"))
    usual = run.world.hub.wake.wake

    def woken(topic: str) -> None:
        if topic == "farm" and run.world.clock.now_ms >= gone_ms:
            queued.append(run.world.clock.now_ms)
        usual(topic)

    monkeypatch.setattr(run.world.hub.wake, "wake", woken)
    run.go()
    told_ms = next(
        at_ms for at_ms, listing in heard.lists if any(one.state == "gone" for one in listing.instances)
    )
    assert told_ms - gone_ms <= MINUTE_MS
    assert 0 <= min(at_ms for at_ms in queued if at_ms >= told_ms) - told_ms < MOST_MS
    assert run.attempts[0] == 2


def test_an_orphan_is_deleted_with_its_second_listing(monkeypatch: pytest.MonkeyPatch) -> None:
    run, heard = run_of(
        [(BEGIN_MS, 60_000, 0), (BEGIN_MS + HOUR_MS, 60_000, 0)], monkeypatch, every_ms=MINUTE_MS
    )
    provider = run.world.providers["burst"]

    def appear() -> None:
        farm = run.world.store.read(lambda tx: tx.get(Farm, "farm"))
        assert farm is not None
        tags = {TAG_FARM: farm.uid, TAG_INCARNATION: farm.incarnation, TAG_MACHINE: "nobody's"}
        provider.create(Order(offer="burst", token="odd", tags=tags, secret="odd", name="odd"))

    run.world.at(BEGIN_MS + 20 * MINUTE_MS, FAULTS, appear)
    run.go()
    (orphan,) = [name for name in provider.states() if name != "burst-00001"]
    deleted_ms = next(at_ms for at_ms, call, name in heard.calls if (call, name) == ("delete", orphan))
    shown = [
        at_ms
        for at_ms, told in heard.lists
        if orphan in {one.id for one in told.instances} and at_ms <= deleted_ms
    ]
    assert len(shown) == 2
    assert deleted_ms == shown[1] == shown[0] + MINUTE_MS
