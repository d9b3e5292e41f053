"""What a trivial job (`true`) costs one agent with four slots, in processor time, against the tests' hub.

Counted is the agent with all below it, less what an agent costs that runs nothing. How many jobs pass in a second is for
bench/throughput.py to say, with a real hub.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
JOBS = 300
SLOTS = 4


def run() -> dict[str, str]:
    """{row: figure} for both ways."""
    sys.path[:0] = [str(ROOT / "tests")]
    rows: dict[str, str] = {}
    for way, options in (("plain", ["--no-sandbox"]), ("sandbox", [])):
        used_s = _measured(options, JOBS) - _measured(options, 0)
        rows[f"{way}: processor time of the agent for a job"] = f"{used_s / JOBS * 1000:.2f} ms"
    return rows


def _measured(options: list[str], jobs: int) -> float:
    """Processor seconds of an agent and all below it, from its start to its end."""
    from agent.fakehub import FakeHub

    hub = FakeHub()
    hub.finish_log_bytes = 16 << 10
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "token").write_text("first")
        words = [sys.executable, "-m", "penstock.agent", "--hub", hub.url, "--slots", str(SLOTS), *options]
        words += ["--token-file", f"{folder}/token", "--work-dir", f"{folder}/work"]
        agent = subprocess.Popen(words, stderr=subprocess.DEVNULL, cwd=ROOT)
        hub.wait(lambda: hub.polls)
        _feed(hub, jobs)
        agent.terminate()
        _, _, used = os.wait4(agent.pid, 0)
        agent.returncode = 0
    hub.stop()
    return used.ru_utime + used.ru_stime


def _feed(hub, jobs: int) -> None:  # type: ignore[no-untyped-def]
    """One open offer for each slot, until all jobs have ended."""
    made = 0
    while len(hub.finishes) < jobs:
        open_slots = {offer["slot"] for offer in hub.open}
        for slot in set(range(SLOTS)) - open_slots:
            if made < jobs:
                hub.offer(f"a{made}", "true", slot=slot, kind="test")
                made += 1
        ended = len(hub.finishes)
        hub.wait(lambda ended=ended: len(hub.finishes) > ended or len(hub.open) < SLOTS)
