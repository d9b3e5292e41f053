"""What a pool of provider "libvirt" says of its virtual machines (`[pool.libvirt]` in farm.toml)."""

import msgspec


class Libvirt(msgspec.Struct, frozen=True, kw_only=True):
    """`uri`: libvirt's address of the host. `image`: the folder that scripts/build-image wrote, on that host.

    `clone`: each machine goes on from the memory of one that has booted; `share`: all from one and the same. `folder`: for what is kept of machines, "" = among
    the state of the hub's user. `kind`: libvirt's type of a domain; `machine`, `cpu`: as qemu calls them, "" = the host's own
    processor, or one that qemu imitates. `bridge`: the libvirt network that machines are in, "" = user networking.
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
