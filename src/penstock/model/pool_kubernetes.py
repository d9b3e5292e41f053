"""What a pool of provider "kubernetes" says of its pods (`[pool.kubernetes]` in farm.toml)."""

import msgspec


class Kubernetes(msgspec.Struct, frozen=True, kw_only=True):
    """`image`: the container image that agents run in. `space`: the cluster's namespace for them."""

    image: str
    space: str = "penstock"
