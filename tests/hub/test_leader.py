"""Who leads among several hub processes, in simulated time: each has a monotonic clock of its own."""

from dataclasses import replace

import msgspec
import pytest
from farms import RULES, Agent, FakeClock, FakeEntropy, FakeNotifier, MemoryBlobs, TestFarm, planned

from penstock.hub import intake
from penstock.hub.context import Hub, NotLeading
from penstock.hub.leader import BLIND_MS, LEASE_MS, MARGIN_MS, Leader, Term
from penstock.hub.loop import Services
from penstock.model.farm import Farm
from penstock.model.states import JobState
from penstock.ports import StoreError
from penstock.store.memory import MemoryStore

STEP_MS = 500
"""How often a process looks, or is heard of."""


class Process:
    """A hub process that looks every half second, and decides while it leads. `stopped`: it does not run."""

    def __init__(self, store: MemoryStore, began_ms: int, name: str, alone: bool = False) -> None:
        self.clock = FakeClock()
        self.clock.monotonic = began_ms
        hub = Hub(store, MemoryBlobs(), self.clock, FakeEntropy(), RULES, FakeNotifier())  # type: ignore[arg-type]
        self.leader = Leader(hub, name, alone)
        self.hub, self.stopped = hub, False

    @property
    def now_ms(self) -> int:
        return self.clock.monotonic

    @property
    def term(self) -> Term | None:
        return self.leader.term

    @property
    def decides(self) -> bool:
        return self.term is not None and self.term.lasts_ms(self.now_ms) > 0

    def look(self) -> None:
        self.leader.run_once(self.now_ms)

    def services(self) -> Services:
        assert self.term is not None
        return Services(self.term.hub, self.term.farm, self.term.timekeeper)


class Processes:
    """Several of them on one database. Their clocks run alike but began at different times."""

    def __init__(self, count: int) -> None:
        self.store = MemoryStore()
        self.all = [Process(self.store, 10**6 * n, f"hub{n}") for n in range(1, count + 1)]

    def run(self, passed_ms: int) -> None:
        """Let time pass for everybody; who is not stopped looks every half second."""
        for _ in range(passed_ms // STEP_MS):
            for one in self.all:
                one.clock.monotonic += STEP_MS
                if not one.stopped:
                    one.look()

    def until_led(self, *but: Process, within_ms: int) -> tuple[Process, int]:
        """Who decides next, and after how long."""
        for passed_ms in range(0, within_ms + 1, STEP_MS):
            found = [one for one in self.all if one.decides and one not in but and not one.stopped]
            if found:
                (leader,) = found
                return leader, passed_ms
            self.run(STEP_MS)
        raise AssertionError("nobody leads")

    @property
    def farm(self) -> Farm:
        found = self.store.read(lambda tx: tx.get(Farm, "farm"))
        assert found is not None
        return found


@pytest.fixture
def three() -> Processes:
    return Processes(3)


def test_the_first_that_looks_makes_the_farm_and_leads_and_nobody_else(three: Processes) -> None:
    first, passed_ms = three.until_led(within_ms=STEP_MS)
    assert (first, passed_ms) == (three.all[0], STEP_MS)
    three.run(10 * LEASE_MS)
    assert [one.decides for one in three.all] == [True, False, False]
    assert three.farm.leader.startswith("hub1-")
    assert three.farm.leader_epoch == 1


def test_farm_time_moves_at_least_once_a_second_while_somebody_leads(three: Processes) -> None:
    three.run(STEP_MS)
    for _ in range(20):
        before_ms = three.farm.time_ms
        three.run(1000)
        assert 0 < three.farm.time_ms - before_ms <= 1500


def test_another_takes_over_from_a_leader_that_is_not_heard_of(three: Processes) -> None:
    first, _ = three.until_led(within_ms=STEP_MS)
    three.run(5000)
    time_ms = three.farm.time_ms
    first.stopped = True
    second, passed_ms = three.until_led(first, within_ms=15_000)
    assert second is not first
    assert LEASE_MS - 1000 <= passed_ms <= LEASE_MS + 2 * STEP_MS
    assert three.farm.leader_epoch == 2
    # Nobody led meanwhile, so no time has passed: an outage ends nobody's right.
    assert three.farm.time_ms == time_ms
    three.run(10_000)
    assert sum(one.decides for one in three.all) == 1
    assert 9_000 <= three.farm.time_ms - time_ms <= 10_500


def test_a_leader_stops_deciding_before_another_can_begin(three: Processes) -> None:
    first, _ = three.until_led(within_ms=STEP_MS)
    first.stopped = True
    for _ in range(2 * LEASE_MS // STEP_MS):
        three.run(STEP_MS)
        others = [one for one in three.all if one is not first and one.decides]
        assert not (others and first.decides)
    assert others
    assert not first.decides
    assert first.term is not None
    assert first.term.lasts_ms(first.term.timekeeper.last_ms or 0) == LEASE_MS - MARGIN_MS


def test_a_leader_that_was_stopped_longer_than_its_lease_changes_nothing_when_it_wakes(
    three: Processes,
) -> None:
    farm = TestFarm(store=three.store)
    agent = Agent(farm, "m1")
    first, _ = three.until_led(within_ms=15_000)
    stale = first.services()
    old = first.term
    first.stopped = True
    second, _ = three.until_led(first, within_ms=15_000)
    build = farm.submit("c1", planned("zlib"))
    books = three.farm
    with pytest.raises(NotLeading):
        stale.run_once(first.now_ms)
    with pytest.raises(NotLeading):
        intake.end_stale(old.hub if old else farm.hub)
    assert three.farm == books
    assert farm.states(build) == {"zlib:build": JobState.QUEUED}
    assert agent.poll().offers == ()
    first.stopped = False
    three.run(STEP_MS)
    assert not first.decides
    assert first.term is None
    assert second.decides


def test_a_leader_that_was_stopped_while_nobody_watched_goes_on(three: Processes) -> None:
    first, *others = three.all
    three.run(2000)
    for one in three.all:
        one.stopped = True
    three.run(600_000)
    time_ms = three.farm.time_ms
    assert not first.decides
    for one in three.all:
        one.stopped = False
    three.run(2000)
    assert first.decides
    assert not any(one.decides for one in others)
    assert three.farm.leader_epoch == 1
    # A step of farm time is bounded, whatever the clock says.
    assert three.farm.time_ms - time_ms <= 30_000 + 2000


def test_who_could_not_look_does_not_take_what_it_saw_last_for_what_is(three: Processes) -> None:
    first, second, third = three.all
    three.run(2000)
    # Not one write of the leader is seen, but only because nobody looked.
    second.stopped = third.stopped = True
    first.stopped = True
    three.run(BLIND_MS + STEP_MS)
    second.stopped = third.stopped = False
    three.run(LEASE_MS - STEP_MS)
    assert not second.decides
    three.run(2 * STEP_MS)
    assert second.decides or third.decides


def test_a_leader_that_resigns_is_followed_at_the_next_look(three: Processes) -> None:
    first, _ = three.until_led(within_ms=STEP_MS)
    three.run(3000)
    time_ms = three.farm.time_ms
    first.leader.resign()
    assert three.farm.leader == ""
    assert not first.decides
    first.stopped = True
    _, passed_ms = three.until_led(first, within_ms=1000)
    assert passed_ms <= STEP_MS
    assert three.farm.time_ms == time_ms
    first.leader.resign()  # harmless when it does not lead
    assert three.farm.leader != ""


def test_one_that_was_replaced_cannot_resign_for_another(three: Processes) -> None:
    first, _ = three.until_led(within_ms=STEP_MS)
    first.stopped = True
    three.until_led(first, within_ms=15_000)
    leader = three.farm.leader
    first.leader.resign()
    assert three.farm.leader == leader


def test_of_two_that_see_the_same_silence_one_takes_over() -> None:
    two = Processes(2)
    first, second = two.all
    first.look()
    second.look()
    third = Process(two.store, 5, "hub3")
    third.look()
    for one in (second, third):
        for _ in range(LEASE_MS // STEP_MS - 1):
            one.clock.monotonic += STEP_MS
            one.look()
        one.clock.monotonic += STEP_MS
    second.look()
    third.look()
    assert second.decides
    assert not third.decides
    assert two.farm.leader_epoch == 2


def test_where_the_folder_is_locked_nobody_is_waited_for() -> None:
    store = MemoryStore()
    killed = Process(store, 1, "killed", alone=True)
    killed.look()
    again = Process(store, 1, "again", alone=True)
    again.look()
    assert again.decides
    killed.clock.monotonic += 1000
    killed.look()
    assert killed.term is None


def test_a_deciding_service_that_was_refused_ends_the_term_at_once(three: Processes) -> None:
    first, _ = three.until_led(within_ms=STEP_MS)
    term = first.term
    assert term is not None
    first.leader.lost(term)
    assert first.term is None
    first.leader.lost(term)


def test_a_database_that_is_away_ends_no_term_but_deciding(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Processes(1)
    (first,) = one.all
    one.run(1000)

    def away(_: object) -> None:
        raise StoreError("no connection")

    with monkeypatch.context() as patched:
        patched.setattr(one.store, "submit", away)
        patched.setattr(one.store, "write", away)
        for _ in range(LEASE_MS // STEP_MS):
            first.clock.monotonic += STEP_MS
            if first.now_ms - (first.term.timekeeper.last_ms or 0) >= 1000:  # type: ignore[union-attr]
                with pytest.raises(StoreError):
                    first.look()
    assert first.term is not None
    assert not first.decides
    one.run(STEP_MS)
    assert first.decides
    assert one.farm.leader_epoch == 1


def test_two_threads_of_a_leader_count_each_moment_once() -> None:
    one = Processes(1)
    (first,) = one.all
    one.run(STEP_MS)
    services = first.services()
    began_ms, time_ms = first.now_ms, one.farm.time_ms
    for passed_ms in (300, 200, 900, 900):
        first.clock.monotonic += passed_ms
        services.run_once(first.now_ms)
        first.look()
        services.run_once(first.now_ms - 50)  # read before the other wrote
    assert one.farm.time_ms - time_ms == first.now_ms - began_ms


def test_a_frozen_farm_has_a_leader_that_decides_nothing(three: Processes) -> None:
    farm = TestFarm(store=three.store)
    Agent(farm, "m1")
    first, _ = three.until_led(within_ms=15_000)
    build = farm.submit("c1", planned("zlib"))
    three.store.write(lambda tx: tx.replace(msgspec.structs.replace(tx.get(Farm, "farm"), frozen=True)))  # type: ignore[arg-type]
    first.stopped = True
    second, _ = three.until_led(first, within_ms=15_000)
    three.run(1000)
    assert set(second.services().run_once(second.now_ms)) == {"stamped"}
    assert farm.states(build) == {"zlib:build": JobState.QUEUED}


def test_a_new_leader_goes_by_the_rules_it_is_given(three: Processes) -> None:
    first, _ = three.until_led(within_ms=STEP_MS)
    rules = msgspec.structs.replace(RULES, name="other")
    term = first.term
    assert term is not None
    services = Services(replace(term.hub, rules=rules), term.farm, term.timekeeper)
    assert services.hub.rules.name == "other"
    assert services.hub.epoch == term.farm.leader_epoch


def test_who_steps_back_lets_another_lead_and_does_not_come_back_at_once(three: Processes) -> None:
    first, _ = three.until_led(within_ms=STEP_MS)
    three.run(5000)
    first.leader.step_back(first.clock.monotonic, 10_000)
    assert first.leader.term is None
    second, passed_ms = three.until_led(within_ms=2 * STEP_MS)
    assert second is not first
    assert passed_ms <= 2 * STEP_MS


def test_who_steps_back_leads_again_where_nobody_else_does() -> None:
    one = Processes(1)
    first, _ = one.until_led(within_ms=STEP_MS)
    first.leader.step_back(first.clock.monotonic, 10_000)
    again, passed_ms = one.until_led(within_ms=15_000)
    assert again is first
    assert 9_000 <= passed_ms <= 11_000
