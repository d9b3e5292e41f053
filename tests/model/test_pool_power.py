"""Addresses of switches: what each says, and which are none."""

import pytest

from penstock.model.pool_power import Control, Place, place_of, wakes_only


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("ipmi://bmc-1", Place(kind="ipmi", host="bmc-1", port=623)),
        ("ipmi://10.0.0.7:624/?cipher=17", Place(kind="ipmi", host="10.0.0.7", port=624, cipher="17")),
        ("ipmi://[fd00::7]", Place(kind="ipmi", host="[fd00::7]", port=623)),
        (
            "redfish+https://bmc.example.org/redfish/v1/Systems/1/",
            Place(kind="redfish", host="bmc.example.org", scheme="https", path="/redfish/v1/Systems/1"),
        ),
        (
            "redfish+http://127.0.0.1:8000/redfish/v1/Systems/a-b",
            Place(kind="redfish", host="127.0.0.1", port=8000, scheme="http", path="/redfish/v1/Systems/a-b"),
        ),
        ("wol://AA:bb:cc:dd:ee:0F", Place(kind="wol", host="255.255.255.255", port=9, mac="aabbccddee0f")),
        (
            "wol://aa-bb-cc-dd-ee-0f?broadcast=10.0.0.255:7",
            Place(kind="wol", host="10.0.0.255", port=7, mac="aabbccddee0f"),
        ),
    ],
)
def test_an_address_says_where_a_switch_is(address: str, place: Place) -> None:
    assert place_of(address) == place


@pytest.mark.parametrize(
    "address",
    [
        "bmc-1",
        "ipmi://",
        "ipmi://-x",
        "ipmi://a b",
        "ipmi://user@bmc-1",
        "ipmi://bmc-1:0",
        "ipmi://bmc-1:99999",
        "redfish+https://bmc-1",
        "redfish+ftp://bmc-1/redfish/v1/Systems/1",
        "redfish+https://bmc-1/redfish/v1/Systems/1?x=y",
        "wol://aa:bb:cc:dd:ee",
        "wol://aa:bb:cc:dd:ee:0f?broadcast=",
    ],
)
def test_what_is_no_address_is_said(address: str) -> None:
    with pytest.raises(ValueError, match="write"):
        place_of(address)


def test_an_origin_has_a_port_where_one_was_named() -> None:
    assert place_of("redfish+https://bmc-1/redfish/v1/Systems/1").origin == "https://bmc-1"
    assert place_of("redfish+https://bmc-1:444/redfish/v1/Systems/1").origin == "https://bmc-1:444"


def test_only_what_is_woken_by_a_packet_powers_itself_off() -> None:
    assert wakes_only(Control(machine="m1", address="wol://aa:bb:cc:dd:ee:0f"))
    assert not wakes_only(Control(machine="m1", address="ipmi://bmc-1"))
