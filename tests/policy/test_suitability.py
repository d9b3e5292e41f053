"""Jobs that no pool can ever take, as far as farm.toml and the machines say."""

import msgspec
import pytest

from penstock.model.decision import Reason
from penstock.model.machine import Machine
from penstock.model.rules import Pool
from penstock.model.snapshot import Ask, PoolFacts, Snapshot
from penstock.model.units import Size
from penstock.policy.suitability import of_all

OWN = Pool(name="own", provider="owned", platforms=("linux",), projects=("qemu",))
BURST = Pool(name="burst", provider="ec2", platforms=("linux",), size=Size(2, 2048), trust=("untrusted",))
ASK = Ask("linux", "", "trusted", "change", Size(4, 1024))
SNAPSHOT = Snapshot(now_ms=0, pools={"own": PoolFacts(name="own", projects=("qemu",))})


def machine(name: str, cores: int) -> Machine:
    has = Size(cores, 8192)
    trust = ("trusted", "untrusted")
    return Machine(id=name, name=name, pool="own", platforms=("linux",), trust=trust, has=has, sized=True)


def test_every_pool_says_why_it_refuses() -> None:
    assert of_all(ASK, (OWN, BURST), {}, SNAPSHOT) == [
        ("own", Reason("project", "its pool takes no jobs without a project")),
        ("burst", Reason("trust", "it takes no trusted jobs")),
        ("burst", Reason("size", "its machines have 2 cores, 2048 MB, the job asks for 4 cores, 1024 MB")),
    ]
    assert of_all(ASK, (), {}, SNAPSHOT) == []


def test_one_pool_that_might_is_enough() -> None:
    ask = msgspec.structs.replace(ASK, project="qemu")
    assert of_all(ask, (BURST, OWN), {}, SNAPSHOT) is None
    small = msgspec.structs.replace(ASK, trust="untrusted", size=Size(1, 1024))
    assert of_all(small, (OWN, BURST), {}, SNAPSHOT) is None


@pytest.mark.parametrize(("cores", "taken"), [((2, 3), False), ((2, 4), True), ((), True)])
def test_machines_count_where_farm_toml_does_not_say_their_size(cores: tuple[int, ...], taken: bool) -> None:
    ask = msgspec.structs.replace(ASK, project="qemu")
    machines = {"own": [machine(f"m{count}", count) for count in cores]}
    refused = of_all(ask, (OWN,), machines, SNAPSHOT)
    assert (refused is None) == taken
    assert taken or [why.code for _, why in refused or []] == ["size", "size"]
