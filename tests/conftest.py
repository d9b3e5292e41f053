"""What every test gets: no network, no chance, and a plain word about what was not run."""

import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import radosgw
from hypothesis import HealthCheck, settings
from postgres import SEARCH, Cluster

ROOT = Path(__file__).resolve().parent.parent
IN_CI = os.environ.get("CI") == "true"
LOOPBACK = ["127.0.0.1", "::1", "localhost"]
LOOPBACK_FOLDERS = ("web", "agent")
"""Folders below tests/ whose tests talk to a server of their own on this machine."""

# Machines differ in speed, so nothing is judged by it; in CI the same examples are tried each time.
settings.register_profile("developer", deadline=None, print_blob=True)
settings.register_profile(
    "ci",
    deadline=None,
    derandomize=True,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if IN_CI else "developer"))

PROBES: dict[str, list[str]] = {
    # Installed is not enough: a kernel may forbid what bubblewrap does.
    "bwrap": ["bwrap", "--ro-bind", "/", "/", "--unshare-all", "true"],
}
"""What proves that a component works, where finding its program on PATH does not."""


def not_run(reason: str) -> None:
    """End this test as not run for want of a component or of data, which in CI is a failure.

    What a kernel or an account cannot do (control groups that cannot be written, devices) is skipped where it stands:
    no set-up could mend it. Both are named at the end of a run.
    """
    if IN_CI:
        pytest.fail(f"must not be left out in CI: {reason}", pytrace=False)
    pytest.skip(reason)


@functools.cache
def missing(component: str) -> str:
    """Why `component` cannot be used here; empty when it can."""
    if shutil.which(component, path=SEARCH) is None:
        return f"{component} is not installed"
    probe = PROBES.get(component)
    if probe is None:
        return ""
    ended = subprocess.run(probe, capture_output=True, text=True, timeout=30, check=False)
    return "" if ended.returncode == 0 else f"{component} does not work here: {ended.stderr.strip()}"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of recorded data that is too large for the repository."""
    folder = Path(os.environ.get("PENSTOCK_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        not_run(f"no recorded data in {folder}; name its folder in PENSTOCK_DATA")
    return folder


def require(component: str) -> None:
    """End this test as not run where `component` cannot be used."""
    if why := missing(component):
        not_run(why)


@pytest.fixture(scope="session")
def needs_component() -> Callable[[str], None]:
    """Call it with the name of a program that the test cannot do without."""
    return require


@pytest.fixture(scope="session")
def s3_server() -> Iterator[radosgw.Radosgw]:
    """Ceph's radosgw on loopback, started once (about a second) for tests that are marked `real`."""
    for program in radosgw.PROGRAMS:
        require(program)
    # Paths of sockets must be short, which pytest's own folders are not.
    with tempfile.TemporaryDirectory(prefix="rgw") as folder:
        server = radosgw.Radosgw(Path(folder))
        yield server
        server.stop()


@pytest.fixture
def s3(s3_server: radosgw.Radosgw, monkeypatch: pytest.MonkeyPatch) -> radosgw.Bucket:
    """A new bucket; the environment has what a hub needs to use it."""
    bucket = s3_server.bucket()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in bucket.environment.items():
        monkeypatch.setenv(name, value)
    return bucket


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A PostgreSQL server that is begun once. Its tests are `real`."""
    require("postgres")
    cluster = Cluster()
    yield cluster
    cluster.close()


@pytest.fixture
def postgres_url(postgres: Cluster) -> Iterator[str]:
    """The address of a database for this test alone, as farm.toml names it; its tables are there, and empty."""
    url = postgres.farm()
    yield url
    postgres.drop(url)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """The mark `needs("bwrap")` says the same before any fixture is made."""
    for marker in item.iter_markers("needs"):
        for component in marker.args:
            require(component)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each folder of tests the network that it may have: most of them none."""
    for item in items:
        folder = (
            item.path.relative_to(ROOT / "tests").parts[0] if item.path.is_relative_to(ROOT / "tests") else ""
        )
        if folder == "real" or "postgres" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.real)
        if item.get_closest_marker("real"):
            item.add_marker(pytest.mark.enable_socket)
            item.add_marker(pytest.mark.xdist_group("real"))
        elif folder in LOOPBACK_FOLDERS:
            item.add_marker(pytest.mark.allow_hosts(LOOPBACK))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name each test that was not run, and why."""
    skipped = terminalreporter.getreports("skipped")
    if not skipped:
        return
    terminalreporter.section("not run")
    for report in sorted(skipped, key=lambda report: report.nodeid):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        terminalreporter.line(f"{report.nodeid}: {reason.removeprefix('Skipped: ')}")
