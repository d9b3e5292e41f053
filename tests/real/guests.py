"""Virtual machines of the image, started by libvirt as plainly as can be, and told who they are."""

import contextlib
import json
import os
import socket
import time
import uuid
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import libvirt
from real.killing import wait_for
from real.libvirthost import LibvirtHost

DOMAIN = """
<domain type='qemu'>
<name>{name}</name><uuid>{uuid}</uuid><memory unit='MiB'>{memory_mb}</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type><kernel>{image}/vmlinux</kernel>
<initrd>{image}/initramfs.cpio</initrd><cmdline>{cmdline}</cmdline></os>
<features><acpi/><apic/></features>
<cpu mode='custom' match='exact' check='none'><model fallback='forbid'>qemu64</model>
<feature policy='require' name='rdrand'/></cpu>
<on_poweroff>destroy</on_poweroff><on_reboot>destroy</on_reboot><on_crash>destroy</on_crash>
<devices>
<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{image}/root.erofs'/>
<target dev='vda' bus='virtio'/><readonly/></disk>
<controller type='usb' model='none'/><controller type='virtio-serial' index='0'/>
<interface type='user'><mac address='52:54:00:00:00:01'/><model type='virtio'/><rom enabled='no'/></interface>
<serial type='file'><source path='{folder}/console'/><target port='0'/></serial>
<channel type='unix'><source mode='bind' path='{folder}/channel'/>
<target type='virtio' name='org.penstock.0'/></channel>
<memballoon model='none'/><rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
</devices></domain>
"""
ANSWER_S = 120.0
_GONE = (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_OPERATION_INVALID)


class Guest:
    """One machine. It waits to be told who it is."""

    def __init__(self, host: LibvirtHost, image: Path, name: str, memory_mb: int = 0) -> None:
        said = json.loads((image / "image.json").read_text())
        self.name = name
        self.folder = host.place(name)
        self.xml = DOMAIN.format(
            name=name,
            uuid=uuid.uuid4(),
            memory_mb=memory_mb or said["memory_mb"],
            image=image,
            cmdline=escape(said["cmdline"]),
            folder=self.folder,
        )
        self.connection = libvirt.open(host.uri)
        self.domain = self.connection.createXML(self.xml)

    @property
    def console(self) -> str:
        return (self.folder / "console").read_text("utf-8", "replace")

    def tell(self, order: dict[str, Any]) -> dict[str, Any]:
        """One line there and one back."""
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as channel:
            channel.settimeout(ANSWER_S)
            channel.connect(str(self.folder / "channel"))
            with channel.makefile("rw") as lines:
                lines.write(json.dumps(order) + "\n")
                lines.flush()
                found: dict[str, Any] = json.loads(lines.readline() or "{}")
        return found

    def identify(self, hub: str, token: str, pool: str = "own0", **more: Any) -> dict[str, Any]:
        """Tell it who it is; what it answers."""
        words = ["--hub", hub, "--token-file", "/run/penstock/token", "--work-dir", "/var/penstock"]
        words += ["--pool", pool, "--name", self.name, "--slots", "1"]
        identity = {
            "kind": "identity",
            "name": self.name,
            "mac": "52:54:00:" + ":".join(f"{byte:02x}" for byte in os.urandom(3)),
            "machine_id": uuid.uuid4().hex,
            "hub": hub,
            "token": token,
            "words": words,
            "agent_sha256": "",
            "ca": "",
            **_now(),
        }
        return self.tell({**identity, **more})

    def resumed(self, time_ms: int = 0) -> dict[str, Any]:
        """Tell it that it was asleep, and the time: that of now, or another one."""
        return self.tell({"kind": "resumed", **_now(), **({"time_ms": time_ms} if time_ms else {})})

    def save(self, name: str) -> None:
        """End it, with all that it knows kept in a file of its folder."""
        self.domain.save(str(self.folder / name))

    def restore(self, name: str) -> None:
        """Have it go on from there, whatever it was doing now."""
        if self.there():
            self.domain.destroy()
        self.connection.restore(str(self.folder / name))
        self.domain = self.connection.lookupByName(self.name)

    def wait_gone(self) -> None:
        """Until the machine has ended by itself."""
        wait_for(lambda: not self.there(), f"{self.name} to power off")

    def there(self) -> bool:
        try:
            return bool(self.domain.isActive())
        except libvirt.libvirtError as error:
            if error.get_error_code() in _GONE:
                return False
            raise

    def close(self) -> None:
        with contextlib.suppress(libvirt.libvirtError):
            self.domain.destroy()
        self.connection.close()


def _now() -> dict[str, Any]:
    return {"time_ms": int(time.time() * 1000), "seed": os.urandom(32).hex()}
