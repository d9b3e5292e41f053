"""Pools that people have stopped, as policies are told: barred to everybody, release jobs too."""

import msgspec

from penstock.model.curb import Curb, Stopped
from penstock.model.decision import Reason
from penstock.model.machine import Machine
from penstock.model.rules import Pool, Rules
from penstock.model.snapshot import Ask, Snapshot
from penstock.model.units import Size
from penstock.policy.budgets.curbs import BARRED, FREE, room, stops
from penstock.policy.suitability import kind_refusals

OWN = Pool(name="own", provider="owned", platforms=("linux",))
BURST = Pool(name="burst", provider="ec2", platforms=("linux",))
RULES = Rules(pools=(OWN, BURST))
RELEASE = Ask("linux", "", "trusted", "release", Size(1, 1024))
STOPPED = Stopped(pool="burst", since_ms=7000, reason="stopped by ada: the bill")
MACHINE = Machine(id="m", name="m", pool="burst", platforms=("linux",), has=Size(4, 8192))


def test_nobody_is_spared() -> None:
    (curb,) = stops(RULES, [STOPPED])
    assert curb == Curb(
        guard="", since_ms=7000, why="stopped by ada: the bill", barred=("burst",), stopped="burst"
    )
    assert room((curb,), RELEASE, "burst") == BARRED
    assert room((curb,), RELEASE, "own") is FREE


def test_a_pool_that_is_not_in_farm_toml_is_left_out() -> None:
    assert stops(RULES, [msgspec.structs.replace(STOPPED, pool="gone")]) == ()


def test_machines_refuse_by_name_of_the_pool_or_of_the_guard() -> None:
    curbs = (*stops(RULES, [STOPPED]), Curb(guard="g", barred=("burst",)), Curb(guard="h", barred=("own",)))
    snapshot = Snapshot(now_ms=9000, curbs=curbs)
    assert list(kind_refusals(RELEASE, MACHINE, snapshot)) == [
        Reason("stopped", "pool burst is stopped: stopped by ada: the bill"),
        Reason("guard", "guard g keeps jobs of class release from it"),
    ]
