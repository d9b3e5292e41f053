"""The hub rents: intents before calls, answers after them, books held against listings, and a leader that goes on."""

import threading

import msgspec
import pytest
from farms import KEY, POOL, FakeClock, TestFarm, planned
from renting import BURST, RULES, Killed, Rented

from penstock import wiring
from penstock.hub import incarnation, people, poller, queue, sessions
from penstock.hub.beside import Threads
from penstock.hub.context import NotLeading, Unauthorized
from penstock.hub.fsck import fsck
from penstock.hub.poller import Said
from penstock.hub.provisioner import NOTHING, Provisioner
from penstock.hub.renter import Renter
from penstock.hub.sessions import Registration
from penstock.model.decision import Decided, Delete, Memory, Resume, Suspend
from penstock.model.farm import Event
from penstock.model.job import Attempt
from penstock.model.machine import Machine
from penstock.model.rented import TAG_FARM, TAG_INCARNATION, TAG_MACHINE, Order
from penstock.model.rules import Rules
from penstock.model.states import Power
from penstock.ports import NoAnswer, QuotaReached
from penstock.providers.simulated import Weather


@pytest.fixture
def farm() -> Rented:
    return Rented()


def test_a_job_waits_so_a_machine_is_ordered_comes_runs_it_sleeps_and_goes(farm: Rented) -> None:
    who, attempt = farm.started()
    assert who.machine.id == attempt.machine
    assert who.machine.name != "any"
    assert (farm.machine.power, farm.machine.starts) == (Power.UP, 1)
    assert farm.get(Attempt, attempt.id).why
    queue.finish(farm.hub, who.session, attempt.id, attempt.fence, "fin", queue.Ending(result="failed"))
    farm.until(Power.SUSPENDED)
    assert set(farm.provider.states().values()) == {"stopped"}
    farm.until(Power.GONE, 40_000)
    assert set(farm.provider.states().values()) == {"gone"}
    assert fsck(farm.hub) == []
    with pytest.raises(Unauthorized):
        sessions.register(farm.hub, who.credential or "", Registration(name="any", key=KEY))


def test_the_row_is_there_before_the_call_with_token_and_tags(farm: Rented) -> None:
    orders: list[tuple[Order, Machine]] = []
    create = farm.provider.create

    def watched(order: Order) -> str:
        orders.append((order, farm.get(Machine, order.tags[TAG_MACHINE])))
        return create(order)

    farm.provider.create = watched  # type: ignore[method-assign]
    farm.submit("c1", planned("zlib"))
    farm.until(Power.BOOTING)
    ((order, row),) = orders
    assert (row.power, row.client_token) == (Power.REQUESTED, order.token)
    assert (order.tags[TAG_FARM], order.tags[TAG_INCARNATION]) == tuple(order.token.split(":")[:2])
    assert farm.machine.provider_id == "burst-00001"


def test_a_pool_has_its_least_before_any_job_came() -> None:
    """Also when the last of them went."""
    farm = Rented(Rules(platforms=RULES.platforms, pools=(msgspec.structs.replace(BURST, min=1),)))
    first = farm.until(Power.REGISTERING, 60)
    farm.provider.take_back(first.provider_id)
    farm.until(Power.GONE, 400)
    second = farm.until(Power.REGISTERING, 400)
    assert second.id != first.id
    assert fsck(farm.hub) == []


def test_a_farm_without_providers_is_left_to_the_placer() -> None:
    plain = TestFarm(Rules(platforms=RULES.platforms, pools=(POOL,)))
    assert plain.services.provisioner.run_once(0, plain.services.view) == NOTHING
    assert plain.services.provisioner.without.pools == frozenset()


def test_a_frozen_farm_orders_and_deletes_nothing(farm: Rented) -> None:
    farm.submit("c1", planned("zlib"))
    incarnation.freeze(farm.hub, "tried")
    for _ in range(60):
        farm.tick(10_000)
    assert farm.all(Machine) == []
    assert farm.provider.states() == {}


def test_an_owned_machine_takes_what_it_can_in_time() -> None:
    both = Rented(
        Rules(platforms=RULES.platforms, pools=(msgspec.structs.replace(POOL, machines=1, slots=1), BURST))
    )
    token = sessions.create_token(both.hub, "own")
    who = sessions.register(
        both.hub, token, Registration(name="m1", key=KEY, slots=1, cores=2, memory_mb=4096)
    )
    both.tick()
    both.submit("c1", planned("zlib"))
    both.tick()
    assert [work.attempt.machine for work in poller.poll(both.hub, who.session, Said(call=1)).offers] == [
        who.machine.id
    ]
    people.drain(both.hub, who.machine.id)
    assert both.provider.states() == {}


def test_a_machine_that_enrolled_by_itself_in_a_rented_pool_is_let_alone(farm: Rented) -> None:
    """Nobody could stop it or give it back: it is not the policy's."""
    token = sessions.create_token(farm.hub, "burst")
    guest = sessions.register(farm.hub, token, Registration(name="guest", key=KEY, slots=1))
    farm.submit("c1", planned("zlib"))
    farm.until(Power.BOOTING)
    for _ in range(12):
        farm.tick(10_000)
    assert farm.get(Machine, guest.machine.id).power == Power.UP
    assert farm.all(Attempt) == []


def test_what_is_refused_is_gone_and_ordered_again_later(farm: Rented) -> None:
    farm.provider.weather = Weather(no_capacity=1.0)
    farm.submit("c1", planned("zlib"))
    gone = farm.until(Power.GONE)
    assert "no machine left" in gone.power_reason
    farm.provider.weather = Weather()
    count = len(farm.all(Machine))
    for _ in range(100):
        farm.tick(1000)
    assert len(farm.all(Machine)) == count  # the pool is let alone for three minutes
    assert farm.until(Power.BOOTING).id != gone.id


def test_an_order_without_an_answer_is_repeated_and_there_once(farm: Rented) -> None:
    farm.provider.weather = Weather(no_answer=1.0)
    farm.submit("c1", planned("zlib"))
    farm.until(Power.REQUESTED)
    for _ in range(3):
        farm.tick(1000)
    farm.provider.weather = Weather()
    farm.until(Power.BOOTING)
    assert len(farm.provider.states()) == 1


def test_an_order_that_is_never_answered_is_given_up_and_its_machine_found(farm: Rented) -> None:
    create = farm.provider.create

    def lost(order: Order) -> str:
        create(order)
        raise NoAnswer("lost")

    farm.provider.create = lost  # type: ignore[method-assign]
    farm.provider.weather = Weather(behind_ms=50_000)
    farm.submit("c1", planned("zlib"))
    farm.until(Power.GONE)
    farm.provider.create = create  # type: ignore[method-assign]
    assert farm.provider.states()["burst-00001"] != "gone"
    for _ in range(20):
        farm.tick(20_000)
    assert farm.provider.states()["burst-00001"] == "gone"


def test_what_does_not_come_is_given_back_and_counts_as_a_failure(farm: Rented) -> None:
    farm.provider.weather = Weather(boot_failed=1.0)
    farm.submit("c1", planned("zlib"))
    farm.until(Power.DELETING)
    assert farm.all(Machine)[0].power_reason == "did not come up in 120 s"
    farm.until(Power.GONE)
    assert farm.provider.states()["burst-00001"] == "gone"


def test_a_machine_without_an_agent_is_given_back(farm: Rented) -> None:
    farm.submit("c1", planned("zlib"))
    waiting = farm.until(Power.REGISTERING)
    assert farm.until(Power.DELETING).id == waiting.id


def test_who_says_nothing_any_more_is_given_back_when_its_right_is_over(farm: Rented) -> None:
    _, attempt = farm.started()
    for _ in range(200):
        farm.tick(10_000)
    assert farm.get(Attempt, attempt.id).state == "LOST"
    assert farm.get(Machine, attempt.machine).power == Power.GONE
    assert "it takes no more jobs" in [one.reason for one in farm.all(Event) if one.kind == "power"]


def test_power_and_offers_exclude_each_other(farm: Rented) -> None:
    _, attempt = farm.started()
    renter = Renter(farm.leading, farm.services._beside)
    commands = [kind(machine=attempt.machine, reason="x") for kind in (Suspend, Delete, Resume)]
    assert renter.intend(commands, 0) == ["", "", ""]
    assert farm.machine.power == Power.UP


class TestLeaders:
    def test_a_new_leader_goes_on_from_what_was_learnt(self, farm: Rented) -> None:
        _, attempt = farm.started()
        assert farm.get(Memory, "capacity").content
        before = farm.services.provisioner.sight.rows
        farm.tick(10_000)
        digest = before.digest()
        farm.again()
        after = farm.services.provisioner.sight.rows
        assert after.jobs == before.jobs == {attempt.job: before.jobs[attempt.job]}
        assert after.digest() == digest
        farm.tick(1000)
        assert farm.get(Attempt, attempt.id).live

    def test_a_new_leader_without_memory_adopts_what_runs(self, farm: Rented) -> None:
        _, attempt = farm.started()
        farm.store.write(lambda tx: tx.delete(tx.get(Memory, "capacity")))
        farm.again()
        rows = farm.services.provisioner.sight.rows
        assert set(rows.jobs) == {attempt.job}
        assert set(rows.machines) == {attempt.machine}
        for _ in range(30):
            farm.tick(10_000)
        assert farm.get(Machine, attempt.machine).power == Power.UP

    def test_a_new_leader_calls_nobody_for_a_while(self, farm: Rented) -> None:
        """What the last one called may still be under way: a late "stop" must not meet a machine that works again."""
        farm.idle()
        farm.until(Power.SUSPENDED)
        calls: list[str] = []
        for name in ("create", "resume", "suspend", "delete", "list"):
            setattr(farm.provider, name, lambda *given, name=name: calls.append(name))
        farm.restart()
        for _ in range(4):
            farm.tick(1000)
        assert calls == []
        farm.tick(1000)
        assert calls == ["list"]

    def test_an_order_whose_leader_died_is_found_by_its_tags(self, farm: Rented) -> None:
        create = farm.provider.create

        def dies(order: Order) -> str:
            create(order)
            raise Killed

        farm.provider.create = dies  # type: ignore[method-assign]
        farm.submit("c1", planned("zlib"))
        with pytest.raises(Killed):
            farm.until(Power.BOOTING)
        farm.provider.create = create  # type: ignore[method-assign]
        farm.restart()
        assert farm.machine.power == Power.REQUESTED
        for _ in range(8):
            farm.tick(1000)
        assert (farm.machine.power, farm.machine.provider_id) == (Power.BOOTING, "burst-00001")
        assert len(farm.provider.states()) == 1

    def test_an_order_whose_leader_died_before_the_call_is_given_up(self, farm: Rented) -> None:
        def dies(order: Order) -> str:
            raise Killed

        create, farm.provider.create = farm.provider.create, dies  # type: ignore[method-assign]
        farm.submit("c1", planned("zlib"))
        with pytest.raises(Killed):
            farm.until(Power.BOOTING)
        farm.provider.create = create  # type: ignore[method-assign]
        first = farm.machine.id
        farm.restart()
        farm.until(Power.REGISTERING)
        assert farm.get(Machine, first).power == Power.GONE

    def test_an_old_leader_orders_nothing(self, farm: Rented) -> None:
        old = farm.services
        farm.submit("c1", planned("zlib"))
        farm.restart()
        with pytest.raises(NotLeading):
            old.run_once(farm.clock.monotonic + 600_000)
        assert len(farm.all(Machine)) == 0

    def test_decisions_are_kept_with_what_they_were_made_from(self, farm: Rented) -> None:
        farm.started()
        kept = farm.all(Decided)
        assert len(kept) >= 2
        assert all(len(one.view) == len(one.memory) == 64 and one.acts for one in kept)


def test_what_a_library_raises_stops_no_pass(farm: Rented) -> None:
    def odd(*given: object) -> str:
        raise ValueError("an answer that nobody expected")

    real = farm.provider.create, farm.provider.list
    farm.provider.create = farm.provider.list = odd  # type: ignore[method-assign,assignment]
    farm.submit("c1", planned("zlib"))
    farm.until(Power.GONE)
    assert "nobody expected" in farm.all(Machine)[0].power_reason
    farm.provider.create, farm.provider.list = real  # type: ignore[method-assign]
    farm.until(Power.BOOTING)


@pytest.mark.parametrize(("many", "decisions"), [(300, 2), (0, 1)])
def test_a_large_decision_of_which_something_was_refused_is_made_again_by_the_next_pass_at_once(
    farm: Rented, monkeypatch: pytest.MonkeyPatch, many: int, decisions: int
) -> None:
    """Three decisions on thousands of machines were one pass of three seconds."""
    monkeypatch.setattr("penstock.hub.provisioner.MANY", many)
    seen_ms: list[int] = []

    def full(order: Order) -> str:
        raise QuotaReached("no more of these")

    farm.provider.create = full  # type: ignore[method-assign]
    farm.services.provisioner.told = lambda rows, seen: seen_ms.append(seen.now_ms)
    farm.submit("c1", planned("zlib"))
    while not farm.all(Machine):
        seen_ms.clear()
        farm.tick(1000)
    assert seen_ms == [seen_ms[0]] * decisions
    due_ms = farm.services.provisioner.next_ms(farm.services.view)
    assert due_ms is not None
    assert (due_ms <= seen_ms[0]) == (decisions == 1)


class TestBesideThePass:
    def test_a_provider_that_hangs_holds_up_no_pass(self, farm: Rented) -> None:
        """Its calls have threads of their own; the answer is found by a later pass, which is rung for."""
        told, go_on = threading.Event(), threading.Event()
        create = farm.provider.create

        def slow(order: Order) -> str:
            assert go_on.wait(20)
            return create(order)

        farm.provider.create = slow  # type: ignore[method-assign]
        beside = Threads(told.set, patience_s=0.0)
        farm.services.provisioner = Provisioner(farm.leading, beside)
        farm.submit("c1", planned("zlib"))
        farm.until(Power.REQUESTED)
        for _ in range(5):
            farm.tick(1000)
        assert farm.machine.power == Power.REQUESTED
        go_on.set()
        assert told.wait(20)
        for _ in range(2000):
            farm.tick(10)
            if farm.machine.power == Power.BOOTING:
                break
            told.wait(0.01)
        assert farm.machine.provider_id == "burst-00001"

    @pytest.mark.parametrize("refused", [False, True])
    def test_an_answer_that_comes_late_is_heard_and_the_call_is_made_once(
        self, farm: Rented, refused: bool
    ) -> None:
        """Listings in the passes between made the answer forgotten: the same call again and again, and no refusal ever heard."""
        go_on, ended, calls = threading.Event(), threading.Event(), list[str]()
        create = farm.provider.create

        def slow(order: Order) -> str:
            calls.append(order.token)
            assert go_on.wait(20)
            ended.set()
            if refused:
                raise QuotaReached("no more of these")
            return create(order)

        farm.provider.create = slow  # type: ignore[method-assign]
        farm.services.provisioner = Provisioner(farm.leading, Threads(lambda: None, patience_s=0.05))
        farm.submit("c1", planned("zlib"))
        ordered = farm.until(Power.REQUESTED).id
        go_on.set()
        assert ended.wait(20)
        for _ in range(2000):
            farm.tick(10)
            if (after := farm.get(Machine, ordered)).power != Power.REQUESTED:
                break
        assert after.power == (Power.GONE if refused else Power.BOOTING)
        assert (len(calls), "no more of these" in after.power_reason) == (1, refused)

    def test_who_does_not_surely_lead_begins_no_call(self, farm: Rented) -> None:
        farm.services.provisioner = Provisioner(farm.leading, lasts_ms=lambda: 0)
        farm.submit("c1", planned("zlib"))
        for _ in range(200):
            farm.tick(10_000)
        assert farm.all(Machine) == []


def test_wiring_knows_who_rents() -> None:
    found = wiring.rented(Rules(pools=(POOL, BURST)), FakeClock())
    assert list(found) == ["burst"]
    assert found["burst"].offers()[0].price_per_hour_micros == 400_000
