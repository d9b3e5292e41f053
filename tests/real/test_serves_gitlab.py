"""GitLab's queue through its REST interface, against a double in the documented forms (gitlabdouble.py)."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from real.gitlabdouble import TOKEN, GitlabDouble
from serving import POOL, RULES, SERVES, Served

from penstock.config.farm import read_farm
from penstock.hub.fsck import fsck
from penstock.model.rules import Waiting
from penstock.queueport import Queue, QueueError
from penstock.wiring import queues

pytestmark = pytest.mark.real
FARM = """
[platform.linux]
[[pool]]
name = "burst"
provider = "simulated"
platforms = ["linux"]
max = 3
agent = "gitlab-runner"
[pool.serves]
url = "{url}"
platforms = {{ "tag:linux-*" = "linux" }}
names = "burst-%d"
secrets_file = "secrets"
token_file = "token"
repositories = ["group/project"]
"""


@pytest.fixture
def gitlab() -> Iterator[GitlabDouble]:
    double = GitlabDouble()
    yield double
    double.stop()


@pytest.fixture
def queue(gitlab: GitlabDouble, tmp_path: Path) -> Queue:
    (tmp_path / "farm.toml").write_text(FARM.format(url=gitlab.url))
    (tmp_path / "secrets").write_text("burst-1 glrt-1\nburst-2 glrt-2\n")
    (tmp_path / "token").write_text(TOKEN + "\n")
    return queues(read_farm(tmp_path / "farm.toml"))[gitlab.url]


def test_what_waits_what_runs_and_who_is_there(gitlab: GitlabDouble, queue: Queue) -> None:
    one, two = gitlab.add_agent("burst-1"), gitlab.add_agent("burst-2")
    gitlab.add_agent("somebody's")
    gitlab.contact(one)
    gitlab.contact(two, ago_s=600)
    waits, runs = gitlab.add_job("rspec"), gitlab.add_job("build")
    gitlab.take(runs, one, ago_s=30)
    seen = queue.watch("")
    assert [(each.id, each.builder, each.labels, each.group) for each in seen.waiting] == [
        (str(waits), "rspec", ("linux-big",), "6")
    ]
    assert [(run.id, run.agent, run.ended_ms) for run in seen.running] == [(str(runs), "burst-1", 0)]
    assert [(agent.name, agent.connected) for agent in seen.agents] == [("burst-1", True), ("burst-2", False)]
    assert queue.secret("burst-2") == "glrt-2"
    assert gitlab.tokens == {TOKEN}


def test_what_ended_since_the_last_look(gitlab: GitlabDouble, queue: Queue) -> None:
    one = gitlab.add_agent("burst-1")
    jobs = {name: gitlab.add_job(name) for name in ("before", "good", "bad", "broken", "stopped")}
    for job in jobs.values():
        gitlab.take(job, one, ago_s=20)
    gitlab.finish(jobs["before"])
    mark = queue.watch("").mark
    gitlab.finish(jobs["good"])
    gitlab.finish(jobs["bad"], "failed", "script_failure")
    gitlab.finish(jobs["broken"], "failed", "runner_system_failure")
    gitlab.finish(jobs["stopped"], "canceled")
    seen = queue.watch(mark)
    assert {run.request.builder: run.result for run in seen.ended} == {
        "good": "passed",
        "bad": "failed",
        "broken": "error",
        "stopped": "cancelled",
    }
    assert all(19_000 < run.ended_ms - run.started_ms < 60_000 for run in seen.ended)
    again = queue.watch(seen.mark)
    assert {run.id for run in again.ended} <= {run.id for run in seen.ended}


def test_what_became_of_one_job(gitlab: GitlabDouble, queue: Queue) -> None:
    one, job = gitlab.add_agent("burst-1"), gitlab.add_job("rspec")
    assert queue.fate(str(job)).state == "open"
    gitlab.take(job, one)
    assert [run.agent for run in queue.fate(str(job)).runs] == ["burst-1"]
    gitlab.finish(job, "failed", "script_failure")
    ended = queue.fate(str(job))
    assert (ended.state, ended.result, ended.runs[0].result) == ("ended", "failed", "failed")
    assert queue.fate("4711").state == "gone"


def test_an_agent_is_paused_in_our_name_and_only_that_is_taken_back(
    gitlab: GitlabDouble, queue: Queue
) -> None:
    one, two = gitlab.add_agent("burst-1"), gitlab.add_agent("burst-2")
    gitlab.agents[two]["paused"] = True
    queue.watch("")
    queue.pause("burst-1", True)
    assert gitlab.agents[one]["paused"]
    agents = {agent.name: (agent.paused, agent.paused_by_us) for agent in queue.watch("").agents}
    assert agents == {"burst-1": (True, True), "burst-2": (True, False)}
    queue.pause("burst-1", False)
    assert not gitlab.agents[one]["paused"]
    with pytest.raises(QueueError, match="shows no runner burst-9"):
        queue.pause("burst-9", True)


def test_a_long_queue_is_read_in_pages(gitlab: GitlabDouble, queue: Queue) -> None:
    for number in range(230):
        gitlab.add_job(f"job-{number}")
    assert len(queue.watch("").waiting) == 230


@pytest.mark.parametrize("status", [302, 401, 429, 500, 503])
def test_an_answer_that_says_nothing_is_a_problem_without_the_token_in_it(
    gitlab: GitlabDouble, queue: Queue, status: int
) -> None:
    gitlab.status = status
    with pytest.raises(QueueError, match=f"it answered {status}") as told:
        queue.watch("")
    assert TOKEN not in str(told.value)


def test_nobody_there_and_another_kind_of_document(
    gitlab: GitlabDouble, queue: Queue, tmp_path: Path
) -> None:
    gitlab.jobs[7] = {"id": 7, "status": "pending"}
    with pytest.raises(QueueError, match="this is not GitLab's interface: KeyError 'name'"):
        queue.watch("")
    (tmp_path / "token").unlink()
    with pytest.raises(QueueError, match=r"token cannot be read: No such file"):
        queue.watch("")
    (tmp_path / "token").write_text(TOKEN)
    gitlab.stop()
    with pytest.raises(QueueError, match="it does not answer"):
        queue.watch("")


def test_a_farm_serves_it(gitlab: GitlabDouble, queue: Queue) -> None:
    farm = Served()
    farm.clock.wall = time.time_ns() // 1_000_000
    serves = msgspec.structs.replace(SERVES, url=gitlab.url, platforms=(("tag:linux-*", "linux"),))
    pool = msgspec.structs.replace(POOL, agent="gitlab-runner", serves=serves, max=1)
    hurry = Waiting(price_per_hour_micros=1_000_000)
    rules = msgspec.structs.replace(RULES, pools=(pool,), waiting=hurry)
    farm.hub = replace(farm.hub, rules=rules, queues={gitlab.url: queue})
    farm.again()
    agents = {name: gitlab.add_agent(name) for name in ("burst-1", "burst-2")}
    job = gitlab.add_job("rspec")
    gitlab.add_job("elsewhere", tags=("windows",))

    def pass_s(seconds: int) -> None:
        for _ in range(seconds):
            farm.tick(1000)
            for order in farm.provider.up().values():
                gitlab.contact(agents[order.name])

    pass_s(60)
    (machine,) = farm.machines
    assert (machine.name, machine.power) == ("burst-1", "up")
    gitlab.take(job, agents["burst-1"])
    pass_s(10)
    assert farm.jobs() == [("rspec", "running")]
    gitlab.finish(job)
    pass_s(10)
    assert farm.jobs() == [("rspec", "PASSED")]
    for _ in range(60):
        pass_s(10)
        if farm.powers() == {"burst-1": "suspended"}:
            break
    assert farm.powers() == {"burst-1": "suspended"}
    assert gitlab.agents[agents["burst-1"]]["paused"]
    assert fsck(farm.hub) == []
