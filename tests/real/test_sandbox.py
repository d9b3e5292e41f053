"""The sandbox against commands that misbehave, with the real bubblewrap; and what the plain way still promises."""

import os
import re
import select
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.agent import cgroups, sandbox
from penstock.agent.cancel import Cancel
from penstock.agent.process import Ended, Keeper, Start, own_places, package, run
from penstock.agent.workspace import Workshop

pytestmark = pytest.mark.needs("bwrap")
OFFER = {
    "attempt": "a",
    "platform": "debian-12-gcc",
    "cores": 2,
    "environment": {"CC": "gcc", "HOME": "/nowhere"},
}
FIXED = {
    "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
    "TMPDIR": "/tmp",
    "TZ": "UTC",
    "LC_ALL": "C.UTF-8",
    "HOME": "/build/home",
    "SOURCE_DATE_EPOCH": "315532800",
    "CORES": "2",
    "PLATFORM": "debian-12-gcc",
    "PREFIX": "/opt/penstock",
    "DESTDIR": "/build/dest",
    "CC": "gcc",
    "PWD": "/build/src",
}


class Box:
    """Runs commands the way an attempt does, and keeps what they printed."""

    def __init__(self, folder: Path, plain: bool = False) -> None:
        self.shop = Workshop(folder / "work", plain)
        self.plain = plain
        code = package(folder)
        self.space = self.shop.slot(0, not plain or own_places(code, self.shop.folder))
        self.above = Keeper(code, plain, self.space.place)
        self.groups = cgroups.Groups(f"penstock-test-{uuid.uuid4().hex}")
        self.log = bytearray()
        self.cancel = Cancel()
        self.group: cgroups.Group | None = None

    def run(
        self,
        *commands: str,
        timeout_s: float = 120,
        memory_mb: int | None = None,
        pids: int = 4096,
        tmp_mb: int = 64,
        hear: Callable[[bytes], object] | None = None,
        use_groups: bool = True,
        **more: Any,
    ) -> Ended:
        layout = self.space.open(self.cancel)
        (layout.prefix / "include").mkdir()
        groups = self.groups.slot(uuid.uuid4().hex)
        self.group = groups.begin(memory_mb, pids) if use_groups else None
        offer = {**OFFER, **more, "commands": list(commands)}
        environment, plain = None, None
        if self.plain:
            arguments, environment, plain = sandbox.plain(offer, layout, self.shop.owner)
        else:
            arguments = sandbox.bubblewrap(offer, layout, self.shop.root, tmp_mb)
        joins = (self.group.joins, self.group.leaves) if self.group else ([], [])
        start = Start(arguments, environment, timeout_s, plain, joins)
        try:
            return run(self.above, start, hear or self.log.extend, self.cancel)
        finally:
            if self.group:
                self.figures = self.group.cpu_ms(), self.group.memory_peak_mb(), self.group.out_of_memory()
            self.above.close()
            groups.close()
            self.space.close()

    def close(self) -> None:
        self.above.close()
        self.cancel.close()
        self.shop.close()

    @property
    def text(self) -> str:
        return self.log.decode("utf-8", "replace")


@pytest.fixture
def box(tmp_path: Path):
    made = Box(tmp_path)
    yield made
    made.close()


@pytest.fixture(params=["bubblewrap", "plain"])
def either(tmp_path: Path, request: pytest.FixtureRequest):
    made = Box(tmp_path, plain=request.param == "plain")
    yield made
    made.close()


def living(mark: str) -> list[int]:
    """Processes whose command line holds a word."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in path.read_bytes() and int(path.parent.name) != os.getpid():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def waiting(before: str, mark: str = "") -> str:
    """A command that says when it has begun and then waits for a signal."""
    return (
        f"/usr/bin/python3 -c 'import signal; {before}; print(\"begun\", flush=True); signal.pause()' {mark}"
    )


def test_the_environment_is_exact(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_HOST", "x")
    ended = box.run("env", "echo done; umask; hostname; id -u", "pwd")
    assert (ended.exit_code, ended.complete) == (0, True)
    before, after = box.text.split("+ echo done")
    assert dict(line.split("=", 1) for line in before.splitlines()[1:]) == FIXED
    assert after.splitlines()[1:] == ["done", "0022", "penstock", "1000", "+ pwd", "/build/src"]


def test_each_command_is_shown_and_the_one_that_failed_is_known(either: Box) -> None:
    ended = either.run("cd / && export SEEN=yes", "echo $SEEN $PWD", "false", "echo never")
    assert (ended.exit_code, ended.step, ended.complete) == (1, 3, False)
    assert either.text.splitlines() == [
        "+ cd / && export SEEN=yes",
        "+ echo $SEEN $PWD",
        "yes /",
        "+ false",
    ]


def test_a_command_that_does_not_exist(either: Box) -> None:
    ended = either.run("true", "no-such-program --now")
    assert (ended.exit_code, ended.step) == (127, 2)
    assert "no-such-program: not found" in either.text


def test_a_broken_command_does_not_swallow_the_next(either: Box) -> None:
    ended = either.run("echo 'unclosed", "echo '")
    assert (ended.exit_code, ended.step) == (2, 1)


def test_signals_show_in_the_exit_status(either: Box) -> None:
    assert either.run("kill -SEGV $$").exit_code == 128 + signal.SIGSEGV
    assert either.run("sh -c 'kill -KILL $$'").exit_code == 128 + signal.SIGKILL


def test_binary_output_arrives_byte_by_byte(either: Box) -> None:
    ended = either.run(r"printf '\000\377\303(\n'", "printf 'no end of line'")
    assert ended.exit_code == 0
    assert b"\0\xff\xc3(\n" in either.log
    assert either.log.endswith(b"no end of line")


def test_200_megabytes_in_one_line_need_no_memory(box: Box) -> None:
    sizes = []
    ended = box.run(r"head -c 200000000 /dev/zero | tr '\0' x", hear=lambda piece: sizes.append(len(piece)))
    assert ended.exit_code == 0
    assert sum(sizes) >= 200_000_000
    assert max(sizes) <= 64 * 1024


def test_a_fork_bomb_is_contained(box: Box) -> None:
    if os.geteuid() or not os.access("/sys/fs/cgroup/pids", os.W_OK):
        pytest.skip("no control group for processes")
    mark = f"3{uuid.uuid4().int % 10**8}"
    ended = box.run(f"i=0; while [ $i -lt 300 ]; do sleep {mark} & i=$((i+1)); done", pids=40)
    assert ended.exit_code
    assert "Cannot fork" in box.text
    assert not living(mark)


def test_daemons_left_behind_die(either: Box) -> None:
    mark = f"3{uuid.uuid4().int % 10**8}"
    daemon = f"(setsid sh -c 'trap \"\" TERM HUP; sleep {mark}; sleep {mark}' </dev/null >/dev/null 2>&1 &)"
    ended = either.run(daemon, f"setsid nohup sleep {mark} & true")
    assert (ended.exit_code, ended.complete) == (0, True)
    assert not living(mark)


def test_a_timeout_leaves_no_process(either: Box) -> None:
    mark = f"3{uuid.uuid4().int % 10**8}"
    ended = either.run(f"setsid sleep {mark} & trap '' TERM; while :; do sleep {mark}; done", timeout_s=0.7)
    assert ended.timed_out
    assert not living(mark)


def test_a_stop_order_leaves_no_process(either: Box) -> None:
    mark = f"3{uuid.uuid4().int % 10**8}"

    def hear(piece: bytes) -> None:
        if b"begun\n" in piece:
            either.cancel.set("cancelled", "for a test")

    ended = either.run(f"setsid sleep {mark} & echo begun; wait", hear=hear)
    assert ended.stopped
    assert not living(mark)


def test_output_closed_early_does_not_hide_the_end(either: Box) -> None:
    ended = either.run("exec >/dev/null 2>&1; true", "exec 1>&- 2>&-; exit 7")
    assert (ended.exit_code, ended.step) == (7, 2)


def test_a_small_tmp_fills_up_and_nothing_else(box: Box) -> None:
    ended = box.run("head -c 30000000 /dev/zero > /tmp/big", tmp_mb=8)
    assert ended.exit_code == 1
    assert "No space left" in box.text


def test_the_network_is_closed(box: Box) -> None:
    with socket.create_server(("127.0.0.1", 0)) as decoy:
        decoy.setblocking(False)
        port = decoy.getsockname()[1]
        probe = f"/usr/bin/python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", {port}), 5)'"
        assert box.run(probe).exit_code == 1
        with pytest.raises(BlockingIOError):
            decoy.accept()
        assert box.run(probe, network="full").exit_code == 0
        decoy.accept()[0].close()


def test_the_host_is_not_visible(box: Box, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    ended = box.run(
        f"ls -A / /etc /usr/local /var /opt /build; ls {tmp_path} || ls /root || ls /home || ls /sys || true"
    )
    assert ended.exit_code == 0
    assert box.text.count("No such file") == 4
    assert "secret" not in box.text
    assert "shadow" not in box.text
    top = box.text.split("/:\n")[1].split("\n\n")[0].split()
    allowed = {
        "bin",
        "build",
        "dev",
        "etc",
        "lib",
        "lib32",
        "lib64",
        "libx32",
        "opt",
        "proc",
        "run",
        "sbin",
        "tmp",
    }
    assert set(top) <= allowed | {"usr", "var"}
    assert re.search(r"/usr/local:\n\n", box.text)


@pytest.mark.parametrize(
    "place", ["/usr/x", "/usr/local/x", "/x", "/etc/x", "/opt/penstock/x", "/dev/x", "/build/x", "/run/x"]
)
def test_what_is_not_the_attempts_own_is_read_only(box: Box, place: str) -> None:
    assert box.run(f"touch {place}").exit_code == 1
    assert "Read-only file system" in box.text


@pytest.mark.parametrize(
    "place", ["/tmp/x", "/build/src/x", "/build/dest/x", "/build/home/x", "/dev/shm/x", "/var/tmp/x"]
)
def test_its_own_places_can_be_written(box: Box, place: str) -> None:
    assert box.run(f"touch {place}; echo x >/dev/null").exit_code == 0


@pytest.mark.parametrize("network", ["none", "full"])
def test_no_setting_of_the_kernel_can_be_written(box: Box, network: str) -> None:
    """What root's agent starts has root's number outside, and settings ask for that number alone."""
    ended = box.run("cat /proc/sys/kernel/core_pattern", "find /proc/sys -type f -writable", network=network)
    assert ended.exit_code == 0
    assert box.text.split("-writable\n")[1] == ""
    for name in ("kernel/core_pattern", "net/ipv4/tcp_retries2"):
        box.log.clear()
        same = f'v=$(cat /proc/sys/{name}); echo "$v" > /proc/sys/{name}'
        assert box.run(same, network=network).exit_code != 0
        assert "Read-only file system" in box.text or "Permission denied" in box.text


def test_no_capabilities_and_no_more_of_them(box: Box) -> None:
    assert box.run("grep -E 'Cap|NoNewPrivs' /proc/self/status").exit_code == 0
    assert set(re.findall(r"Cap\w+:\s(\w+)", box.text)) == {"0" * 16}
    assert re.search(r"NoNewPrivs:\s1", box.text)


def test_usage_is_measured(box: Box) -> None:
    eat = "/usr/bin/python3 -c 'b = bytearray(120 << 20); print(sum(range(10**6)))'"
    assert box.run(eat).exit_code == 0
    if box.group is None:
        pytest.skip("no control groups that can be written")
    cpu_ms, memory_mb, out = box.figures
    assert cpu_ms > 0
    assert memory_mb >= 120
    assert not out


def test_usage_is_sampled_where_there_are_no_control_groups(box: Box) -> None:
    def hear(piece: bytes) -> None:
        # A sample is taken before it is ended, so this one sees it.
        if b"begun\n" in piece:
            box.cancel.set("cancelled", "for a test")

    ended = box.run(waiting("b = bytearray(120 << 20)"), hear=hear, use_groups=False)
    assert ended.memory_peak_mb is not None
    assert ended.memory_peak_mb >= 120
    assert ended.cpu_ms is not None
    assert ended.cpu_ms > 0


def test_memory_is_limited(box: Box) -> None:
    ended = box.run("/usr/bin/python3 -c 'b = bytearray(300 << 20)'", memory_mb=64)
    if box.group is None or box.figures[1] is None:
        pytest.skip("no control group for memory")
    assert ended.exit_code == 137
    assert box.figures[2]


def test_a_sandbox_that_cannot_start_says_why(box: Box, tmp_path: Path) -> None:
    arguments = ["bwrap", "--ro-bind", str(tmp_path / "missing"), "/usr", "true"]
    ended = run(box.above, Start(arguments), box.log.extend, box.cancel)
    assert ended.step == 0
    assert "missing" in ended.told


PARENT = """
import sys
sys.path[:0] = {path!r}
from real.test_sandbox import Box
from pathlib import Path
box = Box(Path({folder!r}), plain={plain})
box.run({command!r}, hear=lambda piece: b"begun\\n" in piece and print("begun", flush=True))
"""


@pytest.mark.parametrize("plain", [False, True])
def test_it_dies_with_its_agent(tmp_path: Path, plain: bool) -> None:
    mark = f"3{uuid.uuid4().int % 10**8}"
    script = PARENT.format(path=sys.path, folder=str(tmp_path), plain=plain, command=waiting("pass", mark))
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as agent:
        assert agent.stdout is not None
        assert agent.stdout.readline() == b"begun\n"
        handles = [os.pidfd_open(pid) for pid in living(mark)]
        assert handles
        agent.kill()
    for handle in handles:
        assert select.select([handle], [], [], 30)[0], "still alive"
        os.close(handle)


STATUS = {
    **{key: {"65534"} for key in ("Uid", "Gid")},
    **{key: {"0" * 16} for key in ("CapInh", "CapPrm", "CapEff", "CapAmb")},
    "Groups": set(),
    "NoNewPrivs": {"1"},
}


def test_plain_attempts_of_root_run_as_somebody_else(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("only root can become somebody else")
    box = Box(tmp_path, plain=True)
    ended = box.run("id -u", "touch here $DESTDIR/there $HOME/too", "! touch $PREFIX/x", "env | sort")
    assert ended.exit_code == 0, box.text
    assert "\n65534\n" in box.text
    assert "PREFIX=/var/tmp/penstock-0/prefix" in box.text
    assert "PATH=/usr/bin:/bin:/usr/sbin:/sbin\n" in box.text
    assert (
        box.run("grep -E '^(Uid|Gid|Groups|Cap(Inh|Prm|Eff|Amb)|NoNewPrivs):' /proc/self/status").exit_code
        == 0
    )
    status = dict(line.split(":", 1) for line in box.text.splitlines() if line.partition(":")[0] in STATUS)
    assert {key: set(status[key].split()) for key in STATUS} == STATUS
    # Nor can it get at who started it.
    assert box.run("if kill -9 $PPID; then exit 3; fi").exit_code == 0
    box.close()
