"""What the process above sandboxes sees of the machine's mounts, and that the machine sees all of them as before."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TRY = """
import json, os
from penstock.agent.mounts import Sight
sight = Sight()
sight.narrow({used!r})
seen = [line.split()[4] for line in open("/proc/self/mountinfo")]
opened = os.open("/proc/self/comm", os.O_RDONLY), sight.open("/dev/null")
group = {group!r}
if group:
    os.write(sight.open(group), b"0")
print(json.dumps([seen, open("/proc/self/cgroup").read()]))
"""


def mounts() -> list[str]:
    return [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]


def narrowed(used: list[str], group: str = "") -> tuple[list[str], str]:
    """What a process sees after it did without; and its control groups, after it entered that one."""
    words = [sys.executable, "-c", TRY.format(used=used, group=group)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    seen, groups = json.loads(done.stdout)
    return seen, groups


@pytest.fixture
def may_unmount() -> None:
    """Skips where this user may not make mount namespaces."""
    if subprocess.run(["unshare", "--mount", "true"], stderr=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("needs a user who may make mount namespaces")


@pytest.mark.usefixtures("may_unmount")
def test_what_no_sandbox_sees_is_left_out_and_the_machine_keeps_it() -> None:
    before = mounts()
    seen, _ = narrowed([])
    assert not [path for path in seen if path == "/sys" or path.startswith("/sys/") or path == "/dev/shm"]
    assert {"/", "/proc"} <= set(seen)
    assert len(seen) < len(before)
    assert mounts() == before


@pytest.mark.usefixtures("may_unmount")
def test_where_something_is_bound_from_stays() -> None:
    if "/dev/shm" not in mounts():
        pytest.skip("nothing is mounted at /dev/shm here")
    assert "/dev/shm" in narrowed(["--bind", "/dev/shm/agent/slots/0/place/src"])[0]
    assert "/dev/shm" not in narrowed(["/dev/shmwork"])[0]


def _kind(path: str) -> str:
    """Of the file system there: a folder in memory around control groups is none, whatever files lie in it."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line.partition(" - ")[2].split()[0] for line in lines if line.split()[4] == path][-1]


@pytest.mark.usefixtures("may_unmount")
def test_control_groups_are_entered_though_they_are_not_seen() -> None:
    places = [
        Path(path)
        for path in mounts()
        if path.startswith("/sys/fs/cgroup") and _kind(path).startswith("cgroup")
        if os.access(f"{path}/cgroup.procs", os.W_OK)
    ]
    if not places:
        pytest.skip("no control group can be written here")
    group = places[0] / f"penstock-test-{os.urandom(4).hex()}"
    group.mkdir()
    try:
        assert group.name in narrowed([], str(group / "cgroup.procs"))[1]
    finally:
        group.rmdir()


def test_who_may_not_sees_all_as_before() -> None:
    script = """
import os
from penstock.agent.mounts import leave_out
if os.geteuid() == 0:
    os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
before = open("/proc/self/mountinfo").read()
assert leave_out([]) == {}
assert open("/proc/self/mountinfo").read() == before
"""
    subprocess.run([sys.executable, "-c", script], check=True)
