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
    """A hub's address as this machine has to write it; `host`: a name that must lead to the gateway, or "".

    `plain`: http that stays on the host, which the agent would take for http to another machine.
    """

    url: str
    host: str = ""
    plain: bool = False


def seen(url: str) -> Seen:
    """A name stays as it is, so that a certificate fits and the hub knows it for its own, and is led to the gateway.

    A number is called as it is; only what means the host itself there is called localhost here, and led there, too.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host == GATEWAY:
        return Seen(url, plain=parts.scheme == "http")
    if host in ("localhost", "::1") or host.startswith("127."):
        port = f":{parts.port}" if parts.port else ""
        return Seen(parts._replace(netloc=f"localhost{port}").geturl(), "localhost")
    number = ":" in host or host.replace(".", "").isdigit()
    return Seen(url, "" if number else host)


def fetch(url: str, digest: str, ca_file: str | None) -> bytes:
    """The agent's one file. `digest`: hex, with or without "sha256:", or "" for any. Raises OSError, ValueError."""
    context = ssl.create_default_context(cafile=ca_file) if url.startswith("https:") else None
    with urllib.request.urlopen(f"{url.rstrip('/')}/agent.pyz", timeout=_LIMIT_S, context=context) as answer:
        data: bytes = answer.read(_FILE_MAX)
    found = hashlib.sha256(data).hexdigest()
    if digest and digest.removeprefix("sha256:") != found:
        raise ValueError(f"the hub's agent.pyz is sha256:{found}, not {digest}")
    return data
