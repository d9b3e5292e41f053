"""What a pool of provider "libvirt" says of its virtual machines (`[pool.libvirt]` in farm.toml)."""

import msgspec

HOSTS_OWN = 0
"""Value of `host_cores` and `host_memory_mb`: as much as the host has, of memory nine tenths."""


class MachineSize(msgspec.Struct, frozen=True, kw_only=True):
    """One size of machines. `price_per_hour_micros` None = its part of the largest one's; `max` None = the pool's."""

    cores: int
    memory_mb: int
    price_per_hour_micros: int | None = None
    max: int | None = None


class Libvirt(msgspec.Struct, frozen=True, kw_only=True):
    """`uri`: libvirt's address of the host. `image`: the folder that scripts/build-image wrote, on that host.

    `clone`: each machine goes on from the memory of one that has booted; `share`: all from one and the same. `folder`: for what is kept of machines, "" = among
    the state of the hub's user. `kind`: libvirt's type of a domain; `machine`, `cpu`: as qemu calls them, "" = the host's own
    processor, or one that qemu imitates. `bridge`: the libvirt network that machines are in, "" = user networking. `sizes`: of its
    machines, none where farm.toml was read: each is a pool then. `host_cores`, `host_memory_mb`: what machines that run there may
    have together; `host_cores` None = any number.
    """

    uri: str
    image: str
    clone: bool = False
    share: bool = True
    folder: str = ""
    kind: str = "kvm"
    machine: str = "q35"
    cpu: str = ""
    bridge: str = ""
    sizes: tuple[MachineSize, ...] = ()
    host_cores: int | None = None
    host_memory_mb: int = HOSTS_OWN
