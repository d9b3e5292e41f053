"""A hub that is served rents from EC2, is killed, and finds what it made; the agent starts by what the instance was given."""

import json
import re
import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from agent.metadata import Metadata
from real.ec2cloud import Cloud, begun
from real.farmed import Farmed, farmed, modules
from real.killing import wait_for
from real.processes import Process

from penstock.agent.cloud import NAMED_BY
from penstock.model.machine import Machine
from penstock.model.states import JobState, Power

pytestmark = pytest.mark.needs("git")
POOL = """
[waiting]
price_per_hour = 500.0
target = {{ percentile = 95, seconds = 1 }}
[[pool]]
name = "burst"
provider = "ec2"
platforms = ["cloudy"]
max = 1
power_off_after_s = 0
[pool.ec2]
region = "eu-west-1"
image = "ami-12345678"
types = [{{ name = "m7i.large" }}]
subnets = [{{ zone = "{zone}", id = "{id}" }}]
"""


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    for found in begun():
        found.again()
        found.proxy._now = lambda: time.time_ns() // 1_000_000
        yield found


@pytest.fixture
def metadata(monkeypatch: pytest.MonkeyPatch) -> Iterator[Metadata]:
    made = Metadata()
    monkeypatch.setenv(NAMED_BY, made.url)
    yield made
    made.close()


def rented(farm: Farmed) -> list[Machine]:
    return [one for one in farm.machines() if one.client_token and one.power != Power.GONE]


def boot(farm: Farmed, user_data: str) -> Process:
    """Start the agent by the words of the script that the instance was given, but in a folder of the test."""
    home = farm.folder / "instance"
    home.mkdir()
    secret = re.search(r"printf '%s\\n' (\S+) >", user_data)
    words = re.search(r"^exec python3 \S+ (.*)$", user_data, re.M)
    assert secret is not None
    assert words is not None
    (home / "token").write_text(secret[1])
    said = [word.replace("/var/lib/penstock", str(home)) for word in shlex.split(words[1])]
    agent = [sys.executable, "-m", "penstock.agent", *said, "--no-sandbox"]
    farm.agents["instance"] = Process(farm.folder, "instance", agent)
    return farm.agents["instance"]


def test_a_job_runs_on_an_instance_that_a_hub_made_which_was_killed(
    tmp_path: Path, cloud: Cloud, metadata: Metadata
) -> None:
    with farmed(tmp_path / "farm") as farm:
        rules = farm.folder / "farm.toml"
        place = cloud.subnets[0]
        text = rules.read_text().replace("[farm]", f'[farm]\naddress = "{farm.front.address}"')
        text = text.replace("[platform.p]", '[platform.cloudy]\nimage = "debian-12"\n[platform.p]')
        rules.write_text(text + POOL.format(zone=place.zone, id=place.id))
        hub = farm.start_hub()
        farm.wait_served()
        said = modules(1, lambda n: ["echo here"]).replace('"p"', '"cloudy"')
        (commit,) = farm.repository([said])
        assert farm.submit(commit)
        (id_,) = wait_for(lambda: list(cloud.proxy.machines), "an instance")
        hub.kill()
        farm.start_hub()
        farm.wait_served()
        wait_for(lambda: [one for one in rented(farm) if one.provider_id == id_], "the new hub to know it")
        document = {"instanceId": id_, "region": "eu-west-1", "accountId": "123456789012"}
        started_s = cloud.proxy.machines[id_].started_ms / 1000
        document["pendingTime"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started_s))
        metadata.document = json.dumps(document)
        boot(farm, cloud.proxy.machines[id_].user_data)
        wait_for(lambda: [one for one in rented(farm) if one.power == Power.UP], "its agent to register")
        (job,) = farm.wait_all_ended()
        assert job.state == JobState.PASSED
        (machine,) = rented(farm)
        assert [one.machine for one in farm.attempts()] == [machine.id]
        assert (machine.provider_id, machine.offer) == (id_, f"m7i.large/{place.zone}/on-demand")
        assert list(cloud.proxy.machines) == [id_]
