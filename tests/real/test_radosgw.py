"""The S3 server of the tests ends with them, however they end."""

import subprocess
import sys
from pathlib import Path

import pytest
from real.killing import wait_for

pytestmark = pytest.mark.needs("radosgw")
HOLD = """
import sys
sys.path.insert(0, {tests!r})
import pathlib, radosgw
server = radosgw.Radosgw(pathlib.Path({folder!r}))
print("ready", flush=True)
sys.stdin.read()
"""


def alive(folder: Path) -> list[str]:
    """Command lines of what still runs with this folder in its environment or its open files."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder).encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def test_nothing_runs_on_when_the_tests_are_killed(tmp_path: Path) -> None:
    folder = tmp_path / "rgw"
    folder.mkdir()
    text = HOLD.format(tests=str(Path(__file__).parents[1]), folder=str(folder))
    with subprocess.Popen(
        [sys.executable, "-c", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as program:
        assert program.stdout.readline() == b"ready\n"
        assert len(alive(folder)) == 3
        program.kill()
    wait_for(lambda: not alive(folder), "three daemons to end")
