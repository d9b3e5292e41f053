"""An output past the hub: packed into a file, put into the object store by a ticket, then told to the hub.

Whatever goes wrong on the way, the hub takes the output itself; what it digested is what counts, here as there.
"""

from __future__ import annotations

import http.client
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from penstock.wire.client import Address, Client, is_loopback

LEAST_BYTES = 1 << 20
"""Below, three calls cost more than the hub saves."""
_PIECE_BYTES = 1 << 20
_TIMEOUT_S = 60.0
_READING_BYTES_PER_S = 5 << 20
Check = Callable[[], None]


class Elsewhere(Exception):
    """It cannot go past the hub: why. `lasting`: nor can the next one."""

    def __init__(self, why: str, lasting: bool = False) -> None:
        super().__init__(why)
        self.lasting = lasting


class Packed:
    """An output packed into a file without a name, so that nothing of it stays, whatever happens."""

    def __init__(self, folder: Path, packing: Callable[[Callable[[bytes], object]], Any]) -> None:
        handle, name = tempfile.mkstemp(dir=folder)
        os.unlink(name)
        self.file: IO[bytes] = os.fdopen(handle, "w+b")
        try:
            self.digest, self.size = packing(self.file.write)
            self.file.flush()
        except BaseException:
            self.file.close()
            raise

    def pieces(self, check: Check) -> Callable[[Callable[[bytes], object]], Any]:
        """The packed bytes, as packing itself would write them."""

        def write_all(write: Callable[[bytes], object]) -> Any:
            self.file.seek(0)
            while piece := self.file.read(_PIECE_BYTES):
                check()
                write(piece)
            return self.digest, self.size

        return write_all


def put(ticket: dict[str, Any], packed: Packed, hub: Address, check: Check) -> None:
    """Send a packed output by its ticket. Raises Elsewhere, and what `check` raises."""
    parts = urlsplit(str(ticket["url"]))
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    try:
        connection = _connection(f"{parts.scheme}://{parts.netloc}", hub)
    except ValueError as error:
        raise Elsewhere(str(error), lasting=True) from None
    try:
        _connect(connection)
        _send(connection, (str(ticket["method"]), target, ticket.get("headers") or {}), packed, check)
        answer = connection.getresponse()
        answer.read(_PIECE_BYTES)
        if answer.status not in (200, 201, 204):
            raise Elsewhere(f"the object store answered {answer.status}")
    except (OSError, http.client.HTTPException) as error:
        # The address holds the ticket: it is not for logs.
        raise Elsewhere(f"{type(error).__name__} while sending to {parts.hostname}") from None
    finally:
        connection.close()


def reading_s(packed: Packed) -> float:
    """How long the hub may take to read what came, before it is asked again."""
    return _TIMEOUT_S + packed.size / _READING_BYTES_PER_S


def received(client: Client, path: str, packed: Packed, headers: dict[str, str]) -> None:
    """Tell the hub. Raises Elsewhere when it read something else, and as Client.call."""
    answer = client.raw("POST", f"{path}/received", b"", headers, timeout_s=reading_s(packed))
    if answer.get("digest") != packed.digest:
        raise Elsewhere("something else arrived in the object store")


def _connection(place: str, hub: Address) -> http.client.HTTPConnection:
    """To the store; plain http to another machine only where the hub itself is spoken to like that."""
    asked = not hub.secure and not is_loopback(hub.host)
    address = Address(place, insecure=asked)
    if not address.secure or hub.ca_file is None:
        return address.connect(_TIMEOUT_S)
    import ssl

    # The hub's own authority may have signed the store's certificate, too, or the store may be a public one.
    context = ssl.create_default_context()
    context.load_verify_locations(cafile=hub.ca_file)
    return http.client.HTTPSConnection(address.host, address.port, timeout=_TIMEOUT_S, context=context)


def _connect(connection: http.client.HTTPConnection) -> None:
    connection.timeout = 5.0
    try:
        connection.connect()
    except OSError as error:
        raise Elsewhere(
            f"{connection.host} cannot be reached: {type(error).__name__}", lasting=True
        ) from None
    connection.sock.settimeout(_TIMEOUT_S)


def _send(
    connection: http.client.HTTPConnection,
    request: tuple[str, str, dict[str, str]],
    packed: Packed,
    check: Check,
) -> None:
    method, target, headers = request
    connection.putrequest(method, target)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.putheader("Content-Length", str(packed.size))
    connection.endheaders()
    packed.pieces(check)(connection.send)
