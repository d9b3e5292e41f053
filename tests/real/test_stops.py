"""Farms that are stopped, killed or starved while commands run: what is said, what is left, and how it goes on."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import not_run
from real.killing import LIMIT_S, Place, gated, wait_for
from real.reaper import below
from real.test_kill import violations

pytestmark = [pytest.mark.slow, pytest.mark.needs("bwrap", "git")]
SHARE = "mkdir -p $DESTDIR$PREFIX/share"
MANIFEST = f"""
version: 1
modules:
  a:
    platforms: [p]
    build: {gated("gate-a", SHARE, "echo a > $DESTDIR$PREFIX/share/a")}
    test: {gated("gate-t")}
  b:
    platforms: [p]
    needs: [a]
    build: {gated("gate-b", SHARE, "cp $PREFIX/share/a $DESTDIR$PREFIX/share/b")}
"""
GATES = ("gate-a", "gate-t", "gate-b")
PASSED = {"a build": "passed", "a test": "passed", "b build": "passed"}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "place", {".penstock.yml": MANIFEST}, gates=GATES)


def goes_on(place: Place) -> dict[str, str]:
    """Build again, without making again what was made; how the jobs ended."""
    made, before = place.made(), place.attempts()
    assert violations(place) == []
    ended = place.let_all_through(place.start_build())
    assert (ended.status, ended.left) == (0, []), ended.err
    after = place.attempts()
    assert {key: after.get(key) for key in made} == {key: before.get(key) for key in made}
    assert violations(place) == []
    return ended.results()


def agents_of(hub: int) -> list[int]:
    return [pid for pid, words in below(hub).items() if "-m penstock.agent" in words]


@pytest.mark.parametrize("at", range(len(GATES)), ids=GATES)
def test_killed_while_a_command_runs_it_goes_on(place: Place, at: int) -> None:
    running = place.start_build()
    place.let_through(*GATES[:at])
    place.reached(GATES[at])
    running.signal(signal.SIGKILL)
    ended = running.wait()
    assert (ended.status, ended.left) == (-signal.SIGKILL, [])
    results = goes_on(place)
    assert set(results.values()) <= {"passed", "reused"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_ends_with_130_and_leaves_nothing(place: Place, number: int) -> None:
    running = place.start_build()
    place.let_through("gate-a")
    place.reached("gate-b")
    running.signal(number)
    ended = running.wait()
    assert (ended.status, ended.left, ended.out) == (130, [], "")
    assert ended.err.splitlines()[-1] == "penstock: interrupted; run the same command again to go on"
    assert place.served() is None
    assert set(goes_on(place)) == set(PASSED)


def test_ctrl_c_at_a_terminal_reaches_hub_and_agents_alike(place: Place) -> None:
    running = place.start_build()
    place.reached("gate-a")
    for pid in [*agents_of(running.pid), running.pid]:
        os.kill(pid, signal.SIGINT)
    ended = running.wait()
    assert (ended.status, ended.left) == (130, []), ended.err
    assert set(goes_on(place)) == set(PASSED)


def test_a_killed_agent_is_started_again_and_its_job_is_tried_again(place: Place) -> None:
    running = place.start_build()
    place.reached("gate-a")
    (agent,) = agents_of(running.pid)
    os.kill(agent, signal.SIGKILL)
    ended = place.let_all_through(running)
    assert (ended.status, ended.left) == (0, []), ended.err
    assert "penstock: the local agent here-1 ended with status -9; started again" in ended.err.splitlines()
    assert ended.results() == PASSED
    assert [ended.job(name)["attempts"] for name in ("a build", "a test", "b build")] == [2, 1, 1]
    assert violations(place) == []


def test_an_agent_that_dies_again_and_again_ends_the_farm(place: Place) -> None:
    running = place.start_build()
    place.reached("gate-a")
    seen: set[int] = set()
    while not running.ended:
        for agent in set(agents_of(running.pid)) - seen:
            os.kill(agent, signal.SIGKILL)
            seen.add(agent)
    ended = running.wait()
    assert (ended.status, ended.left) == (3, [])
    last = ended.err.splitlines()[-1]
    assert last.startswith("penstock: the local agent here-1 ended with status -9, for the 4th time: see ")
    assert last.endswith("agent.log")
    assert set(goes_on(place)) == set(PASSED)


def test_a_hub_killed_while_two_builds_share_a_key_builds_it_once(place: Place) -> None:
    running = place.start_build()
    place.let_through("gate-a")
    place.reached("gate-b")
    ((job,),) = place.rows("SELECT id FROM job WHERE name LIKE 'b%'")
    asked = place.ask("retry", job)
    assert asked.status == 0, asked.err
    waiting = "SELECT count(*) FROM job WHERE state = 'blocked' AND waits_on = ?"
    assert place.rows(waiting, job) == [(1,)]
    running.signal(signal.SIGKILL)
    assert running.wait().left == []
    assert set(goes_on(place)) == set(PASSED)
    assert place.rows("SELECT count(*) FROM build WHERE open = 1") == [(0,)]


def test_a_second_build_of_the_same_state_is_told_who_has_it(place: Place) -> None:
    running = place.start_build()
    place.reached("gate-a")
    second = place.build()
    assert second.status == 2
    assert second.out == ""
    assert second.err.count("\n") == 1
    assert f"in use by process {running.pid}" in second.err
    ended = place.let_all_through(running)
    assert (ended.status, ended.results()) == (0, PASSED)


UPLOAD = """
version: 1
modules:
  a:
    platforms: [p]
    build: ["mkdir -p $DESTDIR$PREFIX", "head -c 300000000 /dev/zero > $DESTDIR$PREFIX/large"]
"""


def test_killed_in_the_middle_of_a_large_upload_it_goes_on(tmp_path: Path) -> None:
    place = Place(tmp_path / "place", {".penstock.yml": UPLOAD})
    running = place.start_build()

    def coming() -> bool:
        return any(path.stat().st_size > 1 << 20 for path in place.state.glob("blobs/uploads/*/tree~*"))

    wait_for(coming, "an upload")
    running.signal(signal.SIGKILL)
    assert running.wait().left == []
    assert set(goes_on(place)) == {"a build"}


LARGE = """
version: 1
modules:
  a:
    platforms: [p]
    build: ["mkdir -p $DESTDIR$PREFIX", "head -c 8000000 /dev/zero > $DESTDIR$PREFIX/large"]
  b:
    platforms: [p]
    needs: [a]
    build: ["mkdir -p $DESTDIR$PREFIX", "cp $PREFIX/large $DESTDIR$PREFIX/copy"]
"""

# A disk of its own: a tmpfs in a mount namespace, which goes with its last process.
STARVED = """
mount -t tmpfs -o size=%(size)s penstock state || exit 99
"$@"; echo "first $?" >&2
mount -o remount,size=200m state || exit 99
exec "$@"
"""


def namespace() -> list[str]:
    """What runs a program in a mount namespace of its own; named as not run where the kernel forbids it."""
    way = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
    probe = [*way, "mount", "-t", "tmpfs", "none", "/mnt"]
    if shutil.which("unshare") is None or subprocess.run(probe, capture_output=True, check=False).returncode:
        not_run("no mount namespace with a disk of its own can be made here")
    return way


@pytest.mark.parametrize("size", ["8k", "64k", "300k", "1m", "6m", "10m", "14m", "18m"])
def test_a_full_disk_ends_the_build_with_a_line_and_with_room_it_goes_on(tmp_path: Path, size: str) -> None:
    way = namespace()
    place = Place(tmp_path / "place", {".penstock.yml": LARGE})
    place.state.mkdir()
    words = [sys.executable, "-m", "penstock", *place.build_words()]
    script = STARVED % {"size": size}
    command = [*way, "sh", "-c", script, "sh", *words]
    ended = subprocess.run(
        command, cwd=place.folder, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    if "first 1\n" in ended.stderr:
        # Only the job ran out of room: it failed, is not remembered, and its folders made room for what the farm writes.
        assert "failed 1, error 0" in ended.stderr.partition("first 1\n")[0]
        return
    said = ended.stderr.partition("first 3\n")[0].splitlines()
    assert [line for line in said if line.startswith("penstock: ")] == said[-1:]
    assert "full" in said[-1]
