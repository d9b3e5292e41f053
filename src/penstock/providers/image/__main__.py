"""`scripts/build-image DIR`: makes the image of virtual machines in a new folder, whole or not at all."""

import argparse
import hashlib
import json
import os
import sys
import tempfile
from pathlib import Path

from penstock.providers.image import agents, kernel, tree
from penstock.providers.image.archive import Archive, Broken, run

FILES = ("vmlinux", "initramfs.cpio", "root.erofs")
MEMORY_MB = 192
"""What a machine needs at least; what jobs write lies in memory as well."""
_KERNEL = "linux-image-cloud-amd64"


def main(argv: list[str] | None = None) -> int:
    """Make the image; returns the exit status: 2 with one line of why not."""
    options = _parse(argv)
    folder = Path(options.folder).resolve()
    if folder.exists():
        return _refuse(f"{folder} is there already; images are never changed: name a new folder")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Beside its place, so that it comes there by a rename.
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as space:
            said = build(Path(space), options)
            os.rename(Path(space) / "image", folder)
    except (Broken, OSError) as error:
        return _refuse(str(error))
    print(json.dumps({"image": str(folder), **said}))
    return 0


def build(space: Path, options: argparse.Namespace) -> dict[str, object]:
    """Make all files in `space`/image; what image.json says. Raises Broken, OSError."""
    image, root, first = (space / name for name in ("image", "root", "first"))
    image.mkdir()
    root.mkdir(mode=0o755)
    archive = Archive(space / "apt", options.suite, options.mirror)
    archive.update()
    fetched = archive.with_needs([*tree.PACKAGES, *options.packages, *agents.wanted(options.agent)])
    tree.unpack(agents.sifted(fetched, options.packages) if options.agent else fetched, root)
    tree.finish(root, agents.tests(root) if options.agent else ())
    if not tree.compiled(root):
        print("no Python of the image's release is here: its programs start more slowly", file=sys.stderr)
    package = archive.alone(archive.first_need(_KERNEL), space / "kernel")
    run(["dpkg-deb", "--extract", str(package), str(space / "kernel")])
    kernel.uncompressed(next((space / "kernel/boot").glob("vmlinuz-*")), image / "vmlinux")
    version = kernel.first_files(space / "kernel", root / "usr/bin/busybox", first)
    kernel.packed(first, image / "initramfs.cpio")
    _erofs(root, image / "root.erofs")
    return _described(image, version, options)


def _erofs(root: Path, out: Path) -> None:
    """The root as one read-only file; the same tree gives the same bytes."""
    same = hashlib.sha256(b"penstock").hexdigest()[:32]
    uuid = "-".join((same[:8], same[8:12], same[12:16], same[16:20], same[20:]))
    run(["mkfs.erofs", "--quiet", "-x-1", "--all-root", "-T0", f"-U{uuid}", str(out), str(root)])


def _described(image: Path, version: str, options: argparse.Namespace) -> dict[str, object]:
    """Write image.json, and make all of it read-only."""
    digest = hashlib.sha256()
    for name in FILES:
        with (image / name).open("rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    said: dict[str, object] = {
        "schema": 1,
        "digest": f"sha256:{digest.hexdigest()}",
        "kernel": version,
        "suite": options.suite,
        "agents": sorted(set(options.agent)),
        "memory_mb": MEMORY_MB,
        "cmdline": kernel.CMDLINE,
    }
    (image / "image.json").write_text(json.dumps(said, indent=2) + "\n")
    for path in image.iterdir():
        path.chmod(0o444)
    image.chmod(0o755)
    return said


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="build-image", description="Make the image of a libvirt pool's virtual machines."
    )
    add = parser.add_argument
    add("folder", metavar="DIR", help="folder to make; it must not be there")
    add(
        "--packages",
        nargs="*",
        default=[],
        metavar="P",
        help="Debian packages on top, such as gcc make libc6-dev",
    )
    add(
        "--agent",
        action="append",
        default=[],
        choices=sorted(agents.PACKAGES),
        help="another system's agent, for pools that serve its queue",
    )
    add("--suite", default="bookworm", metavar="S", help="release of Debian (bookworm)")
    add("--mirror", action="append", default=[], metavar="URL", help="archive to use (this machine's own)")
    return parser.parse_args(argv)


def _refuse(text: str) -> int:
    print(f"build-image: {text}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    # What is in the image is for every user there, whatever ours keeps to itself.
    os.umask(0o022)
    sys.exit(main())
