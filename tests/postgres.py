"""A PostgreSQL of our own for tests: in a folder of its own, reached by a socket in it, gone with this process.

The server refuses to run as root, so it gets the account that Debian's package made for it. What it promises is
what a farm's database must promise: commits are forced to disk.
"""

import contextlib
import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from itertools import count
from pathlib import Path

import psycopg

SEARCH = os.pathsep.join(
    [os.environ.get("PATH", os.defpath), *sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)]
)
"""Where programs are looked for: Debian keeps those of PostgreSQL off PATH."""
USER = "penstock"
SETTINGS = {
    "listen_addresses": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "32MB",
    "max_connections": "200",
    "unix_socket_permissions": "0777",
    "restart_after_crash": "on",
    "log_min_messages": "warning",
}
START_S = 60


def program(name: str) -> str:
    """The path of a program of PostgreSQL."""
    return shutil.which(name, path=SEARCH) or name


def _account() -> list[str]:
    """What a command begins with so that it ends with this process, and does not run as root."""
    tied = ["setpriv", "--pdeathsig", "QUIT"]
    if os.geteuid() != 0:
        return tied
    who = next(name for name in ("postgres", "nobody") if _known(name))
    found = pwd.getpwnam(who)
    return [*tied, f"--reuid={found.pw_uid}", f"--regid={found.pw_gid}", "--clear-groups"]


def _known(name: str) -> bool:
    return any(found.pw_name == name for found in pwd.getpwall())


class Cluster:
    """One server. Made by `Cluster()`, which takes about two seconds; `close` removes it and all of its data."""

    def __init__(self) -> None:
        # Not below tmp_path: the server's account must get in, and a socket's path holds 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="penstock-pg-"))
        self._count = count(1)
        self._template = ""
        self._server: subprocess.Popen[bytes] | None = None
        self._give_away()
        self._initdb()
        self.start()

    def start(self) -> None:
        """Start the server, and wait until it answers: after a crash that is when it has recovered."""
        settings = [f"-c{name}={value}" for name, value in SETTINGS.items()]
        command = [
            *_account(),
            program("postgres"),
            "-D",
            f"{self.folder}/data",
            f"-k{self.folder}",
            *settings,
        ]
        with (self.folder / "log").open("ab") as log:
            self._server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        ends_s = time.monotonic() + START_S
        while not self._answers():
            assert self._server.poll() is None, (self.folder / "log").read_text()[-2000:]
            assert time.monotonic() < ends_s, "PostgreSQL does not answer"
            time.sleep(0.02)

    def kill(self) -> None:
        """Server and sessions are gone at once, as after a power cut (but what the kernel has is kept).

        It is stopped first: a session that it began after its children were looked up would outlive it, hold its shared
        memory, and keep the next server from starting.
        """
        assert self._server is not None
        self._server.send_signal(signal.SIGSTOP)
        while self._server_state() not in "TXZ":
            time.sleep(0.001)
        killed = self._children()
        for pid in [self._server.pid, *killed]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._server.wait()
        while any(_lives(pid) for pid in killed):
            time.sleep(0.002)

    def stop(self) -> None:
        """Ask it to end, its sessions with it, without waiting for them."""
        if self._server is not None and self._server.poll() is None:
            self._server.send_signal(signal.SIGINT)
            self._server.wait()

    def freeze(self, stopped: bool) -> None:
        """Stop or continue all of its processes, as a machine does that hangs."""
        assert self._server is not None
        for pid in [self._server.pid, *self._children()]:
            os.kill(pid, signal.SIGSTOP if stopped else signal.SIGCONT)

    def url(self, template: str = "template1") -> str:
        """The address of a new database, a copy of `template`."""
        name = f"farm{next(self._count)}"
        self.ask(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.address(name)

    def farm(self) -> str:
        """The address of a new database that has the tables of a farm, and nothing in them."""
        from penstock.store.postgresschema import prepare

        if not self._template:
            self._template = "template"
            self.ask('CREATE DATABASE "template"')
            prepare(self.address("template"))
        return self.url(self._template)

    def drop(self, url: str) -> None:
        """Remove a database, with the sessions in it."""
        name = url.partition("@/")[2].partition("?")[0]
        self.ask(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def address(self, database: str) -> str:
        """The address of a database."""
        return f"postgresql://{USER}@/{database}?host={self.folder}"

    def ask(self, statement: str) -> list[tuple[object, ...]]:
        """Run one statement beside everybody else."""
        with psycopg.connect(self.address("postgres"), autocommit=True) as connection:
            cursor = connection.execute(statement)  # type: ignore[call-overload]
            return list(cursor) if cursor.description else []

    def close(self) -> None:
        """End it and remove its folder."""
        if self._server is not None and self._server.poll() is None:
            self._server.send_signal(signal.SIGQUIT)
            self._server.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _give_away(self) -> None:
        if os.geteuid() == 0:
            shutil.chown(self.folder, next(name for name in ("postgres", "nobody") if _known(name)))
        self.folder.chmod(0o755)

    def _initdb(self) -> None:
        """Text of the database's own order is that of English, so that nothing relies on it."""
        locale = ["--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US", "--encoding=UTF8"]
        options = [f"-D{self.folder}/data", f"-U{USER}", "--auth=trust", "--no-sync", "--no-instructions"]
        made = [*_account(), program("initdb"), *options, *locale]
        ended = subprocess.run(made, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr

    def _answers(self) -> bool:
        try:
            return self.ask("SELECT 1") == [(1,)]
        except psycopg.OperationalError:
            return False

    def _server_state(self) -> str:
        assert self._server is not None
        return _stat(Path(f"/proc/{self._server.pid}/stat"))[0]

    def _children(self) -> list[int]:
        """The processes that the server began: one for each session, and its own."""
        assert self._server is not None
        stats = {int(path.parent.name): _stat(path) for path in Path("/proc").glob("[0-9]*/stat")}
        return [pid for pid, (_, parent) in stats.items() if parent == self._server.pid]


def _stat(path: Path) -> tuple[str, int]:
    """The state of a process and its parent."""
    try:
        state, parent = path.read_text().rpartition(") ")[2].split()[:2]
    except (FileNotFoundError, ProcessLookupError):
        return "X", 0
    return state, int(parent)


def _lives(pid: int) -> bool:
    """False for a process that has ended, though nobody may have asked how."""
    return _stat(Path(f"/proc/{pid}/stat"))[0] not in "XZ"
