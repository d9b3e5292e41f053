"""Switches as they are: ipmitool against OpenIPMI's simulator, Redfish against OpenStack's emulator, packets on loopback."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import not_run
from real import bmcs

from penstock.model.pool_power import Control
from penstock.model.rules import Pool, Quantiles
from penstock.ports import NoAnswer, ProviderError, Throttled
from penstock.providers.owned import Owned, switch_of
from penstock.providers.owned.wake import TIMES, magic

BASIC = "Basic ZmFybTpvcGVuLXNlc2FtZQ=="
"""farm and its password, as RFC 7617 writes them."""


def now_ms() -> int:
    return time.monotonic_ns() // 1_000_000


def owned(*controls: Control) -> Owned:
    return Owned(
        Pool(name="own", provider="owned", platforms=("linux",), resume=Quantiles(1, 1), controls=controls),
        now_ms,
    )


def states(provider: Owned) -> dict[str, str]:
    return {one.id: one.state for one in provider.list().instances}


def until(so: Callable[[], bool]) -> None:
    end = time.monotonic() + bmcs.PATIENCE_S
    while not so():
        assert time.monotonic() < end
        time.sleep(0.2)


@pytest.fixture
def ipmi(tmp_path: Path) -> Iterator[tuple[Control, Path]]:
    """A machine of OpenIPMI's simulator, off, and the file with its power."""
    with bmcs.ipmi_sim(tmp_path) as (port, power):
        yield (
            Control(
                machine="m1",
                address=f"ipmi://127.0.0.1:{port}?cipher=3",
                user="farm",
                password_file=bmcs.password_file(tmp_path),
            ),
            power,
        )


@pytest.mark.needs("ipmi_sim", "ipmitool")
class TestIpmi:
    def test_a_machine_goes_on_and_off_softly_and_hard(
        self, ipmi: tuple[Control, Path], tmp_path: Path
    ) -> None:
        control, power = ipmi
        provider = owned(control)
        assert states(provider) == {"m1": "stopped"}
        provider.resume("m1")
        provider.resume("m1")
        assert (power.read_text(), states(provider)) == ("1\n", {"m1": "up"})
        provider.suspend("m1")
        assert (power.read_text(), states(provider)) == ("0\n", {"m1": "stopped"})
        provider.resume("m1")
        switch_of(control).off(True)
        asked = (tmp_path / "asked").read_text().splitlines()
        assert asked == ["set power 1", "set shutdown 1", "set power 1", "set power 0"], "each once"

    def test_a_wrong_password_is_no_answer_and_is_told_to_nobody(
        self, ipmi: tuple[Control, Path], tmp_path: Path
    ) -> None:
        control, _ = ipmi
        (tmp_path / "bmc.password").write_text("another secret\n")
        with pytest.raises(NoAnswer, match="user and password are wrong") as told:
            owned(control).resume("m1")
        assert "secret" not in str(told.value)

    def test_a_password_that_others_may_read_is_not_used(
        self, ipmi: tuple[Control, Path], tmp_path: Path
    ) -> None:
        (tmp_path / "bmc.password").chmod(0o640)
        with pytest.raises(ProviderError, match="chmod 600"):
            owned(ipmi[0]).resume("m1")

    def test_one_that_is_not_there_leaves_a_gap_and_holds_up_nobody(
        self, ipmi: tuple[Control, Path], tmp_path: Path
    ) -> None:
        control, _ = ipmi
        address = f"ipmi://127.0.0.1:{bmcs.free_port(socket.SOCK_DGRAM)}?cipher=3"
        away = Control(machine="m2", address=address, user="farm", password_file=control.password_file)
        began = time.monotonic()
        listing = owned(control, away).list()
        assert time.monotonic() - began < 5.5
        assert ([one.id for one in listing.instances], listing.complete) == (["m1"], False)


def test_without_ipmitool_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.providers.owned.ipmi._PATH", str(tmp_path))
    control = Control(machine="m1", address="ipmi://x", user="a", password_file=bmcs.password_file(tmp_path))
    with pytest.raises(ProviderError, match="ipmitool is not installed"):
        owned(control).resume("m1")


def test_a_machine_of_the_emulator_goes_on_and_off(tmp_path: Path) -> None:
    if not (bmcs.DOUBLES / "sushy-emulator").exists():
        not_run("build/doubles is not there; make setup-test makes it")
    with bmcs.sushy(tmp_path) as port:
        control = Control(machine="m1", address=f"redfish+http://127.0.0.1:{port}{bmcs.SYSTEM}")
        provider = owned(control)
        assert states(provider) == {"m1": "stopped"}
        provider.resume("m1")
        assert states(provider)["m1"] in ("coming", "up")
        until(lambda: states(provider) == {"m1": "up"})
        provider.suspend("m1")
        until(lambda: states(provider) == {"m1": "stopped"})


class TestRedfish:
    @pytest.fixture
    def bmc(self) -> Iterator[tuple[int, type[bmcs.Answers]]]:
        with bmcs.answering() as made:
            yield made

    def says(self, bmc: tuple[int, type[bmcs.Answers]], state: object, **action: object) -> None:
        action = {"target": f"{bmcs.SYSTEM}/Actions/ComputerSystem.Reset"} | action
        text = json.dumps({"PowerState": state, "Actions": {"#ComputerSystem.Reset": action}}).encode()
        bmc[1].answers[bmcs.SYSTEM] = (200, text, {})
        bmc[1].answers[f"{bmcs.SYSTEM}/Actions/ComputerSystem.Reset"] = (204, b"", {})

    def control(self, bmc: tuple[int, type[bmcs.Answers]], folder: Path) -> Control:
        address = f"redfish+http://127.0.0.1:{bmc[0]}{bmcs.SYSTEM}"
        return Control(machine="m1", address=address, user="farm", password_file=bmcs.password_file(folder))

    def test_it_asks_as_its_user_for_what_the_machine_has(
        self, bmc: tuple[int, type[bmcs.Answers]], tmp_path: Path
    ) -> None:
        self.says(bmc, "On", **{"ResetType@Redfish.AllowableValues": ["On", "ForceOff", "PushPowerButton"]})
        switch = switch_of(self.control(bmc, tmp_path))
        switch.on()
        switch.off(False)
        switch.off(True)
        assert {asked[2] for asked in bmc[1].asked} == {BASIC}
        assert [asked[3] for asked in bmc[1].asked if asked[0] == "POST"] == [
            b'{"ResetType": "PushPowerButton"}',
            b'{"ResetType": "ForceOff"}',
        ]

    @pytest.mark.parametrize(
        ("status", "error", "said"),
        [
            (401, ProviderError, "refuses user and password"),
            (503, Throttled, "busy"),
            (500, ProviderError, "status 500"),
            (302, ProviderError, "status 302"),
        ],
    )
    def test_what_it_refuses_is_said(
        self,
        bmc: tuple[int, type[bmcs.Answers]],
        tmp_path: Path,
        status: int,
        error: type[Exception],
        said: str,
    ) -> None:
        bmc[1].answers[bmcs.SYSTEM] = (status, b"{}", {"Location": "/elsewhere"})
        with pytest.raises(error, match=said):
            owned(self.control(bmc, tmp_path)).resume("m1")
        assert [asked[1] for asked in bmc[1].asked] == [bmcs.SYSTEM], "it goes nowhere else"

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            (b"[]", "no JSON object"),
            (b"\xff", "no JSON object"),
            (b"{}", "PowerState is 'None'"),
            (b'{"PowerState": "Off"}', "no action"),
            (
                b'{"PowerState": "Off", "Actions": {"#ComputerSystem.Reset": {"target": "//evil/redfish/x"}}}',
                "somewhere else",
            ),
            (
                b'{"PowerState": "Off", "Actions": {"#ComputerSystem.Reset":'
                b' {"target": "/redfish/x", "ResetType@Redfish.AllowableValues": ["Nmi"]}}}',
                "has none of On, ForceOn",
            ),
        ],
    )
    def test_what_cannot_be_believed_is_said(
        self, bmc: tuple[int, type[bmcs.Answers]], tmp_path: Path, text: bytes, said: str
    ) -> None:
        bmc[1].answers[bmcs.SYSTEM] = (200, text, {})
        with pytest.raises(ProviderError, match=said):
            owned(self.control(bmc, tmp_path)).resume("m1")

    def test_nobody_there_is_no_answer(self, tmp_path: Path) -> None:
        away = f"redfish+http://127.0.0.1:{bmcs.free_port()}{bmcs.SYSTEM}"
        with pytest.raises(NoAnswer, match="the switch of m1: no answer"):
            owned(Control(machine="m1", address=away, insecure=True)).resume("m1")


class TestWake:
    def test_a_packet_comes_where_it_is_sent(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as card:
            card.bind(("127.0.0.1", 0))
            card.settimeout(bmcs.PATIENCE_S)
            port = card.getsockname()[1]
            address = f"wol://aa:bb:cc:dd:ee:0f?broadcast=127.0.0.1:{port}"
            provider = owned(Control(machine="m1", address=address))
            provider.resume("m1")
            packets = {card.recv(2048) for _ in range(TIMES)}
        assert packets == {b"\xff" * 6 + bytes.fromhex("aabbccddee0f") * 16} == {magic("aabbccddee0f")}
        provider.suspend("m1")
        assert states(provider) == {"m1": "stopping"}

    def test_an_address_that_is_none_is_said(self) -> None:
        address = "wol://aa:bb:cc:dd:ee:0f?broadcast=no.such.host.invalid"
        with pytest.raises(ProviderError, match="cannot be sent to"):
            owned(Control(machine="m1", address=address)).resume("m1")
