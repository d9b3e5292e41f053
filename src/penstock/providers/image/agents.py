"""Other systems' agents that an image can have beside what our own needs, from the archive that the rest comes from."""

from collections.abc import Iterable
from pathlib import Path

PACKAGES = {"buildbot-worker": ("buildbot-worker",)}
"""By what `pool.agent` calls it."""
LEFT_OUT = (
    "cython3",
    "debconf",
    "libaudit-common",
    "libaudit1",
    "libcap-ng0",
    "libpam-modules",
    "libpam-modules-bin",
    "libpam0g",
    "libsemanage-common",
    "libsemanage2",
    "libsepol2",
    "lsb-base",
    "passwd",
    "sysvinit-utils",
)
"""What those packages name for the sake of scripts that do not run here, and of programs that nobody calls."""
_TESTS = ("test", "tests")


def wanted(agents: Iterable[str]) -> list[str]:
    """The packages that have these agents."""
    return [package for agent in agents for package in PACKAGES[agent]]


def sifted(packages: Iterable[Path], asked: Iterable[str]) -> list[Path]:
    """What is unpacked of fetched packages: all but what is left out, unless it was asked for by its name."""
    out = set(LEFT_OUT) - set(asked)
    return [path for path in packages if path.name.partition("_")[0] not in out]


def tests(root: Path) -> list[Path]:
    """Folders of tests that Python's packages bring along: a good part of their size, and none of their use."""
    found = (root / "usr/lib/python3/dist-packages").rglob("*")
    return [path for path in found if path.name in _TESTS and path.is_dir()]
