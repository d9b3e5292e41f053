"""How `[pool.libvirt]` is read."""

from penstock.config.items import Field, Fields, record
from penstock.config.values import text
from penstock.model.pool_libvirt import Libvirt

LIBVIRT: Fields = {
    "uri": Field(read=text, required=True, about="libvirt's address of the host, such as qemu:///session"),
    "image": Field(
        read=text, required=True, about="folder of the image on that host, as scripts/build-image writes it"
    ),
}
LIBVIRT_RECORD = record(Libvirt, LIBVIRT)
