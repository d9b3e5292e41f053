"""What machines that reach only the hub may reach through it: `pool.reaches`, names that may be asked for and addresses
that names may lead to.

A name alone opens public addresses. An address of a private network (this machine, its neighbours, a cloud's metadata) is
opened by an entry that holds the address itself, so that whoever answers for a name cannot lead into the farm's own network.
"""

import ipaddress
import re
from collections.abc import Iterable

import msgspec

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
NAME = re.compile(rf"(?:{LABEL}\.)*{LABEL}")
NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
"""What some programs read as an address (127.1, 0x7f000001) and others as a name: taken only as a whole address."""
PLACE = re.compile(r"(?P<host>\[[0-9a-f.]*:[0-9a-f:.]*(?:/[0-9]{1,3})?\]|[^\[\]:]+):(?P<port>[0-9]{1,5})")
MOST_NAME = 253
HOW = 'write HOST:PORT, such as "deb.example.net:443", "*.example.org:80", "*:443", "10.1.0.0/16:443" or "[fd00::1]:443"'
_HIDING = ipaddress.ip_network("64:ff9b::/96")
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(text)
    for text in ("192.0.0.0/24", "168.63.129.16/32", "::/96", "64:ff9b:1::/48", "fec0::/10")
)
"""What `is_global` takes for public, in some releases of Python or in all: among them clouds' services beside a machine
(192.0.0.192, 168.63.129.16) and old forms of private addresses."""


class Target(msgspec.Struct, frozen=True):
    """What is asked for: a host in lower case, a name or an address, and a port."""

    host: str
    port: int

    @property
    def is_address(self) -> bool:
        """Whether there is no name to look up."""
        return _address(self.host) is not None

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Entry(msgspec.Struct, frozen=True):
    """One entry of `pool.reaches`: a name, "*" or "*.NAME", or else a network of addresses; and a port."""

    name: str
    network: Network | None
    port: int


def target_of(text: str) -> Target:
    """What a job asks for. Raises ValueError for what is no host with a port."""
    host, port = _taken_apart(text)
    found = Target(host.removesuffix("."), port)
    address = _address(found.host)
    if address is not None:
        return Target(str(address), port)
    if not _is_name(found.host):
        raise ValueError("no host with a port behind it")
    return found


def entry_of(text: str) -> Entry:
    """An entry as farm.toml has it. Raises ValueError."""
    host, port = _taken_apart(text)
    try:
        return Entry("", ipaddress.ip_network(host), port)
    except ValueError:
        rest = host.removeprefix("*.")
        if host != "*" and not _is_name(rest):
            raise ValueError(f"{host} is no host") from None
        return Entry(host, None, port)


def names(entries: Iterable[Entry], target: Target) -> bool:
    """Whether any entry names this host with this port."""
    address = _address(target.host)
    return any(one.port == target.port and _names(one, target.host, address) for one in entries)


def leads(entries: Iterable[Entry], port: int, number: str) -> bool:
    """Whether a connection may go to this address, which a name that was asked for has or which was asked for itself."""
    address = _address(number)
    if address is None:
        return False
    return public(number) or opens(entries, port, number)


def opens(entries: Iterable[Entry], port: int, number: str) -> bool:
    """Whether an entry holds the address itself."""
    address = _address(number)
    return address is not None and any(
        one.network is not None and one.port == port and address in one.network for one in entries
    )


def public(number: str) -> bool:
    """True for an address that anybody on the internet could call."""
    try:
        found = ipaddress.ip_address(number.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        # An IPv4 address can hide in several kinds of IPv6 address.
        hidden = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if hidden is not None or found in _HIDING:
            return hidden is not None and public(str(hidden))
    return found.is_global and not found.is_multicast and not any(found in one for one in _NOT_PUBLIC)


def _taken_apart(text: str) -> tuple[str, int]:
    found = PLACE.fullmatch(text.lower()) if text.isascii() else None
    if not found or int(found["port"]) not in range(1, 65536):
        raise ValueError("no host with a port behind it")
    return found["host"].strip("[]"), int(found["port"])


def _is_name(host: str) -> bool:
    return bool(NAME.fullmatch(host)) and len(host) <= MOST_NAME and not NUMBER.fullmatch(host)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address, out of the IPv6 form of an IPv4 one; None for a name, and for an address with a zone."""
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv4Address):
        return found
    return None if found.scope_id else found.ipv4_mapped or found


def _names(entry: Entry, host: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address | None) -> bool:
    if entry.network is not None:
        return address is not None and address in entry.network
    if entry.name == "*":
        return True
    if entry.name.startswith("*."):
        return host.endswith(entry.name[1:]) and host != entry.name[1:]
    return host == entry.name
