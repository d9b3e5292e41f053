"""All machines in one table: why each is there, what it has cost so far, and what happens to it next."""

from decimal import Decimal

import msgspec
import pytest
from farms import POOL, Agent, TestFarm, planned
from renting import BURST, RULES, Rented

from penstock.hub import people, pools, queue
from penstock.hub.context import NotFound, Refused
from penstock.hub.explain.machines import Plan, next_of
from penstock.hub.fleet import Fleets, console_view, machines_view
from penstock.hub.retiring import retire
from penstock.model.ledger import Span
from penstock.model.machine import Machine
from penstock.model.rules import Quantiles, Waiting
from penstock.model.states import Health, Power
from penstock.ports import NoAnswer

HOUR_MS = 3_600_000
NOW_MS = 10 * HOUR_MS
ONE = Machine(id="m1", name="m1", pool="burst", power=Power.UP, client_token="f:i:t", ordered_ms=NOW_MS)


def said(farm: TestFarm, machine: str) -> dict[str, object]:
    """A fresh line of this machine."""
    found = Fleets(farm.hub).now()
    return found.line(next(one for one in found.machines if one.id == machine))


@pytest.mark.parametrize(
    ("changes", "plan", "clause"),
    [
        (
            {"power": Power.BOOTING},
            Plan(),
            "takes jobs when it is up; given back in 2 min if it is not",
        ),
        ({"power": Power.SUSPENDING}, Plan(), "is deleted if that takes longer than 10 min"),
        ({"power": Power.SUSPENDED}, Plan(), "is resumed when jobs need it"),
        (
            {"power": Power.SUSPENDED},
            Plan(gone_ms=NOW_MS + 2 * HOUR_MS),
            "is resumed when jobs need it, deleted in 2 h",
        ),
        (
            {"power": Power.DELETING},
            Plan(),
            "is gone when its provider says so; asked again, and people told, every 10 min until then",
        ),
        (
            {"power": Power.DRAINING, "busy": (0, 1)},
            Plan(),
            "ends 2 jobs, then is given back, unless somebody says penstock drain --lift m1",
        ),
        (
            {"power": Power.DRAINING, "power_reason": "to be suspended: it was idle for long enough"},
            Plan(),
            "is suspended",
        ),
        (
            {"power": Power.DRAINING, "power_reason": "to be given back: it was idle", "busy": (0,)},
            Plan(),
            "ends 1 job, then is given back",
        ),
        ({"leaves_ms": NOW_MS + 90_000}, Plan(), "is taken back by its provider in 90 s"),
        ({"health": Health.QUARANTINED}, Plan(), "takes nothing until somebody trusts it again"),
        ({"health": Health.SUSPECT}, Plan(), "takes nothing until its agent is heard again"),
        ({"busy": (0,)}, Plan(), "takes the next job as a slot is free"),
        ({}, Plan(stop_ms=NOW_MS + 40_000), "takes the next job, suspended in 40 s if none comes"),
        ({}, Plan(stop_ms=NOW_MS), "takes the next job, suspended now if none comes"),
        ({}, Plan(), "takes the next job"),
    ],
)
def test_what_happens_next(changes: dict[str, object], plan: Plan, clause: str) -> None:
    assert next_of(msgspec.structs.replace(ONE, **changes), BURST, plan, NOW_MS) == clause


def test_what_happens_next_where_pools_are_otherwise() -> None:
    used = msgspec.structs.replace(BURST, uses=2)
    busy = msgspec.structs.replace(ONE, busy=(0,), starts=1)
    assert next_of(busy, used, Plan(), NOW_MS) == "is replaced after 1 more job"
    last = msgspec.structs.replace(busy, starts=2)
    assert next_of(last, used, Plan(), NOW_MS) == "is replaced after this"
    assert next_of(ONE, POOL, Plan(), NOW_MS) == "waits for jobs"
    off = Plan(stop_ms=NOW_MS + 40_000)
    assert next_of(ONE, POOL, off, NOW_MS) == "takes the next job, switched off in 40 s if none comes"
    stopping = msgspec.structs.replace(ONE, power=Power.SUSPENDING, since_ms=NOW_MS - 60_000)
    assert (
        next_of(stopping, POOL, Plan(), NOW_MS)
        == "is off when it has shut down; counts as up again in 9 min if it has not"
    )
    cleaned = msgspec.structs.replace(POOL, uses=1)
    assert next_of(busy, cleaned, Plan(), NOW_MS) == "takes the next job as a slot is free"
    assert "farm.toml does not have its pool" in next_of(ONE, None, Plan(), NOW_MS)
    retired = msgspec.structs.replace(ONE, power=Power.DRAINING, health=Health.RETIRED, busy=(0,))
    assert next_of(retired, POOL, Plan(), NOW_MS) == "ends 1 job, then leaves the farm"
    drained = msgspec.structs.replace(ONE, power=Power.DRAINING)
    assert (
        next_of(drained, POOL, Plan(), NOW_MS)
        == "takes nothing, unless somebody says penstock drain --lift m1"
    )
    coming = msgspec.structs.replace(ONE, power=Power.REGISTERING, client_token="")
    assert next_of(coming, POOL, Plan(), NOW_MS) == "takes jobs when its agent has called"


def test_a_rented_machine_says_why_it_is_there_what_it_cost_and_when_it_goes() -> None:
    slow = msgspec.structs.replace(BURST, resume=Quantiles(120_000, 120_000))
    dear = Waiting(price_per_hour_micros=20_000_000)
    farm = Rented(msgspec.structs.replace(RULES, pools=(slow,), waiting=dear), books=True)
    who, attempt = farm.started()
    farm.tick(60_000)
    line = said(farm, attempt.machine)
    assert line["provider"] == "simulated"
    assert line["why"]
    assert line["next"] == "takes the next job as a slot is free"
    first = Decimal(str(line["cost"]))
    lived_s = Decimal(str(line["age_s"]))
    assert lived_s >= 90
    assert abs(first - lived_s * Decimal("0.4") / 3600) < Decimal("0.00002")
    queue.finish(farm.hub, who.session, attempt.id, attempt.fence, "fin", queue.Ending(result="failed"))
    farm.tick(20_000)
    after = said(farm, attempt.machine)
    assert Decimal(str(after["cost"])) > first
    assert "if none comes" in str(after["next"])


def test_a_suspended_machine_says_when_it_is_deleted() -> None:
    farm = Rented(RULES, books=True)
    farm.idle()
    asleep = farm.until(Power.SUSPENDED)
    for _ in range(3):
        farm.tick(10_000)
    line = said(farm, asleep.id)
    assert str(line["next"]).startswith("is resumed when jobs need it, deleted in ")
    assert line["why"]


def test_what_a_machine_cost_is_what_its_spans_hold() -> None:
    farm = Rented(RULES, books=True)
    farm.idle()
    gone = farm.until(Power.GONE, 40_000)
    spans = [one for one in farm.all(Span) if one.machine == gone.id]
    assert len(spans) > 3
    farm.submit("c2", planned("again"))
    again = farm.until(Power.REGISTERING)
    farm.tick(5 * 60_000)
    paid = sum(one.amount_micros for one in farm.all(Span) if one.machine == again.id)
    meter = Fleets(farm.hub).now().meters[again.id]
    assert meter.paid_micros == paid


def test_a_machine_that_nobody_meters_has_no_cost() -> None:
    farm = TestFarm()
    agent = Agent(farm, "m1")
    line = said(farm, agent.machine.id)
    assert (line["cost"], line["age_s"]) == (None, None)


def test_the_document_has_all_but_those_that_are_gone() -> None:
    farm = TestFarm(books=True)
    first, second = Agent(farm, "m1"), Agent(farm, "m2")
    farm.tick(1000)
    retire(farm.hub, first.machine.id, "old")
    people.quarantine(farm.hub, second.machine.id, "its disk")
    document = machines_view(farm.hub)
    assert document["currency"] == "USD"
    (line,) = document["machines"]
    assert (line["name"], line["reason"], line["running"]) == ("m2", "its disk", [])
    assert line["session"] in ("connecting", "idle")


def test_pools_that_are_stopped_are_left_by_what_is_idle_there() -> None:
    farm = Rented(RULES, books=True)
    machine = farm.idle()
    pools.stop_pool(farm.hub, "burst", "the bill")
    farm.tick(30_000)
    assert said(farm, machine.id)["next"]


def test_what_a_machine_printed_is_asked_of_its_provider() -> None:
    farm = Rented()
    machine = farm.idle()
    farm.provider.console = lambda id_: f"{id_} says hello"  # type: ignore[method-assign]
    assert console_view(farm.hub, machine.id) == {"console": f"{machine.provider_id} says hello"}

    def fails(id_: str) -> str:
        raise NoAnswer("timeout")

    farm.provider.console = fails  # type: ignore[method-assign]
    with pytest.raises(Refused, match="did not say: timeout"):
        console_view(farm.hub, machine.id)
    with pytest.raises(NotFound):
        console_view(farm.hub, "m9")


def test_nobody_keeps_what_an_owned_machine_prints() -> None:
    farm = TestFarm()
    with pytest.raises(Refused, match="enrolled by itself"):
        console_view(farm.hub, Agent(farm, "m1").machine.id)
