"""A libvirt of one's own: it comes up, stays, ends with all that it started, and its network has the hub's port and no other."""

import asyncio
import contextlib
import os
import pwd
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import libvirt
import pytest
from real.killing import wait_for
from real.libvirthost import PROGRAMS, LibvirtHost

from penstock.providers.libvirthost.relay import Hub, serve

pytestmark = [pytest.mark.slow, pytest.mark.needs(*PROGRAMS)]
BARE = """
<domain type='qemu'><name>bare</name><memory unit='MiB'>16</memory><os><type machine='q35'>hvm</type></os>
<devices><controller type='usb' model='none'/><memballoon model='none'/></devices></domain>
"""
LISTENS = "0A"


@pytest.fixture
def host() -> Iterator[LibvirtHost]:
    found = LibvirtHost("127.0.0.1:8800", "198.51.100.7:8443", "hub.example.org:443")
    yield found
    if found.running:
        found.close()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][:1] not in "XZ"
    except OSError:
        return False


def listening(pid: int) -> set[tuple[str, int]]:
    """Where anything listens in the network of a process; addresses of version 6 as they stand there."""
    found = set()
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        address, port = line.split()[1].split(":")
        if line.split()[3] == LISTENS:
            found.add((socket.inet_ntoa(bytes.fromhex(address)[::-1]), int(port, 16)))
    for line in Path(f"/proc/{pid}/net/tcp6").read_text().splitlines()[1:]:
        if line.split()[3] == LISTENS:
            found.add((line.split()[1], 0))
    return found


def test_its_network_has_the_ports_of_hubs_and_no_other(host: LibvirtHost) -> None:
    ports = {("127.0.0.1", 8800), ("198.51.100.7", 8443), ("127.0.0.1", 443)}
    assert listening(host.daemon) == ports
    cards = Path(f"/proc/{host.daemon}/net/dev").read_text().splitlines()[2:]
    assert [line.split(":")[0].strip() for line in cards] == ["lo"]


def test_it_has_no_rights(host: LibvirtHost) -> None:
    said = Path(f"/proc/{host.daemon}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in said.splitlines())
    assert {int(word) for word in fields["Uid"].split()} == {host.folder.stat().st_uid}
    assert host.folder.stat().st_uid == (os.getuid() or pwd.getpwnam("nobody").pw_uid)
    assert {fields[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0" * 16}
    assert fields["NoNewPrivs"] == "1"


def test_a_killed_daemon_comes_back_and_machines_live_on(host: LibvirtHost) -> None:
    with contextlib.closing(libvirt.open(host.uri)) as connection:
        connection.createXML(BARE)
        (machine,) = set(host.children()) - {host.daemon}
        before = host.daemon
        os.kill(before, signal.SIGKILL)
        wait_for(lambda: host.daemon not in (0, before), "another libvirtd")
    assert alive(machine)

    def listed() -> list[str]:
        with contextlib.suppress(libvirt.libvirtError), contextlib.closing(libvirt.open(host.uri)) as again:
            return [domain.name() for domain in again.listAllDomains()]
        return []

    wait_for(lambda: listed() == ["bare"], "the machine in its list")


def test_all_ends_with_it(host: LibvirtHost) -> None:
    with contextlib.closing(libvirt.open(host.uri)) as connection:
        connection.createXML(BARE)
        machines = host.children()
    assert len(machines) == 2
    assert host.close() == 0
    assert not any(alive(one) for one in [*machines, host.process])


def test_killed_it_leaves_nothing(host: LibvirtHost) -> None:
    with contextlib.closing(libvirt.open(host.uri)) as connection:
        connection.createXML(BARE)
        left = [*host.children(), host.process]
    assert len(left) == 3
    host.kill()
    wait_for(lambda: not any(alive(one) for one in left), "all of it to be gone")
    assert not any(alive(one) for one in left)
    host.close()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--hub", "hub.example.org"], "--hub hub.example.org: write HOST:PORT"),
        (["--hub", "a:1", "--dir", "/tmp/" + "x" * 40], "may have 36 bytes at most"),
        (["--hub", "a:1", "--user", "nobody-of-that-name"], "there is no such user"),
        (["--hub", "127.0.0.1:8800", "--hub", "localhost:8800"], "another hub at this port already"),
    ],
)
def test_what_cannot_be_is_one_line(tmp_path: Path, words: list[str], said: str) -> None:
    if "--user" in words and os.getuid():
        pytest.skip("users are asked for by root alone")
    place = [] if "--dir" in words else ["--dir", str(tmp_path)]
    tmp_path.chmod(0o755)
    call = [sys.executable, "-m", "penstock.providers.libvirthost", *place, *words]
    ended = subprocess.run(call, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("libvirt-host: ")
    assert said in ended.stderr
    assert ended.stderr.count("\n") == 1


# The relay -------------------------------------------------------------------------------------------------------


async def upper(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server that answers when it has heard all."""
    writer.write((await reader.read()).upper())
    await writer.drain()
    writer.close()


async def through(asked: bytes, port: int | None) -> bytes:
    """What comes back through a relay; `port`: where it leads, None = to a server that answers."""
    server = await asyncio.start_server(upper, "127.0.0.1", 0)
    there = server.sockets[0].getsockname()[1]
    listening_here = socket.create_server(("127.0.0.1", 0))
    relay = asyncio.create_task(serve(listening_here, Hub("127.0.0.1", port or there)))
    reader, writer = await asyncio.open_connection(*listening_here.getsockname())
    writer.write(asked)
    writer.write_eof()
    try:
        return await reader.read()
    finally:
        relay.cancel()
        server.close()
        writer.close()
        await asyncio.gather(relay, return_exceptions=True)


def test_bytes_go_both_ways_and_each_way_ends_for_itself() -> None:
    asked = b"abc" * (1 << 20)
    assert asyncio.run(through(asked, None)) == asked.upper()


def test_without_a_hub_the_connection_ends() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert asyncio.run(through(b"abc", unused.getsockname()[1])) == b""
