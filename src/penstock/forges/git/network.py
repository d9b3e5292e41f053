"""Whom the farm may call on behalf of others: no address of this machine or its own network, but for the hosts that
its operator names.

A name is looked up once, and the connection then goes to the address that was checked, so that a second answer
of the name server cannot lead elsewhere. (Through a proxy the lookup is the proxy's; then its rules count.)
"""

import socket
from collections.abc import Callable, Collection

import msgspec

from penstock.forges.git.address import Address
from penstock.forges.git.errors import Refused, Unreachable
from penstock.forges.git.program import PROXIES, environment
from penstock.policy.reaching import public as public

Lookup = Callable[[str, int], list[str]]
"""The numeric addresses of a host; raises OSError."""

INSTEAD = "name a public host, one that [git] hosts of farm.toml allows, or build it as the local user"

AUTHORITY = "SSL_CERT_FILE"
"""Names a file of certificates instead of the system's; git has a name of its own for it."""


def look_up(host: str, port: int) -> list[str]:
    """Ask the name server."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(answer[4][0]) for answer in found]


class Callers(msgspec.Struct, frozen=True):
    """Who is called for. `local_user`: the person whose machine this is, who may name any host.

    `hosts`: what everybody may name though it is in a network of the farm, as `Address.place` writes hosts.
    """

    local_user: bool
    lookup: Lookup = look_up
    hosts: Collection[str] = ()


def outside(address: Address, callers: Callers) -> str:
    """The first numeric address of a repository's host. Raises Refused where any of them is not public and the host
    is none of those that may be private."""
    try:
        numbers = callers.lookup(address.host, address.port)
    except (OSError, UnicodeError):
        raise Unreachable(
            address.url, f"the host {address.host} is not known", "look at its spelling"
        ) from None
    for number in [] if address.among(callers.hosts) else numbers:
        if not public(number):
            what = f"its host {address.host} is {number}, in a network of the farm itself"
            raise Refused(address.url, what, INSTEAD)
    if not numbers:
        raise Unreachable(address.url, f"the host {address.host} has no address", "look at its spelling")
    return numbers[0]


def calling(address: Address, callers: Callers, passed_on: dict[str, str]) -> dict[str, str]:
    """The environment of a git that talks to `address`, whose host has been checked unless the local user asks.

    `passed_on`: the environment that proxies and certificates are taken from.
    """
    proxies = {name: passed_on[name] for name in PROXIES if name in passed_on}
    more = {"GIT_ALLOW_PROTOCOL": address.kind, **proxies}
    if AUTHORITY in passed_on:
        more["GIT_SSL_CAINFO"] = passed_on[AUTHORITY]
    if callers.local_user:
        return environment(more | {"GIT_SSH_COMMAND": "ssh -oBatchMode=yes"})
    number = outside(address, callers)
    # Hosts cannot hold what a shell reads (see address.HOST), and numbers come from `ipaddress`.
    ssh = f"ssh -F /dev/null -oBatchMode=yes -oStrictHostKeyChecking=yes -oHostName={number} -oHostKeyAlias={address.host}"
    bracketed = f"[{number}]" if ":" in number else number
    settings = {
        "http.followRedirects": "false",
        "http.curloptResolve": f"{address.host}:{address.port}:{bracketed}",
    }
    return environment(more | {"GIT_SSH_COMMAND": ssh}, settings)
