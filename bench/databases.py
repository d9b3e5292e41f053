"""PostgreSQL for benchmarks: a server of one's own, durable as it comes, on a socket and loopback."""

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = Path("/usr/lib/postgresql/15/bin")


@contextmanager
def postgresql() -> Iterator[Callable[[], str] | None]:
    """What makes a fresh database and gives its address, None where there is no server."""
    if not (PROGRAMS / "initdb").exists():
        yield None
        return
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o777)
        data, port = f"{name}/data", _free_port()
        _as_postgres("initdb", "-D", data, "-A", "trust", "-U", "bench", "--no-instructions")
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={name}"
        _as_postgres("pg_ctl", "-D", data, "-w", "-l", f"{name}/log", "-o", options, "start")
        try:
            yield lambda: _fresh(port)
        finally:
            _as_postgres("pg_ctl", "-D", data, "-m", "immediate", "stop")


def _fresh(port: int) -> str:
    name = f"bench{time.monotonic_ns()}"
    _as_postgres("createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "bench", name)
    return f"postgresql://bench@127.0.0.1:{port}/{name}"


def _as_postgres(program: str, *words: str) -> None:
    """Run one of its programs; the server refuses to be root."""
    user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    subprocess.run([*user, str(PROGRAMS / program), *words], check=True, stdout=subprocess.DEVNULL, cwd="/")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])
