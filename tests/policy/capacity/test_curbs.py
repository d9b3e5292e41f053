"""Guards curb what is rented: nothing new, no more than so many, nothing at all; the exempt get what they need."""

import msgspec
import pytest
from capacityfarm import OWNED, RENTED, Town
from fullfarms import BURST, OWN, rules
from presetfarm import HOUR_MS
from seenfarm import ASK, Told, own, rented, wanted

from penstock.model.curb import Curb
from penstock.model.decision import Boot, Delete, Resume, Suspend
from penstock.policy import silence
from penstock.policy.capacity import columns as c
from penstock.policy.capacity import offers, reserve
from penstock.policy.capacity import preset_numbers as n
from penstock.policy.capacity import sheet as on
from penstock.policy.capacity.rows import Rows
from penstock.policy.capacity.setting import Choice
from penstock.policy.capacity.view import Ended
from penstock.policy.ordering import level_of

MINUTES_20 = 1_200_000
DAY_MS = 24 * HOUR_MS
RELEASE = msgspec.structs.replace(ASK, klass="release")
THROTTLED = Curb(guard="g", most=(("burst", 0),), exempt=("release",))
CAPPED = Curb(guard="g", most=(("burst", 2),), exempt=("release",))
BARRED = Curb(guard="g", barred=("burst",), exempt=("release",))
KEPT = msgspec.structs.replace(BURST, min=2)
HELD = silence.curb("burst", 1)
AWAY = Curb(guard="", barred=("burst",), stopped="burst", keeps=True)


def many(count: int, ask=ASK):  # type: ignore[no-untyped-def]
    return tuple(wanted(f"{ask.klass}{number}", ask=ask) for number in range(count))


def boots(told: Told, *waiting, curbs=(), **seen) -> int:  # type: ignore[no-untyped-def]
    """How many machines are ordered for these jobs until they are late."""
    ordered = 0
    for _ in range(4):
        decision = told(MINUTES_20 // 4, waiting=waiting, curbs=curbs, **seen)
        for one in decision.power:
            assert isinstance(one, Boot)
            told.rows.called(one.row, f"b{one.row}")
            ordered += 1
    return ordered


class TestOrders:
    @pytest.mark.parametrize(("curbs", "expected"), [((), 5), ((THROTTLED,), 0), ((CAPPED,), 2)])
    def test_so_many_machines_are_ordered(self, curbs: tuple[Curb, ...], expected: int) -> None:
        assert boots(Told(rules(BURST)), *many(5), curbs=curbs) == expected

    @pytest.mark.parametrize("curb", [THROTTLED, CAPPED])
    def test_exempt_jobs_get_machines_all_the_same(self, curb: Curb) -> None:
        told = Told(rules(BURST))
        assert boots(told, *many(5), *many(4, RELEASE), curbs=(curb,)) in (4, 6)
        assert boots(told, *many(5), *many(4, RELEASE), curbs=(curb,)) == 0

    def test_a_machine_is_not_ordered_earlier_because_others_wait_for_it_too(self) -> None:
        told = Told(rules(BURST))
        old = tuple(wanted(f"old{number}", since_ms=1) for number in range(3))
        fresh = wanted("fresh", since_ms=1_000_000, ask=RELEASE)
        told.now_ms = 1_000_000
        assert told(waiting=(*old, fresh), curbs=(THROTTLED,)).power == ()
        assert boots(told, *old, fresh, curbs=(THROTTLED,)) == 1

    def test_nothing_is_woken_either(self) -> None:
        told = Told(rules(BURST))
        told(machines=(rented(phase="suspended"),))
        for _ in range(4):
            assert told(MINUTES_20, waiting=many(1), curbs=(THROTTLED,)).power == ()
        (woken,) = told(waiting=many(1)).power
        assert isinstance(woken, Resume)

    def test_what_an_exempt_job_waits_for_counts_as_exempt(self) -> None:
        needed = msgspec.structs.replace(ASK, level=level_of("release", 0))
        told = Told(rules(BURST))
        assert boots(told, *many(2), wanted("lib", ask=needed), curbs=(THROTTLED,)) == 1
        (place,) = told(
            waiting=(wanted("lib", ask=needed),), machines=(rented("b0"),), curbs=(THROTTLED,)
        ).places
        assert place.job == "lib"

    def test_nothing_stands_by_where_a_guard_curbs(self) -> None:
        told = Told(rules(KEPT))
        assert told(curbs=(THROTTLED,)).power == ()
        assert len(told().power) == 2


class TestPlaces:
    @pytest.mark.parametrize("curb", [THROTTLED, CAPPED])
    def test_machines_that_are_up_are_used(self, curb: Curb) -> None:
        told = Told()
        decision = told(machines=(rented(), rented("b2"), rented("b3")), waiting=many(3), curbs=(curb,))
        while not decision.places:
            decision = told(60_000, waiting=many(3), curbs=(curb,))
        assert {one.machine for one in decision.places} <= {"b1", "b2", "b3"}

    def test_nothing_of_ours_starts_where_it_is_barred(self) -> None:
        told = Told()
        waiting = (*many(3), *many(1, RELEASE))
        decision = told(machines=(rented(),), waiting=waiting, curbs=(BARRED,))
        places = list(decision.places)
        for _ in range(60):
            places += told(60_000, waiting=many(3), curbs=(BARRED,)).places
        assert [one.job for one in places] == ["release0"]
        (place,) = told(waiting=many(1), machines=(own(),), curbs=(BARRED,)).places
        assert place.machine == "o1"

    def test_what_runs_runs_on_and_its_machine_sleeps_after_it(self) -> None:
        told = Told(rules(BURST))
        (place,) = told(machines=(rented(),), waiting=many(1)).places
        assert place.machine == "b1"
        assert told(60_000, curbs=(BARRED,)).power == ()
        assert told.job("change0", c.JOB_STATE) == c.RUNNING
        decision = told(60_000, ended=(), curbs=(BARRED,), lost=())
        for _ in range(3):
            assert decision.power == ()
            decision = told(60_000, curbs=(BARRED,))
        decision = told(ended=(Ended("change0", 5000),), curbs=(BARRED,))
        while not decision.power:
            decision = told(60_000, curbs=(BARRED,))
        assert isinstance(decision.power[0], Suspend | Delete)


class TestChanges:
    def test_when_a_guard_lets_go_all_is_as_before(self) -> None:
        told, plain = Told(rules(OWN, KEPT)), Told(rules(OWN, KEPT))
        told(waiting=many(2), curbs=(BARRED,))
        told(waiting=many(2))
        plain(waiting=many(2))
        assert [list(row) for row in told.rows.farm.suits] == [list(row) for row in plain.rows.farm.suits]
        assert list(told.rows.farm.pools[c.POOL_LEAST]) == list(plain.rows.farm.pools[c.POOL_LEAST])

    def test_jobs_that_back_off_come_back_as_they_are_then(self) -> None:
        told = Told()
        told(waiting=many(2))
        told(waiting=many(1), later=("change1",))
        told(waiting=many(1), later=("change1",), curbs=(BARRED,))
        assert "change1" not in told.rows.jobs
        told(waiting=many(2), curbs=(BARRED,))
        assert told.job("change1", c.JOB_STATE) == c.PENDING

    def test_a_curb_that_stays_changes_nothing(self) -> None:
        rows = Rows(rules(OWN, BURST), Choice())
        assert rows.curb((BARRED,))
        assert not rows.curb((BARRED,))
        assert rows.curb(())


def asleep(told: Told) -> Told:
    """It has one machine, which ran a job and sleeps after it."""
    decision = told(machines=(rented(),), waiting=many(1))
    while not decision.places:
        decision = told(60_000, waiting=many(1))
    decision = told(60_000, ended=(Ended("change0", 5000),))
    while not decision.power:
        decision = told(60_000)
    (suspended,) = decision.power
    assert isinstance(suspended, Suspend)
    told(machines=(rented(phase="suspended"),))
    return told


AT_ONCE = n.PRESETS.index("burst-at-once")


@pytest.mark.parametrize("choice", [Choice(), Choice(AT_ONCE, n.numbers("burst-at-once"))])
class TestWhatSleeps:
    def days(self, told: Told, count: int, *curbs: Curb) -> list[object]:
        """What is done with machines in so many days, looked at as often as the policy asks for it."""
        done: list[object] = []
        for _ in range(48 * count):
            done += told(HOUR_MS // 2, curbs=curbs).power
        return done

    def test_what_sleeps_stays_where_nobody_knows_whether_it_is_needed(self, choice: Choice) -> None:
        told = asleep(Told(rules(BURST), choice))
        assert self.days(told, 8, AWAY) == []
        (gone,) = self.days(told, 1)
        assert isinstance(gone, Delete)

    def test_a_guard_of_money_keeps_nothing(self, choice: Choice) -> None:
        (gone,) = self.days(asleep(Told(rules(BURST), choice)), 8, BARRED)
        assert isinstance(gone, Delete)


def chosen(preset: str) -> Choice:
    return Choice(n.PRESETS.index(preset), n.numbers(preset)) if preset else Choice()


class TestWhatIsHeld:
    """A pool in which too many machines say nothing stays as it is, whatever the policy."""

    def begun(self, preset: str) -> Told:
        told = Told(rules(BURST), chosen(preset))
        phases = {"up": "up", "silent": "closed", "comes": "coming", "sleeps": "suspended"}
        machines = tuple(rented(name, phase=phase) for name, phase in phases.items())
        assert told(machines=machines, curbs=(HELD,)).power == ()
        return told

    @pytest.mark.parametrize("preset", ["", *n.PRESET_NUMBERS])
    def test_nothing_is_stopped_woken_or_ordered(self, preset: str) -> None:
        told = self.begun(preset)
        for hour in range(24 * 9):
            waiting = many(9) if hour == 100 else ()
            decision = told(HOUR_MS, waiting=waiting, curbs=(HELD,))
            assert decision.power == ()
            assert {place.machine for place in decision.places} <= {"up", "comes"}

    @pytest.mark.parametrize("preset", ["", "burst-at-once", "stop-when-idle"])
    def test_when_it_ends_all_goes_on(self, preset: str) -> None:
        told = self.begun(preset)
        for _ in range(24 * 9):
            told(HOUR_MS, curbs=(HELD,))
        stopped = [one.machine for _ in range(24 * 9) for one in told(HOUR_MS).power]
        assert "silent" in stopped


class TestColumns:
    def test_more_are_ordered_as_some_go(self) -> None:
        town = Town([{**RENTED, c.POOL_SLOTS: 2}])
        town.farm.suits[0][0] = c.CURBED + 1
        town.know(600)
        town.come(count=6)
        town.until(town.now_ms + DAY_MS)
        assert len(town.starts()) == 6
        most = 0
        for moment in {at for at, *_ in town.log}:
            most = max(most, _at_work(town, moment))
        assert most == 1

    def test_only_pools_of_the_island_are_looked_at(self) -> None:
        town = Town([RENTED, OWNED])
        town.farm.suits[0][0] = c.CURBED + 1
        on.begin(town.farm.scratch, 0, HOUR_MS)
        offers.allow(town.farm, 0, 0)
        town.farm.scratch[on.FRAME][on.POOLS_HERE] = 2
        town.farm.scratch[on.POOLS][0], town.farm.scratch[on.POOLS][1] = 0, 1
        town.farm.scratch[on.FRAME][on.GROUPS] = 1
        town.farm.scratch[on.GROUP_POOL][0] = 1
        offers.curb(town.farm)
        assert list(town.farm.scratch[on.ALLOWED][:2]) == [3, 1]
        town.farm.scratch[on.GROUP_POOL][0] = 0
        offers.curb(town.farm)
        assert list(town.farm.scratch[on.ALLOWED][:2]) == [0, 1]
        assert town.farm.scratch[on.FRAME][on.ALLOWED_ASK] == -1

    def test_no_reserve_in_a_pool_that_is_curbed(self) -> None:
        town = Town([{**RENTED, c.POOL_LEAST: -1}, RENTED], RULE_WAIT_PRICE=10_000_000)
        assert reserve.pool_of(town.farm, 0) == 1
        town.farm.islands[c.ISLAND_RESERVE][0] = 3
        on.begin(town.farm.scratch, 0, HOUR_MS)
        assert not reserve.holds(town.farm, 0, 0)
        assert reserve.holds(town.farm, 0, 1)


def _at_work(town: Town, moment: int) -> int:
    """Machines ordered or woken, less those that were stopped, up to this moment."""
    acts = [kind for at, kind, *_ in town.log if at <= moment]
    return sum(kind in (c.BOOT, c.RESUME) for kind in acts) - sum(
        kind in (c.SUSPEND, c.DELETE) for kind in acts
    )
