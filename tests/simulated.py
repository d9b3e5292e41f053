"""Workloads and outcomes made by hand, for tests of what reports and commands make of them."""

from array import array
from typing import Any

from penstock.model.outcome import Outcome, PoolCosts
from penstock.model.workload import Workload

T0 = 1_700_000_000_000
"""When histories begin."""


def workload(jobs: list[dict[str, Any]], needs: list[list[int]] | None = None) -> Workload:
    """Jobs by `at_s` (after T0), `runs_s`, and if wanted `started_s`, `name`, `platform`, `klass`, `cores`."""
    texts: dict[str, list[str]] = {"name": [], "platform": [], "klass": []}

    def index(kind: str, text: str) -> int:
        if text not in texts[kind]:
            texts[kind].append(text)
        return texts[kind].index(text)

    def moments(key: str) -> "array[int]":
        return array("q", [T0 + round(j[key] * 1000) if key in j else -1 for j in jobs])

    starts = array("q", [0])
    for row in needs or []:
        starts.append(starts[-1] + len(row))
    zeros = array("q", [0] * len(jobs))
    return Workload(
        ids=[f"j{n}" for n in range(len(jobs))],
        submitted_ms=moments("at_s"),
        duration_ms=array("q", [round(j["runs_s"] * 1000) for j in jobs]),
        started_ms=moments("started_s"),
        name=array("q", [index("name", j.get("name", "build")) for j in jobs]),
        project=zeros,
        klass=array("q", [index("klass", j.get("klass", "")) for j in jobs]),
        platform=array("q", [index("platform", j.get("platform", "linux")) for j in jobs]),
        branch=zeros,
        cores=array("q", [j.get("cores", 0) for j in jobs]),
        memory_mb=zeros,
        needs_from=starts if needs else array("q"),
        needs=array("q", [n for row in needs or [] for n in row]),
        names=texts["name"] or [""],
        projects=[""],
        classes=texts["klass"] or [""],
        platforms=texts["platform"] or ["linux"],
        branches=[""],
    )


def outcome(jobs: list[tuple[int, int, int, int, int]], **changed: Any) -> Outcome:
    """Jobs as (ready_s, start_s, end_s, ran_s, pool), seconds after T0, -1 = not; pools "own" and "burst"."""

    def column(at: int) -> "array[int]":
        return array("q", [T0 + j[at] * 1000 if j[at] >= 0 else -1 for j in jobs])

    made = Outcome(
        ready_ms=column(0),
        first_start_ms=column(1),
        end_ms=column(2),
        ran_ms=array("q", [j[3] * 1000 for j in jobs]),
        pool=array("q", [j[4] for j in jobs]),
        attempts=array("q", [int(j[1] >= 0) for j in jobs]),
        pools=["own", "burst"],
        owned=[True, False],
        costs=[PoolCosts(), PoolCosts(running=2_000_000, stopped=500_000, idle=300_000, lifecycle=200_000)],
        work_ms=[sum(j[3] for j in jobs if j[4] == n) * 1000 for n in (0, 1)],
        boots=[0, 3],
        resumes=[0, 2],
        peaks=[1, 2],
        peak=2,
        begun_ms=T0,
        ended_ms=T0 + max([j[2] for j in jobs], default=0) * 1000,
        digest="sha256:00",
    )
    return made._replace(**changed)
