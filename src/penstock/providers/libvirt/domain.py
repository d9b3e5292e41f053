"""A machine as libvirt's XML: what it is made of, whose it is, and how it is found again.

No disk can be written to: the root is the image, read-only, and what the guest writes lies in its memory. So a machine
leaves nothing behind, and its memory alone is what is kept when it is suspended. Format: libvirt.org/formatdomain.html.
"""

import uuid
from pathlib import Path
from xml.etree import ElementTree

import msgspec

URI = "https://penstock.invalid/machine/1"
"""Namespace of our element in a domain's metadata; whatever carries it was made by a farm."""
CHANNEL = "org.penstock.0"
"""Name of the virtio-serial port that the guest waits on."""
QEMU = "http://libvirt.org/schemas/domain/qemu/1.0"
"""Namespace of arguments that libvirt hands to qemu as they are (libvirt.org/kbase/qemu-passthrough-security.html)."""
MEMORY = "penstock-memory"
_ASKED_ONE_BY_ONE = "cpu-unavailable-features"
"""Where qemu can say which features a processor lacks, libvirt 9 asks for each of its 400 by a call of its own: half of the time that it
takes to begin a copy. Without it all are asked for at once."""
_NAMES = uuid.UUID("8f1f5a9e-62a5-5c63-9d0f-0a4c4f4b5f01")


class Build(msgspec.Struct, frozen=True, kw_only=True):
    """What machines of a pool are made of. `image`: folder with vmlinux, initramfs.cpio and root.erofs; `bridge`: the
    libvirt network that they are in, "" = user networking."""

    image: Path
    kind: str
    machine: str
    cpu: str
    cores: int
    memory_mb: int
    bridge: str = ""
    words: str = ""


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """What sets one machine apart from others of its build. `tags`: whose it is."""

    id: str
    name: str
    mac: str
    channel: Path
    console: Path
    tags: dict[str, str] = {}


def id_of(token: str) -> str:
    """The machine that a token stands for: always the same."""
    return str(uuid.uuid5(_NAMES, token))


def mac_of(id_: str) -> str:
    """Its address, of the range that virtual machines of qemu have."""
    digits = uuid.UUID(id_).hex
    return f"52:54:00:{digits[:2]}:{digits[2:4]}:{digits[4:6]}"


def machine_id_of(id_: str) -> str:
    """Its /etc/machine-id."""
    return uuid.uuid5(_NAMES, f"machine-id {id_}").hex


def domain_xml(build: Build, named: Named) -> str:
    """The whole domain."""
    top = ElementTree.Element("domain", type=build.kind)
    _text(top, "name", named.name)
    _text(top, "uuid", named.id)
    _text(top, "memory", str(build.memory_mb), unit="MiB")
    _text(top, "vcpu", str(build.cores))
    _metadata(top, named.tags)
    _system(top, build)
    for event in ("on_poweroff", "on_reboot", "on_crash"):
        _text(top, event, "destroy")
    _devices(ElementTree.SubElement(top, "devices"), build, named)
    return ElementTree.tostring(top, encoding="unicode")


def renamed(xml: str, named: Named) -> str:
    """The domain of `xml` as another machine of the same build, all its devices in the same places."""
    top = ElementTree.fromstring(xml)
    _found(top, "name").text = named.name
    _found(top, "uuid").text = named.id
    old = top.find("metadata")
    if old is not None:
        top.remove(old)
    _metadata(top, named.tags)
    _found(top, "devices/interface/mac").set("address", named.mac)
    _found(top, "devices/serial/source").set("path", str(named.console))
    for console in top.findall("devices/console/source"):
        console.set("path", str(named.console))
    _found(top, "devices/channel/source").set("path", str(named.channel))
    return ElementTree.tostring(top, encoding="unicode")


def remembering(xml: str, memory: Path, memory_mb: int) -> str:
    """The domain of `xml` with this file as its memory, mapped privately: what it writes there is its own and is nowhere kept.

    libvirt cannot say that of a file by name; the memory that it asks qemu for beside it is never touched.
    """
    ElementTree.register_namespace("qemu", QEMU)
    top = ElementTree.fromstring(xml)
    more = ElementTree.SubElement(top, f"{{{QEMU}}}commandline")
    path = str(memory).replace(",", ",,")
    # Its block of memory is called like the object, whatever the version of qemu would call it.
    named = f"id={MEMORY},x-use-canonical-path-for-ramblock-id=off"
    backend = f"memory-backend-file,{named},mem-path={path},size={memory_mb}M,share=off"
    for word in ("-object", backend, "-machine", f"memory-backend={MEMORY}"):
        ElementTree.SubElement(more, f"{{{QEMU}}}arg", value=word)
    less = ElementTree.SubElement(top, f"{{{QEMU}}}capabilities")
    ElementTree.SubElement(less, f"{{{QEMU}}}del", capability=_ASKED_ONE_BY_ONE)
    return ElementTree.tostring(top, encoding="unicode")


def memory_of(xml: str) -> str:
    """The file that `remembering` gave it, as a path; "" where it has none."""
    words = [one.get("value", "") for one in ElementTree.fromstring(xml).iter(f"{{{QEMU}}}arg")]
    found = [word.partition("mem-path=")[2].rpartition(",size=")[0] for word in words if "mem-path=" in word]
    return found[0].replace(",,", ",") if found else ""


def tags_of(element: str) -> dict[str, str]:
    """The tags in our element of a domain's metadata."""
    top = ElementTree.fromstring(element)
    return {one.get("name", ""): one.get("value", "") for one in top.iter() if one.tag.endswith("tag")}


def waits(xml: str) -> bool:
    """Whether the guest of this running domain has opened its channel: it has booted and waits to be told who it is."""
    target = ElementTree.fromstring(xml).find(f"devices/channel/target[@name='{CHANNEL}']")
    return target is not None and target.get("state") == "connected"


def _metadata(top: ElementTree.Element, tags: dict[str, str]) -> None:
    ElementTree.register_namespace("penstock", URI)
    ours = ElementTree.SubElement(ElementTree.SubElement(top, "metadata"), f"{{{URI}}}machine")
    for name, value in sorted(tags.items()):
        ElementTree.SubElement(ours, f"{{{URI}}}tag", name=name, value=value)


def _system(top: ElementTree.Element, build: Build) -> None:
    system = ElementTree.SubElement(top, "os")
    _text(system, "type", "hvm", arch="x86_64", machine=build.machine)
    _text(system, "kernel", str(build.image / "vmlinux"))
    _text(system, "initrd", str(build.image / "initramfs.cpio"))
    _text(system, "cmdline", build.words)
    features = ElementTree.SubElement(top, "features")
    ElementTree.SubElement(features, "acpi")
    ElementTree.SubElement(features, "apic")
    ElementTree.SubElement(top, "clock", offset="utc")
    if build.cpu == "host":
        ElementTree.SubElement(top, "cpu", mode="host-passthrough", check="none", migratable="on")
        return
    model, *more = build.cpu.split("+")
    cpu = ElementTree.SubElement(top, "cpu", mode="custom", match="exact", check="none")
    _text(cpu, "model", model, fallback="forbid")
    for feature in more:
        ElementTree.SubElement(cpu, "feature", policy="require", name=feature)


def _devices(devices: ElementTree.Element, build: Build, named: Named) -> None:
    disk = ElementTree.SubElement(devices, "disk", type="file", device="disk")
    ElementTree.SubElement(disk, "driver", name="qemu", type="raw")
    ElementTree.SubElement(disk, "source", file=str(build.image / "root.erofs"))
    ElementTree.SubElement(disk, "target", dev="vda", bus="virtio")
    ElementTree.SubElement(disk, "readonly")
    ElementTree.SubElement(devices, "controller", type="usb", model="none")
    ElementTree.SubElement(devices, "controller", type="virtio-serial", index="0")
    net = ElementTree.SubElement(devices, "interface", type="network" if build.bridge else "user")
    ElementTree.SubElement(net, "mac", address=named.mac)
    if build.bridge:
        ElementTree.SubElement(net, "source", network=build.bridge)
    ElementTree.SubElement(net, "model", type="virtio")
    ElementTree.SubElement(net, "rom", enabled="no")
    serial = ElementTree.SubElement(devices, "serial", type="file")
    ElementTree.SubElement(serial, "source", path=str(named.console))
    ElementTree.SubElement(serial, "target", port="0")
    channel = ElementTree.SubElement(devices, "channel", type="unix")
    ElementTree.SubElement(channel, "source", mode="bind", path=str(named.channel))
    ElementTree.SubElement(channel, "target", type="virtio", name=CHANNEL)
    ElementTree.SubElement(devices, "memballoon", model="none")
    chance = ElementTree.SubElement(devices, "rng", model="virtio")
    _text(chance, "backend", "/dev/urandom", model="random")


def _text(parent: ElementTree.Element, tag: str, text: str, **attributes: str) -> None:
    ElementTree.SubElement(parent, tag, attributes).text = text


def _found(top: ElementTree.Element, path: str) -> ElementTree.Element:
    element = top.find(path)
    if element is None:
        raise ValueError(f"the domain has no {path}")
    return element
