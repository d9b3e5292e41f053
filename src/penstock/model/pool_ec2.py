"""What a pool of provider "ec2" says of its instances (`[pool.ec2]` in farm.toml)."""

import msgspec


class Ec2(msgspec.Struct, frozen=True, kw_only=True):
    """`region`: of the account that the environment or the machine's role gives credentials for. `image`: of every instance."""

    region: str
    image: str
