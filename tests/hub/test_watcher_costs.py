"""What another system's runs cost: what that system says that they took, whenever they are seen, and no more."""

import pytest
from serving import Served

from penstock.hub.fsck import fsck
from penstock.model.job import Attempt, Job
from penstock.model.ledger import Account, Entry

SECOND = 400_000 / 3600
"""What one of a machine costs, in micro-units."""


def seconds(attempt: Attempt) -> float:
    """For how long an attempt was charged."""
    return attempt.cost_micros / SECOND


def entered(farm: Served, attempt: Attempt) -> list[Entry]:
    found = [one for one in farm.all(Entry) if one.attempt == attempt.id]
    assert sum(one.amount_micros for one in found) == attempt.cost_micros
    return found


def of(farm: Served, builder: str) -> Attempt:
    """The only attempt at the job of that name."""
    (job,) = [one for one in farm.all(Job) if one.spec.module == builder]
    (found,) = [one for one in farm.all(Attempt) if one.job == job.id]
    return found


def rests(farm: Served) -> bool:
    """Everything is asleep, so that all is entered."""
    return set(farm.powers().values()) == {"suspended"}


def test_all_of_it_is_in_the_ledger_and_costs_what_it_took() -> None:
    farm = Served.at_work("linux-gcc", books=True)
    began_ms = farm.system.running[0].started_ms
    farm.pass_s(290)
    farm.system.end("1")
    took_s = (farm.clock.wall - began_ms) / 1000
    farm.until(lambda: rests(farm))
    attempt = of(farm, "linux-gcc")
    assert seconds(attempt) == pytest.approx(took_s, abs=0.01)
    assert {(one.name, one.platform) for one in entered(farm, attempt)} == {("linux-gcc:build", "linux")}


@pytest.mark.parametrize("result", ["passed", "lost", "error", "cancelled"])
def test_a_run_that_lies_between_two_looks_costs_what_it_took(result: str) -> None:
    """Their system is away from us for minutes, and goes on."""
    farm = Served.at_work("linux-gcc", books=True)
    farm.system.problem = "connection refused"
    farm.system.end("1")
    farm.pass_s(20)
    farm.system.ask("linux-late")
    farm.pass_s(1)
    (run,) = farm.system.running
    farm.pass_s(100)
    farm.system.end(run.id, result)
    farm.system.full = True
    farm.pass_s(100)
    farm.system.problem = ""
    farm.pass_s(10)
    attempt = of(farm, "linux-late")
    assert seconds(attempt) == pytest.approx(100, abs=1)
    assert (attempt.ended_ms - attempt.started_ms) // 1000 in (100, 101)
    assert all(one.quantity >= 0 for one in entered(farm, attempt))
    for request in farm.system.requests:
        farm.system.begin(request, "somebody's")
    farm.until(lambda: rests(farm))
    idle = [one.amount_micros for one in farm.all(Entry) if one.account == Account.IDLE]
    assert min(idle) >= 0
    assert fsck(farm.hub) == []


def test_a_run_that_no_hub_saw_costs_what_it_took() -> None:
    farm = Served.at_work("linux-gcc", books=True)
    farm.system.end("1")
    (request,) = farm.system.ask("linux-late")
    run = farm.system.begin(request, "burst-1")
    farm.clock.wall += 900_000
    farm.system.end(run)
    farm.clock.wall += 900_000
    farm.again()
    farm.pass_s(10)
    assert seconds(of(farm, "linux-late")) == pytest.approx(900, abs=0.01)
    farm.until(lambda: rests(farm))
    assert min(one.amount_micros for one in farm.all(Entry) if one.account == Account.IDLE) >= 0
    assert fsck(farm.hub) == []


@pytest.mark.parametrize("result", ["passed", "lost", "cancelled"])
def test_a_run_whose_end_is_seen_late_costs_no_more_for_it(result: str) -> None:
    farm = Served.at_work("linux-gcc", books=True)
    (run,) = farm.system.running
    farm.system.full = True
    farm.system.problem = "connection refused"
    farm.pass_s(30)
    farm.system.end(run.id, result)
    took_s = (farm.clock.wall - run.started_ms) / 1000
    farm.pass_s(200)
    farm.system.problem = ""
    farm.pass_s(10)
    attempt = of(farm, "linux-gcc")
    assert seconds(attempt) == pytest.approx(took_s, abs=0.01)
    farm.pass_s(100)
    entered(farm, attempt)


def test_a_run_of_before_midnight_that_is_seen_after_it_takes_nothing_from_the_day_before() -> None:
    """What was entered as idle at midnight stays so: entries are never changed, and no day is less than nothing."""
    farm = Served.at_work("linux-gcc", books=True)
    day_ms = 86_400_000
    farm.clock.wall += day_ms - farm.clock.wall % day_ms - 3_600_000
    farm.pass_s(10)
    farm.system.end("1")
    (request,) = farm.system.ask("linux-late")
    run = farm.system.begin(request, "burst-1")
    farm.clock.wall += 3_000_000
    farm.system.end(run)
    farm.clock.wall += 900_000
    farm.again()
    farm.pass_s(10)
    assert seconds(of(farm, "linux-late")) == pytest.approx(0, abs=30)
    farm.until(lambda: rests(farm))
    assert min(one.amount_micros for one in farm.all(Entry) if one.account == Account.IDLE) >= 0
    assert fsck(farm.hub) == []
