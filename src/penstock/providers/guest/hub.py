"""Where the hub is, seen from a machine that reaches nothing but one port of its host's relay."""

import hashlib
import ssl
import urllib.error
import urllib.request
from typing import NamedTuple
from urllib.parse import urlsplit

GATEWAY = "10.0.2.2"
"""Where user networking shows a machine its host (qemu's manual, "Using the user mode network stack")."""
_FILE_MAX = 64 << 20
_LIMIT_S = 30.0


class Seen(NamedTuple):
    """A hub's address as this machine has to write it; `host`: a name that must lead to the gateway, or ""."""

    url: str
    host: str
    plain: bool


def seen(url: str) -> Seen:
    """A name stays, so that its certificate fits, and is led to the relay; a number becomes the relay's.

    `plain`: http that was meant to stay on the host, which the agent would take for http to another machine.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    number = host == "localhost" or ":" in host or host.replace(".", "").isdigit()
    plain = parts.scheme == "http" and (
        host == "localhost" or host == "::1" or host.startswith("127.") or host == GATEWAY
    )
    if not number:
        return Seen(url, host, plain)
    port = f":{parts.port}" if parts.port else ""
    return Seen(parts._replace(netloc=f"{GATEWAY}{port}").geturl(), "", plain)


def fetch(url: str, digest: str, ca_file: str | None) -> bytes:
    """The agent's one file. `digest`: hex, with or without "sha256:", or "" for any. Raises OSError, ValueError."""
    context = ssl.create_default_context(cafile=ca_file) if url.startswith("https:") else None
    with urllib.request.urlopen(f"{url.rstrip('/')}/agent.pyz", timeout=_LIMIT_S, context=context) as answer:
        data: bytes = answer.read(_FILE_MAX)
    found = hashlib.sha256(data).hexdigest()
    if digest and digest.removeprefix("sha256:") != found:
        raise ValueError(f"the hub's agent.pyz is sha256:{found}, not {digest}")
    return data
