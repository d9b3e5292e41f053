"""Pools of several sizes: each is a pool of its own, and what names the pool means all of them."""

from pathlib import Path

import pytest

from penstock.config.farm import read_farm
from penstock.config.mistakes import Mistakes
from penstock.model.rules import Rules
from penstock.model.units import Size

FARM = """[farm]
address = "https://hub.example.org"
[platform.p]
[[pool]]
name = "vm"
provider = "libvirt"
platforms = ["p"]
price_per_hour = 0.8
stopped_price_per_hour = 0.08
max = 9
[pool.libvirt]
uri = "qemu:///session"
image = "/srv/image-1"
sizes = [
  { cores = 4, memory_mb = 8192 },
  { cores = 1, memory_mb = 1024, max = 3 },
  { cores = 2, memory_mb = 1024, price_per_hour = 0.3 },
]
host_memory_mb = 40960
[[pool]]
name = "other"
provider = "owned"
platforms = ["p"]
[[rule]]
match = { branch = "*" }
give = { pools = ["vm", "other"] }
[[budget]]
name = "most"
amount = 100
pools = ["vm"]
[[guard]]
when = "forecast > 95%"
for = "1h"
then = ["cap:vm-4x8192=1"]
"""


def read(folder: Path, text: str) -> Rules:
    file = folder / "farm.toml"
    file.write_text(text)
    return read_farm(file)


def test_each_size_is_a_pool_the_smallest_first(tmp_path: Path) -> None:
    rules = read(tmp_path, FARM)
    assert [(one.name, one.size, one.max) for one in rules.pools[:3]] == [
        ("vm-1x1024", Size(1, 1024), 3),
        ("vm-2x1024", Size(2, 1024), 9),
        ("vm-4x8192", Size(4, 8192), 5),
    ]
    assert [one.price_per_hour_micros for one in rules.pools[:3]] == [200_000, 300_000, 800_000]
    assert [one.stopped_price_per_hour_micros for one in rules.pools[:3]] == [20_000, 40_000, 80_000]
    assert {one.libvirt.host_cores for one in rules.pools if one.libvirt} == {0}
    assert all(one.libvirt is None or one.libvirt.sizes == () for one in rules.pools)


def test_one_that_may_sleep_is_bound_by_its_own_number_alone(tmp_path: Path) -> None:
    rules = read(tmp_path, FARM.replace("max = 9", "max = 9\nresume_s = 1"))
    assert [one.max for one in rules.pools[:3]] == [3, 9, 9]
    rules = read(tmp_path, FARM.replace("max = 9", "").replace("host_memory_mb = 40960", "host_cores = 8"))
    assert [one.max for one in rules.pools[:3]] == [3, 4, 2]


def test_what_names_the_pool_in_a_list_means_all_its_sizes(tmp_path: Path) -> None:
    rules = read(tmp_path, FARM)
    sizes = ("vm-1x1024", "vm-2x1024", "vm-4x8192")
    assert rules.rules[0].pools == (*sizes, "other")
    assert rules.budgets[0].pools == sizes
    assert rules.guards[0].then == ("cap:vm-4x8192=1",)
    rules = read(tmp_path, FARM.replace('pools = ["vm"]', 'pools = ["vm-2x1024"]'))
    assert rules.budgets[0].pools == ("vm-2x1024",)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (
            "max = 9",
            "max = 9\ncores = 2",
            "`cores` of a pool whose machines have several sizes; write it in each",
        ),
        ("max = 9", "max = 9\nmin = 1", "`min` of a pool whose machines have several sizes; remove it"),
        (
            "cores = 2, memory_mb = 1024",
            "cores = 1, memory_mb = 1024",
            "a second size with cores = 1 and memory_mb = 1024",
        ),
        (
            "host_memory_mb = 40960",
            "host_memory_mb = 8000",
            "`memory_mb` = 8192, where all machines together",
        ),
        ("memory_mb = 8192", "memory = 8192", "memory"),
        ("cap:vm-4x8192=1", "cap:vm=1", "there is no pool 'vm' to cap"),
        ('name = "other"', 'name = "vm-1x1024"', "is what a size of pool 'vm' is called"),
        ("sizes = [", "sizes = []\nx = [", "`sizes`"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, old: str, new: str, what: str) -> None:
    assert old in FARM
    text = FARM.replace(old, new).replace('"other"]', '"vm"]')
    with pytest.raises(Mistakes) as told:
        read(tmp_path, text)
    assert what in str(told.value)
