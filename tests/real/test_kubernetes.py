"""A real hub that rents pods of a cluster whose API is a double and whose containers really run: our agents."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from real.farmed import RULES, SQLITE, Farmed, modules
from real.killing import wait_for
from real.kubecluster import CLUSTER
from real.kubedouble import KubeDouble
from real.kubedouble_cluster import Cluster, Machine
from real.processes import Process

from penstock.hub.explain import explain
from penstock.model.job import Attempt
from penstock.model.machine import Machine as Row
from penstock.model.states import JobState, Power

pytestmark = pytest.mark.needs("git", "openssl")
WAITING = """
[waiting]
price_per_hour = 0
target = { percentile = 95, seconds = 3 }
"""
POOL = """
[[pool]]
name = "%s"
provider = "kubernetes"
platforms = ["p"]
cores = 4
memory_mb = 2048
max = 5
price_per_hour = %d
boot_s = { p50 = 1, p95 = 15 }
[pool.kubernetes]
image = "registry.example.org/agent:1"
namespace = "%s"
kubeconfig = "%s"
request_cores = 3.6
service_account = "penstock-agent"
node_selector = { pool = "ci-8cpu" }
tolerations = [{ key = "ci", operator = "Equal", value = "only", effect = "NoSchedule" }]
grace_s = 2
"""
SPACES = ("penstock", "second")
"""The first has room for three pods; what does not fit goes to the second, which is dearer."""
QEMU = [
    Machine(f"ci{n}", "7.8", "28Gi", {"pool": "ci-8cpu"}, (("ci", "only", "NoSchedule"),)) for n in range(2)
]


class Podded(Farmed):
    """A farm whose only pool is pods."""

    double: KubeDouble
    cluster: Cluster

    def alive(self) -> list[dict[str, Any]]:
        """Pods that have not ended."""
        return [
            one for one in self.double.store.all("pods") if one["status"]["phase"] in ("Pending", "Running")
        ]

    def pod_of(self, attempt: Attempt) -> tuple[str, str]:
        """Its name and its namespace."""
        row = self.read(lambda tx: tx.get(Row, attempt.machine))
        assert row is not None
        return row.provider_id, row.pool


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Podded]:
    """Two pools in a namespace each."""
    double = KubeDouble()
    double.apply(CLUSTER.replace('pods: "20"', 'pods: "3"'))
    double.apply(
        CLUSTER.replace("namespace: penstock", "namespace: second")
        .replace("name: penstock\n", "name: second\n")
        .replace("penstock-hub", "second-hub")
    )
    cluster = Cluster(double, QEMU, tmp_path / "pods")
    pools = ""
    for price, space in enumerate(SPACES, 20):
        config = double.kubeconfig(tmp_path / space, f"{space}-hub")
        pools += POOL % (space, price, space, config)
    farm = Podded(tmp_path / "farm")
    rules = RULES.format(url=SQLITE, lease=(3.0, 12.0, 3.0)).replace('"host"', '"debian-12"')
    address = f'address = "{farm.front.address}"\n[lease]'
    (farm.folder / "farm.toml").write_text(rules.replace("[lease]", address) + WAITING + pools)
    farm.double, farm.cluster = double, cluster
    yield farm
    farm.close()
    cluster.close()
    double.close()
    while Process.begun:
        Process.begun.pop().end()


def first_try_hangs(mark: Path) -> Callable[[int], list[str]]:
    """Commands of jobs, of which the first stands still the first time."""
    first = f"if test -e {mark}; then touch {mark}-again; sleep 2; else touch {mark}; sleep 600; fi"

    def commands(n: int) -> list[str]:
        return [first if n == 0 else "sleep 1", f"echo done {n}"]

    return commands


def test_a_backlog_makes_pods_that_go_when_it_is_gone_whatever_happens_between(farm: Podded) -> None:
    """Four jobs, room for three pods, the fourth elsewhere; one is evicted in the middle; the hub is killed; nothing is lost."""
    farm.start_hub()
    farm.wait_served()
    mark = farm.open / "hung"
    (commit,) = farm.repository([modules(4, first_try_hangs(mark))])
    farm.submit(commit)

    # The fourth order is refused: everybody can read why.
    refused = wait_for(lambda: [one for one in farm.machines() if one.power == Power.GONE], "a refused order")
    assert (
        "exceeded quota: penstock, requested: pods=1, used: pods=3, limited: pods=3"
        in refused[0].power_reason
    )
    waits = [job for job in farm.jobs() if job.state == JobState.QUEUED]
    told = " ".join(explain(farm.parts.hub, waits[0].id).sentences)
    assert re.search("pool penstock: an order came to nothing .* ago: .* exceeded quota: penstock", told), (
        told
    )

    # What runs in a pod that is evicted runs again elsewhere.
    wait_for(mark.exists, "the first job to hang")
    hung = next(job for job in farm.jobs() if job.name.startswith("m0:"))
    lost = next(one for one in farm.running() if one.job == hung.id)
    farm.cluster.starve(*farm.pod_of(lost))
    ended = wait_for(
        lambda: [one for one in farm.attempts() if one.id == lost.id and not one.live], "it to be lost"
    )
    assert "Evicted: The node was low on resource: memory" in ended[0].cause

    assert {one.pool for one in farm.machines()} == set(SPACES)

    # A hub that is killed while pods work finds them again.
    wait_for((farm.open / "hung-again").exists, "the second try")
    farm.hubs["hub"].kill()
    farm.start_hub()
    farm.wait_served()
    assert {job.state for job in farm.wait_all_ended()} == {JobState.PASSED}
    wait_for(lambda: not farm.alive(), "all pods to be gone")
    left = {
        kind: [one["metadata"]["name"] for one in farm.double.store.all(kind)] for kind in ("pods", "secrets")
    }
    evicted = farm.pod_of(lost)[0]
    assert left == {"pods": [evicted], "secrets": [evicted]}  # for a while, so that people can look at it
    assert farm.fsck() == []
    assert farm.faults_said() == []
