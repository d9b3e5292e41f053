"""How `[pool.libvirt]` is read, and what a pool of provider libvirt must and must not say beside it."""

import re
from typing import Any

from penstock.config.items import Desk, Field, Fields, Item, Refused, each, record, shown
from penstock.config.pool_sizes import check_sizes
from penstock.config.pool_tables import Needs, own_table, value_of
from penstock.config.values import choice, count, flag, name, price, text
from penstock.model.pool_libvirt import Libvirt, MachineSize

URI = re.compile(r"[a-z]+(\+[a-z]+)?://\S*")
CPU = re.compile(r"host|[A-Za-z0-9._-]+(\+[A-Za-z0-9._-]+)*")


def _uri(desk: Desk, item: Item, where: str) -> str:
    value = text(desk, item, where)
    if not URI.fullmatch(value):
        raise Refused(
            f"{where} is {shown(value)}", "write libvirt's address of a host, such as qemu:///session"
        )
    return value


def _folder(desk: Desk, item: Item, where: str) -> str:
    """A whole path: the daemon of libvirt does not work where farm.toml lies."""
    value = text(desk, item, where)
    if not value.startswith("/"):
        raise Refused(
            f"{where} is {shown(value)}", "write the whole path of the folder, such as /srv/images/1"
        )
    return value.rstrip("/") or "/"


def _cpu(desk: Desk, item: Item, where: str) -> str:
    value = text(desk, item, where)
    if not CPU.fullmatch(value):
        raise Refused(f"{where} is {shown(value)}", 'write "host" or a model of qemu, such as qemu64+rdrand')
    return value


SIZE: Fields = {
    "cores": Field(read=count(1), required=True, about="processor cores of a machine of this size"),
    "memory_mb": Field(read=count(1), required=True, about="its memory in MB"),
    "price_per_hour": Field(
        read=price,
        into="price_per_hour_micros",
        about="what a machine-hour of this size costs; least first where several will do",
    ),
    "max": Field(read=count(), about="machines of this size that may be there at the same time"),
}
LIBVIRT: Fields = {
    "uri": Field(read=_uri, required=True, about="libvirt's address of the host, such as qemu:///session"),
    "image": Field(
        read=_folder,
        required=True,
        about="folder of the image on that host, as scripts/build-image writes it",
    ),
    "clone": Field(read=flag, about="whether each machine goes on from the memory of one that has booted"),
    "share": Field(
        read=flag,
        about="whether such machines share the memory that they go on from; false where the host lets qemu open no file of that kind",
    ),
    "folder": Field(
        read=_folder,
        about="folder on that host for sockets, consoles and saved memory; the hub's user writes there",
    ),
    "type": Field(
        read=choice("kvm", "qemu"),
        into="kind",
        about="kvm, or qemu: a processor imitated in software, slowly",
    ),
    "machine": Field(
        read=name, about="machine type of qemu; a whole one, such as pc-q35-7.2, outlives updates"
    ),
    "cpu": Field(
        read=_cpu, about="host, or a model of qemu with features behind a plus, such as qemu64+rdrand"
    ),
    "sizes": Field(
        read=each(record(MachineSize, SIZE), "a list such as [{ cores = 1, memory_mb = 1024 }]", empty=False),
        inner=SIZE,
        about="sizes of its machines; each is a pool of its own, called as NAME-4x8192 with its cores and memory",
    ),
    "host_cores": Field(
        read=count(1), about="cores that machines which run on that host may have together, of all its pools"
    ),
    "host_memory_mb": Field(
        read=count(1), about="memory that they may have together, in MB; what is beyond that waits"
    ),
    "bridge": Field(read=name, about="libvirt network that the machines are in; without it user networking"),
}
NEEDS = Needs("libvirt", "uri and image", "virtual machines")
LIBVIRT_RECORD = record(Libvirt, LIBVIRT)


def check_libvirt(desk: Desk, pool: Item, farm: Any) -> None:
    """What is only seen beside the rest of the pool. `farm`: what [farm] holds, None where it is not there."""
    table = own_table(desk, pool, farm, NEEDS)
    if table is None:
        return
    check_sizes(desk, pool, table)
    if value_of(pool, "reclaim_per_hour"):
        line = pool.value["reclaim_per_hour"].line
        desk.wrong(line, "a host of virtual machines reclaims none", "remove `reclaim_per_hour`")
    if value_of(table, "share") is not None and not value_of(table, "clone"):
        line = table.value["share"].line
        desk.wrong(line, "`share` is of machines that are copies", "write clone = true beside it")
