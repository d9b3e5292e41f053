"""`[[pool.control]]`: what is read, and what `penstock check` says of switches that cannot be meant so."""

from pathlib import Path

import pytest

from penstock.config.farm import read_farm
from penstock.config.mistakes import Mistakes
from penstock.model.pool_power import Control

POOL = """\
[platform.linux]
[[pool]]
name = "own"
provider = "owned"
platforms = ["linux"]
machines = 2
price_per_hour = 0.30
stopped_price_per_hour = 0.20
resume_s = 90
"""
IPMI = """\
[[pool.control]]
machine = "m1"
address = "ipmi://bmc-1"
user = "farm"
password_file = "bmc.password"
"""
WAKE = '[[pool.control]]\nmachine = "m2"\naddress = "wol://aa:bb:cc:dd:ee:01"\n'
REDFISH = """\
[[pool.control]]
machine = "m2"
address = "redfish+https://bmc-2/redfish/v1/Systems/1"
user = "farm"
password_file = "/etc/penstock/bmc.password"
ca_file = "bmc-2.pem"
"""


def read(folder: Path, text: str) -> tuple[Control, ...]:
    (folder / "farm.toml").write_text(text)
    return read_farm(folder / "farm.toml").pools[0].controls


def wrong(folder: Path, text: str) -> str:
    with pytest.raises(Mistakes) as told:
        read(folder, text)
    return str(told.value)


def test_switches_are_read_with_files_beside_the_farm(tmp_path: Path) -> None:
    one, other = read(tmp_path, POOL + IPMI + REDFISH)
    assert one == Control(
        machine="m1", address="ipmi://bmc-1", user="farm", password_file=f"{tmp_path}/bmc.password"
    )
    assert (other.password_file, other.ca_file) == ("/etc/penstock/bmc.password", f"{tmp_path}/bmc-2.pem")
    assert read(tmp_path, POOL + IPMI + WAKE)[1].address == "wol://aa:bb:cc:dd:ee:01"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            POOL + IPMI + IPMI.replace("bmc-1", "bmc-9"),
            "a second [[pool.control]] has the machine 'm1', as on line 11",
        ),
        (
            POOL + IPMI + IPMI.replace('"m1"', '"m2"').replace("bmc-1", "BMC-1/?cipher=3"),
            "a second [[pool.control]] has the address 'ipmi://BMC-1/?cipher=3', as on line 12",
        ),
        (
            POOL + IPMI.replace("ipmi://bmc-1", "ipmi://a:b@bmc-1"),
            "names a user; write user and password_file",
        ),
        (POOL + IPMI.replace("ipmi:", "ssh:"), "write ipmi://HOST"),
        (POOL + IPMI.replace('user = "farm"\n', ""), "`user` or `password_file` missing"),
        (POOL + IPMI.replace('"farm"', '"a:b"'), "write a name without colon"),
        (POOL + IPMI + "insecure = true\n", "`insecure` says nothing of a switch with ipmi://"),
        (POOL + WAKE + 'user = "farm"\n', "`user` says nothing of a switch with wol://"),
        (POOL + REDFISH.replace("https:", "http:"), "plain http would show the password"),
        (POOL.replace('"owned"', '"simulated"') + IPMI, "is of owned machines, provider is 'simulated'"),
        (POOL.replace("machines = 2", "machines = 0") + IPMI, "1 [[pool.control]] for 0 `machines`"),
        (POOL.replace("resume_s = 90\n", "") + IPMI, "without `resume_s`"),
        (POOL.replace("stopped_price_per_hour = 0.20\n", "") + IPMI, "without `stopped_price_per_hour`"),
        (POOL.replace("price_per_hour = 0.30\n", "") + IPMI, "without `price_per_hour`"),
        (POOL.replace("0.20", "0.30") + IPMI, "switching saves nothing"),
    ],
)
def test_what_cannot_be_meant_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    told = wrong(tmp_path, text)
    assert said in told
    assert len(told.splitlines()) == 1


def test_plain_http_is_for_this_machine_or_for_who_says_so(tmp_path: Path) -> None:
    plain = REDFISH.replace("https:", "http:").replace('ca_file = "bmc-2.pem"\n', "")
    assert read(tmp_path, POOL + plain + "insecure = true\n")[0].insecure
    assert read(tmp_path, POOL + plain.replace("bmc-2/", "127.0.0.1:8000/"))
    assert wrong(tmp_path, POOL + '[pool.control]\nmachine = "m1"\n')
    assert wrong(tmp_path, POOL + '[[pool.control]]\nmachine = "m1"\naddress = 7\n')
