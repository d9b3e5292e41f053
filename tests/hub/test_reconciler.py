"""Books held against what providers list: strangers go, what is missing is lost, and neither too soon."""

import pytest
from farms import KEY, planned
from renting import Rented

from penstock.hub import pools, queue, reconciler, sessions
from penstock.hub.context import NotFound, Unauthorized
from penstock.hub.renter import Renter
from penstock.hub.sessions import Registration
from penstock.model.decision import Delete, Resume
from penstock.model.farm import Farm
from penstock.model.job import Attempt, Job
from penstock.model.machine import Machine
from penstock.model.rented import TAG_FARM, TAG_INCARNATION, TAG_MACHINE, Listing, Notice, Order
from penstock.model.states import Power
from penstock.ports import NoAnswer
from penstock.providers.simulated import Weather

NOTICE = Notice(id="burst-00001", left_ms=60_000)


@pytest.fixture
def farm() -> Rented:
    return Rented()


def named(farm: Rented) -> Machine:
    """The first machine, at the moment when its provider's name for it is known."""
    farm.submit("c1", planned("zlib"))
    for _ in range(4000):
        farm.tick(1000)
        for one in farm.all(Machine):
            if one.provider_id:
                return one
    raise AssertionError("nothing was made, or its name was never learnt")


class TestReconciling:
    def strange(self, farm: Rented, count: int, **tags: str) -> None:
        """Machines with our tags that no book has."""
        ours = farm.get(Farm, "farm")
        base = {TAG_FARM: ours.uid, TAG_INCARNATION: ours.incarnation, TAG_MACHINE: "nobody"}
        for number in range(count):
            token = f"strange {farm.clock.monotonic} {number}"
            farm.provider.create(Order(offer="burst", token=token, tags={**base, **tags}))

    def alive(self, farm: Rented) -> int:
        return sum(state not in ("going", "gone") for state in farm.provider.states().values())

    def test_what_is_in_no_book_is_deleted_when_it_was_seen_twice(self, farm: Rented) -> None:
        self.strange(farm, 2)
        farm.tick(60_000)
        farm.tick(1_000)
        assert self.alive(farm) == 2
        for _ in range(8):
            farm.tick(20_000)
        assert self.alive(farm) == 0

    def test_what_others_own_is_let_alone(self, farm: Rented) -> None:
        self.strange(farm, 1, **{TAG_FARM: "another"})
        farm.provider.create(Order(offer="burst", token="copy", tags={}))
        for _ in range(20):
            farm.tick(20_000)
        assert self.alive(farm) == 2

    def test_listings_with_gaps_do_not_count(self, farm: Rented) -> None:
        farm.provider.weather = Weather(part_missing=1.0)
        self.strange(farm, 2)
        _, attempt = farm.started()
        for _ in range(40):
            farm.tick(5_000)
        assert self.alive(farm) == 3
        assert farm.get(Attempt, attempt.id).live

    def test_too_many_at_once_are_asked_about(self, farm: Rented) -> None:
        self.strange(farm, 4)
        for _ in range(20):
            farm.tick(20_000)
        assert self.alive(farm) == 4
        (said,) = farm.alerts()
        assert said.startswith("4 machines of burst are in no book: none was deleted")
        assert "penstock pools clear burst" in said

    def test_a_person_lets_them_go_for_a_while(self, farm: Rented) -> None:
        self.strange(farm, 4)
        for _ in range(20):
            farm.tick(20_000)
        assert pools.clear_pool(farm.hub, "burst", "cleared by ada")
        assert not pools.clear_pool(farm.hub, "burst", "cleared by ada")
        for _ in range(8):
            farm.tick(20_000)
        assert self.alive(farm) == 0
        farm.pass_time(pools.CLEARED_MS)
        self.strange(farm, 4)
        for _ in range(20):
            farm.tick(20_000)
        assert self.alive(farm) == 4
        assert pools.clear_pool(farm.hub, "burst", "cleared by bob")
        with pytest.raises(NotFound):
            pools.clear_pool(farm.hub, "brust", "cleared by ada")

    def test_a_second_machine_of_one_intent_is_deleted(self, farm: Rented) -> None:
        farm.started()
        self.strange(farm, 1, **{TAG_MACHINE: farm.machine.id})
        for _ in range(8):
            farm.tick(20_000)
        assert farm.provider.states()["burst-00001"] != "gone"
        assert farm.provider.states()["burst-00002"] == "gone"

    def test_what_is_reclaimed_runs_next_on_what_is_not(self, farm: Rented) -> None:
        _, attempt = farm.started()
        farm.provider._machines["burst-00001"].reclaimed_ms = farm.clock.monotonic + 90_000
        for _ in range(7):
            farm.tick(10_000)
        assert farm.machine.leaves_ms > 0
        farm.provider._machines["burst-00001"].turn(farm.clock.monotonic, "gone", 0, None)
        for _ in range(7):
            farm.tick(10_000)
        lost = farm.get(Attempt, attempt.id)
        assert (lost.state, lost.cause) == ("PREEMPTED", "machine taken away: its provider has taken it away")
        assert farm.get(Job, attempt.job).steady

    def test_what_was_reclaimed_while_nobody_looked_runs_next_on_what_is_not(self, farm: Rented) -> None:
        """A hub that was away hears of both in one look: that it is gone, and that it was taken."""
        _, attempt = farm.started()
        farm.provider._machines["burst-00001"].turn(farm.clock.monotonic, "gone", 0, None)
        farm.provider.notices = lambda: (Notice(id="burst-00001", left_ms=1),)  # type: ignore[method-assign]
        for _ in range(8):
            farm.tick(10_000)
        assert farm.get(Attempt, attempt.id).cause == "machine taken away: its provider has taken it away"
        assert farm.get(Job, attempt.job).steady

    def test_a_notice_of_a_machine_whose_creation_was_not_answered_is_heard_with_its_name(
        self, farm: Rented, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its provider's name for it comes by the very listing that comes with the notice."""
        usual = farm.provider.create

        def unheard(order: Order) -> str:
            usual(order)
            raise NoAnswer("cut off")

        monkeypatch.setattr(farm.provider, "create", unheard)
        monkeypatch.setattr(farm.provider, "notices", lambda: (NOTICE,))
        machine = named(farm)
        assert machine.provider_id == NOTICE.id
        assert machine.leaves_ms > 0

    def test_a_notice_that_came_before_a_late_answer_is_heard_with_the_answer(
        self, farm: Rented, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """No listing names the machine: the provider does, when it is asked once more for the same order."""
        usual, answered = farm.provider.create, []

        def once_more(order: Order) -> str:
            if not answered:
                answered.append(usual(order))
                raise NoAnswer("cut off")
            return usual(order)

        monkeypatch.setattr(farm.provider, "create", once_more)
        monkeypatch.setattr(farm.provider, "list", lambda: Listing(instances=(), complete=False))
        monkeypatch.setattr(farm.provider, "notices", lambda: (NOTICE,))
        assert named(farm).leaves_ms > 0

    def test_a_thousand_notices_read_the_books_once(
        self, farm: Rented, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        farm.idle()
        reads = []
        usual = reconciler._in_books
        monkeypatch.setattr(reconciler, "_in_books", lambda *of: reads.append(of) or usual(*of))
        notices = tuple(Notice(id=f"i-{number}", left_ms=1) for number in range(1000))
        monkeypatch.setattr(farm.provider, "notices", lambda: notices)
        for _ in range(20):
            farm.tick(1000)
        assert 0 < len(reads) <= 20

    def test_what_is_listed_no_more_is_lost(self, farm: Rented) -> None:
        _, attempt = farm.started()
        del farm.provider._machines["burst-00001"]
        for _ in range(16):
            farm.tick(10_000)
        lost = farm.get(Attempt, attempt.id)
        assert (lost.state, lost.cause) == (
            "PREEMPTED",
            "machine gone: its provider does not list it any more",
        )
        assert not farm.get(Job, attempt.job).steady

    def test_what_somebody_else_stopped_is_lost_and_told(self, farm: Rented) -> None:
        _, attempt = farm.started()
        farm.provider.suspend("burst-00001")
        for _ in range(16):
            farm.tick(10_000)
        assert not farm.get(Attempt, attempt.id).live
        assert "not by this farm" in farm.alerts()[0]

    def test_a_call_that_had_no_effect_is_made_again(self, farm: Rented) -> None:
        farm.idle()
        real, farm.provider.suspend = farm.provider.suspend, lambda id_: None  # type: ignore[method-assign]
        farm.until(Power.SUSPENDING)
        farm.tick(10_000)
        farm.provider.suspend = real  # type: ignore[method-assign]
        assert farm.until(Power.SUSPENDED, 200).pool == "burst"

    def test_suspending_that_does_not_end_becomes_deleting(self, farm: Rented) -> None:
        farm.idle()
        farm.provider.suspend = lambda id_: None  # type: ignore[method-assign]
        stuck = farm.until(Power.SUSPENDING)
        assert farm.until(Power.GONE, 2000).id == stuck.id

    def test_deleting_that_does_not_end_is_told(self, farm: Rented) -> None:
        farm.idle()
        farm.provider.delete = lambda id_: None  # type: ignore[method-assign]
        farm.until(Power.DELETING, 40_000)
        for _ in range(70):
            farm.tick(10_000)
        assert "is still not given back after 600 s, and may cost money" in farm.alerts()[0]

    def test_what_cannot_be_woken_sleeps_on(self, farm: Rented) -> None:
        farm.idle()
        farm.until(Power.SUSPENDED)
        farm.provider.weather = Weather(no_capacity=1.0)
        renter = Renter(farm.leading, farm.services._beside)
        assert renter.intend([Resume(machine=farm.machine.id, reason="wanted")], 0) == [farm.machine.id]
        farm.tick(1000)
        assert farm.machine.power == Power.SUSPENDED
        assert "no machine left" in farm.machine.power_reason

    def test_an_agent_that_registered_before_it_slept_has_to_once_more(self, farm: Rented) -> None:
        """Its session ends where it is to sleep: it calls again in the moment that is left, or its word comes late."""
        who, attempt = farm.started()
        ending = queue.Ending(result="failed")
        queue.finish(farm.hub, who.session, attempt.id, attempt.fence, "fin", ending)
        farm.until(Power.SUSPENDING)
        asked = Registration(name="any", key=KEY, slots=1)
        late = sessions.register(farm.hub, who.credential or "", asked)
        farm.until(Power.SUSPENDED)
        farm.submit("c2", planned("libpng"))
        farm.until(Power.RESUMING)
        with pytest.raises(Unauthorized):
            sessions.authenticate(farm.hub, late.token)
        sessions.register(farm.hub, who.credential or "", asked)
        assert farm.machine.power == Power.UP

    def test_what_its_provider_does_not_know_any_more_is_gone(self, farm: Rented) -> None:
        farm.idle()
        farm.until(Power.SUSPENDED)
        del farm.provider._machines["burst-00001"]
        renter = Renter(farm.leading, farm.services._beside)
        assert renter.intend([Delete(machine=farm.machine.id, reason="x")], 0) == [farm.machine.id]
        farm.tick(1000)
        assert [one.power for one in farm.all(Machine)] == [Power.GONE]
