"""A region of EC2 for tests: moto behind the proxy, with a clock that moves when told."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import msgspec
import pytest
from conftest import not_run
from real.ec2proxy import Ec2Proxy
from real.motoserver import PYTHON, MotoServer

from penstock.model.pool_ec2 import Ec2 as Said
from penstock.model.pool_ec2 import InstanceType, Subnet
from penstock.model.rules import Pool, Quantiles
from penstock.providers.ec2.instances import Ec2

REGION = "eu-west-1"
BEGAN_MS = 1_700_000_000_000


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
            quotas=False,
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

    def driver(self, provider: Ec2) -> Any:
        """What makes orders for this provider (conformance.provider_suite)."""
        return Ec2Driver(self, provider=provider)


@dataclass
class Ec2Driver:
    cloud: Cloud
    most: int = 6
    provider: Ec2 | None = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.provider is None:
            self.cloud.proxy.most = self.most
            self.cloud.proxy.boot_ms = self.cloud.proxy.stop_ms = self.cloud.proxy.end_ms = 5_000
            self.provider = self.cloud.provider()

    def wait(self) -> None:
        self.cloud.now_ms += 600_000

    def fault(self, name: str, chance: float) -> None:
        self.cloud.proxy.chances[name] = chance


def begun() -> Iterator[Cloud]:
    """A region for the tests of one file."""
    if not PYTHON.exists():
        not_run("build/doubles is not there; make setup-test makes it")
    server = MotoServer()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_CONFIG_FILE", "/dev/null")
        made = Cloud(server)
        patch.setenv("AWS_ENDPOINT_URL_EC2", made.proxy.url)
        patch.setenv("AWS_ENDPOINT_URL_SERVICE_QUOTAS", made.proxy.url)
        yield made
        made.proxy.close()
    server.close()
