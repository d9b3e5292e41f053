"""EC2 by the real client over HTTP: moto keeps the machines, a proxy before it does what EC2 documents and what goes wrong."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import msgspec
import pytest
from conformance.provider_suite import ProviderSuite
from conftest import not_run
from real.ec2proxy import Ec2Proxy
from real.ec2storm import WEATHER, Storm
from real.motoserver import PYTHON, MotoServer

from penstock.hub.fsck import fsck
from penstock.model.job import Job
from penstock.model.pool_ec2 import Ec2 as Said
from penstock.model.pool_ec2 import InstanceType, Subnet
from penstock.model.rules import Pool, Quantiles
from penstock.providers.ec2.instances import Ec2

REGION = "eu-west-1"
BEGAN_MS = 1_700_000_000_000


@pytest.fixture(scope="module")
def moto() -> Iterator[MotoServer]:
    if not PYTHON.exists():
        not_run("build/doubles is not there; make setup-test makes it")
    server = MotoServer()
    yield server
    server.close()


@dataclass
class Cloud:
    """EC2 with a clock that moves when told. `client`: the library's, as the first provider made it: that takes long."""

    moto: MotoServer
    now_ms: int = BEGAN_MS
    proxy: Ec2Proxy = field(init=False)
    subnets: tuple[Subnet, ...] = ()
    client: Any = None

    def __post_init__(self) -> None:
        self.proxy = Ec2Proxy(self.moto.url, lambda: self.now_ms)
        self.account = boto3.session.Session(region_name=REGION).client("ec2", endpoint_url=self.moto.url)

    def again(self) -> None:
        """An empty account."""
        self.moto.reset()
        self.proxy.again()
        self.proxy._now = lambda: self.now_ms
        self.now_ms = BEGAN_MS
        found = self.account.describe_subnets()["Subnets"]
        self.subnets = tuple(Subnet(zone=one["AvailabilityZone"], id=one["SubnetId"]) for one in found[:2])

    def pool(self, **changes: Any) -> Pool:
        said = Said(
            region=REGION,
            image="ami-12345678",
            types=(
                InstanceType(name="m7i.large"),
                InstanceType(name="m7a.large", price_per_hour_micros=90_000),
            ),
            subnets=self.subnets,
        )
        said = msgspec.structs.replace(said, **{k: v for k, v in changes.items() if hasattr(said, k)})
        more = {k: v for k, v in changes.items() if not hasattr(said, k)}
        return Pool(
            **{
                "name": "burst",
                "provider": "ec2",
                "platforms": ("linux",),
                "boot": Quantiles(60_000, 90_000),
                "resume": Quantiles(20_000, 20_000),
                "price_per_hour_micros": 100_000,
                "stopped_price_per_hour_micros": 10,
                "ec2": said,
                **more,
            }
        )

    def provider(self, **changes: Any) -> Ec2:
        return self.made(Ec2(self.pool(**changes), lambda: self.now_ms))

    def made(self, provider: Ec2) -> Ec2:
        """The same with a client that is there already."""
        if self.client is None:
            self.client = provider._client()
        provider._connected = self.client
        return provider


@pytest.fixture(scope="module")
def region(moto: MotoServer) -> Iterator[Cloud]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_CONFIG_FILE", "/dev/null")
        made = Cloud(moto)
        patch.setenv("AWS_ENDPOINT_URL_EC2", made.proxy.url)
        yield made
        made.proxy.close()


@pytest.fixture
def cloud(region: Cloud) -> Cloud:
    region.again()
    return region


@dataclass
class Ec2Driver:
    cloud: Cloud
    most: int = 6
    provider: Ec2 = field(init=False)

    def __post_init__(self) -> None:
        self.cloud.proxy.most = self.most
        self.cloud.proxy.boot_ms = self.cloud.proxy.stop_ms = self.cloud.proxy.end_ms = 5_000
        self.provider = self.cloud.provider()

    def wait(self) -> None:
        self.cloud.now_ms += 600_000

    def fault(self, name: str, chance: float) -> None:
        self.cloud.proxy.chances[name] = chance


class TestEc2(ProviderSuite):
    @pytest.fixture
    def driver(self, cloud: Cloud) -> Ec2Driver:
        return Ec2Driver(cloud)


def storm(cloud: Cloud, folder: Path, faults: int, kills: int, seed: int) -> Storm:
    """A farm in which so much went wrong; all is well again, and what was under way has ended."""
    proxy = cloud.proxy
    proxy.again(seed)
    proxy.most, proxy.behind_ms, proxy.boot_ms, proxy.stop_ms, proxy.end_ms = 8, 8_000, 20_000, 9_000, 7_000
    once = cloud.pool(name="once", max=4, uses=3, market="spot", reclaim_per_hour=0.5, resume=None)
    pools = (cloud.pool(max=4, uses=3), msgspec.structs.replace(once, stopped_price_per_hour_micros=None))
    farm = Storm(proxy, pools, folder, lambda pool, now: cloud.made(Ec2(pool, now)), seed)
    cloud.proxy._now = farm.clock.wall_ms
    proxy.chances, farm.deadly = dict(WEATHER), 0.02
    while len(proxy.seen) < faults or farm.kills < kills:
        farm.work()
        farm.step(farm.chance.randrange(1_000, 12_000))
        farm.deadly = 0.02 if farm.kills < kills else 0.0
    proxy.chances, farm.deadly = {}, 0.0
    for _ in range(120):
        farm.step(10_000)
    return farm


def test_after_a_storm_every_instance_is_in_the_books_and_the_books_are_what_is_there(
    cloud: Cloud, tmp_path: Path
) -> None:
    """PENSTOCK_STORM=9: nine times as long, at least 500 faults and 50 hubs that died."""
    times = int(os.environ.get("PENSTOCK_STORM", "1"))
    farm = storm(cloud, tmp_path, 56 * times, 6 * times, seed=3)
    try:
        assert farm.differences() == []
        assert fsck(farm.hub) == []
        assert {job.open for job in farm.all(Job)} == {False}
        made = len(farm.proxy.machines)
        print(f"{len(farm.proxy.seen)} faults, {farm.kills} kills, {made} instances, {farm.jobs} jobs")
        assert made > 3 * times
    finally:
        farm.store.close()
