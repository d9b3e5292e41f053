"""Machines of libvirt that run another system's agent: which image has it, and who tells them that they are known."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from penstock.model.pool_foreign import Serves
from penstock.model.pool_libvirt import Libvirt as Settings
from penstock.model.rented import TAG_MACHINE, Order
from penstock.model.rules import Pool
from penstock.ports import NoAnswer
from penstock.providers.libvirt.files import Files
from penstock.providers.libvirt.image import FILES, read_image
from penstock.providers.libvirt.provider import Libvirt
from penstock.providers.libvirt.renewing import MOST_S, WAIT_S, Renewals

SERVES = Serves(url="https://ci.example.org", names="burst-%d")
POOL = Pool(
    name="burst",
    provider="libvirt",
    platforms=("p",),
    agent="buildbot-worker",
    serves=SERVES,
    power_off_after_ms=200_000,
)


class Ears:
    """What machines were told, by the name of their channel; `deaf` ones never answer."""

    def __init__(self, *deaf: str) -> None:
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self.deaf = deaf
        self.now_s = 0.0
        self.done = threading.Semaphore(0)

    def tell(self, path: Path, message: Callable[[], dict[str, Any]], wanted: Callable[[], bool]) -> bool:
        self.heard.append((path.name, message()))
        while path.name in self.deaf and wanted():
            self.now_s += 1
        self.done.release()
        return path.name not in self.deaf

    def renewals(self, pool: Pool, folder: Path) -> Renewals:
        return Renewals(
            pool, Files(folder), self.tell, lambda said: said | {"time_ms": 7}, lambda: self.now_s
        )

    def wait(self, count: int) -> None:
        for _ in range(count):
            assert self.done.acquire(timeout=60)


def test_machines_that_are_up_are_told_that_they_are_known_long_before_they_power_off(tmp_path: Path) -> None:
    ears = Ears("a.channel")
    renewals = ears.renewals(POOL, tmp_path)
    renewals.due(["a", "b"])
    ears.wait(2)
    assert ears.heard == [(f"{name}.channel", {"kind": "renewed", "time_ms": 7}) for name in "ab"]
    assert WAIT_S <= ears.now_s < 10, "one that is deaf keeps nobody else waiting for long"
    renewals.due(["a", "b"])
    ears.now_s = 10.0  # a twentieth of the time that they wait for
    ears.deaf = ()
    _again(renewals, ears, ["b"])
    assert [name for name, _ in ears.heard] == ["a.channel", "b.channel", "b.channel"]


def _again(renewals: Renewals, ears: Ears, ids: list[str]) -> None:
    """Looks go on; the thread of the last one ends some time after it has told the last machine."""
    before = len(ears.heard)
    while len(ears.heard) == before:
        renewals.due(ids)
    ears.wait(1)


@pytest.mark.parametrize(("after_ms", "told"), [(0, 0), (10**9, 1)])
def test_a_pool_without_a_limit_needs_no_word(tmp_path: Path, after_ms: int, told: int) -> None:
    ears = Ears()
    renewals = ears.renewals(msgspec.structs.replace(POOL, power_off_after_ms=after_ms), tmp_path)
    renewals.due(["a"])
    ears.wait(told)
    ears.now_s = MOST_S - 1
    renewals.due(["a"])
    assert len(ears.heard) == told


def test_our_own_agent_hears_its_hub_itself(tmp_path: Path) -> None:
    ears = Ears()
    ears.renewals(Pool(name="vm", provider="libvirt", platforms=("p",)), tmp_path).due(["a"])
    assert ears.heard == []


@pytest.mark.parametrize(("bridge", "network"), [("", "user"), ("lan", "dhcp")])
def test_a_machine_is_told_whom_to_ask_for_an_address(tmp_path: Path, bridge: str, network: str) -> None:
    """And, as one that is another system's, which agent it is, and that system's address and secret as order has them."""
    settings = Settings(uri="test:///default", image=str(tmp_path), folder=str(tmp_path), bridge=bridge)
    one = Libvirt(msgspec.structs.replace(POOL, libvirt=settings), lambda: 0)
    order = Order(
        offer="burst",
        token="t",
        tags={TAG_MACHINE: "m1"},
        secret="abc",
        name="burst-1",
        hub="ci.example.org:9989",
    )
    said = one._identity(order, "00000000-0000-0000-0000-000000000001")
    assert said["network"] == network
    assert (said["hub"], said["token"], said["agent"], said["machine"], said["words"]) == (
        "ci.example.org:9989",
        "abc",
        "buildbot-worker",
        "m1",
        [],
    )


def test_an_image_without_the_agent_is_refused_with_how_to_make_one(tmp_path: Path) -> None:
    for name in FILES:
        (tmp_path / name).touch()
    said: dict[str, Any] = {"digest": "d", "cmdline": "quiet"}
    (tmp_path / "image.json").write_text(json.dumps(said))
    assert read_image(tmp_path).digest == "d"
    with pytest.raises(NoAnswer, match="has no buildbot-worker: scripts/build-image --agent buildbot-worker"):
        read_image(tmp_path, "buildbot-worker")
    (tmp_path / "image.json").write_text(json.dumps(said | {"agents": ["buildbot-worker"]}))
    assert read_image(tmp_path, "buildbot-worker").words == "quiet"
