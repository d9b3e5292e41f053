"""What guards in force keep from happening, for whom and where."""

from decimal import Decimal

import pytest
from guards import BURST, OTHER, OWN, SHARED, guard, rules
from virtual import machine, queued

from penstock.model.curb import Curb
from penstock.model.ledger import Guarding
from penstock.model.rules import Budget, Guard
from penstock.model.snapshot import Ask, Snapshot, ask_of, groups_of
from penstock.model.states import GuardState
from penstock.model.units import Size
from penstock.policy.budgets.curbs import BARRED, FREE, curbs, keeps, room, shut, spares, standing, touches
from penstock.policy.ordering import level_of
from penstock.policy.placement import decide
from penstock.policy.planning import CLASSES
from penstock.policy.suitability import of_all, refusals

ASK = Ask("linux", "", "untrusted", "change", Size(1, 1024))
POOLS = ("own", "shared", "burst", "other")


def fired(*guards: Guard, state: GuardState = GuardState.ACTIVE) -> tuple[Curb, ...]:
    rows = [Guarding(name=one.name, state=state, fired_ms=7, reason="too much") for one in guards]
    return curbs(rules(*guards), rows)


def rooms(*guards: Guard, ask: Ask = ASK) -> list[int | None]:
    found = fired(*guards)
    return [room(found, ask, pool) for pool in POOLS]


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        ("notify:infra", [FREE, FREE, FREE, FREE]),
        ("cap:burst=3", [FREE, FREE, 3, FREE]),
        ("cap:own=3", [FREE, FREE, FREE, FREE]),
        ("throttled", [FREE, FREE, 0, 0]),
        ("drain:shared", [FREE, BARRED, FREE, FREE]),
        ("owned_only", [FREE, FREE, BARRED, BARRED]),
        ("frozen", [FREE, BARRED, BARRED, BARRED]),
        ("class_off:change", [BARRED] * 4),
        ("class_off:try", [FREE] * 4),
    ],
)
def test_what_each_act_forbids(act: str, expected: list[int | None]) -> None:
    assert rooms(guard(act)) == expected
    assert rooms(guard(act, exempt=("change",))) == [FREE] * 4


def test_only_guards_in_force_forbid_anything() -> None:
    states = {state: bool(fired(guard("frozen"), state=state)) for state in GuardState}
    assert [state for state, curbed in states.items() if curbed] == ["active", "cooling"]
    (one,) = fired(guard("frozen", "notify:infra"))
    assert (one.guard, one.since_ms, one.why) == ("g", 7, "too much")
    assert curbs(rules(guard("frozen")), [Guarding(name="gone", state=GuardState.ACTIVE)]) == ()


def test_of_several_guards_the_strictest_counts() -> None:
    one, two = guard("cap:burst=3", "cap:other=1"), guard("throttled", "cap:other=5", name="h")
    assert rooms(one, two) == [FREE, FREE, 0, 0]
    assert rooms(two, one) == [FREE, FREE, 0, 0]
    assert rooms(one, guard("owned_only", name="h", exempt=("change",))) == [FREE, FREE, 3, 1]


def test_a_guard_is_about_the_pools_of_what_it_watches() -> None:
    budgets = (Budget(name="clouds", amount=Decimal(1), pools=("other",)),)
    watching = guard("owned_only", budget="clouds")
    row = Guarding(name="g", state=GuardState.ACTIVE)
    found = curbs(rules(watching, budgets=budgets), [row])
    assert found[0].barred == ("other",)
    assert len(curbs(rules(guard("owned_only", budget="credit")), [row])[0].barred) == 2


@pytest.mark.parametrize("klass", CLASSES)
def test_what_an_exempt_job_waits_for_is_spared_like_itself(klass: str) -> None:
    (one,) = fired(guard("frozen", exempt=("release",)))
    waited_for = Ask("linux", "", "untrusted", klass, Size(1, 1024), level=level_of("release", -7))
    assert spares(one, waited_for) == (klass != "security")
    for priority in (-3000, 0, 3000):
        mine = Ask("linux", "", "untrusted", klass, Size(1, 1024), level=level_of(klass, priority))
        assert spares(one, mine) == (klass == "release")


def test_whom_a_guard_touches_and_whom_all_of_them_shut_out() -> None:
    one, two = fired(guard("cap:burst=3"), guard("owned_only", name="h"))
    assert touches(one, ASK, "burst")
    assert not touches(one, ASK, "other")
    assert not shut((one,), ASK, [BURST], lambda pool: True)
    assert shut((one, two), ASK, [BURST, OTHER], lambda pool: True)
    assert not shut((one, two), ASK, [OWN, BURST], lambda pool: True)
    assert shut((one, two), ASK, [OWN, BURST], lambda pool: pool is BURST)
    assert not shut((one, two), ASK, [SHARED], lambda pool: False)


def test_where_nothing_stands_by() -> None:
    found = fired(guard("cap:burst=3", "drain:shared"))
    assert [standing(found, pool) for pool in POOLS] == [True, False, False, True]


def test_where_jobs_meet_machines_a_barred_one_is_refused_and_never_hopeless() -> None:
    farm = [machine("m1", pool="shared", slots=4), machine("m2", pool="own", slots=1)]
    jobs = [queued(f"j{number}") for number in range(3)] + [queued("r", klass="release")]
    groups, _ = groups_of(jobs, 0)
    curbed = fired(guard("drain:shared", exempt=("release",)))
    snapshot = Snapshot(now_ms=0, groups=groups, machines=tuple(farm), curbs=curbed)
    placed = {place.job: place.machine for place in decide(snapshot).places}
    assert len(placed) == 2
    assert placed["r"] in ("m1", "m2")
    assert all(where == "m2" for job, where in placed.items() if job != "r")
    ask = ask_of(jobs[0])
    (why,) = refusals(ask, farm[0], snapshot)
    assert (why.code, why.text) == ("guard", "guard g keeps jobs of class change from it")
    assert refusals(ask_of(jobs[3]), farm[0], snapshot) == []
    pools = [SHARED]
    assert of_all(ask, pools, {"shared": [farm[0]]}, snapshot) is None


def test_what_sleeps_in_a_pool_stays_only_where_a_curb_says_so() -> None:
    away = Curb(guard="", barred=("a",), stopped="a", keeps=True)
    money = Curb(guard="g", barred=("b",))
    assert [keeps((money, away), pool) for pool in "abc"] == [True, False, False]
