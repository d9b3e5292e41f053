"""The kernel as qemu starts it fastest, and the little file system that finds the root."""

import lzma
import os
import re
import shutil
import struct
from collections.abc import Sequence
from pathlib import Path

from penstock.providers.image.archive import Broken, run

WANTED = (
    "virtio_pci",
    "virtio_blk",
    "virtio_net",
    "erofs",
    "overlay",
    "virtio-rng",
    "virtio_console",
)
"""Drivers that a machine of ours needs before and after its root is there; what they need comes along."""
CMDLINE = (
    "console=ttyS0 quiet panic=-1 tsc=reliable no_timer_check mitigations=off init_on_alloc=0 "
    "random.trust_cpu=on audit=0 apparmor=0 nowatchdog 8250.nr_uarts=1"
)
"""What the kernel is told: no console that waits, no panic that stays, no minute of waiting for chance."""

INIT = """\
#!/bin/busybox sh
# Loads the drivers, puts a file system in memory above the read-only root, and goes there.
b=/bin/busybox
$b mount -t devtmpfs dev /dev && exec </dev/console >/dev/console 2>&1
set -e
while read -r name; do $b insmod /modules/$name; done </modules/order
$b mount -t erofs -o ro /dev/vda /lower
$b mount -t tmpfs -o size=75%,mode=0755 above /above
$b mkdir /above/upper /above/work
$b mount -t overlay -o lowerdir=/lower,upperdir=/above/upper,workdir=/above/work root /whole
$b mount --move /dev /whole/dev
exec $b switch_root /whole /opt/penstock/init
"""

_LZ4 = b"\x02\x21\x4c\x18"
_ELF = b"\x7fELF"


def uncompressed(kernel: Path, out: Path) -> None:
    """Unpack a bzImage (Documentation/arch/x86/boot.rst: payload_offset). One packed otherwise stays: it starts as well."""
    data = kernel.read_bytes()
    sectors, (offset, length) = data[0x1F1] or 4, struct.unpack_from("<II", data, 0x248)
    begin = (sectors + 1) * 512 + offset
    packed = data[begin : begin + length]
    if not packed.startswith(_LZ4):
        shutil.copyfile(kernel, out)
        return
    # Behind the packed bytes stands their size unpacked, which lz4 takes for rubbish after the end.
    packed_file = out.with_suffix(".lz4")
    packed_file.write_bytes(packed[:-4])
    run(["lz4", "-d", "-q", "-f", str(packed_file), str(out)])
    packed_file.unlink()
    with out.open("rb") as file:
        if file.read(4) != _ELF:
            raise Broken("the kernel could not be unpacked")


def first_files(tree: Path, busybox: Path, folder: Path) -> str:
    """Lay out in `folder` what the kernel finds first. `tree`: the kernel's package, unpacked. Returns the kernel's version."""
    modules = next(
        (tree / base / "lib/modules" for base in ("", "usr") if (tree / base / "lib/modules").is_dir()), None
    )
    found = sorted(modules.iterdir()) if modules else []
    if not found:
        raise Broken("the kernel's package has no modules")
    for name in ("bin", "dev", "lower", "above", "whole", "modules"):
        (folder / name).mkdir(parents=True)
    shutil.copy(busybox, folder / "bin/busybox")
    (folder / "bin/busybox").chmod(0o755)
    order = ordered(found[0], WANTED)
    for number, path in enumerate(order):
        (folder / "modules" / f"{number:02}.ko").write_bytes(_content(path))
    (folder / "modules/order").write_text("".join(f"{number:02}.ko\n" for number in range(len(order))))
    (folder / "init").write_text(INIT)
    (folder / "init").chmod(0o755)
    return found[0].name


def ordered(modules: Path, wanted: Sequence[str]) -> list[Path]:
    """The files of modules and of what they need, those that are needed first. What is built in is left out."""
    files = {_name(path): path for path in modules.rglob("*.ko*")}
    listed = modules / "modules.builtin"
    built_in = {_name(Path(line)) for line in listed.read_text().split()} if listed.exists() else set()
    order: list[Path] = []

    def need(name: str) -> None:
        if name in built_in:
            return
        if name not in files:
            raise Broken(f"the kernel has no module {name}")
        for other in needs(_content(files[name])):
            need(other)
        if files[name] not in order:
            order.append(files[name])

    for name in wanted:
        need(_name(Path(name)))
    return order


def needs(module: bytes) -> list[str]:
    """What a module says that it depends on."""
    found = re.search(rb"\0depends=([^\0]*)\0", module)
    return [_name(Path(name)) for name in found[1].decode().split(",") if name] if found else []


def _name(path: Path) -> str:
    return path.name.split(".ko")[0].replace("-", "_")


def _content(path: Path) -> bytes:
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


def packed(folder: Path, out: Path) -> None:
    """The files of `folder` as the archive that the kernel unpacks (cpio, format newc), all of them root's.

    The same files give the same bytes.
    """
    paths = sorted(folder.rglob("*"))
    for path in paths:
        path.chmod(0o755)
        os.utime(path, (0, 0))
    names = [str(path.relative_to(folder)) for path in paths]
    words = [
        "cpio",
        "--create",
        "--format=newc",
        "--quiet",
        "--reproducible",
        "--owner=0:0",
        f"--file={out.resolve()}",
    ]
    run(words, folder, "".join(f"{name}\n" for name in names).encode())
