"""Buildbot's own agent in virtual machines: a real master of whose queue they work, a real libvirt, real machines.

Machines reach their master and nothing else. Emulated processors are slow: nothing here is waited for by the clock.
"""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import libvirt
import pytest
from conftest import not_run
from real import images
from real.foreignfarm import SECRETS, TAKEN, Farm, each_build_is_in_the_books
from real.foreignmachines import Master
from real.libvirthost import PROGRAMS, LibvirtHost

from bench import buildbot
from penstock.hub.fsck import fsck
from penstock.model.job import Attempt
from penstock.model.machine import Machine
from penstock.model.states import AttemptState

pytestmark = [pytest.mark.slow, pytest.mark.needs(*PROGRAMS, *images.PROGRAMS)]
MORE = """
provider = "libvirt"
max = 3
cores = 1
memory_mb = 192
[pool.libvirt]
uri = "{uri}"
image = "{image}"
type = "qemu"
folder = "{folder}"
clone = true
"""
PROBE = """
import glob, json, os, socket
def reach(host, port):
    try:
        socket.create_connection((host, port), 2).close()
        return "open"
    except OSError:
        return "closed"
def read(path):
    try:
        return open(path, "rb").read()
    except OSError:
        return b""
places = [("10.0.2.2", {pb}), ("localhost", {pb})]
places += [("10.0.2.2", {www}), ("127.0.0.1", {www}), ("10.0.2.3", 53), ("1.1.1.1", 443), ("169.254.169.254", 80)]
seen = glob.glob("/proc/[0-9]*/cmdline") + glob.glob("/proc/[0-9]*/environ")
seen += [os.path.join(where, name) for where, _, names in os.walk("/var/penstock") for name in names]
told = {{
    "open": [place for place in places if reach(*place) == "open"],
    "shown": [path for path in seen if b"sec" + b"ret-" in read(path)],
    "channel": [path for path in glob.glob("/dev/vport*") if os.access(path, os.R_OK) or os.access(path, os.W_OK)],
    "user": os.getuid(),
}}
print("FOUND " + json.dumps(told))
"""


@pytest.fixture
def master(tmp_path: Path) -> Iterator[Master]:
    """What is long waits on the master, in the middle of its build, until it may go on."""
    if problem := buildbot.installed():
        not_run(f"Buildbot cannot be installed: {problem}")
    probe = tmp_path / "probe.py"
    builders = {
        "linux-quick": "python3 probe.py",
        "linux-long": f"master: until test -e {tmp_path}/go; do sleep 0.1; done",
    }
    made = Master(tmp_path, builders, SECRETS, {"probe.py": str(probe)})
    probe.write_text(PROBE.format(pb=made.pb, www=made.www))
    yield made
    made.kill()


@pytest.fixture
def host(master: Master) -> Iterator[LibvirtHost]:
    try:
        made = LibvirtHost(f"127.0.0.1:{master.pb}")
    except OSError as problem:
        not_run(str(problem))
        raise
    yield made
    made.close()


@pytest.fixture
def farm(master: Master, host: LibvirtHost, tmp_path: Path) -> Iterator[Farm]:
    try:
        image = images.image("--agent", "buildbot-worker")
    except OSError as problem:
        not_run(f"no image of machines: {problem}")
        raise
    found = Farm(tmp_path, master, MORE.format(uri=host.uri, image=image, folder=host.place("machines")))
    yield found
    found.stop()
    found.parts.close()


def domain(host: LibvirtHost, machine: Machine) -> libvirt.virDomain:
    return libvirt.open(host.uri).lookupByUUIDString(machine.provider_id)


def crash(host: LibvirtHost, machine: Machine) -> None:
    """End its qemu as a fault of the host would."""
    name = domain(host, machine).name().encode()
    for pid in host.children():
        if name in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)
            return
    raise AssertionError(f"{machine.name} does not run")


def test_a_backlog_is_built_in_virtual_machines_which_sleep_after_it(
    farm: Farm, master: Master, host: LibvirtHost, tmp_path: Path
) -> None:
    master.force("linux-long")
    master.force("linux-quick")
    farm.until(lambda: len(farm.powers()) == 2)
    farm.until(lambda: farm.passed("linux-quick") == 1 and farm.runs())
    (told,) = [line for line in master.log("linux-quick").splitlines() if line.startswith("FOUND ")]
    reached = [["10.0.2.2", master.pb], ["localhost", master.pb]]
    assert json.loads(told.partition(" ")[2]) == {"open": reached, "shown": [], "channel": [], "user": 1000}

    # A machine dies in the middle of a build: Buildbot tries again, on another one.
    ran, machine = farm.runs() or pytest.fail("nothing runs")
    crash(host, machine)
    farm.until(lambda: (seen := farm.runs()) and seen[0].job == ran.job and seen[0].n == 2)
    (tmp_path / "go").touch()
    farm.until(lambda: farm.passed("linux-long") == 1)
    first, last = farm.tries(ran.job)
    assert first.state in TAKEN
    assert (last.state, last.machine == first.machine) == (AttemptState.PASSED, False)

    # Idle: what is left sleeps, with its memory in a file, after Buildbot has let go of it.
    farm.until(lambda: set(farm.powers().values()) == {"suspended"})
    asleep = {one.id for one in farm.machines()}
    for one in farm.machines():
        assert domain(host, one).hasManagedSaveImage()
        assert not domain(host, one).isActive()

    # One wakes for what comes next, and its agent is there again.
    master.force("linux-quick")
    farm.until(lambda: farm.passed("linux-quick") == 2)
    assert {one.id for one in farm.machines()} == asleep
    assert max(farm.all(Attempt), key=lambda one: one.granted_ms).machine in asleep
    farm.stop()
    each_build_is_in_the_books(farm, master)
    assert fsck(farm.hub) == []
