"""Provider libvirt over a real libvirtd, real virtual machines and a real hub: what each step took is printed, not judged."""

import hashlib
import io
import json
import os
import signal
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import libvirt
import pytest
from conftest import not_run
from real import images
from real.farmed import Farmed, farmed
from real.killing import wait_for
from real.libvirthost import PROGRAMS, LibvirtHost

from penstock.model.machine import Machine
from penstock.model.pool_libvirt import Libvirt as Settings
from penstock.model.rented import TAG_FARM, TAG_MACHINE, TAG_POOL, Order
from penstock.model.rules import Pool
from penstock.model.states import AttemptState, JobState, Power
from penstock.model.units import Size
from penstock.ports import ProviderError
from penstock.providers.libvirt.provider import Libvirt

pytestmark = [pytest.mark.slow, pytest.mark.needs(*PROGRAMS, *images.PROGRAMS)]
MEMORY_MB = 256
TELLS = """
import json, os, socket, time, urllib.request

def main(words):
    told = {
        "name": socket.gethostname(),
        "machine_id": open("/etc/machine-id").read().strip(),
        "mac": open("/sys/class/net/eth0/address").read().strip(),
        "chance": os.urandom(16).hex(),
        "token": open("/run/penstock/token").read(),
        "time_s": time.time(),
    }
    url = words[words.index("--hub") + 1]
    urllib.request.urlopen(urllib.request.Request(url, json.dumps(told).encode(), method="POST")).read()
    time.sleep(3600)
"""
"""An agent that only says where it is."""
WAITS = """
from penstock.agent.__main__ import main as begin

def main(words, folder, told):
    begin(told())
"""


def packed() -> bytes:
    """That agent's file."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name in ("penstock/__init__.py", "penstock/agent/__init__.py"):
            file.writestr(name, "")
        file.writestr("penstock/agent/__main__.py", TELLS)
        file.writestr("penstock/agent/ready.py", WAITS)
    return out.getvalue()


class Ear:
    """A hub that gives this agent, and what machines told it, by name."""

    def __init__(self) -> None:
        self.file = packed()
        self.fetched = 0
        told: dict[str, dict[str, Any]] = {}
        ear = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                ear.fetched += 1
                self._answer(ear.file)

            def do_POST(self) -> None:
                said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                told[said["name"]] = said | {"at_s": time.monotonic(), "here_s": time.time()}
                self._answer(b"")

            def _answer(self, body: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.told = told
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.place = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def image() -> Path:
    try:
        return images.image()
    except OSError as why:
        not_run(f"no image can be made here: {why}")
        raise


@pytest.fixture(scope="module")
def ear() -> Iterator[Ear]:
    made = Ear()
    yield made
    made.close()


def provider(host: LibvirtHost, folder: Path, image: Path, **more: Any) -> Libvirt:
    settings = Settings(uri=host.uri, image=str(image), folder=str(folder), kind="qemu", **more)
    pool = Pool(
        name="copies", provider="libvirt", platforms=("p",), size=Size(1, MEMORY_MB), libvirt=settings
    )
    return Libvirt(pool, lambda: time.time_ns() // 1_000_000)


def order(number: int, ear: Ear) -> Order:
    tags = {TAG_FARM: "f", TAG_MACHINE: f"row{number}", TAG_POOL: "copies"}
    return Order(
        offer="copies",
        token=f"f:1:{number}",
        tags=tags,
        secret=f"secret {number}",
        name=f"vm-{number}",
        hub=f"http://{ear.place}",
    )


def states(one: Libvirt) -> dict[str, str]:
    """What it lists; nothing while the host is away."""
    try:
        return {found.id: found.state for found in one.list().instances}
    except ProviderError:
        return {}


def _taken(call: Callable[[Any], Any], what: Any) -> Any:
    """What the host answers, False where it refuses or is too slow: a hub asks again, too."""
    try:
        return call(what) or True
    except ProviderError:
        return False


# A farm -------------------------------------------------------------------------------------------------------

POOLS = """
[waiting]
price_per_hour = 1
target = {{ percentile = 95, seconds = 3 }}
[platform.v]
image = "guest-1"
[platform.q]
image = "guest-1"
[platform.s]
image = "guest-1"
[[pool]]
name = "vm"
provider = "libvirt"
platforms = ["v"]
cores = 1
memory_mb = {memory_mb}
max = 2
price_per_hour = 1
stopped_price_per_hour = 0
boot_s = 3
resume_s = 1
[pool.libvirt]
uri = "{uri}"
image = "{image}"
type = "qemu"
folder = "{folder}"
[[pool]]
name = "fresh"
provider = "libvirt"
platforms = ["q"]
cores = 1
memory_mb = {memory_mb}
max = 2
uses = 1
price_per_hour = 1
boot_s = 3
[pool.libvirt]
uri = "{uri}"
image = "{image}"
type = "qemu"
folder = "{folder}"
clone = true
[[pool]]
name = "sized"
provider = "libvirt"
platforms = ["s"]
uses = 1
price_per_hour = 1
boot_s = 3
[pool.libvirt]
uri = "{uri}"
image = "{image}"
type = "qemu"
folder = "{folder}"
sizes = [{{ cores = 1, memory_mb = {memory_mb} }}, {{ cores = 2, memory_mb = 320 }}]
host_cores = 4
clone = true
"""
SIZE = {"cores": 1, "memory_mb": 128}


class Virtual:
    """A farm whose machines are virtual. Its hub may be killed: agents find it behind the same port."""

    def __init__(self, farm: Farmed, host: LibvirtHost, folder: Path, image: Path) -> None:
        self.farm, self.host, self.folder = farm, host, folder
        text = POOLS.format(uri=host.uri, image=image, folder=folder, memory_mb=MEMORY_MB)
        file = farm.folder / "farm.toml"
        named = f'name = "broken"\naddress = "{farm.front.address}"'
        file.write_text(file.read_text().replace('name = "broken"', named) + text)
        self.farm.start_hub()
        self.farm.wait_served()

    @property
    def there(self) -> Any:
        """A connection of this moment: the daemon may have been killed since the last one."""
        return libvirt.open(self.host.uri)

    def asks(
        self, name: str, platform: str, *commands: str, jobs: int = 1, cores: tuple[int, ...] = (1,)
    ) -> float:
        """Submit a build; when that was."""
        modules = {
            f"{name}{n}": {
                "platforms": [platform],
                "size": SIZE | {"cores": cores[n % len(cores)]},
                "build": [f"echo {name} {n}", *commands],
            }
            for n in range(jobs)
        }
        commit = self.farm.repository([json.dumps({"version": 1, "modules": modules})])[0]
        began_s = time.monotonic()
        assert wait_for(lambda: self.farm.submit(commit), "a hub to take a build")
        return began_s

    def passed(self, began_s: float) -> float:
        """Wait for all jobs; how long it took."""
        jobs = self.farm.wait_all_ended()
        took_s = time.monotonic() - began_s
        assert {job.state for job in jobs} == {JobState.PASSED}, [
            self.farm.log_of(one) for one in self.farm.attempts()
        ]
        return took_s

    def machines(self, pool: str) -> list[Machine]:
        return [one for one in self.farm.machines() if one.pool == pool]

    def in_state(self, pool: str, power: Power) -> list[Machine]:
        return [one for one in self.machines(pool) if one.power == power]

    def domains(self) -> list[str]:
        return [one.UUIDString() for one in self.there.listAllDomains(0)]

    def crash(self, machine: Machine) -> None:
        """End its qemu as a fault of the host would."""
        name = self.there.lookupByUUIDString(machine.provider_id).name()
        for pid in self.host.children():
            if name.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)
                return
        raise AssertionError(f"{name} does not run")


@pytest.fixture(scope="module")
def virtual(image: Path, ear: Ear, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Virtual]:
    with farmed(tmp_path_factory.mktemp("farm"), pools=0) as farm:
        host = LibvirtHost(farm.front.address.removeprefix("http://"), ear.place)
        try:
            yield Virtual(farm, host, host.place("machines"), image)
        finally:
            host.close()


def test_copies_of_a_booted_machine_are_machines_of_their_own(
    virtual: Virtual, image: Path, ear: Ear
) -> None:
    host, folder = virtual.host, virtual.folder
    one = provider(host, folder, image, clone=True)
    one.agent_file = lambda: (ear.file, f"sha256:{hashlib.sha256(ear.file).hexdigest()}")
    began_s = time.monotonic()
    first = wait_for(lambda: _taken(one.create, order(1, ear)), "the host to answer")
    wait_for(lambda: "vm-1" in ear.told, "the first machine")
    print(f"\ntemplate and first copy to hello: {ear.told['vm-1']['at_s'] - began_s:.2f} s")
    took_s = []
    made = [first]
    for number in (2, 3):
        began_s = time.monotonic()
        asked = order(number, ear)
        made.append(wait_for(lambda asked=asked: _taken(one.create, asked), "the host to answer"))
        name = f"vm-{number}"
        wait_for(lambda name=name: name in ear.told, "the next copy")
        took_s.append(ear.told[name]["at_s"] - began_s)
    print("copy to hello: " + ", ".join(f"{s:.2f} s" for s in took_s))
    for what in ("machine_id", "mac", "chance", "token"):
        assert len({said[what] for said in ear.told.values()}) == 3, what
    assert ear.fetched == 0, "the agent waited in each of them"
    assert all(abs(said["time_s"] - said["here_s"]) < 30 for said in ear.told.values())
    # A hub that comes back finds them by what stands in their definitions.
    other = provider(host, folder, image, clone=True)
    wait_for(lambda: states(other) == dict.fromkeys(made, "up"), "three machines")
    assert other.create(order(2, ear)) == made[1]
    # libvirtd dies and is started again: machines go on, and what is asked of them then is done.
    os.kill(host.daemon, signal.SIGKILL)
    for id_ in made:
        wait_for(lambda id_=id_: _taken(other.delete, id_), "the host to be back")
    wait_for(lambda: set(states(other).values()) == {"gone"}, "their end")
    assert virtual.domains() == []
    assert sorted(path.suffix for path in folder.iterdir()) == [".memory", ".save"]


def test_a_machine_boots_works_sleeps_and_goes_on(virtual: Virtual) -> None:
    cold_s = virtual.passed(virtual.asks("cold", "v"))
    machine = virtual.machines("vm")[0]
    wait_for(lambda: virtual.in_state("vm", Power.SUSPENDED), "the machine to sleep")
    domain = virtual.there.lookupByUUIDString(machine.provider_id)
    assert domain.hasManagedSaveImage()
    assert not domain.isActive()
    warm_s = virtual.passed(virtual.asks("warm", "v"))
    print(f"\ncold boot to the job's end: {cold_s:.1f} s; resume to the job's end: {warm_s:.1f} s")
    assert {one.machine for one in virtual.farm.attempts()} == {machine.id}


def test_each_job_gets_a_fresh_machine(virtual: Virtual) -> None:
    """Two jobs of one kind, one after another, on a pool whose machines are good for one: copies of the template."""
    first_s = virtual.passed(virtual.asks("fresh", "q"))
    next_s = virtual.passed(virtual.asks("again", "q"))
    print(f"\njobs on fresh copies: {first_s:.1f} s, {next_s:.1f} s")
    used = [one.machine for one in virtual.farm.attempts() if one.pool == "fresh"]
    assert len(set(used)) == len(used) == 2
    wait_for(lambda: len(virtual.in_state("fresh", Power.GONE)) == 2, "both to be given back")


def test_each_job_gets_a_machine_of_its_size(virtual: Virtual) -> None:
    took_s = virtual.passed(virtual.asks("sized", "s", "echo cores: $(nproc)", jobs=2, cores=(1, 2)))
    print(f"\ntwo jobs of two sizes: {took_s:.1f} s")
    tries = {one.pool: one for one in virtual.farm.attempts() if one.pool.startswith("sized")}
    assert {pool: one.size.cores for pool, one in tries.items()} == {
        f"sized-1x{MEMORY_MB}": 1,
        "sized-2x320": 2,
    }
    for one in tries.values():
        assert b"cores: %d" % one.size.cores in virtual.farm.log_of(one)


def test_a_machine_that_crashes_costs_its_job_nothing_but_time(virtual: Virtual) -> None:
    began_s = virtual.asks("crash", "v", "sleep 3")
    attempt = wait_for(virtual.farm.running, "the job to run")[0]
    machine = next(one for one in virtual.machines("vm") if one.id == attempt.machine)
    virtual.crash(machine)
    took_s = virtual.passed(began_s)
    print(f"\na job whose machine died, to its end elsewhere: {took_s:.1f} s")
    tries = [one for one in virtual.farm.attempts() if one.job == attempt.job]
    tries.sort(key=lambda one: one.granted_ms)
    assert [one.state for one in tries] == [AttemptState.PREEMPTED, AttemptState.PASSED]
    assert tries[0].machine != tries[1].machine
    wait_for(lambda: machine.provider_id not in virtual.domains(), "what is left of it to go")


def test_a_hub_that_dies_while_machines_boot_finds_them(virtual: Virtual) -> None:
    """Two jobs need two machines at once: one more than there is. No machine is forgotten, and none is there twice."""
    began_s = virtual.asks("killed", "v", "sleep 2", jobs=2)
    booting = wait_for(lambda: virtual.in_state("vm", Power.BOOTING), "a machine to boot")[0]
    virtual.farm.hubs["hub"].kill()
    virtual.farm.start_hub()
    virtual.farm.wait_served()
    took_s = virtual.passed(began_s)
    print(f"\ntwo jobs whose hub was killed while their machine booted: {took_s:.1f} s")
    there = (Power.UP, Power.SUSPENDING, Power.SUSPENDED)
    wait_for(
        lambda: [one for one in virtual.machines("vm") if one.id == booting.id and one.power in there],
        "the machine that booted meanwhile to come up with the secret that it was ordered with",
    )
    booked = {one.provider_id for one in virtual.farm.machines() if one.power != Power.GONE}
    assert set(virtual.domains()) <= booked
    assert len(virtual.machines("vm")) == 3, "the one that slept, its successor, and the one that booted"
    assert virtual.farm.fsck() == []
    assert virtual.farm.faults_said() == []
