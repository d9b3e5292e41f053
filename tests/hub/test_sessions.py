"""Enrolment, credentials, sessions and polls."""

from collections.abc import Callable

import msgspec
import pytest
from farms import KEY, POOL, RULES, Agent, TestFarm, planned

from penstock.hub import incarnation, intake, people, poller, queue, sessions
from penstock.hub.context import Moved, Refused, Unauthorized
from penstock.hub.poller import Acknowledged, Finished, Said
from penstock.hub.queue import Ending
from penstock.hub.sessions import Held, Registration
from penstock.model.farm import Farm
from penstock.model.job import Attempt, Job, Output
from penstock.model.machine import Credential, Machine, Session
from penstock.model.rules import Pool
from penstock.model.states import AttemptState, Health, Power, SessionState
from penstock.model.units import Size

ASKED = Registration(name="m1", key=KEY, slots=2, cores=8, memory_mb=16_000, identity="debian")
LOCAL = Pool(name="here", provider="local", platforms=("linux",), slots=1)


@pytest.fixture
def farm() -> TestFarm:
    return TestFarm(msgspec.structs.replace(RULES, pools=(POOL, LOCAL)))


def test_an_enrolment_token_is_good_once(farm: TestFarm) -> None:
    token = sessions.create_token(farm.hub, "own")
    first = sessions.register(farm.hub, token, ASKED)
    assert first.machine.power == Power.UP
    assert first.machine.accepting
    assert first.machine.has == POOL.size
    with pytest.raises(Unauthorized, match="another key"):
        sessions.register(farm.hub, token, msgspec.structs.replace(ASKED, key="cd" * 32))
    again = sessions.register(farm.hub, token, ASKED)
    assert (again.machine.id, again.credential) == (first.machine.id, first.credential)
    farm.pass_time(sessions.AGAIN_MS)
    with pytest.raises(Unauthorized, match="expired"):
        sessions.register(farm.hub, token, ASKED)
    assert sessions.register(farm.hub, first.credential or "", ASKED).credential is None


def test_only_digests_are_kept(farm: TestFarm) -> None:
    token = sessions.create_token(farm.hub, "own")
    done = sessions.register(farm.hub, token, ASKED)
    kept = repr([farm.all(Credential), farm.all(Session), farm.all(Machine)])
    for secret in (token, done.token, done.credential, KEY):
        assert secret not in kept


@pytest.mark.parametrize("key", ["", "ab", "AB" * 32, "zz" * 32])
def test_a_key_is_64_hex_digits(farm: TestFarm, key: str) -> None:
    with pytest.raises(ValueError, match="64 hex digits"):
        sessions.register(farm.hub, "token", msgspec.structs.replace(ASKED, key=key))


def test_unknown_tokens_and_pools_are_refused(farm: TestFarm) -> None:
    with pytest.raises(Unauthorized, match="unknown"):
        sessions.register(farm.hub, "token", ASKED)
    with pytest.raises(ValueError, match="no pool is called 'x'"):
        sessions.create_token(farm.hub, "x")
    with pytest.raises(Unauthorized, match="no such session"):
        sessions.authenticate(farm.hub, "token")


def test_an_unused_token_expires(farm: TestFarm) -> None:
    token = sessions.create_token(farm.hub, "own")
    farm.pass_time(sessions.TOKEN_MS)
    with pytest.raises(Unauthorized, match="expired"):
        sessions.register(farm.hub, token, ASKED)


def test_a_session_lasts_an_hour_and_one_at_a_time(farm: TestFarm) -> None:
    agent = Agent(farm, "m1")
    first = agent.answer.token
    assert sessions.authenticate(farm.hub, first) == agent.session
    agent.again()
    with pytest.raises(Unauthorized, match="no such session"):
        sessions.authenticate(farm.hub, first)
    farm.pass_time(sessions.SESSION_MS)
    with pytest.raises(Unauthorized):
        sessions.authenticate(farm.hub, agent.answer.token)


def test_tokens_of_another_incarnation_are_void(farm: TestFarm) -> None:
    agent = Agent(farm, "m1")
    farm.store.write(
        lambda tx: tx.replace(msgspec.structs.replace(tx.get(Farm, "farm"), incarnation="restored"))
    )
    with pytest.raises(Unauthorized, match="no such session"):
        sessions.authenticate(farm.hub, agent.answer.token)


def test_a_revoked_machine_is_out(farm: TestFarm) -> None:
    agent = Agent(farm, "m1")
    assert sessions.revoke(farm.hub, agent.machine.id) == 2  # its own and the token that it enrolled with
    assert not agent.machine.accepting
    with pytest.raises(Unauthorized, match="revoked"):
        agent.again()
    with pytest.raises(Unauthorized, match="session has ended"):
        agent.poll()
    assert sessions.revoke(farm.hub, agent.machine.id) == 0


def test_a_machine_that_is_gone_does_not_come_back(farm: TestFarm) -> None:
    agent = Agent(farm, "m1")
    gone = msgspec.structs.replace(agent.machine, power=Power.GONE)
    farm.store.write(lambda tx: tx.replace(gone))
    with pytest.raises(Unauthorized, match="machine m1 is GONE"):
        agent.again()


def test_sizes_are_measured_where_the_pool_names_none(farm: TestFarm) -> None:
    measured = Agent(farm, "a", "here", cores=8, memory_mb=16_000).machine
    assert (measured.has, measured.sized) == (Size(8, 16_000), True)
    assert not Agent(farm, "b", "here", memory_mb=None).machine.sized


def test_a_local_machine_comes_back_under_its_name_and_is_forgiven(farm: TestFarm) -> None:
    first = Agent(farm, "here-1", "here")
    people.quarantine(farm.hub, first.machine.id, "odd")
    second = Agent(farm, "here-1", "here")
    assert second.machine.id == first.machine.id
    assert second.machine.health == Health.UNKNOWN
    people.maintain(farm.hub, first.machine.id, "new disk")
    assert Agent(farm, "here-1", "here").machine.health == Health.MAINTENANCE
    assert Agent(farm, "here-1").machine.id != first.machine.id


def test_registering_names_what_is_still_held(farm: TestFarm) -> None:
    agent = Agent(farm, "m1")
    build = farm.submit("c1", planned("zlib"), planned("png"))
    farm.tick()
    kept, forgotten = agent.start()
    unknown = Held(attempt="x", fence="y")
    orders = agent.again(Held(attempt=kept.attempt.id, fence=kept.attempt.fence), unknown).orders
    assert [(order.attempt, order.order) for order in orders] == [
        (kept.attempt.id, "continue"),
        ("x", "stop"),
    ]
    assert farm.get(Attempt, forgotten.attempt.id).state == AttemptState.LOST
    assert farm.get(Job, forgotten.job.id).state == "queued"
    agent.holding = {kept.attempt.id: kept}
    agent.poll()
    agent.run(kept)
    farm.tick()
    assert farm.states(build)[kept.job.name] == "PASSED"


def test_an_offer_stands_over_a_registration(farm: TestFarm) -> None:
    agent = Agent(farm, "m1")
    farm.submit("c1", planned("zlib"))
    farm.tick()
    first = agent.poll().offers[0]
    agent.holding = {}
    agent.again()
    assert agent.poll().offers[0].attempt.id == first.attempt.id


# Polls


def test_an_offer_is_returned_until_it_is_named(farm: TestFarm) -> None:
    agent = Agent(farm, "m1")
    farm.submit("c1", planned("zlib"))
    farm.tick()
    first = agent.poll()
    agent.holding = {}
    assert agent.poll().offers == first.offers
    assert poller.open_offers(farm.hub, agent.session) == first.offers
    assert agent.poll().offers == ()


def test_a_poll_renews_what_it_names_and_loses_what_it_does_not(farm: TestFarm) -> None:
    agent = Agent(farm, "m1")
    farm.submit("c1", planned("zlib"), planned("png"))
    farm.tick()
    kept, forgotten = agent.start()
    del agent.holding[forgotten.attempt.id]
    farm.tick(20_000)
    heard = agent.poll()
    assert farm.get(Attempt, kept.attempt.id).right_until_ms == 1_220_000
    lost = farm.get(Attempt, forgotten.attempt.id)
    assert (lost.state, lost.cause) == (AttemptState.LOST, "its agent does not hold it any more")
    assert [order.order for order in heard.orders] == ["continue"]
    agent.holding[forgotten.attempt.id] = forgotten
    assert {order.attempt: order.order for order in agent.poll().orders} == {
        kept.attempt.id: "continue",
        forgotten.attempt.id: "stop",
    }


def test_a_poll_carries_acknowledgements_and_finishes(farm: TestFarm) -> None:
    agent = Agent(farm, "m1")
    build = farm.submit("c1", planned("zlib"))
    farm.tick()
    work = agent.poll().offers[0]
    right = (work.attempt.id, work.attempt.fence)
    taken = agent.poll(acknowledged=(Acknowledged(*right, "ack"), Acknowledged("x", "y", "z")))
    assert [answer.status for answer in taken.acknowledged] == [200, 404]
    ending = Ending(result="failed")
    ended = agent.poll(finished=(Finished(*right, "fin", ending), Finished(right[0], "stale", "fin", ending)))
    assert [(answer.status, answer.reason[:5]) for answer in ended.finished] == [(200, ""), (409, "stale")]
    assert ended.orders[0].order == "continue"
    farm.tick()
    assert farm.states(build) == {"zlib:build": "FAILED"}


def test_an_acknowledgement_in_a_poll_counts_as_naming(farm: TestFarm) -> None:
    agent = Agent(farm, "m1")
    farm.submit("c1", planned("zlib"))
    farm.tick()
    work = agent.poll().offers[0]
    agent.holding = {}
    agent.poll(acknowledged=(Acknowledged(work.attempt.id, work.attempt.fence, "ack"),))
    assert farm.get(Attempt, work.attempt.id).state == AttemptState.RUNNING


def test_a_late_poll_changes_nothing(farm: TestFarm) -> None:
    agent = Agent(farm, "m1")
    farm.submit("c1", planned("zlib"))
    farm.tick()
    agent.start()
    agent.poll()
    before = farm.all(Attempt), farm.all(Session)
    with pytest.raises(Refused, match="call 1 came after call 2"):
        poller.poll(farm.hub, agent.session, Said(call=1))
    assert (farm.all(Attempt), farm.all(Session)) == before


def test_a_poll_that_comes_again_through_another_hub_is_answered_again(farm: TestFarm) -> None:
    agent = Agent(farm, "m1")
    farm.submit("c1", planned("zlib"))
    farm.tick()
    (work,) = agent.poll().offers
    held = (Held(attempt=work.attempt.id, fence=work.attempt.fence),)
    said = Said(call=2, holds=held, acknowledged=(Acknowledged(work.attempt.id, work.attempt.fence, "ack"),))
    first = poller.poll(farm.hub, agent.session, said)
    assert poller.poll(farm.hub, agent.session, said) == first
    assert [answer.status for answer in first.acknowledged] == [200]
    assert farm.get(Attempt, work.attempt.id).state == AttemptState.RUNNING


def test_a_draining_agent_takes_nothing_more(farm: TestFarm) -> None:
    agent = Agent(farm, "m1")
    agent.poll(draining=True)
    assert farm.get(Session, agent.session.id).state == SessionState.DRAINING
    farm.submit("c1", planned("zlib"))
    farm.tick()
    assert agent.poll(draining=True).offers == ()
    agent.poll()
    farm.tick()
    assert len(agent.poll().offers) == 1


def test_an_embedded_farm_that_stopped_blames_nobody(farm: TestFarm) -> None:
    local, other = Agent(farm, "here-1", "here"), Agent(farm, "m1")
    people.quarantine(farm.hub, other.machine.id, "later")
    build = farm.submit("c1", planned("zlib"))
    farm.tick()
    work = local.start()[0]
    people.unquarantine(farm.hub, other.machine.id)
    farm.submit("c2", planned("png"))
    farm.tick()
    elsewhere = other.start()[0]
    assert intake.end_stale(farm.hub) == 1
    assert intake.end_stale(farm.hub) == 0
    ended = farm.get(Attempt, work.attempt.id)
    assert (ended.state, ended.cause) == (AttemptState.LOST, "farm stopped")
    job = farm.job(build, "zlib:build")
    assert (job.state, job.losses, job.lost_on) == ("queued", 0, ())
    assert local.machine.streak == 0
    assert not local.machine.accepting
    assert farm.get(Attempt, elsewhere.attempt.id).state == AttemptState.RUNNING


CALLS = (
    lambda hub, one, work: queue.acknowledge(hub, one, work.attempt.id, work.attempt.fence, "ack"),
    lambda hub, one, work: queue.renew(hub, one, work.attempt.id, work.attempt.fence),
    lambda hub, one, work: queue.log_grew(hub, one, work.attempt.id, work.attempt.fence, 5),
    lambda hub, one, work: queue.uploaded(hub, one, work.attempt.id, work.attempt.fence, MADE),
    lambda hub, one, work: queue.finish(
        hub, one, work.attempt.id, work.attempt.fence, "fin", Ending(result="passed")
    ),
)
MADE = Output("tree", "sha256:" + "ab" * 32, 5)


@pytest.mark.parametrize("call", CALLS)
def test_a_call_that_was_let_in_before_the_session_ended_changes_nothing_after_it(
    farm: TestFarm, call: Callable[..., object]
) -> None:
    agent = Agent(farm, "m1")
    farm.submit("c1", planned("zlib"))
    farm.tick()
    (work,) = agent.start()
    before = farm.get(Attempt, work.attempt.id)
    farm.pass_time(1000)
    sessions.revoke(farm.hub, agent.machine.id)
    with pytest.raises(Unauthorized):
        call(farm.hub, agent.session, work)
    assert farm.get(Attempt, work.attempt.id) == before


@pytest.mark.parametrize("call", CALLS)
def test_a_call_that_was_let_in_before_the_farm_moved_changes_nothing_after_it(
    farm: TestFarm, call: Callable[..., object]
) -> None:
    agent = Agent(farm, "m1")
    farm.submit("c1", planned("zlib"))
    farm.tick()
    (work,) = agent.start()
    before = farm.get(Attempt, work.attempt.id)
    incarnation.freeze(farm.hub, "moved", "https://new.example")
    with pytest.raises(Moved):
        call(farm.hub, agent.session, work)
    assert farm.get(Attempt, work.attempt.id) == before


def test_a_poll_that_waits_tells_a_machine_that_was_revoked_no_offers(farm: TestFarm) -> None:
    agent = Agent(farm, "m1")
    farm.submit("c1", planned("zlib"))
    farm.tick()
    assert len(poller.open_offers(farm.hub, agent.session)) == 1
    sessions.revoke(farm.hub, agent.machine.id)
    assert poller.open_offers(farm.hub, agent.session) == ()
