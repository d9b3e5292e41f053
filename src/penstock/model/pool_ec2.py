"""What a pool of provider "ec2" says of its instances (`[pool.ec2]` in farm.toml)."""

from typing import Literal

import msgspec

Market = Literal["on-demand", "spot"]


class InstanceType(msgspec.Struct, frozen=True, kw_only=True):
    """One type of instance that will do. `price_per_hour_micros`: None = the pool's. `speed`: beside the pool's others."""

    name: str
    price_per_hour_micros: int | None = None
    speed: float = 1.0


class Subnet(msgspec.Struct, frozen=True, kw_only=True):
    """Where instances may be: a subnet, which lies in one availability zone."""

    zone: str
    id: str


class Ec2(msgspec.Struct, frozen=True, kw_only=True):
    """`region`: of the account that the environment or the machine's role gives credentials for. `image`: of every instance,
    "" = the launch template's. Every type in every subnet is an offer. `template`: a launch template, "lt-..." or a name, with
    ":VERSION" where not its default one. `market`: one for the whole pool, so that a pool can be reclaimed or cannot (I5).
    `account`: "" = whichever the credentials are of. `identity_certificates`: a file or a folder, with Amazon's certificates that
    identity documents must be signed with; "" = signatures are not looked at. `profile`: name of the instance profile. `disk_gb`: 0 = as in the image.
    `quotas`: whether Service Quotas is asked how many vCPUs the account may run.
    """

    region: str
    types: tuple[InstanceType, ...]
    subnets: tuple[Subnet, ...]
    image: str = ""
    template: str = ""
    market: Market = "on-demand"
    security_groups: tuple[str, ...] = ()
    account: str = ""
    identity_certificates: str = ""
    profile: str = ""
    quotas: bool = True
    hibernate: bool = False
    public_address: bool = False
    disk: str = "/dev/xvda"
    disk_gb: int = 0
