"""A sweep in processes of its own that a person ends with Ctrl-C: what is done stays, nothing runs on, the rest is gone on with."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from histories import FARM, write_history

WORDS = "sweep --history month.csv --farm farm.toml --vary seed=1,2,3,4,5,6,7,8,9,10,11,12".split()
WAIT_S = 120


def begun(folder: Path) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PENSTOCK_COMPILED": "0"}
    # Whoever runs the tests in the background of a shell has it ignore Ctrl-C, and all that they start with it.
    return subprocess.Popen(
        ["env", "--default-signal=INT", sys.executable, "-m", "penstock", *WORDS],
        cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def kept(folder: Path) -> list[bytes]:
    return [
        line for path in folder.glob("penstock-sweeps/*.jsonl") for line in path.read_bytes().splitlines()
    ]


def gone(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def test_ctrl_c_ends_all_processes_and_keeps_what_is_done(tmp_path: Path) -> None:
    write_history(tmp_path / "month.csv", jobs=400)
    (tmp_path / "farm.toml").write_text(FARM, encoding="utf-8")
    first = begun(tmp_path)
    until = time.monotonic() + WAIT_S
    while len(kept(tmp_path)) < 2:
        assert first.poll() is None, first.communicate()
        assert time.monotonic() < until
        time.sleep(0.02)
    os.killpg(first.pid, signal.SIGINT)
    _, err = first.communicate(timeout=WAIT_S)
    done = kept(tmp_path)
    assert first.returncode == 130
    assert err == "penstock: interrupted; run the same command again to go on\n"
    assert gone(first.pid)
    if len(done) == 12:
        pytest.fail("the sweep was over before it was interrupted: give it more to do")
    second = begun(tmp_path)
    out, _ = second.communicate(timeout=WAIT_S)
    assert second.returncode == 0
    assert kept(tmp_path)[: len(done)] == done
    assert len(kept(tmp_path)) == 12
    assert len([line for line in out.splitlines() if line[0].isdigit()]) == 12
