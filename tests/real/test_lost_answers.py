"""Answers of the hub that are lost or cut off on their way to real agents: every job counts once, every log is whole."""

import random
import time
from collections import Counter
from pathlib import Path

import pytest
from real.farmed import farmed, modules, work
from real.faultproxy import Fault, FaultProxy
from real.killing import LOOK_S, wait_for

from penstock.model.job import Job
from penstock.model.states import JobState

pytestmark = [pytest.mark.slow, pytest.mark.needs("git")]
FAULTS = 200
BUILD = 30
CALLS = ("/poll", "/register", "/outputs/", "/log", "/source")
KINDS = {
    "answer lost": Fault(lost=True),
    "answer cut": Fault(answer_bytes=3),
    "request cut": Fault(request_bytes=5),
    "reset": Fault(reset=True),
    "refused": Fault(status=503, body=b'{"reason":"not now"}'),
}


def test_two_hundred_answers_lost_or_cut_and_every_job_counts_once(tmp_path: Path) -> None:
    """Acknowledgements and finishes travel in polls, so these are what is hit most."""
    with farmed(tmp_path / "farm", lease=(5.0, 30.0, 15.0), pools=4) as farm:
        farm.start_hub()
        with FaultProxy(farm.wait_served(), seed=1) as proxy:
            dice = random.Random(1)
            for call in CALLS:
                for fault in dice.sample(list(KINDS.values()), len(KINDS)):
                    proxy.add(fault, call, chance=0.1)
            farm.stock = [farm.token(n) for n in range(4)]
            for n in range(4):
                farm.start_agent(f"agent{n}", "--hub", proxy.url, "--slots", "2", "--no-sandbox")
            wait_for(lambda: len(farm.machines()) == 4, "all agents to register")
            commits = farm.repository([modules(BUILD, work(farm, n), f"b{n}m") for n in range(20)])
            while len(proxy.seen) < FAULTS:
                if commits and len(farm.read(lambda tx: tx.find(Job, "open", True, limit=16))) < 16:
                    assert farm.submit(commits.pop())
                time.sleep(LOOK_S)
            proxy.heal()
            jobs = farm.wait_all_ended()
            hit = Counter(next(call for call in CALLS if call in line) for line, _ in proxy.seen)
        begun = (farm.open / "runs").read_text().count("run")
        print(f"{len(proxy.seen)} faults {dict(hit)}; {len(jobs)} jobs, {begun} begun")
        assert set(hit) == set(CALLS)
        assert {job.state for job in jobs} == {JobState.PASSED}
        farm.assert_logs_whole(farm.accepted())
        assert farm.fsck() == []
        assert farm.faults_said() == []
