"""How owned machines are switched on and off (`[[pool.control]]` in farm.toml), and how the addresses of switches are read."""

import re

import msgspec

FORMS = (
    "ipmi://HOST[:PORT][?cipher=N], redfish+https://HOST/redfish/v1/Systems/ID or "
    "wol://MAC[?broadcast=ADDRESS[:PORT]]"
)
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
IPMI, REDFISH, WAKE = "ipmi", "redfish", "wol"
_HOST = r"(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])"
_PORT = r"(?::(?P<port>[0-9]{1,5}))?"
_ADDRESSES = (
    (IPMI, re.compile(rf"ipmi://{_HOST}{_PORT}/?(?:\?cipher=(?P<cipher>[0-9]{{1,2}}))?")),
    (
        REDFISH,
        re.compile(
            rf"redfish\+(?P<scheme>https?)://{_HOST}{_PORT}(?P<path>/[A-Za-z0-9._~/%-]+[A-Za-z0-9._~%-])/?"
        ),
    ),
    (
        WAKE,
        re.compile(
            rf"wol://(?P<mac>(?:[0-9A-Fa-f]{{2}}[:-]){{5}}[0-9A-Fa-f]{{2}})(?:\?broadcast={_HOST}{_PORT})?"
        ),
    ),
)
_PORTS = {IPMI: 623, WAKE: 9}


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """One owned machine's switch. `machine`: the name that its agent gives. `address`: one of FORMS.

    `password_file` and `ca_file` are whole paths on the hub's machine. `insecure`: certificates are not looked at, and
    plain http goes to other machines.
    """

    machine: str
    address: str
    user: str = ""
    password_file: str = ""
    ca_file: str = ""
    insecure: bool = False


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """What an address says. `kind`: IPMI, REDFISH or WAKE; `port` None = that of its scheme; `cipher` "" = as the machine
    proposes; `mac`: twelve digits in lower case; `host` of WAKE: where the packet goes."""

    kind: str
    host: str
    port: int | None = None
    scheme: str = ""
    path: str = ""
    cipher: str = ""
    mac: str = ""

    @property
    def origin(self) -> str:
        """Scheme, host and port, as a URL begins."""
        return f"{self.scheme}://{self.host}" + (f":{self.port}" if self.port else "")


def place_of(address: str) -> Place:
    """What the address of a switch says. Raises ValueError for one that is none of FORMS."""
    for kind, form in _ADDRESSES:
        found = form.fullmatch(address)
        if found:
            return _place(kind, found.groupdict())
    raise ValueError(f"write {FORMS}")


def _place(kind: str, said: dict[str, str | None]) -> Place:
    port = int(said["port"]) if said["port"] else _PORTS.get(kind)
    if port is not None and not 0 < port < 65536:
        raise ValueError("write a port from 1 to 65535")
    return Place(
        kind=kind,
        host=said["host"] or "255.255.255.255",
        port=port,
        scheme=said.get("scheme") or "",
        path=said.get("path") or "",
        cipher=said.get("cipher") or "",
        mac=re.sub("[:-]", "", said.get("mac") or "").lower(),
    )


def wakes_only(control: Control) -> bool:
    """Whether its switch can only wake the machine: then its agent powers it off."""
    return control.address.startswith(f"{WAKE}://")
