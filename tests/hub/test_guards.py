"""What is said of guards: what they see and do next, and what would become of the queue if they fired."""

from decimal import Decimal
from functools import partial

import msgspec
import pytest
from farms import KEY, planned
from guarded import OWN, SOON, S, look, rules, spend
from guards import HOUR_MS, guard
from renting import BURST, Rented

from penstock.hub import sessions
from penstock.hub.costs import guards as asked
from penstock.hub.costs.agreed import Agreed
from penstock.hub.sessions import Registration
from penstock.hub.steps import look as look_at
from penstock.model.farm import Farm
from penstock.model.ledger import Account, Guarding, Ledger, Tally
from penstock.model.rules import Grant
from penstock.model.states import GuardState
from penstock.model.units import DAY_MS
from penstock.ports import Tx


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
