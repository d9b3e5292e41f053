"""What a hub sees becomes columns, and acts become offers and commands; whatever comes late, twice or not at all."""

import msgspec
import pytest
from fullfarms import BURST, OWN, rules
from seenfarm import ASK, Told, own, rented, wanted

from penstock.model.decision import Boot, Delete, Resume, Suspend
from penstock.policy.capacity import columns as c
from penstock.policy.capacity import decide, estimates, reasons, view
from penstock.policy.capacity.standing import Phase
from penstock.policy.capacity.view import Ended, Found, Lost, Seen


class TestDecisions:
    def test_a_job_is_offered_to_an_owned_machine_with_its_versions(self) -> None:
        told = Told()
        decision = told(machines=(own(version=7),), waiting=(wanted("j1"),))
        (place,) = decision.places
        assert (place.job, place.job_version, place.machine, place.machine_version, place.slot) == (
            "j1",
            3,
            "o1",
            7,
            0,
        )
        assert place.reason

    def test_offers_to_one_machine_count_its_version_up(self) -> None:
        wide = rules(msgspec.structs.replace(OWN, slots=2), BURST)
        decision = Told(wide)(machines=(own(version=7),), waiting=(wanted("j1"), wanted("j2")))
        assert [(one.machine_version, one.slot) for one in decision.places] == [(7, 0), (8, 1)]

    def test_a_machine_is_ordered_woken_put_to_sleep_and_given_back(self) -> None:
        told = Told(rules(BURST))
        told(waiting=(wanted("j1"),))
        decision = told(900_000, waiting=(wanted("j1"),))
        (boot,) = decision.power
        assert isinstance(boot, Boot)
        assert (boot.pool, bool(boot.reason)) == ("burst", True)
        told.rows.called(boot.row, "b1")
        told(waiting=(wanted("j1"),), machines=(rented(phase="coming"),))
        (place,) = told(waiting=(wanted("j1"),), machines=(rented(version=2),)).places
        assert place.machine == "b1"
        assert told().places == ()
        decision = told(ended=(Ended("j1", 5000),))
        while not decision.power:
            assert decision.wake_ms is not None
            decision = told(decision.wake_ms - told.now_ms)
        assert decision.power == (Suspend(machine="b1", reason=decision.power[0].reason),)
        told(machines=(rented(phase="suspending"),))
        told(machines=(rented(phase="suspended"),))
        decision = told(waiting=(wanted("j2"),))
        while not decision.power:
            decision = told(60_000, waiting=(wanted("j2"),))
        assert isinstance(decision.power[0], Resume)
        told(machines=(rented(phase="coming"),), waiting=())
        decision = told(machines=(rented(),))
        for _ in range(40):
            decision = told(3_600_000) if not decision.power else decision
        assert isinstance(decision.power[0], Suspend)
        decision = told(machines=(rented(phase="suspended"),))
        for _ in range(100):
            decision = decision if decision.power else told(3_600_000)
        assert isinstance(decision.power[0], Delete)
        assert told(gone=("b1",)).power == ()
        assert told.rows.machines == {}

    def test_nothing_new_is_nothing_decided(self, monkeypatch: pytest.MonkeyPatch) -> None:
        told = Told()
        told(machines=(own(),), waiting=(wanted("j1"), wanted("j2")))
        monkeypatch.setattr(decide, "decide", lambda *given: pytest.fail("decided"))
        assert told(0, waiting=(wanted("j2"),)).places == ()

    def test_an_island_is_asked_again_when_its_time_has_come(self) -> None:
        told = Told(rules(BURST))
        decision = told(waiting=(wanted("j1"),))
        assert decision.power == ()
        assert decision.wake_ms is not None
        assert told(decision.wake_ms - told.now_ms, waiting=(wanted("j1"),)).power

    def test_a_pool_has_its_least_before_any_job_came(self) -> None:
        plain = msgspec.structs.replace(BURST, name="plain", platforms=("wasm",))
        told = Told(rules(OWN, msgspec.structs.replace(BURST, min=2), plain))
        decision = told()
        assert [(one.pool, one.reason) for one in decision.power if isinstance(one, Boot)] == [
            ("burst", reasons.act_text(reasons.LEAST))
        ] * 2
        for number, boot in enumerate(decision.power):
            assert isinstance(boot, Boot)
            told.rows.called(boot.row, f"b{number}")
        assert told().power == ()
        assert told.rows.farm.islands[c.ISLAND_WAKE_MS][1] == 0

    def test_a_view_has_a_digest(self) -> None:
        one = Seen(now_ms=1, waiting=(wanted("j1"),))
        assert view.digest(one) == view.digest(msgspec.json.decode(msgspec.json.encode(one), type=Seen))
        assert view.digest(one) != view.digest(Seen(now_ms=1))


class TestJobs:
    def started(self) -> Told:
        told = Told()
        assert told(machines=(own(),), waiting=(wanted("j1"),)).places
        return told

    def test_what_ended_is_learnt_without_the_cold_extra(self) -> None:
        told = Told(rules(msgspec.structs.replace(BURST, cold_cache_ms=2000, speed=0.5)))
        told(machines=(rented("o1"),), waiting=(wanted("j1"),))
        told(ended=(Ended("j1", 12_000),))
        assert estimates.quantile_ms(told.rows.farm, 0, 600_000) == 5000
        assert told.rows.jobs == {}

    def test_what_says_nothing_of_its_length_is_not_learnt(self) -> None:
        told = self.started()
        told(ended=(Ended("j1"),))
        assert told.rows.farm.names[c.NAME_COUNT][0] == 0
        assert told.state("o1") == c.IDLE

    def test_what_is_lost_waits_with_its_deadline_and_knows_that_it_was_reclaimed(self) -> None:
        told = self.started()
        due_ms = told.job("j1", c.JOB_DUE_MS)
        told.bring(lost=(Lost("j1", reclaimed=True),), waiting=(wanted("j1", 99_000),))
        assert told.job("j1", c.JOB_STATE) == c.PENDING
        assert told.job("j1", c.JOB_DUE_MS) == due_ms
        assert told.job("j1", c.JOB_FLAGS) & c.STEADY

    def test_what_backs_off_is_remembered_and_what_is_over_is_not(self) -> None:
        told = self.started()
        due_ms = told.job("j1", c.JOB_DUE_MS)
        told(lost=(Lost("j1"),), later=("j1",))
        assert told.job("j1", c.JOB_STATE) == c.AHEAD
        told(lost=(Lost("j1"),), later=("j1",))  # told twice
        told.bring(waiting=(wanted("j1"),))
        assert told.job("j1", c.JOB_DUE_MS) == due_ms
        told(lost=(Lost("nobody"),), ended=(Ended("nobody"),))
        told()
        assert told.rows.jobs == {}

    def test_a_job_that_does_not_wait_any_more_is_forgotten(self) -> None:
        told = Told(rules(BURST))
        told(waiting=(wanted("j1"), wanted("j2")))
        assert told.bring(waiting=(wanted("j2"),)) == {0}
        assert set(told.rows.jobs) == {"j2"}
        assert told.rows.farm.islands[c.ISLAND_PENDING][0] == 1

    def test_a_job_that_ended_before_it_was_seen_to_start_is_forgotten(self) -> None:
        told = Told(rules(BURST))
        told(waiting=(wanted("j1"),))
        told(ended=(Ended("j1", 100),))
        assert told.rows.jobs == {}

    def test_a_job_that_no_pool_suits_is_left_out(self) -> None:
        told = Told()
        assert told(waiting=(wanted("j1", ask=msgspec.structs.replace(ASK, platform="mac")),)).places == ()
        assert told.rows.jobs == {}

    def test_a_job_that_wants_what_is_not_reclaimed(self) -> None:
        told = Told()
        told.bring(waiting=(wanted("j1", ask=msgspec.structs.replace(ASK, steady=True)),))
        assert told.job("j1", c.JOB_FLAGS) & c.STEADY

    def test_what_runs_already_is_adopted(self) -> None:
        told = Told()
        told.bring(
            machines=(own(), rented(starts=3, ordered_ms=500)),
            running=(
                Found(wanted("j1"), "o1", 900),
                Found(wanted("j2"), "b1", 950),
                Found(wanted("j2"), "b1", 950),  # known
                Found(wanted("j3"), "b1", 950),  # no room
                Found(wanted("j4"), "nobody", 950),
                Found(wanted("j5", ask=msgspec.structs.replace(ASK, platform="mac")), "o1", 950),
            ),
        )
        assert set(told.rows.jobs) == {"j1", "j2"}
        assert told.rows.farm.lanes[c.LANE_STARTED_MS][told.job("j2", c.JOB_LANE)] == 950
        assert told.rows.farm.machines[c.MACHINE_STARTS][told.rows.machines["b1"]] == 3


class TestMachines:
    def test_an_owned_machine_is_there_while_its_agent_is(self) -> None:
        told = Told()
        assert told.bring(machines=(own(phase="closed"),)) == set()
        assert told.bring(machines=(own(),)) == {0}
        assert told.bring(machines=(own(version=1),)) == set()
        assert told.rows.farm.islands[c.ISLAND_OWNED][0] == 1
        told.bring(machines=(own(phase="closed"),))
        assert told.rows.machines == {}
        assert told.rows.farm.islands[c.ISLAND_OWNED][0] == 0

    def test_an_owned_machine_that_closes_ends_what_it_runs(self) -> None:
        told = Told()
        told(machines=(own(),), waiting=(wanted("j1"),))
        told(machines=(own(phase="closed"),))
        assert told.flags("o1") & c.DRAINED
        told(machines=(own(),))
        assert not told.flags("o1") & c.DRAINED
        told(machines=(own(phase="closed"),))
        told(ended=(Ended("j1", 10),), machines=(own(phase="closed", version=2),))
        assert told.rows.machines == {}

    def test_what_is_gone_takes_what_ran_there_along(self) -> None:
        told = Told()
        told(machines=(own(),), waiting=(wanted("j1"),))
        told.bring(gone=("o1", "nobody"), waiting=(wanted("j1"),))
        assert told.job("j1", c.JOB_STATE) == c.PENDING
        assert told.rows.machines == {}

    @pytest.mark.parametrize("why", ["capacity", "quota", "throttled"])
    def test_a_refused_order_pauses_its_pool(self, why: view.Failure) -> None:
        told = Told()
        told.bring(machines=(rented(phase="coming"),))
        told.bring(failed=(("b1", why), ("nobody", why)), gone=("b1",))
        assert told.rows.farm.pools[c.POOL_PAUSED_MS][1] > told.now_ms
        assert told.rows.farm.islands[c.ISLAND_NEED][0] == 0

    def test_a_boot_that_failed_counts(self) -> None:
        told = Told()
        told.bring(machines=(rented(phase="coming"),))
        told.bring(failed=(("b1", "boot"),), machines=(rented(phase="deleting"),))
        assert told.rows.farm.pools[c.POOL_FAILURES][1] == 1
        assert told.state("b1") == c.DELETING

    def test_flags_come_and_go(self) -> None:
        told = Told()
        told.bring(machines=(rented(),))
        told.bring(machines=(rented(phase="closed", noticed=True),))
        assert told.flags("b1") & c.DRAINED
        assert told.flags("b1") & c.NOTICED
        told.bring(machines=(rented(),))
        assert not told.flags("b1") & c.DRAINED

    def test_what_is_used_up_stays_closed(self) -> None:
        told = Told(rules(OWN, msgspec.structs.replace(BURST, uses=1)))
        told.bring(machines=(rented(),), running=(Found(wanted("j1"), "b1", 900),))
        told.bring(ended=(Ended("j1", 10),), machines=(rented(version=1, starts=1),))
        assert told.flags("b1") & c.DRAINED

    @pytest.mark.parametrize("before", ["coming", "up", "suspending", "suspended", "deleting"])
    @pytest.mark.parametrize("after", ["coming", "up", "closed", "suspending", "suspended", "deleting"])
    def test_machines_follow_whatever_happens_to_them(self, before: Phase, after: Phase) -> None:
        """Orders and stops are refused, undone, or done by others: the columns follow, and lists and need stay whole."""
        told = Told()
        told.bring(machines=(rented(phase=before),))
        told.bring(machines=(rented(phase=after),))
        expected = {
            "coming": {"coming": c.COMING, "suspended": c.COMING, "up": c.IDLE}.get(before),
            "up": c.IDLE,
            "closed": c.IDLE,
            "suspending": {"deleting": c.DELETING, "suspended": c.STOPPED}.get(before, c.SUSPENDING),
            "suspended": c.DELETING if before == "deleting" else c.STOPPED,
            "deleting": c.DELETING,
        }[after]
        if expected is not None:
            assert told.state("b1") == expected
        state = told.state("b1")
        needed = int(state in (c.COMING, c.OPEN, c.FULL))
        assert told.rows.farm.islands[c.ISLAND_NEED][0] == needed
        counts = told.rows.farm.lists[c.LIST_COUNT][c.KINDS : 2 * c.KINDS]
        assert (sum(counts), counts[state]) == (1, 1)
        told.bring(gone=("b1",))
        assert told.rows.farm.islands[c.ISLAND_NEED][0] == 0

    def test_what_is_deleted_by_others_ends_its_work_first(self) -> None:
        told = Told()
        told.bring(machines=(rented(),), running=(Found(wanted("j1"), "b1", 900),))
        told.bring(machines=(rented(phase="deleting"),))
        assert told.state("b1") == c.FULL
        told.bring(machines=(rented(phase="suspending"),))
        assert told.state("b1") == c.FULL
        assert told.flags("b1") & c.DRAINED

    def test_a_machine_that_is_woken_by_others(self) -> None:
        told = Told()
        told.bring(machines=(rented(phase="suspended"),))
        told.bring(machines=(rented(phase="coming"),))
        assert told.state("b1") == c.COMING
