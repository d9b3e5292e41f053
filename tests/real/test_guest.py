"""A virtual machine of the image: it becomes who it is told to be, works for a real hub, and reaches nothing else."""

import json
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from conftest import not_run
from real import images
from real.farmed import Farmed, farmed
from real.guests import Guest
from real.killing import wait_for
from real.libvirthost import PROGRAMS, LibvirtHost

from penstock.model.job import Attempt
from penstock.model.machine import Machine
from penstock.model.states import AttemptState

pytestmark = [pytest.mark.slow, pytest.mark.needs(*PROGRAMS, *images.PROGRAMS, "git")]
HOUR_S = 3600
MANIFEST = """
version: 1
modules:
  {name}:
    platforms: [p]
    size: {{cores: 1, memory_mb: 32}}
    network: {network}
    build: {commands}
"""
PROBE = """
import json, socket, threading
TCP, ASKED = {tcp!r}, {dns!r}
QUESTION = bytes.fromhex("123401000001000000000000076578616d706c65036f72670000010001")
found = {{}}

def reach(host, port):
    try:
        socket.create_connection((host, port), 5).close()
        found[f"{{host}} {{port}}"] = "open"
    except OSError as error:
        found[f"{{host}} {{port}}"] = type(error).__name__

def ask(host):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(5)
        try:
            asking.sendto(QUESTION, (host, 53))
            asking.recv(512)
            found[f"{{host}} dns"] = "open"
        except OSError as error:
            found[f"{{host}} dns"] = type(error).__name__

threads = [threading.Thread(target=reach, args=one) for one in TCP]
threads += [threading.Thread(target=ask, args=(one,)) for one in ASKED]
for thread in threads: thread.start()
for thread in threads: thread.join()
print("FOUND " + json.dumps(found))
"""


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farmed]:
    with farmed(tmp_path_factory.mktemp("guests") / "farm", lease=(20.0, 120.0, 20.0)) as found:
        found.start_hub()
        found.wait_served()
        yield found


@pytest.fixture(scope="module")
def hub(farm: Farmed) -> str:
    return farm.wait_served()


@pytest.fixture(scope="module")
def host(hub: str) -> Iterator[LibvirtHost]:
    try:
        found = LibvirtHost(hub.partition("//")[2])
    except OSError as problem:
        not_run(str(problem))
        raise
    yield found
    assert found.close() == 0


@pytest.fixture(scope="module")
def template(host: LibvirtHost) -> Iterator[Guest]:
    """The one machine of this file, as it is before it was told who it is: kept in the file "template", not running."""
    try:
        image = images.image()
    except OSError as problem:
        not_run(f"no image of machines: {problem}")
        raise
    found = Guest(host, image, "vm-1")
    try:
        assert found.tell({"kind": "sing"})["kind"] == "error", found.console
        found.save("template")
        yield found
    finally:
        found.close()


@pytest.fixture(scope="module")
def guest(template: Guest, farm: Farmed, hub: str) -> Guest:
    """It has registered."""
    template.restore("template")
    assert template.identify(hub, farm.token()) == {"kind": "ok", "name": "vm-1"}
    wait_for(lambda: farm.machines() or not template.there(), "the machine to register")
    assert template.there(), template.console
    return template


@pytest.fixture
def unknown(template: Guest) -> Guest:
    """It waits to be told who it is, once more."""
    template.restore("template")
    return template


def machine(farm: Farmed) -> Machine:
    (found,) = farm.machines()
    return found


def ran(farm: Farmed, name: str, commands: list[str], network: str = "none") -> tuple[Attempt, str]:
    """Have the machine run this; the attempt and its log."""
    text = MANIFEST.format(name=name, commands=json.dumps(commands), network=network)
    (commit,) = farm.repository([text])
    build = farm.submit(commit)
    farm.wait_all_ended()
    (found,) = [one for one in farm.attempts() if one.build == build and ":build" in _job(farm, one)]
    return found, farm.log_of(found).decode()


def _job(farm: Farmed, attempt: Attempt) -> str:
    return next(job.name for job in farm.jobs() if job.id == attempt.job)


def test_it_runs_jobs_in_the_sandbox(farm: Farmed, guest: Guest) -> None:
    found, log = ran(farm, "hello", ["uname -r", "id -un", "cat /run/penstock/token || echo nothing there"])
    assert found.state == AttemptState.PASSED, log
    assert json.loads((images.image() / "image.json").read_text())["kernel"] in log
    assert "\nbuild\n" in log
    assert "nothing there" in log
    assert (machine(farm).name, machine(farm).sandbox) == ("vm-1", "bubblewrap")
    assert found.usage is not None
    assert found.usage.measured_by == "cgroup v2"


def test_it_stays_who_it_is(farm: Farmed, hub: str, guest: Guest) -> None:
    assert guest.identify(hub, "another token") == {"kind": "ok", "name": "vm-1"}
    refused = guest.tell({"kind": "identity", "name": "vm-2"})
    assert refused == {"kind": "error", "reason": "ValueError: this machine is vm-1 already"}
    assert guest.tell({"kind": "sing"})["kind"] == "error"
    assert len(farm.machines()) == 1


class Decoy:
    """Listens on every address of this machine, as other services do; `calls` from machines must stay 0."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
        self.port = self._listening.getsockname()[1]
        self.calls = 0
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                self._listening.accept()[0].close()
            except OSError:
                return
            self.calls += 1

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()


@pytest.fixture
def decoy() -> Iterator[Decoy]:
    found = Decoy()
    yield found
    found.close()


def own_address() -> str:
    """An address of this machine that others may reach; documentation's where it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(("198.51.100.1", 9))
        except OSError:
            return "198.51.100.2"
        return str(asking.getsockname()[0])


def test_it_reaches_its_hub_and_nothing_else(farm: Farmed, hub: str, guest: Guest, decoy: Decoy) -> None:
    socket.create_connection(("127.0.0.1", decoy.port), 5).close()
    wait_for(lambda: decoy.calls == 1, "the decoy to be there")
    port = int(hub.rpartition(":")[2])
    here = ["10.0.2.2", own_address(), "127.0.0.1", "fec0::2", "::1"]
    closed = [(one, decoy.port) for one in here] + [("10.0.2.2", one) for one in (22, 53, 80, 443, 16509)]
    closed += [("10.0.2.3", 53), ("10.0.2.16", 22), ("fec0::3", 53), ("fec0::2", port)]
    closed += [("1.1.1.1", 443), ("169.254.169.254", 80), ("2606:4700:4700::1111", 443), ("192.168.1.1", 80)]
    asked = ["10.0.2.3", "10.0.2.2", "1.1.1.1", "8.8.8.8", "fec0::3"]
    probe = PROBE.format(tcp=[("10.0.2.2", port), *closed], dns=asked)
    found, log = ran(farm, "probe", [f"cat > probe.py <<'END'\n{probe}\nEND", "python3 probe.py"], "full")
    assert found.state == AttemptState.PASSED, log
    seen = json.loads(next(line for line in log.splitlines() if line.startswith("FOUND ")).partition(" ")[2])
    assert len(seen) == 1 + len(closed) + len(asked)
    assert [where for where, how in seen.items() if how == "open"] == [f"10.0.2.2 {port}"]
    assert decoy.calls == 1


def test_after_a_sleep_it_has_the_time_and_polls_anew(farm: Farmed, guest: Guest) -> None:
    guest.save("asleep")
    assert not guest.there()
    guest.restore("asleep")
    later_ms = int((time.time() + HOUR_S) * 1000)
    assert guest.resumed(later_ms) == {"kind": "ok", "name": "vm-1"}
    found, log = ran(farm, "later", ["date +%s"])
    assert found.state == AttemptState.PASSED, log
    assert int(log.splitlines()[1]) >= later_ms // 1000
    guest.resumed()


def test_drained_it_powers_off(farm: Farmed, guest: Guest) -> None:
    assert farm.call("POST", f"/api/v1/drain/{machine(farm).id}", {}) is not None
    guest.wait_gone()
    assert "the agent ended with status 0" in guest.console


def test_another_agent_than_was_promised_is_not_run(hub: str, unknown: Guest) -> None:
    assert unknown.identify(hub, "secret words", agent_sha256="0" * 64)["kind"] == "ok"
    unknown.wait_gone()
    assert "not 0000" in unknown.console
    assert "secret words" not in unknown.console


def test_its_host_says_goodbye(unknown: Guest) -> None:
    """A machine that nobody has told who it is ends as well."""
    assert unknown.tell({"kind": "bye"}) == {"kind": "ok", "name": ""}
    unknown.wait_gone()


def test_an_address_may_be_asked_for(farm: Farmed, hub: str, unknown: Guest) -> None:
    """User networking answers DHCP, too. The hub does not know its relay's number for its own, and says so."""
    port = hub.rpartition(":")[2]
    words = ["--hub", f"http://10.0.2.2:{port}", "--insecure", "--token-file", "/run/penstock/token"]
    unknown.identify(hub, farm.token(), network="dhcp", words=words)
    wait_for(lambda: "421" in unknown.console, "the hub's answer")
    assert "lease of 10.0.2.15 obtained" in unknown.console


def test_forgotten_by_its_hub_it_powers_off(farm: Farmed, hub: str, unknown: Guest) -> None:
    before = len(farm.machines())
    words = ["--hub", hub, "--token-file", "/run/penstock/token", "--work-dir", "/var/penstock"]
    unknown.identify(hub, farm.token(), words=[*words, "--power-off-after", "0.05"])
    wait_for(lambda: len(farm.machines()) > before or not unknown.there(), "the machine to register")
    farm.hubs["hub"].kill()
    unknown.wait_gone()
    assert "no hub has answered for too long" in unknown.console


def test_whom_its_host_renews_no_more_powers_off(hub: str, unknown: Guest) -> None:
    """However its agent is: this one asks a hub that is not there for itself."""
    assert unknown.identify(hub, "t", power_off_after_s=1)["kind"] == "ok"
    unknown.wait_gone()
    assert "nobody has renewed this machine for too long" in unknown.console


def test_an_agent_that_its_image_does_not_have_is_refused(hub: str, unknown: Guest) -> None:
    said = unknown.identify(hub, "t", agent="gitlab-runner")
    assert said == {"kind": "error", "reason": "ValueError: agent: this machine has no gitlab-runner"}


def test_an_image_is_never_changed() -> None:
    folder = images.image()
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == dict.fromkeys(
        ("vmlinux", "initramfs.cpio", "root.erofs", "image.json"), 0o444
    )
    assert {"schema", "digest", "kernel", "suite", "agents", "memory_mb", "cmdline"} == set(
        json.loads((folder / "image.json").read_text())
    )
