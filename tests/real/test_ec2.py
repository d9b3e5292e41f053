"""EC2 by the real client over HTTP: moto keeps the machines, a proxy before it does what EC2 documents and what goes wrong."""

import os
from pathlib import Path

import msgspec
import pytest
from conformance.provider_suite import ProviderSuite
from real.ec2cloud import Cloud, Ec2Driver
from real.ec2storm import WEATHER, Storm

from penstock.hub.fsck import fsck
from penstock.model.job import Job
from penstock.providers.ec2.instances import Ec2


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
