"""A real Buildbot master of ten builders, whose queue is watched and whose agents run on machines that are rented for it.

Machines are processes of this host, each a real buildbot-worker (foreignmachines.py). Time is real; what takes long in a
cloud takes a second here.
"""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from conftest import not_run
from real.foreignfarm import SECRETS, TAKEN, Farm, each_build_is_in_the_books
from real.foreignmachines import Machines, Master, until

from bench import buildbot
from penstock.hub.fsck import fsck

pytestmark = pytest.mark.real
MORE = """
provider = "simulated"
max = 3
"""
LOGIN = "penstock:it's secret"
BUILDERS = {f"linux-{n}": "sleep 1" for n in range(8)} | {
    "linux-long": "until test -e {folder}/go; do sleep 0.1; done",
    "linux-bad": "exit 3",
}


@pytest.fixture
def master(tmp_path: Path) -> Iterator[Master]:
    """Its builders wait for machines; who wants to change anything there has to log in."""
    if problem := buildbot.installed():
        not_run(f"Buildbot cannot be installed: {problem}")
    builders = {name: command.format(folder=tmp_path) for name, command in BUILDERS.items()}
    made = Master(tmp_path, builders, SECRETS, login=LOGIN)
    yield made
    made.kill()


@pytest.fixture
def machines(tmp_path: Path) -> Path:
    """Where they are."""
    (tmp_path / "machines").mkdir()
    return tmp_path / "machines"


@pytest.fixture
def farm(master: Master, machines: Path, tmp_path: Path) -> Iterator[Farm]:
    found = Farm(tmp_path, master, MORE, partial(Machines, folder=machines), LOGIN)
    yield found
    found.stop()
    rented(found).end()
    found.parts.close()


def rented(farm: Farm) -> Machines:
    """Its provider."""
    found = farm.hub.providers["burst"]
    assert isinstance(found, Machines)
    return found


def test_a_backlog_is_built_on_rented_machines_which_stop_after_it(
    farm: Farm, master: Master, tmp_path: Path
) -> None:
    for name in BUILDERS:
        master.force(name)
    # Burst: all that there are names for, and no more.
    farm.until(lambda: len(farm.powers()) == 3)
    farm.until(lambda: farm.jobs().get("linux-long") == "running")
    others = {name for name in BUILDERS if name != "linux-long"}
    farm.until(lambda: all(farm.jobs().get(name) in ("PASSED", "FAILED") for name in others))
    assert farm.jobs()["linux-bad"] == "FAILED"

    # A machine dies in the middle of a build: Buildbot tries again, on another one, and the books say so.
    ran, machine = farm.runs() or pytest.fail("nothing runs")
    rented(farm).kill(machine.name)
    farm.until(lambda: (seen := farm.runs()) and seen[0].job == ran.job and seen[0].n == 2)
    assert farm.tries(ran.job)[0].state in TAKEN

    # The master dies in the middle of that, and so does the leader: the books catch up with both.
    master.kill()
    farm.stop()
    farm.begin()
    master.start()
    farm.until(lambda: (seen := farm.runs()) and seen[0].job == ran.job and seen[0].n >= 3)
    (tmp_path / "go").touch()
    farm.until(lambda: farm.jobs()["linux-long"] == "PASSED")

    # Idle: everything is suspended, after Buildbot has let go of it.
    farm.until(lambda: set(farm.powers().values()) == {"suspended"})
    shown = {one["name"]: one for one in master.get("workers")["workers"]}
    # One that has not come back to its new master by then need not be paused.
    assert any(shown[name]["paused"] for name in farm.powers())

    # It wakes for what comes next.
    master.force("linux-1")
    farm.until(lambda: farm.passed("linux-1") == 2)
    assert any(what == "resume" for what, _ in rented(farm).log)
    assert fsck(farm.hub) == []
    farm.stop()
    _taken_back(farm, master)
    _is_told(farm, master)


def _taken_back(farm: Farm, master: Master) -> None:
    """A request that is cancelled, and one that never was."""
    (queue,) = farm.hub.queues.values()
    rented(farm).end()
    until(lambda: not any(agent.connected for agent in queue.watch("").agents))
    master.force("linux-2")
    until(lambda: queue.watch("").waiting)
    (waits,) = queue.watch("").waiting
    assert waits.builder == "linux-2"
    assert waits.title.endswith("a push for linux-2")
    assert queue.fate(waits.id).state == "open"
    call = {"method": "cancel", "jsonrpc": "2.0", "id": 1, "params": {"reason": "tests"}}
    master.get(f"buildrequests/{waits.id}", json.dumps(call).encode())
    until(lambda: queue.fate(waits.id).state == "ended")
    assert (queue.fate(waits.id).result, queue.fate("4711").state) == ("cancelled", "gone")


def _is_told(farm: Farm, master: Master) -> None:
    """Every build that Buildbot knows is an attempt here, with what it cost, and people see them."""
    each_build_is_in_the_books(farm, master)
    farm.parts.close()
    listed = farm.penstock("jobs")["jobs"]
    assert {job["module"]: job["state"] for job in listed}["linux-bad"] == "FAILED"
    (long,) = [job for job in listed if job["module"] == "linux-long"]
    told = farm.penstock("explain", long["id"])
    assert told["job"]["state"] == "PASSED" if "job" in told else "PASSED" in json.dumps(told)
