"""[pool.libvirt]: what is read, and what is refused with a word about what to write instead."""

from pathlib import Path

import pytest

from penstock.config.farm import read_farm
from penstock.config.mistakes import Mistakes
from penstock.model.pool_libvirt import Libvirt

FARM = """[farm]
address = "https://hub.example.org"
[platform.p]
[[pool]]
name = "vm"
provider = "libvirt"
platforms = ["p"]
[pool.libvirt]
uri = "qemu+unix:///session?socket=/run/s"
image = "/srv/image-1/"
clone = true
share = false
type = "qemu"
cpu = "qemu64+rdrand"
folder = "/srv/machines"
"""


def read(folder: Path, text: str) -> Libvirt | None:
    file = folder / "farm.toml"
    file.write_text(text)
    return read_farm(file).pools[0].libvirt


def test_all_of_it_is_read(tmp_path: Path) -> None:
    assert read(tmp_path, FARM) == Libvirt(
        uri="qemu+unix:///session?socket=/run/s",
        image="/srv/image-1",
        clone=True,
        share=False,
        kind="qemu",
        cpu="qemu64+rdrand",
        folder="/srv/machines",
    )


def test_a_farm_without_an_address_is_for_simulations_and_needs_no_table(tmp_path: Path) -> None:
    bare = FARM[: FARM.index("[pool.libvirt]")].replace('address = "https://hub.example.org"', "")
    assert read(tmp_path, bare) is None


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ('uri = "qemu+unix:///session?socket=/run/s"', 'uri = "session"', "such as qemu:///session"),
        ('image = "/srv/image-1/"', 'image = "image-1"', "the whole path"),
        ('folder = "/srv/machines"', 'folder = "machines"', "the whole path"),
        ("clone = true", 'clone = "yes"', "write true or false"),
        ("clone = true", "clone = false", "`share` is of machines that are copies"),
        ('type = "qemu"', 'type = "xen"', "`type`"),
        ('cpu = "qemu64+rdrand"', 'cpu = "qemu64, rdrand"', "qemu64+rdrand"),
        ('provider = "libvirt"', 'provider = "owned"', "`libvirt` in a pool of provider 'owned'"),
        ('address = "https://hub.example.org"', "", "virtual machines must know where the hub is"),
        ('platforms = ["p"]', 'platforms = ["p"]\nreclaim_per_hour = 0.1', "reclaims none"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path: Path, old: str, new: str, what: str) -> None:
    assert old in FARM
    with pytest.raises(Mistakes) as told:
        read(tmp_path, FARM.replace(old, new))
    (line,) = [line for line in str(told.value).splitlines() if line.strip()]
    assert what in line


def test_a_pool_of_machines_needs_its_table(tmp_path: Path) -> None:
    with pytest.raises(Mistakes, match=r"needs a table \[pool.libvirt\]; write uri and image"):
        read(tmp_path, FARM[: FARM.index("[pool.libvirt]")])
