"""What `penstock serve` was told about addresses, names and certificates; what is no sense is refused before it starts."""

import os
import socket
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from penstock.cli.build import check_sandbox
from penstock.cli.output import refuse
from penstock.cli.place import Place
from penstock.cli.running import Manner
from penstock.web.server import Tls
from penstock.wire.client import is_loopback

BACKLOG = 1024
"""Connections that the kernel takes while we are busy."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line of `penstock serve` asks for."""

    listen: str = "127.0.0.1:8010"
    hosts: tuple[str, ...] = ()
    tls_cert: Path | None = None
    tls_key: Path | None = None
    insecure: bool = False
    public_url: str = ""
    no_migrate: bool = False
    no_sandbox: bool = False
    as_json: bool = False


def manner_of(wanted: Wanted, place: Place) -> Manner:
    """How the hub is to run. Leaves with exit 2 where that would be unsafe or impossible."""
    host, _ = _host_and_port(wanted.listen)
    tls = _tls(wanted)
    public = urlsplit(wanted.public_url)
    if wanted.public_url and (public.scheme not in ("http", "https") or not public.hostname):
        refuse(f"--public-url {wanted.public_url}: write https://HOST or https://HOST:PORT")
    if not is_loopback(host) and tls is None and not wanted.insecure:
        refuse(
            f"--listen {wanted.listen}: plain http would show tokens to everybody on the way; "
            "give --tls-cert and --tls-key, or say --insecure"
        )
    if any(pool.provider == "local" for pool in place.rules.pools):
        check_sandbox(wanted.no_sandbox)
    names = (*wanted.hosts, *([public.hostname] if public.hostname else []), *_names_of(host))
    plain_loopback = tls is None and host in ("127.0.0.1", "0.0.0.0", "localhost")
    return Manner(
        no_sandbox=wanted.no_sandbox,
        hosts=tuple(name.lower() for name in names),
        tls=tls,
        inner=not plain_loopback,
    )


def _names_of(host: str) -> list[str]:
    """A Host header that names the address itself is answered, except where it is any address."""
    if host in ("0.0.0.0", "::"):
        return []
    return [f"[{host}]" if ":" in host else host]


def _tls(wanted: Wanted) -> Tls | None:
    if wanted.tls_cert is None and wanted.tls_key is None:
        return None
    if wanted.tls_cert is None or wanted.tls_key is None:
        refuse("--tls-cert and --tls-key go together: give both")
    for file in (wanted.tls_cert, wanted.tls_key):
        if not os.access(file, os.R_OK):
            refuse(f"{file}: cannot be read; name a file in PEM that this user may read")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(wanted.tls_cert, wanted.tls_key)
    except (ssl.SSLError, OSError) as wrong:
        refuse(f"{wanted.tls_cert}, {wanted.tls_key}: no certificate with its key in PEM: {wrong}")
    return Tls(str(wanted.tls_cert), str(wanted.tls_key))


def _host_and_port(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        refuse(f"--listen {listen}: write ADDRESS:PORT, such as 127.0.0.1:8010 or [::1]:8010")
    return host.strip("[]"), int(port)


def listen_on(listen: str) -> socket.socket:
    """A socket on ADDRESS:PORT. Leaves with exit 2."""
    host, port = _host_and_port(listen)
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as wrong:
        refuse(f"--listen {listen}: {wrong.strerror or wrong}; give another address or port")
