"""A real S3 server for tests: Ceph's radosgw over one monitor and one storage daemon that keeps everything in memory.

Everything lies below one folder and listens on loopback. The daemons stay in the foreground, are our children, and
the kernel kills them when the thread that started them is gone: they end with the tests, however those end.
"""

import base64
import ctypes
import os
import secrets
import signal
import socket
import struct
import subprocess
import time
import urllib.request
import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import obstore
from obstore.store import S3Store

PROGRAMS = ("ceph", "ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "monmaptool")
READY_S = 90
REGION = "us-east-1"
# Without the two paxos settings each new pool waits for the monitor's next second: ready in 12 s instead of 1.
# Without tcp_nodelay small reads are four times slower.
CONFIG = """[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{mon},v1:127.0.0.1:{mon1}]
mon initial members = a
public addr = 127.0.0.1
cluster addr = 127.0.0.1
keyring = {folder}/keyring
run dir = {folder}/run
admin socket = {folder}/run/$cluster-$name.asok
crash dir = {folder}/run
log file = {folder}/log/$name.log
mon cluster log file = {folder}/log/cluster.log
mon data = {folder}/mon
osd data = {folder}/osd
osd objectstore = memstore
memstore device bytes = 4294967296
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd crush chooseleaf type = 0
osd heartbeat grace = 600
mon allow pool size one = true
mon max pg per osd = 2000
paxos propose interval = 0.02
paxos min wait = 0.01
ms bind ipv6 = false
[client.rgw.a]
rgw frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1
rgw data = {folder}/rgw
rgw run sync thread = false
"""
CAPS = {
    "mon.": 'caps mon = "allow *"',
    "client.admin": 'caps mon = "allow *"\n\tcaps osd = "allow *"\n\tcaps mgr = "allow *"',
    "osd.0": 'caps mon = "allow profile osd"\n\tcaps osd = "allow *"\n\tcaps mgr = "allow *"',
    "client.rgw.a": 'caps mon = "allow rw"\n\tcaps osd = "allow rwx"',
}


@dataclass(frozen=True)
class Bucket:
    """One bucket and what a client needs to use it; `environment` is what a hub reads."""

    name: str
    endpoint: str
    key: str = field(repr=False)
    secret: str = field(repr=False)

    @property
    def url(self) -> str:
        return f"s3://{self.name}/farm"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": self.endpoint,
        }

    def store(self, prefix: str = "farm") -> S3Store:
        """The bucket as obstore sees it, for tests that look behind ours."""
        return S3Store(
            self.name,
            prefix=prefix or None,
            endpoint=self.endpoint,
            access_key_id=self.key,
            secret_access_key=self.secret,
            region=REGION,
            client_options={"allow_http": True},
        )


class Radosgw:
    """The server. `stop` ends it; so does the end of this process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._children: list[subprocess.Popen[bytes]] = []
        self._environment = os.environ | {"CEPH_CONF": str(folder / "ceph.conf")}
        self._key, self._secret = secrets.token_hex(10), secrets.token_hex(20)
        self.endpoint = ""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def bucket(self) -> Bucket:
        """A new bucket. What makes one is a signed PUT of nothing."""
        made = Bucket(f"test-{secrets.token_hex(8)}", self.endpoint, self._key, self._secret)
        url = obstore.sign(made.store(""), "PUT", "", timedelta(seconds=60))
        with urllib.request.urlopen(urllib.request.Request(url, method="PUT"), timeout=30) as answer:
            assert answer.status == 200
        return made

    def stop(self) -> None:
        """End all daemons; what they kept is gone."""
        while self._children:
            child = self._children.pop()
            child.kill()
            child.wait()

    def _start(self) -> None:
        self._write_files()
        folder, disk = self._folder, str(uuid.uuid4())
        port = self._configure()
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", str(folder / "monmap"))
        self._serve("ceph-mon", "-i", "a", "-f")
        self._run("ceph", "--connect-timeout", str(READY_S), "osd", "new", disk, "0")
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", disk)
        self._serve("ceph-osd", "-i", "0", "-f")
        self._serve("radosgw", "-n", "client.rgw.a", "-f")
        self._wait_for(port)
        self._run(
            *("radosgw-admin", "-n", "client.rgw.a", "user", "create", "--uid=tests", "--display-name=tests"),
            *(f"--access-key={self._key}", f"--secret-key={self._secret}", "--max-buckets=100000"),
        )
        self.endpoint = f"http://127.0.0.1:{port}"

    def _write_files(self) -> None:
        for name in ("run", "log", "mon", "osd"):
            (self._folder / name).mkdir()
        keys = (f"[{name}]\n\tkey = {_ceph_key()}\n\t{caps}\n" for name, caps in CAPS.items())
        (self._folder / "keyring").write_text("".join(keys))

    def _configure(self) -> int:
        mon, mon1, port = _free_ports(3)
        fsid = str(uuid.uuid4())
        text = CONFIG.format(folder=self._folder, fsid=fsid, mon=mon, mon1=mon1, port=port)
        (self._folder / "ceph.conf").write_text(text)
        address = f"[v2:127.0.0.1:{mon},v1:127.0.0.1:{mon1}]"
        monmap = str(self._folder / "monmap")
        self._run("monmaptool", "--create", "--fsid", fsid, "--addv", "a", address, monmap)
        return port

    def _run(self, *arguments: str) -> None:
        ended = subprocess.run(
            arguments, env=self._environment, capture_output=True, text=True, timeout=READY_S, check=False
        )
        if ended.returncode:
            raise RuntimeError(f"{arguments[0]} ended with {ended.returncode}: {ended.stderr[-2000:]}")

    def _serve(self, *arguments: str) -> None:
        with (self._folder / "log" / f"{arguments[0]}.out").open("wb") as said:
            child = subprocess.Popen(
                arguments,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                preexec_fn=_die_with_us,
            )
        self._children.append(child)

    def _wait_for(self, port: int) -> None:
        until = time.monotonic() + READY_S
        while time.monotonic() < until:
            gone = [child.args for child in self._children if child.poll() is not None]
            if gone:
                raise RuntimeError(f"{gone} ended; see {self._folder / 'log'}")
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"radosgw does not answer after {READY_S} s")


_LIBC = ctypes.CDLL(None)


def _die_with_us() -> None:
    """In the child: SIGKILL when its parent ends (prctl PR_SET_PDEATHSIG)."""
    _LIBC.prctl(1, signal.SIGKILL)


def _ceph_key() -> str:
    """A secret in the form of ceph-authtool: type 1, when it was made, 16 random bytes."""
    return base64.b64encode(struct.pack("<HIIH", 1, int(time.time()), 0, 16) + os.urandom(16)).decode()


def _free_ports(count: int) -> list[int]:
    """Ports that are free now. Ceph cannot be asked which one it took, so a race is possible, if unlikely."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports
