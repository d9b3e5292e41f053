"""What a pool of provider "libvirt" says of its virtual machines (`[pool.libvirt]` in farm.toml)."""

import msgspec


class Libvirt(msgspec.Struct, frozen=True, kw_only=True):
    """`uri`: libvirt's address of the host. `image`: the folder that scripts/build-image wrote, on that host."""

    uri: str
    image: str
