"""What admins may do to a farm as a whole: freeze it, send its agents elsewhere, thaw it."""

from typing import Any
from urllib.parse import urlsplit

from penstock.hub import incarnation
from penstock.hub.context import Hub, Refused

Document = dict[str, Any]
NOBODY = "a person"
"""Who did it, where a farm that nobody serves is changed by whoever can write its files."""


def freeze(hub: Hub, name: str, reason: str, who: str = NOBODY) -> Document:
    """Let the farm decide nothing more; what runs goes on."""
    done = incarnation.freeze(hub, f"frozen by {who}" + (f": {reason}" if reason else ""))
    return _said(done, "the farm is frozen: it decides nothing", "the farm was frozen already")


def move(hub: Hub, name: str, address: str, who: str = NOBODY) -> Document:
    """Send agents to the hub at `address` and accept nothing here any more. Raises Refused for what is no address."""
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname or len(address) > 500:
        raise Refused(
            f"{address!r} is no address of a hub: write https://HOST or http://HOST:PORT", stop=False
        )
    done = incarnation.freeze(hub, f"moved to {address} by {who}", address)
    return _said(
        done, f"the farm is frozen, its agents go to {address}", f"it had moved to {address} already"
    )


def thaw(hub: Hub, how: str, reason: str, who: str = NOBODY) -> Document:
    """`how`: "adopt" (it is the farm) or "as-copy" (the other one lives on). Raises Refused."""
    ways = {"adopt": incarnation.adopt, "as-copy": incarnation.as_copy}
    if how not in ways:
        raise Refused(f"{how!r} is no way to thaw: adopt or as-copy", stop=False)
    return _said(ways[how](hub), "the farm goes on", "the farm was not frozen")


def _said(done: bool, yes: str, no: str) -> Document:
    return {"done": done, "said": yes if done else no}
