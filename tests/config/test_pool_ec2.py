"""[pool.ec2]: what is read, and what is refused with a word about what to write instead."""

from pathlib import Path

import pytest

from penstock.config.farm import read_farm
from penstock.config.mistakes import Mistakes
from penstock.model.pool_ec2 import Ec2, InstanceType, Subnet

FARM = """[farm]
address = "https://hub.example.org"
[platform.p]
[[pool]]
name = "burst"
provider = "ec2"
platforms = ["p"]
resume_s = 45
stopped_price_per_hour = 0.01
[pool.ec2]
region = "eu-west-1"
image = "ami-0a1b"
types = [{ name = "m7i.large", price_per_hour = 0.1008 }, { name = "c7a.xlarge", speed = 1.5 }]
subnets = [{ zone = "eu-west-1a", id = "subnet-0a" }, { zone = "eu-west-1b", id = "subnet-0b" }]
hibernate = true
"""
SPOT = (
    FARM.replace("resume_s = 45\nstopped_price_per_hour = 0.01", "reclaim_per_hour = 0.05")
    .replace("hibernate = true", 'market = "spot"')
)  # fmt: skip


def read(folder: Path, text: str) -> Ec2 | None:
    file = folder / "farm.toml"
    file.write_text(text)
    return read_farm(file).pools[0].ec2


def test_types_subnets_and_the_rest_are_read(tmp_path: Path) -> None:
    assert read(tmp_path, FARM) == Ec2(
        region="eu-west-1",
        image="ami-0a1b",
        types=(
            InstanceType(name="m7i.large", price_per_hour_micros=100_800),
            InstanceType(name="c7a.xlarge", speed=1.5),
        ),
        subnets=(Subnet(zone="eu-west-1a", id="subnet-0a"), Subnet(zone="eu-west-1b", id="subnet-0b")),
        hibernate=True,
    )
    found = read(tmp_path, SPOT + 'identity_certificates = "/etc/amazon"\n')
    assert found is not None
    assert (found.market, found.identity_certificates) == ("spot", "/etc/amazon")


def test_a_farm_without_an_address_is_for_simulations_and_needs_no_table(tmp_path: Path) -> None:
    bare = FARM[: FARM.index("[pool.ec2]")].replace('address = "https://hub.example.org"', "")
    assert read(tmp_path, bare) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (FARM[: FARM.index("[pool.ec2]")], "4: provider ec2 needs a table [pool.ec2]; write region, types"),
        (FARM.replace("address", "#"), "10: instances must know where the hub is; write address = "),
        (FARM.replace('"ec2"', '"simulated"'), "10: `ec2` in a pool of provider 'simulated'; write provider = "),
        (FARM.replace('image = "ami-0a1b"', ""), "10: [pool.ec2] has neither `image` nor `template`; write image"),
        (FARM.replace("hibernate = true", 'market = "spot"'), "10: market = \"spot\" without `reclaim_per_hour`; write"),
        (FARM.replace("hibernate = true", 'market = "spot"'), "8: spot instances cannot be stopped and started again"),
        (SPOT + "hibernate = true\n", "15: spot instances cannot be hibernated by us; remove `hibernate`"),
        (SPOT.replace("spot", "on-demand"), "8: instances on demand are not reclaimed; write market = \"spot\""),
        (FARM.replace("m7i.large", "large"), "`name` of element 1 of `types` of `ec2` of pool 'burst' is 'large'; write one"),
        (FARM.replace('"subnet-0a"', '"vpc-0a"'), "is 'vpc-0a'; write one such as subnet-0a1b2c3d"),
        (FARM.replace('"eu-west-1"', '"Ireland"'), "`region` of `ec2` of pool 'burst' is 'Ireland'; write one such as"),
        (FARM.replace("true", '"yes"'), "`hibernate` of `ec2` of pool 'burst' is 'yes'; write true or false"),
        (FARM + 'identity_certificates = "amazon.pem"\n', "is 'amazon.pem'; write the whole path, such as /etc/penstock"),
        (FARM.replace("hibernate", "hybernate"), "has no `hybernate`; did you mean `hibernate`?"),
    ],
)  # fmt: skip
def test_each_mistake_is_told_by_its_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(Mistakes) as found:
        read(tmp_path, text)
    assert told in str(found.value)
