"""The suite of providers over pods, against the double of a cluster's API; and what only a cluster does."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from conformance.provider_suite import ProviderSuite, listed, order
from farms import planned
from real.killing import wait_for
from real.kubecluster import CLUSTER, HUB_ROLE
from real.kubedouble import KubeDouble
from real.kubedouble_cluster import Cluster, Machine
from renting import Killed, Rented

from penstock.model.pool_kubernetes import Kubernetes
from penstock.model.rented import TAG_FARM
from penstock.model.rules import Pool, Quantiles
from penstock.model.states import Power
from penstock.model.units import Size
from penstock.ports import NoAnswer, NoCapacity, ProviderError, Throttled, UnknownMachine
from penstock.providers.kubernetes import pods
from penstock.providers.kubernetes.known import KEPT_MS
from penstock.providers.kubernetes.provider import Provider
from penstock.providers.kubernetes.states import moment_ms

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


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Driver]:
    """One that adds machines by itself: pods without room wait."""
    driver = Driver(tmp_path, msgspec.structs.replace(ABOUT, when_full="wait"))
    yield driver
    driver.close()


def up(driver: Driver, token: str = "t1") -> str:
    made = driver.provider.create(order(driver, token))
    driver.wait()
    assert listed(driver)[made].state == "up"
    return made


def state(driver: Driver, name: str) -> tuple[str, str]:
    """How it is listed, and why."""
    wait_for(driver.heard, "the provider to have heard of it")
    return next((one.state, one.why) for one in driver.provider.list().instances if one.id == name)


def test_a_watch_goes_on_where_it_was_cut_and_listings_cost_nothing(cluster: Driver) -> None:
    made = up(cluster)
    cluster.double.calls.clear()
    cluster.double.cut()
    cluster.provider.delete(made)
    wait_for(lambda: state(cluster, made)[0] == "gone", "the end to be heard of")
    listings = [path for verb, path in cluster.double.calls if verb == "GET" and "watch=true" not in path]
    assert listings == []


def test_a_history_that_is_forgotten_is_listed_anew(cluster: Driver) -> None:
    made = up(cluster)
    cluster.double.calls.clear()
    cluster.cluster.halted = True
    cluster.double.delete("pods", ("penstock", made), {"gracePeriodSeconds": 0})
    cluster.double.store.compact()
    wait_for(lambda: state(cluster, made)[0] == "gone", "the gap to be noticed")
    assert any("limit=4" in path for _, path in cluster.double.calls)


def test_an_eviction_is_gone_with_its_reason_and_a_drain_is_told_before(cluster: Driver) -> None:
    starved, drained, own = up(cluster, "a"), up(cluster, "b"), up(cluster, "c")
    cluster.cluster.starve(starved)
    assert state(cluster, starved) == ("gone", "Evicted: The node was low on resource: memory.")
    cluster.cluster.halted = True  # nobody ends what is being deleted
    about = {"name": drained, "namespace": "penstock"}
    cluster.double.evict(
        ("penstock", drained), {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": about}
    )
    cluster.provider.delete(own)
    assert state(cluster, drained) == ("going", "EvictionByEvictionAPI: Eviction API: evicting")
    assert state(cluster, own)[0] == "going"
    cluster.now_ms = (
        moment_ms(cluster.double.store.get("pods", ("penstock", drained))["metadata"]["deletionTimestamp"])
        - 700
    )
    (told,) = cluster.provider.notices()
    assert (told.id, told.left_ms) == (drained, 700)
    cluster.cluster.halted = False
    wait_for(lambda: state(cluster, drained)[0] == "gone", "the drain to end")
    assert state(cluster, drained)[1] == "EvictionByEvictionAPI: Eviction API: evicting"


def test_preemption_is_told_before(cluster: Driver) -> None:
    made = up(cluster)
    cluster.cluster.displace(made)
    wait_for(lambda: state(cluster, made)[0] == "gone", "the pod to be gone")
    assert state(cluster, made)[1] == "PreemptionByScheduler: default-scheduler: preempting"


def test_a_cluster_that_stays_full_takes_no_more_orders(cluster: Driver) -> None:
    cluster.cluster.full = 1.0
    made = cluster.provider.create(order(cluster, "t1"))
    cluster.wait()
    assert state(cluster, made)[1].startswith(
        "no room in the cluster: 0/9 nodes are available: 9 Insufficient cpu"
    )
    cluster.provider.create(order(cluster, "t2"))  # perhaps it is about to grow
    cluster.now_ms += POOL.boot.p95_ms
    with pytest.raises(NoCapacity, match="9 Insufficient cpu"):
        cluster.provider.create(order(cluster, "t3"))
    for one in listed(cluster):
        cluster.provider.delete(one)
    cluster.cluster.full = 0.0
    cluster.wait()
    up(cluster, "t3")


def test_what_a_pod_prints_is_read_as_long_as_it_is_there(cluster: Driver) -> None:
    made = up(cluster)
    cluster.double.log_of = lambda name: f"{name} says\n".encode() * 9000
    printed = cluster.provider.console(made)
    assert (printed[-12:], len(printed)) == (f"{made} says\n"[-12:], 1 << 16)
    cluster.provider.delete(made)
    wait_for(lambda: state(cluster, made)[0] == "gone", "the pod to be gone")
    assert cluster.provider.console(made) == ""
    with pytest.raises(UnknownMachine):
        cluster.provider.console("other")
    cluster.cluster.halted = True
    assert cluster.provider.console(cluster.provider.create(order(cluster, "t2"))) == ""


def test_what_cannot_start_is_not_ordered_again_and_again(cluster: Driver) -> None:
    cluster.cluster.broken = 1.0
    made = cluster.provider.create(order(cluster, "t1"))
    cluster.wait()
    assert state(cluster, made) == ("coming", "ImagePullBackOff: Back-off pulling image: not found")
    cluster.now_ms += POOL.boot.p95_ms
    with pytest.raises(ProviderError, match="cannot start: ImagePullBackOff"):
        cluster.provider.create(order(cluster, "t2"))


def test_a_secret_goes_with_its_pod_and_without_it_the_pod_never_starts(cluster: Driver) -> None:
    made = up(cluster)
    (secret,) = cluster.double.store.all("secrets")
    assert secret["metadata"]["name"] == made
    cluster.provider.delete(made)
    wait_for(lambda: not cluster.double.store.all("secrets"), "the secret to be collected")
    pool = msgspec.structs.replace(POOL, kubernetes=cluster.provider._about)
    left_over = pods.pod(pool, order(cluster, "of a hub that was killed"))
    cluster.double.create("pods", "penstock", left_over)
    cluster.wait()
    assert state(cluster, left_over["metadata"]["name"])[0] == "coming"


def test_a_pod_that_cannot_have_its_secret_is_taken_back(cluster: Driver) -> None:
    cluster.double.roles[HUB_ROLE][1].discard(("create", "secrets"))  # type: ignore[index]
    with pytest.raises(ProviderError, match='cannot create resource "secrets"'):
        cluster.provider.create(order(cluster, "t1"))
    cluster.wait()
    assert (cluster.double.store.all("pods"), listed(cluster)) == ([], {})


def test_what_has_ended_is_swept_but_not_what_another_farm_has(cluster: Driver) -> None:
    made = up(cluster)
    pool = msgspec.structs.replace(POOL, kubernetes=cluster.provider._about)
    other = msgspec.structs.replace(order(cluster, "t2"), tags={TAG_FARM: "another"})
    theirs = cluster.double.create("pods", "penstock", pods.pod(pool, other))["metadata"]["name"]
    for name in (made, theirs):
        cluster.cluster.starve(name)
        assert state(cluster, name)[0] == "gone"
    cluster.now_ms += KEPT_MS
    wait_for(
        lambda: cluster.provider.list() and len(cluster.double.store.all("pods")) == 1, "one to be swept"
    )
    assert cluster.double.store.has("pods", ("penstock", theirs))


def test_whoever_is_overloaded_or_stands_still_is_said_to(cluster: Driver) -> None:
    cluster.double.faults.away = 1.0
    with pytest.raises(Throttled, match="currently unable"):
        cluster.provider.create(order(cluster, "t1"))
    cluster.double.faults.away = 0.0
    up(cluster, "t1")
    with cluster.double.store.lock:
        began_s = time.monotonic()
        with pytest.raises(NoAnswer):
            cluster.provider.create(order(cluster, "t2"))
        assert time.monotonic() - began_s < 5.5


def test_who_may_not_is_told_so_and_who_has_no_cluster_too(cluster: Driver, tmp_path: Path) -> None:
    cluster.double.roles.pop(HUB_ROLE)
    with pytest.raises(ProviderError, match="Unauthorized"):
        cluster.provider.create(order(cluster, "t1"))
    lost = msgspec.structs.replace(ABOUT, kubeconfig=str(tmp_path / "nowhere"))
    for about, told in ((lost, "no access to the cluster"), (None, "has no \\[pool.kubernetes\\]")):
        provider = Provider(msgspec.structs.replace(POOL, kubernetes=about), lambda: 0)
        with pytest.raises(ProviderError, match=told):
            provider.list()


def test_a_hub_that_is_killed_between_pod_and_secret_leaves_nothing(
    cluster: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the services of a hub whose clock goes as fast as it is told."""
    farm = Rented()
    pool = msgspec.structs.replace(POOL, kubernetes=cluster.provider._about, platforms=("linux",))
    farm.hub = replace(farm.hub, rules=msgspec.structs.replace(farm.hub.rules, pools=(pool,)))
    farm.hub = replace(farm.hub, providers={"burst": cluster.provider})
    farm.again()

    def killed(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(cluster.provider, "_give_secret", killed)
    farm.submit("c1", planned("zlib"))
    with pytest.raises(Killed):
        farm.until(Power.BOOTING)
    (left,) = cluster.double.store.all("pods")
    monkeypatch.undo()
    farm.again()
    name = left["metadata"]["name"]
    late = farm.until(Power.DELETING)
    assert (late.provider_id, late.power_reason[:19]) == (name, "did not come up in ")
    wait_for(lambda: state(cluster, name)[0] == "gone", "the pod to be gone")
    assert farm.until(Power.GONE).provider_id == name
    assert not cluster.double.store.has("pods", ("penstock", name))  # the job has another by now
    assert not cluster.double.store.has("secrets", ("penstock", name))
