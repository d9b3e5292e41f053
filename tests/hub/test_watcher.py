"""Another system's queue, served: demand, runs, ends, stops, and all that can go wrong between two looks."""

from dataclasses import replace

import msgspec
import pytest
from serving import POOL, RULES, SERVES, URL, Served

from penstock.hub import people
from penstock.hub.context import Refused
from penstock.hub.explain import explain
from penstock.hub.fleet import machines_view
from penstock.hub.fsck import fsck
from penstock.model.change import Build, Change
from penstock.model.farm import Event
from penstock.model.foreign import Fate
from penstock.model.job import Attempt, Job
from penstock.model.rules import Pool, Waiting


def test_what_waits_there_is_run_on_machines_that_are_rented_for_it_and_stopped_after_it() -> None:
    farm = Served(books=True)
    farm.system.ask("linux-gcc", "linux-clang", "windows", group="7")
    farm.until(lambda: len(farm.system.running) == 2)
    farm.pass_s(60)
    assert farm.powers() == {"burst-1": "up", "burst-2": "up"}
    assert farm.jobs() == [("linux-gcc", "running"), ("linux-clang", "running")]
    farm.system.end("1", "passed")
    farm.system.end("2", "failed", "failed make")
    farm.pass_s(10)
    assert farm.jobs() == [("linux-gcc", "PASSED"), ("linux-clang", "FAILED")]
    farm.until(lambda: set(farm.powers().values()) == {"suspended"})
    assert farm.system.paused == {"burst-1": True, "burst-2": True}
    assert fsck(farm.hub) == []


def test_the_same_look_again_and_again_changes_nothing() -> None:
    farm = Served.at_work("linux-gcc", "linux-clang")
    before = (farm.all(Job), farm.all(Attempt), farm.all(Build), farm.all(Change))
    farm.pass_s(30)
    assert (farm.all(Job), farm.all(Attempt), farm.all(Build), farm.all(Change)) == before


def test_jobs_of_one_group_are_one_build() -> None:
    farm = Served()
    farm.system.ask("linux-gcc", "linux-clang", group="7")
    farm.pass_s(8)
    (build,) = farm.all(Build)
    assert {job.build for job in farm.all(Job)} == {build.id}
    assert farm.get(Change, build.change).ref == "a push"


def test_a_group_that_has_its_verdict_gets_another_build_for_what_comes_later() -> None:
    farm = Served()
    farm.system.ask("linux-gcc", group="7")
    farm.until(lambda: bool(farm.system.running))
    farm.system.end("1")
    farm.pass_s(10)
    assert [str(build.state) for build in farm.all(Build)] == ["PASSED"]
    farm.system.ask("linux-late", group="7")
    farm.pass_s(8)
    assert sorted(str(build.state) for build in farm.all(Build)) == ["PASSED", "open"]


def test_a_machine_that_dies_in_the_middle_costs_one_attempt_and_its_system_tries_again() -> None:
    farm = Served.at_work("linux-gcc")
    (first,) = farm.machines
    farm.provider.take_back(first.provider_id)
    farm.until(lambda: len(farm.system.running) == 1 and farm.system.running[0].id == "2")
    farm.pass_s(60)
    farm.system.end("2")
    farm.pass_s(10)
    tries = sorted((one.n, str(one.state)) for one in farm.all(Attempt))
    assert tries in ([(1, "LOST"), (2, "PASSED")], [(1, "PREEMPTED"), (2, "PASSED")])
    assert farm.jobs() == [("linux-gcc", "PASSED")]
    assert fsck(farm.hub) == []


def test_a_system_that_does_not_answer_keeps_its_machines_and_gets_no_more() -> None:
    farm = Served.at_work("linux-gcc")
    farm.system.end("1")
    farm.system.problem = "connection refused"
    farm.system.ask("linux-a", "linux-b", "linux-c")
    farm.pass_s(1200)
    assert farm.powers() == {"burst-1": "up"}
    assert farm.jobs() == [("linux-gcc", "running")]
    told = [one.reason for one in farm.all(Event) if one.state == "alert"]
    assert len(told) == 1
    assert "does not answer: connection refused" in told[0]
    farm.system.problem = ""
    farm.pass_s(60)
    assert dict(farm.jobs())["linux-gcc"] == "PASSED"
    assert [one.reason for one in farm.all(Event) if one.state == "alert"][1:] == [f"{URL} answers again"]
    farm.until(lambda: len(farm.system.running) >= 2)


def test_a_machine_that_is_to_stop_while_its_system_is_away_stays() -> None:
    farm = Served.at_work("linux-gcc")
    farm.system.end("1")
    farm.until(lambda: farm.powers() == {"burst-1": "draining"})
    farm.system.problem = "connection refused"
    farm.pass_s(1800)
    assert farm.powers() == {"burst-1": "draining"}
    farm.system.problem = ""
    farm.pass_s(6)
    asked = [one for one in farm.all(Event) if one.reason == "whether it is needed was not known"]
    assert [one.state for one in asked] == ["up"]
    farm.until(lambda: farm.powers() == {"burst-1": "suspended"})


def test_a_job_that_comes_while_its_machine_is_let_go_keeps_the_machine() -> None:
    farm = Served.at_work("linux-gcc")
    farm.system.end("1")
    farm.until(lambda: farm.powers() == {"burst-1": "draining"})
    (request,) = farm.system.ask("linux-clang")
    farm.system.begin(request, "burst-1")  # it was given before it was paused
    farm.pass_s(12)
    assert farm.powers() == {"burst-1": "up"}
    assert not farm.system.paused.get("burst-1")
    assert dict(farm.jobs())["linux-clang"] == "running"


def test_a_new_leader_knows_what_ran_and_what_ended_meanwhile() -> None:
    farm = Served.at_work("linux-gcc", "linux-clang")
    farm.system.end("1")
    farm.again()
    farm.pass_s(10)
    assert farm.jobs() == [("linux-gcc", "PASSED"), ("linux-clang", "running")]
    farm.system.end("2", "error", "exception")
    farm.pass_s(10)
    assert farm.jobs() == [("linux-gcc", "PASSED"), ("linux-clang", "ERROR")]
    assert fsck(farm.hub) == []


def test_what_runs_elsewhere_or_is_taken_back_there_ends_here() -> None:
    farm = Served()
    one, two, three, four = farm.system.ask("linux-a", "linux-b", "linux-c", "linux-d")
    farm.pass_s(6)
    farm.system.begin(one, "somebody's")
    for request, fate in (
        (two, Fate(state="merged")),
        (three, Fate(state="gone")),
        (four, Fate(state="ended", result="cancelled")),
    ):
        del farm.system.requests[request]
        farm.system.fates[request] = fate
    farm.pass_s(10)
    assert farm.jobs() == [
        ("linux-a", "CANCELLED"),
        ("linux-b", "SUPERSEDED"),
        ("linux-c", "CANCELLED"),
        ("linux-d", "CANCELLED"),
    ]
    farm.until(lambda: not farm.machines or set(farm.powers().values()) == {"suspended"})


def test_a_short_run_that_no_look_saw_is_in_the_books() -> None:
    farm = Served()
    farm.system.ask("linux-gcc")
    farm.until(lambda: bool(farm.system.running))
    farm.system.end("1")
    farm.pass_s(10)
    (request,) = farm.system.ask("linux-quick")
    run = farm.system.begin(request, "burst-1")
    farm.system.end(run)
    farm.pass_s(10)
    assert dict(farm.jobs())["linux-quick"] == "PASSED"


def test_more_names_than_secrets_are_told_as_a_quota() -> None:
    farm = Served()
    farm.system.ask(*(f"linux-{n}" for n in range(6)))
    farm.pass_s(300)
    assert sorted(farm.powers()) == ["burst-1", "burst-2"]
    assert [one for one in farm.all(Event) if one.reason.endswith("no secret is known for burst-3")]


def test_people_cannot_steer_here_what_runs_there() -> None:
    farm = Served()
    farm.system.ask("linux-gcc", group="7")
    farm.pass_s(8)
    (job,) = farm.all(Job)
    for act in (
        lambda: people.cancel(farm.hub, job.id),
        lambda: people.cancel(farm.hub, job.build),
        lambda: people.hold(farm.hub, job.id, "why"),
        lambda: people.repeat(farm.hub, job.id),
    ):
        with pytest.raises(Refused, match="another system"):
            act()


def test_a_master_that_is_started_again_sees_its_agents_a_moment_later() -> None:
    farm = Served.at_work("linux-gcc")
    farm.system.problem = "connection refused"
    farm.pass_s(20, connects=False)
    farm.system.problem = ""
    farm.system.drop("burst-1")
    farm.pass_s(45, connects=False)
    assert farm.powers() == {"burst-1": "up"}
    assert farm.jobs() == [("linux-gcc", "queued")]
    farm.pass_s(10)
    assert farm.jobs() == [("linux-gcc", "running")]
    assert [str(one.state) for one in farm.all(Attempt)] == ["LOST", "running"]


def test_an_agent_that_is_away_for_long_takes_its_machine_with_it() -> None:
    farm = Served.at_work("linux-gcc")
    farm.system.drop("burst-1")
    farm.pass_s(80, connects=False)
    assert farm.powers().get("burst-1") != "up"


def test_a_person_drains_a_machine_and_it_is_paused_there_until_that_is_taken_back() -> None:
    farm = Served.at_work("linux-gcc")
    (machine,) = farm.machines
    people.drain(farm.hub, machine.id)
    farm.pass_s(60)
    assert farm.system.paused == {"burst-1": True}
    assert farm.powers() == {"burst-1": "draining"}
    people.undrain(farm.hub, machine.id)
    farm.pass_s(12)
    assert farm.system.paused == {"burst-1": False}
    assert farm.powers() == {"burst-1": "up"}


def test_machines_that_come_by_themselves_are_used_and_counted() -> None:
    farm = Served()
    own = Pool(
        name="own",
        provider="owned",
        platforms=("linux",),
        agent="buildbot-worker",
        serves=msgspec.structs.replace(SERVES, names="own-%d"),
    )
    farm.hub = replace(farm.hub, rules=msgspec.structs.replace(RULES, pools=(own, POOL)))
    farm.again()
    farm.system.connected |= {"own-1", "stranger"}
    farm.system.lasting |= {"own-1", "stranger"}
    farm.pass_s(10)
    assert farm.powers() == {"own-1": "up"}
    farm.system.ask("linux-gcc")
    farm.pass_s(15)
    assert farm.jobs() == [("linux-gcc", "running")]
    assert farm.powers() == {"own-1": "up"}, "nothing is rented while one's own is free"
    assert fsck(farm.hub) == []


def test_a_job_that_its_system_does_not_begin_orders_no_second_machine() -> None:
    farm = Served()
    farm.system.ask("linux-gcc")
    farm.system.full = True
    farm.until(lambda: farm.powers() == {"burst-1": "up"})
    farm.pass_s(300)
    assert farm.powers() == {"burst-1": "up"}
    farm.system.full = False
    farm.pass_s(6)
    assert farm.jobs() == [("linux-gcc", "running")]


def test_a_job_begins_on_another_machine_than_it_was_thought_to() -> None:
    farm = Served()
    farm.hub = replace(
        farm.hub, rules=msgspec.structs.replace(RULES, waiting=Waiting(price_per_hour_micros=1_000_000))
    )
    farm.again()
    one, two = farm.system.ask("linux-a", "linux-b")
    farm.system.full = True
    farm.until(lambda: [*farm.powers().values()] == ["up", "up"])
    farm.pass_s(20)
    farm.system.begin(one, "burst-2")
    farm.system.begin(two, "burst-1")
    farm.pass_s(12)
    sight = farm.services.provisioner.sight
    assert sight is not None
    at = {each.job: each.machine for each in farm.all(Attempt)}
    assert {job: sight.rows.place_of(job) for job in at} == at
    farm.system.end("1")
    farm.system.end("2")
    farm.until(lambda: set(farm.powers().values()) == {"suspended"})
    assert fsck(farm.hub) == []


def test_people_are_told_where_it_runs_and_nothing_that_only_its_system_knows() -> None:
    farm = Served.at_work("linux-gcc")
    (job,) = farm.all(Job)
    told = explain(farm.hub, job.id)
    assert told.sentences[1:] == ("Why there: taken by burst-1.",)
    (machine,) = farm.machines
    assert (machine.agent, machine.sandbox) == ("buildbot-worker", "plain")
    assert machines_view(farm.hub)["machines"][0]["silent_s"] == 0


def test_what_sleeps_is_not_given_back_while_its_system_is_away() -> None:
    farm = Served.at_work("linux-gcc")
    farm.system.end("1")
    farm.until(lambda: farm.powers() == {"burst-1": "suspended"})
    farm.system.problem = "connection refused"
    for _ in range(72):
        farm.clock.monotonic += 3_000_000
        farm.pass_s(1)
    assert farm.powers() == {"burst-1": "suspended"}
    farm.system.problem = ""
    farm.until(lambda: not farm.powers())


def test_people_are_told_since_when_a_system_does_not_answer() -> None:
    farm = Served.at_work("linux-gcc")
    farm.system.ask("linux-clang")
    farm.system.full = True
    farm.pass_s(10)
    waits = next(job.id for job in farm.all(Job) if job.spec.module == "linux-clang")
    farm.system.problem = "connection refused"
    farm.pass_s(300)
    said = f"pool burst: {URL}, whose jobs it runs, has not answered for 5 min"
    assert said in " ".join(told(farm, waits))
    assert notes(farm) == ["system-away"]
    # Whoever leads next knows, too, and people hear once that it is back.
    farm.again()
    farm.pass_s(60)
    assert said.replace("5 min", "6 min") in " ".join(told(farm, waits))
    farm.system.problem = ""
    farm.pass_s(10)
    assert "has not answered" not in " ".join(told(farm, waits))
    assert notes(farm) == []
    told_of = [one.reason for one in farm.all(Event) if one.state == "alert"]
    assert [one.endswith("answers again") for one in told_of] == [False, True]


def told(farm: Served, job: str) -> list[str]:
    """What is said of a job that waits."""
    return [f"{one.subject}: {one.text}" for one in explain(farm.hub, job).reasons]


def notes(farm: Served) -> list[str]:
    """What `penstock machines` says of pools beside their machines."""
    return [one["code"] for one in machines_view(farm.hub)["notes"]]
