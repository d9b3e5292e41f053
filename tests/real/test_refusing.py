"""Stores that are full, away, read-only, crowded or locked under a farm that serves: it says so, waits, and goes on."""

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import psycopg
import pytest
from conftest import not_run
from postgres import Cluster
from real.farmed import Farmed, farmed, modules
from real.killing import wait_for
from real.test_hub_away import assert_counted, counting

from penstock.model.states import JobState

pytestmark = [pytest.mark.slow, pytest.mark.needs("git")]
JOBS = 4


def begin(farm: Farmed) -> set[str]:
    """Two agents with four running jobs; their attempts."""
    for n in range(2):
        farm.start_agent(f"agent{n}")
    wait_for(lambda: len(farm.machines()) == 2, "both agents to register")
    first, _ = farm.repository([modules(JOBS, lambda n: [f"echo job {n}", *counting(farm, "go")])] * 2)
    assert farm.submit(first)
    wait_for(lambda: len(farm.running()) == JOBS, "all jobs to run")
    return {attempt.id for attempt in farm.running()}


def refused(farm: Farmed) -> bool:
    """Whether the hub answers 503 to somebody who wants something written."""
    code, _ = farm.tell("POST", "/api/v1/tokens", {"pool": "own0"})
    assert code in (0, 200, 201, 503), code
    return code == 503


def goes_on(farm: Farmed, held: set[str]) -> None:
    """All that ran meanwhile ends as the same attempts, with every line that it printed."""
    jobs = farm.wait_all_ended()
    assert {job.state for job in jobs} == {JobState.PASSED}
    assert {attempt.id for attempt in farm.attempts()} == held
    for attempt in farm.accepted().values():
        assert_counted(farm, attempt)
    assert farm.fsck() == []
    assert farm.faults_said() == []


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own. In this process's mounts, for it reads the books on it, too."""
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "penstock", str(small)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        not_run("a small disk cannot be mounted here")
    yield small
    subprocess.run(["umount", "--lazy", str(small)], check=True)


def fill(path: Path) -> None:
    """Leave no room beside this file."""
    with path.open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
        while True:
            ballast.write(bytes(4096))


def test_a_full_disk_under_a_hub_that_serves_loses_nothing_and_needs_no_restart(
    tmp_path: Path, disk: Path
) -> None:
    with farmed(tmp_path / "farm", f"sqlite:///{disk}/penstock.db", lease=(5.0, 60.0, 10.0)) as farm:
        hub = farm.start_hub()
        farm.wait_served()
        held = begin(farm)
        fill(disk / "ballast")
        wait_for(lambda: refused(farm), "the hub to answer 503")
        wait_for(lambda: "full" in hub.log.read_text(), "the hub to say why")
        (farm.open / "go").touch()
        for n in range(2):
            wait_for(
                lambda n=n: "no contact" in (farm.folder / f"agent{n}.log").read_text(), "agents to notice"
            )
        (disk / "ballast").unlink()
        goes_on(farm, held)
        assert hub.lives


# What PostgreSQL does -------------------------------------------------------------------------------------------


@contextlib.contextmanager
def restarted(postgres: Cluster, url: str) -> Iterator[None]:
    postgres.stop()
    try:
        yield
    finally:
        postgres.start()


@contextlib.contextmanager
def read_only(postgres: Cluster, url: str) -> Iterator[None]:
    def set_to(value: str) -> None:
        with psycopg.connect(postgres.address("postgres"), autocommit=True) as connection:
            connection.execute("SET default_transaction_read_only = off")
            connection.execute(f"ALTER SYSTEM {value}")  # type: ignore[call-overload]
            connection.execute("SELECT pg_reload_conf()")

    set_to("SET default_transaction_read_only = on")
    try:
        yield
    finally:
        set_to("RESET default_transaction_read_only")


@contextlib.contextmanager
def crowded(postgres: Cluster, url: str) -> Iterator[None]:
    """Others take every connection, those of the hub too."""
    name = url.partition("@/")[2].partition("?")[0]
    with contextlib.ExitStack() as stack:
        one = stack.enter_context(psycopg.connect(postgres.address("postgres"), autocommit=True))

        def crowd() -> bool:
            one.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
            with contextlib.suppress(psycopg.OperationalError):
                while True:
                    stack.enter_context(psycopg.connect(postgres.address("postgres")))
            return one.execute("SELECT 1 FROM pg_stat_activity WHERE datname = %s", [name]).fetchone() is None

        wait_for(crowd, "the hub to have no connection")
        yield


@contextlib.contextmanager
def locked(postgres: Cluster, url: str) -> Iterator[None]:
    """Another session holds the tables of records."""
    with psycopg.connect(url) as connection:
        connection.execute("LOCK TABLE farm, job, attempt, session IN ACCESS EXCLUSIVE MODE")
        yield


@pytest.mark.parametrize("fault", [restarted, read_only, crowded, locked], ids=lambda fault: fault.__name__)
def test_a_database_that_refuses_stops_no_job(
    tmp_path: Path,
    postgres: Cluster,
    postgres_url: str,
    fault: Callable[[Cluster, str], AbstractContextManager[None]],
) -> None:
    with farmed(tmp_path / "farm", postgres_url, lease=(5.0, 60.0, 10.0)) as farm:
        hub = farm.start_hub()
        farm.wait_served()
        held = begin(farm)
        with fault(postgres, postgres_url):
            wait_for(lambda: refused(farm), "the hub to answer 503")
            (farm.open / "go").touch()
            for n in range(2):
                wait_for(
                    lambda n=n: "no contact" in (farm.folder / f"agent{n}.log").read_text(),
                    "agents to notice",
                )
        goes_on(farm, held)
        assert hub.lives
