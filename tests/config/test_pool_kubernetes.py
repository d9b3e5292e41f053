"""[pool.kubernetes]: what is read, and what is refused with a word about what to write instead."""

from pathlib import Path

import pytest
from real.kubecluster import FARM as EXAMPLE

from penstock.config.farm import read_farm
from penstock.config.mistakes import Mistakes
from penstock.model.pool_kubernetes import Kubernetes, Toleration

FARM = """[farm]
address = "https://hub.example.org"
[platform.p]
[[pool]]
name = "pods"
provider = "kubernetes"
platforms = ["p"]
cores = 4
memory_mb = 4096
[pool.kubernetes]
image = "agent:1"
"""


def read(folder: Path, text: str) -> Kubernetes | None:
    file = folder / "farm.toml"
    file.write_text(text)
    return read_farm(file).pools[0].kubernetes


def test_the_example_of_the_page_is_read(tmp_path: Path) -> None:
    assert read(tmp_path, EXAMPLE) == Kubernetes(
        image="registry.example.org/ci/debian-12:2026-11",
        request_cores_milli=3600,
        disk_mb=20_480,
        selector={"pool": "ci-8cpu"},
        tolerations=(Toleration(key="ci", value="only", effect="NoSchedule"),),
        service_account="penstock-agent",
    )


def test_the_rest_is_read(tmp_path: Path) -> None:
    more = (
        'kubeconfig = "/etc/penstock/kube"\ncontext = "ci"\npriority_class = "builds"\npull_secret = "reg"\n'
    )
    more += 'deadline_s = 0\ngrace_s = 90\nwhen_full = "refuse"\nnamespace = "ci"\n'
    assert read(tmp_path, FARM + more) == Kubernetes(
        image="agent:1",
        space="ci",
        kubeconfig="/etc/penstock/kube",
        context="ci",
        priority_class="builds",
        pull_secret="reg",
        deadline_ms=0,
        grace_ms=90_000,
        when_full="refuse",
    )


def test_a_farm_without_an_address_is_for_simulations_and_needs_no_table(tmp_path: Path) -> None:
    bare = FARM[: FARM.index("[pool.kubernetes]")].replace('address = "https://hub.example.org"', "")
    assert read(tmp_path, bare) is None


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('address = "https://hub.example.org"\n', "", "pods must know where the hub is"),
        ('[pool.kubernetes]\nimage = "agent:1"', "", "needs a table [pool.kubernetes]"),
        ('"kubernetes"', '"local"', "`kubernetes` in a pool of provider 'local'"),
        ("memory_mb = 4096\n", "", "a pod needs its size"),
        ("cores = 4", "cores = 4\nslots = 2", "a pod runs one job at a time, not 2"),
        ("cores = 4", "cores = 4\nresume_s = 3", "pods cannot be suspended"),
        ('"agent:1"', '"agent 1"', "write one such as registry.example.org/agent:12"),
        ('"agent:1"', '"a"\nrequest_cores = 4.5', "`request_cores` is above `cores` 4"),
        ('"agent:1"', '"a"\nrequest_cores = "x"', "write a number"),
        ('"agent:1"', '"a"\nnamespace = "A_b"', "write one such as penstock"),
        ('"agent:1"', '"a"\nkubeconfig = "here"', "write its whole path"),
        ('"agent:1"', '"a"\nnode_selector = { "a b" = "c" }', "write the key of a label"),
        ('"agent:1"', '"a"\nnode_selector = { a = "b c" }', "the value of a label"),
        ('"agent:1"', '"a"\nnode_selector = 3', "write a table such as"),
        ('"agent:1"', '"a"\ntolerations = [{ effect = "Never" }]', "write one of"),
        ('"agent:1"', '"a"\nwhen_full = "panic"', "`refuse`, `wait`"),
    ],
)
def test_what_contradicts_is_told(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert old in FARM
    with pytest.raises(Mistakes) as wrong:
        read(tmp_path, FARM.replace(old, new))
    assert told in str(wrong.value)
    assert len(wrong.value.mistakes) == 1
