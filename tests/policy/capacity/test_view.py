"""What a hub sees becomes columns, and acts become offers and commands; whatever comes late, twice or not at all."""

import msgspec
import pytest
from fullfarms import BURST, OWN, rules

from penstock.model.decision import Boot, Decision, Delete, Resume, Suspend
from penstock.model.rules import Platform, Pool, Rules, Waiting
from penstock.model.snapshot import Ask
from penstock.model.units import Size
from penstock.policy.capacity import columns as c
from penstock.policy.capacity import decide, estimates, view
from penstock.policy.capacity.rows import NOWHERE, Rows, grown, unpacked
from penstock.policy.capacity.setting import Choice
from penstock.policy.capacity.standing import Phase, Standing
from penstock.policy.capacity.view import Ended, Found, Lost, Seen, Wanted

ASK = Ask("linux", "", "untrusted", "change", Size(1, 1024))
RULES = rules(OWN, BURST)
MINUTE_MS = 60_000


def wanted(job: str, since_ms: int = 1000, ask: Ask = ASK, **about: object) -> Wanted:
    return Wanted(job, ask, f"{ask.platform}\n\n{about.get('name', 'zlib')}\nbuild", since_ms, 3)


def own(name: str = "o1", phase: Phase = "up", version: int = 0) -> Standing:
    return Standing(name, "own", phase, version)


def rented(name: str = "b1", phase: Phase = "up", **about: object) -> Standing:
    return Standing(name, "burst", phase, **about)  # type: ignore[arg-type]


class Told:
    """One farm that is told things, at rising moments."""

    def __init__(self, farm: Rules = RULES, choice: Choice = Choice()) -> None:
        self.rows = Rows(farm, choice)
        self.now_ms = 1000

    def __call__(self, passed_ms: int = 1000, **seen: object) -> Decision:
        self.now_ms += passed_ms
        return view.decide(self.rows, Seen(now_ms=self.now_ms, **seen))  # type: ignore[arg-type]

    def bring(self, **seen: object) -> set[int]:
        """Tell without deciding."""
        self.now_ms += 1000
        return view.bring(self.rows, Seen(now_ms=self.now_ms, **seen))  # type: ignore[arg-type]

    def state(self, machine: str) -> int:
        return self.rows.farm.machines[c.MACHINE_STATE][self.rows.machines[machine]]

    def flags(self, machine: str) -> int:
        return self.rows.farm.machines[c.MACHINE_FLAGS][self.rows.machines[machine]]

    def job(self, job: str, field: int) -> int:
        return self.rows.farm.jobs[field][self.rows.jobs[job]]


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


class TestRows:
    def test_rows_grow_and_nothing_is_forgotten(self) -> None:
        told = Told(rules(BURST))
        jobs = tuple(
            wanted(
                f"j{n}",
                1000 + n,
                msgspec.structs.replace(ASK, size=Size(1 + n % 20, 1024)),
                name=f"n{n % 40}",
            )
            for n in range(150)
        )
        told(machines=tuple(rented(f"b{n}") for n in range(50)), waiting=jobs)
        farm = told.rows.farm
        assert len(told.rows.jobs) == 150
        assert farm.head[c.HEAD_FREE_ROWS] >= 150
        assert len(set(told.rows.machines.values())) == 50
        for number in range(3):
            told.rows.name(f"fresh {number}", 0)
        estimates.learn(told.rows.farm, 1, 5000)
        for number in range(200):
            told.rows.name(f"more {number}", 0)
        assert estimates.quantile_ms(told.rows.farm, 1, 600_000) == 5000

    def test_columns_of_the_same_shape_grow_into_the_same(self) -> None:
        told = Told()
        told(machines=(own(),), waiting=(wanted("j1"),))
        shape = c.Shape(
            jobs=64, asks=8, pools=2, islands=1, machines=len(told.rows.farm.free_rows), width=1, names=16
        )
        again = grown(told.rows.farm, shape, shape)
        fields = [field for field in again._fields if field not in ("acts", "scratch", "free_rows")]
        assert [getattr(again, field) for field in fields] == [
            getattr(told.rows.farm, field) for field in fields
        ]

    def test_what_is_packed_goes_on_as_it_was(self) -> None:
        told = Told()
        told(
            machines=(own(), rented("b1"), rented("b2", "suspended")),
            waiting=tuple(wanted(f"j{n}") for n in range(9)),
        )
        told(ended=(Ended("j0", 77_000),), waiting=tuple(wanted(f"j{n}") for n in range(4, 9)))
        again = Told()
        again.rows, again.now_ms = unpacked(told.rows.pack(), RULES, Choice()), told.now_ms
        assert again.rows.digest() == told.rows.digest()
        told.rows.machine_versions = again.rows.machine_versions = {"o1": 1, "b1": 1, "b2": 1}
        seen = {"waiting": tuple(wanted(f"j{n}") for n in range(4, 9))}
        assert [told(600_000, **seen), told.rows.digest()] == [again(600_000, **seen), again.rows.digest()]

    def test_under_other_rules_durations_are_left(self) -> None:
        told = Told()
        told(machines=(own(),), waiting=(wanted("j0"),))
        for number in range(40):
            told(ended=(Ended(f"j{number}", 1000 * (number + 1)),), waiting=(wanted(f"j{number + 1}"),))
        told(ended=(Ended("j40", 1000),), waiting=(wanted("other", name="png"),))
        told(ended=(Ended("other", 9000),))
        before = estimates.quantile_ms(told.rows.farm, 0, 600_000)
        other = msgspec.structs.replace(RULES, waiting=Waiting(price_per_hour_micros=5))
        fresh = unpacked(told.rows.pack(), other, Choice())
        assert fresh.jobs == {}
        assert estimates.quantile_ms(fresh.farm, 0, 600_000) == before
        assert estimates.quantile_ms(fresh.farm, 1, 600_000) == 9000
        elsewhere = Rules(
            platforms={"mac": Platform(name="mac")},
            pools=(Pool(name="m", provider="owned", platforms=("mac",)),),
        )
        assert unpacked(told.rows.pack(), elsewhere, Choice()).farm.names[c.NAME_COUNT][0] == 0

    def test_a_row_that_is_used_again_is_as_blank_as_at_first(self) -> None:
        rows = Rows(RULES, Choice())
        blank = [column[0] for column in rows.farm.jobs]
        row = rows.new_job("j1", rows.ask(ASK), "n")
        for column in rows.farm.jobs:
            column[row] = 77
        rows.forget_job("j1")
        again = rows.new_job("j2", rows.ask(ASK), "n")
        assert again == row
        assert [column[again] for column in rows.farm.jobs] == blank

    def test_nothing_kept_is_nothing_known(self) -> None:
        assert unpacked(b"", RULES, Choice()).jobs == {}

    def test_asks_that_only_placement_tells_apart_are_one(self) -> None:
        told = Told()
        assert told.rows.ask(ASK) == told.rows.ask(
            msgspec.structs.replace(ASK, steady=True, lost_on=("m",), level=4, identity="x")
        )
        assert told.rows.island_of(msgspec.structs.replace(ASK, platform="mac")) == NOWHERE

    def test_a_farm_without_pools_decides_nothing(self) -> None:
        assert Told(Rules())(waiting=(wanted("j1"),)) == Decision()
