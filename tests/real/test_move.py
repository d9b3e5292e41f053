"""A farm moves from SQLite and a folder to PostgreSQL and S3 while its agent works; nothing is lost on the way."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from radosgw import Bucket
from real.farmed import Farmed, Process, farmed, modules
from real.killing import LIMIT_S, wait_for

from penstock.cli.place import find_place
from penstock.hub.fsck import fsck
from penstock.model.artifact import Blob
from penstock.model.farm import Event, Farm
from penstock.model.job import Attempt, Job
from penstock.model.states import AttemptState, JobState
from penstock.wiring import Quiet, assemble

LEASE = (30.0, 600.0, 10.0)
COUNT = 6


def penstock(folder: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "penstock", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def waiting_for(gate: Path, n: int) -> list[str]:
    """Commands of a build that goes on when somebody opens the gate, and leaves a tree."""
    return [
        "echo begun",
        f"while [ ! -e {gate} ]; do sleep 0.1; done",
        f"mkdir -p $DESTDIR$PREFIX; echo {n} > $DESTDIR$PREFIX/made-{n}",
        "echo done",
    ]


def move(farm: Farmed, new: Path, port: int) -> Process:
    """What docs/how-to/back-up-and-move.md says, in its order. Returns the new hub."""
    folder = farm.folder
    penstock(folder, "freeze", "--moved-to", f"http://127.0.0.1:{port}", "--farm", "farm.toml")
    penstock(folder, "backup", "saved", "--farm", "farm.toml")
    penstock(folder, "restore", "saved", "--farm", str(new))
    words = [sys.executable, "-m", "penstock", "serve", "--farm", str(new), "--listen", f"127.0.0.1:{port}"]
    hub = Process(folder, "new-hub", [*words, "--json"])
    wait_for(lambda: hub.out.read_text(), "the new hub")
    penstock(folder, "thaw", "--adopt", "--farm", str(new))
    return hub


@pytest.mark.needs("git")
def test_a_farm_moves_with_all_that_runs_and_waits(tmp_path: Path, postgres_url: str, s3: Bucket) -> None:
    with farmed(tmp_path / "farm", lease=LEASE) as farm:
        gate = farm.open / "gate"
        (commit,) = farm.repository([modules(COUNT, lambda n: waiting_for(gate, n))])
        farm.start_hub()
        address = farm.wait_served()
        farm.start_agent("one", "--hub", address, "--slots", "2", "--no-sandbox")
        wait_for(lambda: farm.machines(), "the agent")
        assert farm.submit(commit)
        running = wait_for(lambda: [one for one in farm.running() if one.log_bytes], "a job that runs")
        new = tmp_path / "farm" / "new.toml"
        text = (farm.folder / "farm.toml").read_text()
        assert "sqlite:///state/penstock.db" in text
        new.write_text(
            text.replace("sqlite:///state/penstock.db", postgres_url).replace("file:blobs", s3.url)
        )
        before = farm.farm()
        move(farm, new, free_port())
        place = find_place(new, None)
        parts = assemble(place.rules, place.folder, Quiet())
        try:
            store = parts.hub.store
            gate.touch()
            wait_for(
                lambda: not store.read(lambda tx: tx.find(Job, "open", True, limit=1)),
                "all jobs to end there",
            )
            farm_now = store.read(lambda tx: tx.get(Farm, "farm"))
            jobs = store.read(lambda tx: tx.find(Job, "key"))
            attempts = store.read(lambda tx: tx.find(Attempt, "key"))
            events = store.read(lambda tx: tx.find(Event, "kind", "farm"))
            blobs = store.read(lambda tx: tx.find(Blob, "key"))
            assert {job.state for job in jobs} == {JobState.PASSED}
            assert {attempt.state for attempt in attempts} == {AttemptState.PASSED}
            assert sorted(attempt.job for attempt in attempts) == sorted(job.id for job in jobs)
            for one in running:
                assert one.id in {attempt.id for attempt in attempts}, "what ran went on where it was"
                lines = parts.logs.read(one.id, 0, 1 << 20).decode().splitlines()
                assert (lines.count("begun"), lines.count("done")) == (1, 1), lines
            assert (farm_now.uid, before.incarnation in farm_now.adopted) == (before.uid, True)
            assert [event.state for event in events if event.state in ("restored", "thawed")] == [
                "restored",
                "thawed",
            ]
            assert len(blobs) == COUNT
            assert fsck(parts.hub, digest_again=True) == []
        finally:
            parts.close()
        assert farm.faults_said() == []
