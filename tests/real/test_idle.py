"""Ten thousand idle agents before one hub: what they cost, and that one of them still gets its work at once."""

import json
import os
import resource
import sys
import time
from pathlib import Path
from statistics import quantiles

import pytest
from conftest import not_run
from real.farmed import Farmed, farmed, modules
from real.killing import HERE, wait_for
from real.processes import Process

from penstock.hub import intake, sessions
from penstock.model.farm import Farm
from penstock.model.machine import Machine, Session
from penstock.model.states import Health, Power
from penstock.model.units import Size
from penstock.ports import Tx
from penstock.wiring import Quiet, assemble

pytestmark = [pytest.mark.slow, pytest.mark.needs("git")]
AGENTS = int(os.environ.get("PENSTOCK_IDLE", "10000"))
MOST_RSS_MB = 600
FILES_BESIDE = 500
TICKS = os.sysconf("SC_CLK_TCK")
SAMPLES = 200
POLL_S = 31.0
"""A little longer than a poll lasts: in this time each agent asks once more, which is what idling costs."""


def enrol(farm: Farmed, count: int) -> list[str]:
    """Machines with a session each, written into the books before the hub begins; the tokens of the sessions."""
    parts = assemble(farm.place.rules, farm.place.folder, Quiet())
    made: Farm = intake.make_farm(parts.hub)
    tokens = [f"{made.incarnation}-{n:032d}" for n in range(count)]

    def write(tx: Tx, first: int) -> None:
        for n in range(first, min(first + 1000, count)):
            tx.insert(machine(n))
            digest = sessions.digest(tokens[n])
            tx.insert(Session(id=f"s{n}", machine=f"m{n}", token_digest=digest, expires_ms=1 << 40))

    for first in range(0, count, 1000):
        parts.hub.store.write(lambda tx, first=first: write(tx, first))
    parts.close()
    return tokens


def machine(n: int) -> Machine:
    return Machine(
        id=f"m{n}",
        name=f"m{n}",
        pool="own0",
        platforms=("p",),
        has=Size(1, 1024),
        sandbox="bubblewrap",
        identity="the same everywhere",
        session=f"s{n}",
        accepting=True,
        power=Power.UP,
        health=Health.GOOD,
    )


def rss_mb(pid: int) -> float:
    line = next(
        one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if one.startswith("VmRSS")
    )
    return int(line.split()[1]) / 1024


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def told(report: Path, what: str) -> dict[str, float]:
    lines = map(json.loads, report.read_text().splitlines()) if report.exists() else ()
    return next((line for line in lines if what in line), {})


def test_ten_thousand_idle_agents_leave_the_hub_responsive(tmp_path: Path) -> None:
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < AGENTS + FILES_BESIDE:
        not_run(f"a process may not have {AGENTS + FILES_BESIDE} open files here")
    with farmed(tmp_path / "farm", lease=(90.0, 1200.0, 10.0)) as farm:
        tokens, report = tmp_path / "tokens", tmp_path / "report"
        tokens.write_text("\n".join(enrol(farm, AGENTS)))
        hub = farm.start_hub()
        address = farm.wait_served()
        alone_mb = rss_mb(hub.pid)
        host, _, port = address.removeprefix("http://").partition(":")
        words = [sys.executable, str(HERE / "idle.py"), host, port, str(tokens), str(report)]
        agents = Process(farm.folder, "idle", words)
        began_s = time.monotonic()
        wait_for(lambda: told(report, "connected") or not agents.lives, "all agents to be connected")
        assert told(report, "connected"), agents.log.read_text()[-2000:]
        connected_s, connected_cpu_s = time.monotonic() - began_s, cpu_s(hub.pid)

        began_s, began_cpu_s, took_s = time.monotonic(), cpu_s(hub.pid), []
        for _ in range(SAMPLES):
            asked_s = time.monotonic()
            assert farm.call("GET", "/api/v1/builds")
            took_s.append(time.monotonic() - asked_s)
        wait_for(lambda: time.monotonic() - began_s > POLL_S, "every agent to have asked once more")
        share = (cpu_s(hub.pid) - began_cpu_s) / (time.monotonic() - began_s)

        (commit,) = farm.repository([modules(1, lambda n: ["true"])])
        submitted_s = time.monotonic()
        assert farm.submit(commit)
        offer = wait_for(lambda: told(report, "offer"), "an offer to one of them")
        used_mb = rss_mb(hub.pid)
        print(
            f"{AGENTS} agents connected in {connected_s:.1f} s ({connected_cpu_s:.1f} s of the hub's CPU); hub {alone_mb:.0f} -> {used_mb:.0f} MB,"
            f" {share:.0%} of a core; a call p50 {1000 * quantiles(took_s, n=100)[49]:.0f} ms,"
            f" p99 {1000 * quantiles(took_s, n=100)[98]:.0f} ms; offer {offer['at_s'] - submitted_s:.2f} s after submit"
        )
        assert used_mb < MOST_RSS_MB
        assert offer["at_s"] - submitted_s < 10
        assert quantiles(took_s, n=100)[98] < 5
        assert agents.lives, agents.log.read_text()[-2000:]
        assert farm.faults_said() == []
