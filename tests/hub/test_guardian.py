"""Guards at work in a farm that rents: what they see, what they keep from happening, and what goes on all the same."""

from decimal import Decimal
from functools import partial

import msgspec
import pytest
from farms import KEY, Agent, TestFarm, planned
from guards import HOUR_MS, guard
from renting import BURST, Rented

from penstock.hub import queue, sessions
from penstock.hub.context import NotFound, Refused
from penstock.hub.costs import guards as asked
from penstock.hub.costs.agreed import Agreed
from penstock.hub.explain import explain
from penstock.hub.sessions import Registration
from penstock.hub.steps import look as look_at
from penstock.model.change import Build
from penstock.model.farm import Event, Farm
from penstock.model.job import Attempt, Job
from penstock.model.ledger import Account, Guarding, Ledger, Meter, Tally
from penstock.model.machine import Machine
from penstock.model.rules import Budget, Grant, Guard, Platform, Pool, Rules
from penstock.model.states import GuardState, JobState, Power
from penstock.model.units import DAY_MS, MICROS_PER_UNIT
from penstock.ports import Tx

S = GuardState
OWN = Pool(name="own", provider="owned", platforms=("linux",))
MONTH = Budget(name="month", amount=Decimal(300))
SOON = {"hold_ms": HOUR_MS, "cooldown_ms": HOUR_MS, "exempt": ("release",)}


def rules(*guards: Guard, pools: tuple[Pool, ...] = (BURST,)) -> Rules:
    return Rules(platforms={"linux": Platform(name="linux")}, pools=pools, guards=guards, budgets=(MONTH,))


def spend(farm: TestFarm, a_day: int, pool: str = "burst") -> None:
    """So much was spent on each of the last whole days, as the books have it."""
    today = farm.clock.wall // DAY_MS
    days = {
        day: Tally(
            day=day,
            project="",
            platform="",
            pool=pool,
            klass="",
            account=Account.DIRECT,
            outcome="",
            amount_micros=a_day * MICROS_PER_UNIT,
        )
        for day in range(today - 28, today)
    }

    def write(tx: Tx) -> None:
        for one in tx.find(Tally, "key"):
            tx.delete(one)
        for one in days.values():
            tx.insert(one)
        known = tx.get(Ledger, "ledger")
        if known is None:
            tx.insert(Ledger(day=today, from_ms=(today - 28) * DAY_MS, until_ms=farm.clock.wall))
        else:
            tx.replace(msgspec.structs.replace(known, day=today, until_ms=farm.clock.wall))

    farm.store.write(write)


def state(farm: TestFarm, name: str = "g") -> GuardState:
    row: Guarding | None = farm.get(Guarding, name)
    return row.state if row else S.STANDBY


def until(farm: TestFarm, wanted: GuardState, most_ms: int = 3 * HOUR_MS) -> None:
    for _ in range(most_ms // 30_000):
        if state(farm) == wanted:
            return
        farm.tick(30_000)
    raise AssertionError(f"never {wanted}: {state(farm)}")


def powers(farm: TestFarm) -> list[str]:
    return sorted(str(one.power) for one in farm.all(Machine) if one.power != Power.GONE)


def waits(farm: TestFarm, hours: float = 1) -> list[str]:
    """Let time pass; the machines that are there then."""
    for _ in range(int(hours * 60)):
        farm.tick(30_000)
        farm.tick(30_000)
    return powers(farm)


def fire(farm: TestFarm) -> None:
    """The guard is in force, as if it had fired just now; without books nothing is known that changes it."""
    fired = Guarding(name="g", state=S.ACTIVE, since_ms=1, fired_ms=1, reason="the forecast is too high")
    farm.store.write(lambda tx: tx.insert(fired))


def look(farm: TestFarm) -> None:
    """Time passes until guards are looked at; farm time goes in steps of half a minute."""
    for _ in range(3):
        farm.tick(30_000)


def ordered(farm: TestFarm, hours: float = 0.5) -> int:
    """Let time pass; how many machines were ordered meanwhile."""
    before = len(farm.all(Machine))
    waits(farm, hours)
    return len(farm.all(Machine)) - before


def said(farm: TestFarm, build: Build, name: str = "zlib:build") -> list[str]:
    return list(explain(farm.hub, farm.job(build, name).id).sentences)


def test_a_forecast_above_95_for_48_hours_caps_what_is_rented() -> None:
    capped = guard("notify:infra", "cap:burst=0", hold_ms=48 * HOUR_MS, exempt=("release",))
    farm = Rented(rules(capped))
    spend(farm, 10)  # 300 in 30 days: all of it
    look(farm)
    assert state(farm) == S.ARMED
    begun_ms = farm.clock.monotonic
    until(farm, S.ACTIVE, 49 * HOUR_MS)
    assert 47.9 * HOUR_MS <= farm.clock.monotonic - begun_ms < 48.1 * HOUR_MS
    told = [one.reason for one in farm.all(Event) if one.kind == "alert"]
    assert told == [
        "guard g is active: the forecast of month is 300.00 of 300.00 USD, 100.0 % (the limit is 95 %); to be told to infra"
    ]
    farm.submit("c1", planned("zlib"))
    assert waits(farm) == []
    farm.submit("c2", planned("png", klass="release"))
    assert ordered(farm) > 0


def test_what_runs_goes_on_and_what_is_up_is_used() -> None:
    farm = Rented(rules(guard("throttled", hold_ms=0)))
    who, attempt = farm.started()
    fire(farm)
    farm.tick(30_000)
    assert farm.get(Attempt, attempt.id).live
    assert farm.machine.power == Power.UP
    build = farm.submit("c2", planned("zlib2"))
    queue.finish(farm.hub, who.session, attempt.id, attempt.fence, "fin", queue.Ending(result="failed"))
    farm.tick(1000)
    assert farm.states(build) == {"zlib2:build": "offered"}
    assert len(farm.all(Machine)) == 1


def test_a_barred_pool_starts_nothing_new_but_what_is_exempt() -> None:
    farm = Rented(rules(guard("owned_only", hold_ms=0, exempt=("release",))))
    who, attempt = farm.started()
    fire(farm)
    plain = farm.submit("c2", planned("xml"))
    farm.submit("c3", planned("png", klass="release"))
    queue.finish(farm.hub, who.session, attempt.id, attempt.fence, "fin", queue.Ending(result="failed"))
    farm.tick(1000)
    assert farm.states(plain) == {"xml:build": "queued"}
    assert [one.name for one in _jobs(farm, JobState.OFFERED)] == ["png:build"]
    text = " ".join(said(farm, plain, "xml:build"))
    assert "Guard g keeps jobs of class change from pool burst since" in text
    assert "the forecast is too high; an operator can take it back: penstock costs undo g." in text
    assert "Until then it waits." in text
    assert "can ever take it" not in text


def _jobs(farm: TestFarm, wanted: JobState):  # type: ignore[no-untyped-def]
    return farm.store.read(lambda tx: tx.find(Job, "state", wanted))


def test_one_that_asks_does_nothing_until_a_person_said_yes() -> None:
    farm = Rented(rules(guard("throttled", approval="manual", **SOON)))
    spend(farm, 11)
    until(farm, S.PENDING)
    assert waits(farm) == []
    (line,) = asked.guards(farm.hub)["guards"]
    assert (line["state"], line["next"]) == ("pending", "waits for a person: `penstock costs approve g`")
    assert asked.approve(farm.hub, "g", "ann")["changed"]
    assert not asked.approve(farm.hub, "g", "ann")["changed"]
    farm.submit("c1", planned("zlib"))
    assert waits(farm) == []
    (line,) = asked.guards(farm.hub)["guards"]
    assert (line["state"], line["approved_by"], line["in_force"]) == ("active", "ann", True)
    assert asked.undo(farm.hub, "g", "ben", "it is a release week")["changed"]
    farm.tick(1000)
    assert ordered(farm) > 0


def test_before_it_was_approved_jobs_rent_as_ever() -> None:
    farm = Rented(rules(guard("throttled", approval="manual", **SOON)))
    spend(farm, 11)
    until(farm, S.PENDING)
    farm.submit("c1", planned("zlib"))
    assert ordered(farm) > 0


def test_a_new_leader_finds_the_guard_where_it_was() -> None:
    farm = Rented(rules(guard("throttled", **SOON)))
    spend(farm, 11)
    until(farm, S.ACTIVE)
    before = farm.get(Guarding, "g")
    farm.again()
    farm.submit("c1", planned("zlib"))
    assert waits(farm) == []
    assert farm.get(Guarding, "g") == before


def test_below_its_limit_it_cools_down_and_lets_go() -> None:
    farm = Rented(rules(guard("throttled", **SOON)))
    spend(farm, 11)
    until(farm, S.ACTIVE)
    farm.submit("c1", planned("zlib"))
    spend(farm, 1)
    farm.again()  # kept sums of days that have ended are read anew by who leads next
    until(farm, S.COOLING)
    assert waits(farm, 0.9) == []
    until(farm, S.STANDBY)
    assert ordered(farm) > 0
    kinds = [one.state for one in farm.all(Event) if one.kind == "guard"]
    assert kinds == ["armed", "active", "cooling", "standby"]


def test_what_was_taken_back_stays_so() -> None:
    farm = Rented(rules(guard("notify:infra", "throttled", **SOON)))
    with pytest.raises(Refused, match="nothing to take back"):
        asked.undo(farm.hub, "g", "ann")
    with pytest.raises(Refused, match="asks for nothing"):
        asked.approve(farm.hub, "g", "ann")
    with pytest.raises(NotFound):
        asked.undo(farm.hub, "nothing", "ann")
    with pytest.raises(NotFound):
        asked.guards(farm.hub, "nothing")
    spend(farm, 11)
    until(farm, S.ACTIVE)
    assert asked.undo(farm.hub, "g", "", "")["reason"] == "a person took it back until its period ends"
    assert not asked.undo(farm.hub, "g", "ann")["changed"]
    waits(farm, 3)
    assert state(farm) == S.STANDBY
    (line,) = asked.guards(farm.hub, "g")["guards"]
    assert (line["undone"], line["crossed"]) == (True, True)
    assert "lets it act again" in line["next"]
    asked.approve(farm.hub, "g", "ann")
    until(farm, S.ACTIVE)
    farm.clock.wall += 30 * DAY_MS  # next month: nothing is used of it yet
    look(farm)
    assert state(farm) in (S.STANDBY, S.ARMED)


def test_a_guard_that_farm_toml_has_no_more_is_gone() -> None:
    farm = Rented(rules(guard("throttled", **SOON)))
    spend(farm, 11)
    until(farm, S.ACTIVE)
    farm.with_rules(rules())
    look(farm)
    assert farm.get(Guarding, "g") is None
    assert [one.state for one in farm.all(Event) if one.kind == "guard"][-1] == "gone"


def test_what_runs_up_counts_before_it_is_entered() -> None:
    actual = guard("throttled", when="actual > 90%", hold_ms=0)
    farm = Rented(rules(actual))
    spend(farm, 20)
    assert farm.all(Guarding) == []
    now = farm.clock.wall
    meter = Meter(
        machine="m",
        pool="burst",
        power=Power.UP,
        since_ms=now - HOUR_MS,
        price_micros=20 * MICROS_PER_UNIT,
        run_ms=now - HOUR_MS,
    )
    farm.store.write(lambda tx: tx.insert(meter))
    look(farm)
    assert state(farm) == S.ACTIVE
    (watched,) = asked.guards(farm.hub)["guards"][0]["watched"]
    assert (watched["used"][:4], watched["amount"]) == ("280.", "300")


class TestOwnedMachines:
    """Machines that come by themselves: the placer's."""

    def farm(self, *then: str, **changes: object) -> tuple[TestFarm, Agent]:
        priced = Pool(name="shared", provider="owned", platforms=("linux",), price_per_hour_micros=100)
        about = SOON | {"hold_ms": 0} | changes
        farm = TestFarm(rules(guard(*then, **about), pools=(OWN, priced)))
        spend(farm, 11, "shared")
        look(farm)
        agent = Agent(farm, "m1", "shared")
        farm.tick()
        return farm, agent

    @pytest.mark.parametrize(
        ("then", "starts"),
        [("throttled", True), ("owned_only", True), ("frozen", False), ("drain:shared", False)],
    )
    def test_what_has_a_price_is_kept_from_those_that_are_not_exempt(self, then: str, starts: bool) -> None:
        farm, agent = self.farm(then)
        plain = farm.submit("c1", planned("zlib"))
        farm.submit("c2", planned("png", klass="release"))
        farm.tick()
        offered = sorted(work.job.name for work in agent.start())
        assert offered == (["png:build", "zlib:build"] if starts else ["png:build"])
        if not starts:
            assert "may go to pool own" in " ".join(said(farm, plain))

    def test_a_class_that_is_off_starts_nowhere(self) -> None:
        farm, agent = self.farm("class_off:nightly")
        farm.submit("c1", planned("zlib", klass="nightly"))
        farm.submit("c2", planned("png"))
        farm.tick()
        assert [work.job.name for work in agent.start()] == ["png:build"]

    def test_a_job_that_only_guards_refuse_is_not_hopeless(self) -> None:
        farm, _ = self.farm("class_off:change")
        build = farm.submit("c1", planned("zlib"))
        farm.tick()
        assert build.open
        assert farm.states(build) == {"zlib:build": "queued"}
        assert "can ever take" not in " ".join(said(farm, build))


class TestDryRun:
    def test_says_which_jobs_would_wait_and_when_they_start_now(self) -> None:
        farm = Rented(rules(guard("owned_only", **SOON), pools=(OWN, BURST)))
        build = farm.submit("c1", planned("zlib"))
        farm.submit("c2", planned("png", klass="release"))
        farm.tick()
        (line,) = asked.guards(farm.hub, "g", dry_run=True)["guards"]
        assert line["dry_run"]["moves"] == [{"from": "burst", "to": None, "jobs": 1}]
        (job,) = line["dry_run"]["jobs"]
        assert (job["id"], job["after"]) == (farm.job(build, "zlib:build").id, None)
        assert (job["before"]["pool"], job["before"]["ordered"], job["before"]["start_s"]) == (
            "burst",
            True,
            30.0,
        )
        assert line["dry_run"]["jobs_looked_at"] == 2

    def test_says_where_they_go_instead(self) -> None:
        farm = Rented(rules(guard("owned_only", hold_ms=0), pools=(OWN, BURST)))
        token = sessions.create_token(farm.hub, "own")
        about = Registration(name="m1", key=KEY, slots=1, cores=2, memory_mb=4096)
        sessions.register(farm.hub, token, about)
        farm.tick()
        for number in range(3):
            farm.submit(f"c{number}", planned(f"lib{number}"))
        farm.tick()
        (line,) = asked.guards(farm.hub, dry_run=True)["guards"]
        assert {(move["from"], move["to"]) for move in line["dry_run"]["moves"]} == {("burst", "own")}
        assert all(job["after"]["start_s"] > job["before"]["start_s"] for job in line["dry_run"]["jobs"])

    def test_nothing_is_tried_of_what_is_in_force(self) -> None:
        farm = Rented(rules(guard("owned_only", hold_ms=0)))
        spend(farm, 11)
        look(farm)
        (line,) = asked.guards(farm.hub, dry_run=True)["guards"]
        assert line["dry_run"] is None


def test_a_guard_over_a_grant_and_without_books() -> None:
    grant = Grant(name="credit", amount=Decimal(10), currency="USD", start="2023-01-01", until="2023-12-31")
    ruled = msgspec.structs.replace(rules(guard("throttled", hold_ms=0)), grants=(grant,))
    farm = Rented(ruled)
    (line,) = asked.guards(farm.hub)["guards"]
    assert (line["percent"], line["watched"], line["decided_on"]) == (None, [], None)
    assert line["next"] == "nothing is known yet of what it watches"
    spend(farm, 1)
    (line,) = asked.guards(farm.hub)["guards"]
    assert [(one["name"], one["counts"]) for one in line["watched"]] == [("credit", True), ("month", False)]
    assert line["next"] == "is armed above 95 %"


@pytest.mark.parametrize(
    ("wanted", "approval", "later_ms", "says"),
    [
        (S.ARMED, "auto", HOUR_MS, "fires in 60 min, unless it falls below its limit before"),
        (
            S.ARMED,
            "manual",
            0,
            "asks for a person's word within a minute, unless it falls below its limit before",
        ),
        (S.COOLING, "auto", HOUR_MS, "ends in 60 min, if it stays below its limit"),
        (
            S.ACTIVE,
            "auto",
            0,
            "ends 24 h after it fell below its limit; `penstock costs undo g` takes it back",
        ),
    ],
)
def test_what_comes_next(wanted: GuardState, approval: str, later_ms: int, says: str) -> None:
    farm = Rented(rules(guard("frozen", approval=approval)))
    now_ms = farm.store.read(lambda tx: tx.get(Farm, "farm")).time_ms
    lasts_ms = {S.ARMED: 48 * HOUR_MS, S.COOLING: 24 * HOUR_MS}.get(wanted, 0)
    row = Guarding(name="g", state=wanted, since_ms=now_ms - lasts_ms + later_ms)
    farm.store.write(lambda tx: tx.insert(row))
    (line,) = asked.guards(farm.hub)["guards"]
    assert line["next"] == says


def _enter(tx: Tx, row: Ledger, more: list[Tally]) -> None:
    tx.replace(row)
    for one in more:
        tx.insert(one)


def test_sums_that_are_kept_are_those_that_are_read_anew() -> None:
    farm = Rented(rules())
    spend(farm, 3)
    kept, day = Agreed(), farm.clock.wall // DAY_MS

    def figures(one: Agreed):  # type: ignore[no-untyped-def]
        return look_at(farm.hub, lambda tx, row: one.figures(farm.hub, tx, row))

    assert figures(kept) == figures(Agreed())
    for passed in range(40):
        known = farm.get(Ledger, "ledger")
        row = msgspec.structs.replace(known, day=day + passed + 1, until_ms=(day + passed + 1) * DAY_MS)
        more = [
            Tally(
                day=day + passed,
                project=str(number),
                platform="",
                pool="burst",
                klass="",
                account=Account.IDLE,
                outcome="",
                amount_micros=passed * 100 + number,
            )
            for number in range(3)
        ]
        farm.store.write(partial(_enter, row=row, more=more))
        farm.clock.wall += DAY_MS
        assert figures(kept) == figures(Agreed())
    farm.clock.wall -= 20 * DAY_MS
    assert figures(kept) == figures(Agreed())
