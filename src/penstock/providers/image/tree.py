"""The root of a virtual machine: packages unpacked, what their scripts would have done, and our own part."""

import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from penstock.providers.image.archive import run

PACKAGES = (
    "base-files",
    "bubblewrap",
    "busybox-static",
    "coreutils",
    "dash",
    "diffutils",
    "findutils",
    "grep",
    "gzip",
    "mawk",
    "python3",
    "sed",
    "tar",
)
"""What each image has: Python for the agent, its sandbox, and a shell with the tools that any build uses."""
GUEST = Path(__file__).resolve().parents[1] / "guest"
START = "opt/penstock/start"
_MERGED = ("bin", "sbin", "lib", "lib64")
_EMPTY = ("proc", "sys", "dev", "run", "tmp", "root", "mnt", "var/tmp", "var/penstock", "var/lib/dpkg", "etc")
_LINKS = {
    "bin/sh": "dash",
    "bin/awk": "mawk",
    "bin/cc": "gcc",
    "bin/c++": "g++",
    "sbin/poweroff": "../bin/busybox",
}
"""Links that maintainer scripts would make; those whose target is not there are left out."""
_ETC = {
    "passwd": "root:x:0:0:root:/root:/bin/sh\nbuild:x:1000:1000::/var/penstock:/bin/sh\n"
    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    "group": "root:x:0:\ntty:x:5:\nbuild:x:1000:\nnogroup:x:65534:\n",
    "hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    "hostname": "penstock\n",
    "machine-id": "",
}
_MAIN = "import sys\n\nfrom penstock.providers.guest.__main__ import main\n\nsys.exit(main())\n"
_INIT = """\
#!/bin/busybox sh
# Process 1 of the machine: what a file system and a network need, then the part that waits to be told who it is.
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mkdir -p /dev/pts /dev/shm /run/penstock
$b mount -t devpts -o gid=5,mode=620 pts /dev/pts
$b mount -t tmpfs -o mode=1777 shm /dev/shm
$b mount -t tmpfs -o mode=0755,size=16m run /run
$b mount -t cgroup2 groups /sys/fs/cgroup
$b mkdir -m 0700 /run/penstock
$b ln -sf /proc/self/fd /dev/fd
$b ip link set lo up
$b ip link set eth0 up
$b ip addr add 10.0.2.15/24 dev eth0
$b ip route add default via 10.0.2.2
exec $b env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 /usr/bin/python3 -I -S /opt/penstock/start
"""
_DHCP = """\
#!/bin/busybox sh
# What busybox's udhcpc calls when it was given an address. The one that user networking has goes.
[ "$1" = bound ] || exit 0
b=/bin/busybox
$b ip addr flush dev "$interface"
$b ip addr add "$ip/$mask" dev "$interface"
[ -z "$router" ] || $b ip route add default via "${router%% *}"
for one in $dns; do echo "nameserver $one"; done >/etc/resolv.conf
"""


def unpack(packages: Sequence[Path], root: Path) -> None:
    """Unpack packages as a machine of today has them: /bin is /usr/bin. Their list is what the agent's fingerprint reads."""
    for name in _MERGED:
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    installed = []
    for package in packages:
        _merge(package, root)
        fields = run(["dpkg-deb", "--field", str(package)]).strip()
        installed.append(fields.replace("\n", "\nStatus: install ok installed\n", 1))
    for name in _EMPTY:
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "var/lib/dpkg/status").write_text("\n\n".join(installed) + "\n")


def _merge(package: Path, root: Path) -> None:
    """Unpack one; links of ours that stand where it has folders are followed."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE) as opened:
        assert opened.stdout is not None
        data = opened.stdout.read()
    run(["tar", "-x", "--keep-directory-symlink", "--no-same-owner", "-p", "-C", str(root)], given=data)


def finish(root: Path, useless: Iterable[Path] = ()) -> None:
    """What maintainer scripts would have done, and our own part of the machine. `useless`: folders that are left out."""
    for name, target in _LINKS.items():
        path = root / "usr" / name
        if not path.is_symlink() and not path.exists() and (path.parent / target).exists():
            path.symlink_to(target)
    for name, text in _ETC.items():
        (root / "etc" / name).unlink(missing_ok=True)
        (root / "etc" / name).write_text(text)
    for name in ("tmp", "var/tmp"):
        (root / name).chmod(0o1777)
    for name in ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "usr/share/lintian"):
        shutil.rmtree(root / name, ignore_errors=True)
    for path in useless:
        shutil.rmtree(path, ignore_errors=True)
    _guest(root)


def _guest(root: Path) -> None:
    """Our part: the first process, and this package as far as it is needed there."""
    start = root / START
    package = start / "penstock" / "providers"
    shutil.copytree(GUEST, package / "guest", ignore=shutil.ignore_patterns("__pycache__"))
    for folder in (package.parent, package):
        (folder / "__init__.py").write_text(
            '"""What a virtual machine has of Penstock before its hub gives it the agent."""\n'
        )
    (start / "__main__.py").write_text(_MAIN)
    for name, text in {"init": _INIT, "dhcp": _DHCP}.items():
        (start.parent / name).write_text(text)
        (start.parent / name).chmod(0o755)


def compiled(root: Path) -> bool:
    """Compile what Python finds there, by a Python of the same release; False where there is none, and starts are slower."""
    versions = [path.name for path in (root / "usr/lib").glob("python3.*") if path.is_dir()]
    if not versions:
        return False
    python = (
        sys.executable
        if versions[0] == "python{}.{}".format(*sys.version_info)
        else shutil.which(versions[0])
    )
    if python is None:
        return False
    words = [
        python,
        "-I",
        "-m",
        "compileall",
        "-q",
        "-j2",
        "--invalidation-mode",
        "unchecked-hash",
        "-s",
        str(root),
        "-p",
        "/",
    ]
    places = [root / "usr/lib" / versions[0], root / "usr/lib/python3/dist-packages", root / START]
    # Some files of the library are broken on purpose (lib2to3's tests): the rest is compiled all the same.
    done = subprocess.run(
        [*words, *(str(place) for place in places if place.is_dir())], capture_output=True, check=False
    )
    return done.returncode in (0, 1)
