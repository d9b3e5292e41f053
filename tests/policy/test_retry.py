"""Only the farm's errors are tried again, with a cap; what they say of jobs, machines and pools (I4, I5)."""

import msgspec
import pytest
from conformance import samples
from farms import spec

from penstock.model.job import Attempt, Job
from penstock.model.machine import Machine
from penstock.model.states import AttemptState, Health, JobState
from penstock.policy import retry

JOB = Job(id="j", build="b", name="j", spec=spec("zlib"), state=JobState.RUNNING, attempts=1)
ATTEMPT = samples.attempt("a", job="j", machine="m1", state=AttemptState.RUNNING)
MACHINE = Machine(id="m1", name="m1", pool="p", health=Health.GOOD)
NOW = 5_000_000


def again(job: Job, cause: retry.Cause, attempt: Attempt = ATTEMPT) -> retry.Again:
    then = retry.after(job, attempt, cause, NOW)
    assert isinstance(then, retry.Again)
    return then


def over(job: Job, cause: retry.Cause, attempt: Attempt = ATTEMPT) -> str:
    then = retry.after(job, attempt, cause, NOW)
    assert isinstance(then, retry.Over)
    return then.reason


def job(**changes: object) -> Job:
    return msgspec.structs.replace(JOB, **changes)


def test_a_lost_attempt_is_tried_again_and_its_machine_avoided() -> None:
    then = again(JOB, retry.RIGHT_ENDED)
    assert (then.losses, then.lost_on, then.not_before_ms, then.steady) == (1, ("m1",), 0, False)
    assert then.reason == "attempt 1 ended: right ended: not renewed in time"


def test_the_same_machine_is_noted_once() -> None:
    assert again(job(lost_on=("m1",)), retry.NOT_NAMED).lost_on == ("m1",)


@pytest.mark.parametrize(("losses", "pause_ms"), [(0, 0), (1, 10_000), (2, 30_000), (3, 90_000)])
def test_the_pause_grows_with_the_losses(losses: int, pause_ms: int) -> None:
    not_before_ms = again(job(losses=losses), retry.refused("disk full")).not_before_ms
    assert not_before_ms == (NOW + pause_ms if pause_ms else 0)


def test_five_farm_errors_are_enough() -> None:
    assert over(job(losses=4, attempts=7), retry.refused("disk full")) == (
        "given up after 7 attempts: refused by the machine: disk full"
    )


def test_no_job_is_tried_for_ever() -> None:
    assert over(job(attempts=retry.ATTEMPTS_MAX), retry.UNHEARD).startswith("given up after 25")


def test_a_farm_that_stops_often_costs_no_job_its_verdict() -> None:
    assert again(job(attempts=100 * retry.ATTEMPTS_MAX), retry.FARM_STOPPED).losses == 0


def test_a_job_lost_on_three_machines_is_poison() -> None:
    reason = over(job(lost_on=("m2", "m3")), retry.RIGHT_ENDED)
    assert reason.startswith("poison: lost on 3 machines (m2, m3, m1)")


@pytest.mark.parametrize("cause", [retry.LAPSED, retry.UNHEARD, retry.FARM_STOPPED, retry.POOL_FAILED])
def test_what_is_not_the_jobs_matter_does_not_count(cause: retry.Cause) -> None:
    then = again(job(losses=4, lost_on=("m2", "m3")), cause)
    assert (then.losses, then.lost_on, then.not_before_ms) == (4, ("m2", "m3"), 0)


def test_a_reclaimed_attempt_wants_a_machine_that_is_not() -> None:
    then = again(JOB, retry.preempted("reclaimed"))
    assert then.steady
    assert then.lost_on == ()
    assert again(job(steady=True), retry.RIGHT_ENDED).steady


def test_what_may_not_run_twice_ends_in_error_once_it_was_acknowledged() -> None:
    careful = job(spec=spec("sign", retry="never"))
    offered = msgspec.structs.replace(ATTEMPT, state=AttemptState.OFFERED)
    assert over(careful, retry.FARM_STOPPED).startswith("may have run")
    assert again(careful, retry.UNHEARD, offered).losses == 0


@pytest.mark.parametrize(
    ("some", "whole", "expected"),
    [(3, 3, False), (4, 4, True), (4, 19, True), (4, 20, False), (21, 100, True), (20, 100, False)],
)
def test_too_many_is_more_than_three_and_a_fifth(some: int, whole: int, expected: bool) -> None:
    assert retry.too_many(some, whole) is expected


def failed(number: int, failed_ms: int = NOW, **changes: object) -> Machine:
    about = {"id": f"m{number}", "blamed": ("j",), "failed_ms": failed_ms} | changes
    return msgspec.structs.replace(MACHINE, **about)


def test_a_pool_whose_machines_fail_together_is_suspect() -> None:
    assert retry.pool_failed([failed(n) for n in range(4)], (), NOW)
    assert retry.pool_failed([failed(n) for n in range(3)] + [failed(9, blamed=())], ["m9"], NOW)
    assert not retry.pool_failed([failed(n) for n in range(3)], (), NOW)
    assert not retry.pool_failed([failed(n, NOW - retry.TOGETHER_MS) for n in range(9)], (), NOW)
    assert not retry.pool_failed([failed(n, health=Health.RETIRED) for n in range(9)], (), NOW)


def test_a_machine_that_fails_three_jobs_is_taken_out() -> None:
    machine = MACHINE
    for name in ("a", "a", "b"):
        machine = retry.blamed(machine, name, retry.LAPSED, NOW)
    assert (machine.streak, machine.blamed, machine.health) == (3, ("a", "b"), Health.GOOD)
    machine = retry.blamed(machine, "c", retry.refused("disk full"), NOW)
    assert machine.health == Health.QUARANTINED
    assert machine.health_reason.endswith("the last: refused by the machine: disk full")
    assert machine.failed_ms == NOW


def test_a_machine_of_a_pool_that_failed_is_noted_only() -> None:
    two = msgspec.structs.replace(MACHINE, blamed=("a", "b"))
    noted = retry.blamed(two, "c", retry.RIGHT_ENDED, NOW, alone=False)
    assert (noted.health, noted.blamed, noted.failed_ms) == (Health.GOOD, ("a", "b", "c"), NOW)


def test_a_machine_that_is_out_already_keeps_its_reason() -> None:
    out = msgspec.structs.replace(
        MACHINE, health=Health.MAINTENANCE, health_reason="new disk", blamed=("a", "b")
    )
    after = retry.blamed(out, "c", retry.LAPSED, NOW)
    assert (after.health, after.health_reason) == (Health.MAINTENANCE, "new disk")


@pytest.mark.parametrize("cause", [retry.FARM_STOPPED, retry.UNHEARD, retry.preempted("drain")])
def test_events_of_the_farm_are_held_against_no_machine(cause: retry.Cause) -> None:
    assert retry.blamed(MACHINE, "a", cause, NOW) is MACHINE


def test_a_verdict_clears_the_record() -> None:
    marked = msgspec.structs.replace(MACHINE, streak=2, blamed=("a",))
    assert retry.praised(marked) == MACHINE
    assert retry.praised(MACHINE) is MACHINE
    fresh = msgspec.structs.replace(MACHINE, health=Health.UNKNOWN)
    assert retry.praised(fresh).health == Health.GOOD


def test_a_machine_that_its_provider_lost_unsaid_is_no_reclaim() -> None:
    cause = retry.gone("not listed")
    assert cause.text == "machine gone: not listed"
    assert (cause.reclaimed, cause.counts, cause.blames) == (False, True, "")


def test_who_failed_when_and_until_when_its_pool_is_suspect() -> None:
    machines = [failed(n, NOW - n * 60_000) for n in range(6)] + [failed(9, blamed=())]
    assert [one.id for one in retry.failing(machines, NOW)] == ["m5", "m4", "m3", "m2", "m1", "m0"]
    # Three may fail: when the third of six is forgotten, the three last ones are left.
    until_ms = retry.suspected_until_ms(machines, NOW)
    assert until_ms == NOW - 3 * 60_000 + retry.TOGETHER_MS
    assert retry.pool_failed(machines, (), until_ms - 1)
    assert not retry.pool_failed(machines, (), until_ms)
    assert retry.suspected_until_ms(machines[:3], NOW) == 0


def test_nothing_is_held_against_who_is_forgiven() -> None:
    one = retry.forgiven(failed(1, streak=3))
    assert (one.streak, one.blamed, one.failed_ms) == (0, (), 0)
