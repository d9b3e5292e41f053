"""A machine that hears from its provider that it will be taken away, and one that is not where it says."""

import json
from dataclasses import replace

import msgspec
import pytest
from farms import KEY, planned
from renting import BURST, RULES, Rented

from penstock.hub import poller, queue, sessions
from penstock.hub.context import Unauthorized
from penstock.hub.poller import Said
from penstock.hub.sessions import Held, Registration
from penstock.model.job import Attempt, Job
from penstock.model.machine import Machine
from penstock.model.pool_ec2 import Ec2
from penstock.model.states import AttemptState, JobState, Power

SAID = Ec2(region="eu-west-1", types=(), subnets=())


def test_what_runs_there_is_queued_again_with_the_word_and_its_agent_stops_it() -> None:
    farm = Rented()
    who, attempt = farm.started()
    held = Held(attempt=attempt.id, fence=attempt.fence)
    heard = poller.poll(farm.hub, who.session, Said(call=2, holds=(held,), leaves_ms=120_000))
    assert [(one.attempt, one.order) for one in heard.orders] == [(attempt.id, "stop")]
    job = farm.get(Job, attempt.job)
    assert (job.state, job.steady) == (JobState.QUEUED, True)
    assert farm.get(Attempt, attempt.id).state == AttemptState.PREEMPTED
    machine = farm.get(Machine, attempt.machine)
    assert machine.leaves_ms > 0
    assert not machine.busy
    assert "farm" in farm.bell.topics


def test_said_twice_it_is_the_same_moment_and_the_machine_is_given_back_when_it_is_empty() -> None:
    farm = Rented()
    who, attempt = farm.started()
    poller.poll(farm.hub, who.session, Said(call=2, leaves_ms=120_000))
    leaves_ms = farm.get(Machine, attempt.machine).leaves_ms
    farm.clock.monotonic += 900
    poller.poll(farm.hub, who.session, Said(call=3, leaves_ms=119_000))
    assert farm.get(Machine, attempt.machine).leaves_ms == leaves_ms
    farm.tick(1000)
    assert farm.get(Machine, attempt.machine).power == Power.DELETING


def test_what_ends_with_the_same_word_has_ended() -> None:
    farm = Rented()
    who, attempt = farm.started()
    ended = poller.Finished(attempt.id, attempt.fence, "fin", queue.Ending(result="failed"))
    heard = poller.poll(farm.hub, who.session, Said(call=2, finished=(ended,), leaves_ms=5_000))
    assert [one.status for one in heard.finished] == [200]
    farm.tick(1000)
    assert farm.get(Job, attempt.job).state == JobState.FAILED


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ({"instanceId": "burst-00001", "region": "eu-west-1"}, ""),
        (
            {"instanceId": "burst-00002", "region": "eu-west-1"},
            "it is on another instance than it was made for",
        ),
        ({}, "it is on another instance"),
    ],
)
def test_a_secret_is_good_on_the_instance_alone_that_it_was_given_to(
    document: dict[str, str], why: str
) -> None:
    farm = Rented(msgspec.structs.replace(RULES, pools=(msgspec.structs.replace(BURST, ec2=SAID),)))
    farm.submit("c1", planned("zlib"))
    farm.until(Power.REGISTERING)
    order = next(iter(farm.provider.up().values()))
    asked = Registration(name="any", key=KEY, slots=1, document=json.dumps(document))
    if not why:
        assert sessions.register(farm.hub, order.secret, asked).machine.power == Power.UP
        return
    with pytest.raises(Unauthorized, match=why):
        sessions.register(farm.hub, order.secret, asked)
    assert farm.machine.power == Power.REGISTERING


def test_who_enrols_by_hand_in_such_a_pool_needs_no_document() -> None:
    farm = Rented(msgspec.structs.replace(RULES, pools=(msgspec.structs.replace(BURST, ec2=SAID),)))
    token = sessions.create_token(replace(farm.hub), "burst")
    assert sessions.register(farm.hub, token, Registration(name="mine", key=KEY)).machine.power == Power.UP
