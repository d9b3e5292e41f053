"""The suite of providers over pods, against the double of a cluster's API; and what only a cluster does."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from conformance.provider_suite import ProviderSuite
from real.killing import wait_for
from real.kubecluster import CLUSTER, HUB_ROLE
from real.kubedouble import KubeDouble
from real.kubedouble_cluster import Cluster, Machine

from penstock.model.pool_kubernetes import Kubernetes
from penstock.model.rules import Pool, Quantiles
from penstock.model.units import Size
from penstock.providers.kubernetes.provider import Provider

POOL = Pool(
    name="burst",
    provider="kubernetes",
    platforms=("linux",),
    size=Size(4, 4096),
    max=6,
    boot=Quantiles(20_000, 60_000),
    price_per_hour_micros=192_000,
)
ABOUT = Kubernetes(image="registry.example.org/agent:1", grace_ms=1000, when_full="refuse")
QUOTA = 'pods: "20"'
FAULTS = {"throttled": "throttled", "no_answer": "lost", "part_missing": "expired"}


class Driver:
    """Six pods fit into the quota of a double."""

    most = 6
    suspends = False

    def __init__(self, folder: Path, about: Kubernetes = ABOUT, pool: Pool = POOL) -> None:
        self.double = KubeDouble()
        self.double.apply(CLUSTER.replace(QUOTA, f'pods: "{self.most}"'))
        self.cluster = Cluster(self.double, [Machine(f"m{n}") for n in range(9)])
        config = self.double.kubeconfig(folder / "config", HUB_ROLE)
        about = msgspec.structs.replace(about, kubeconfig=str(config))
        self.now_ms = 1_700_000_000_000
        self.provider = Provider(msgspec.structs.replace(pool, kubernetes=about), lambda: self.now_ms, page=4)

    def close(self) -> None:
        self.provider.close()
        self.cluster.close()
        self.double.close()

    def wait(self) -> None:
        """Until the cluster has done what it was told, and the provider has heard of it."""
        wait_for(self.cluster.settled, "the cluster to be settled")
        wait_for(self.heard, "the provider to have heard of it")

    def heard(self) -> bool:
        store, follower = self.double.store, self.provider.follower
        return not follower.fresh() or int(follower.seen or 0) >= store.version or not follower.seen

    def fault(self, name: str, chance: float) -> None:
        if name == "no_capacity":
            self.cluster.full = chance
        elif name == "boot_failed":
            self.cluster.broken = chance
        else:
            setattr(self.double.faults, FAULTS[name], chance)
        if name == "part_missing" and chance:
            before = self.double.store.pages_expired
            self.double.cut()
            if chance == 1.0:
                wait_for(lambda: self.double.store.pages_expired > before, "a listing to break off")


class TestKubernetes(ProviderSuite):
    @pytest.fixture
    def driver(self, tmp_path: Path) -> Iterator[Driver]:
        driver = Driver(tmp_path)
        yield driver
        driver.close()
