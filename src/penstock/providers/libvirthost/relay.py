"""The one way out of the namespace: what comes in at a port there goes on to the hub from outside."""

import asyncio
import contextlib
import re
import socket
from typing import NamedTuple

_PIECE = 1 << 16
_IPV4 = re.compile(r"\d+(\.\d+){3}")


class Hub(NamedTuple):
    """Where a hub is, seen from outside."""

    host: str
    port: int

    @classmethod
    def read(cls, text: str) -> "Hub":
        """From HOST:PORT. Raises ValueError."""
        host, _, port = text.rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise ValueError(f"--hub {text}: write HOST:PORT, such as 127.0.0.1:8800")
        return cls(host.strip("[]"), int(port))

    @property
    def number(self) -> str:
        """The IPv4 address by which machines call it; "" where that is a name, or means the host itself."""
        return self.host if _IPV4.fullmatch(self.host) and not self.host.startswith("127.") else ""


def listener(hub: Hub) -> socket.socket:
    """A socket on this namespace's loopback, at the hub's own port. It stays of this namespace wherever it is given.

    Machines find it there by the hub's own number; by their gateway's where they call it by name.
    """
    return socket.create_server((hub.number or "127.0.0.1", hub.port), backlog=128)


async def serve(listening: socket.socket, hub: Hub) -> None:
    """Carry bytes for ever."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there = await asyncio.open_connection(hub.host, hub.port)
        except OSError:
            writer.transport.abort()
            return
        # Both ends at once, and either may end first: half-closed connections are ordinary HTTP.
        await asyncio.gather(_one_way(reader, there[1]), _one_way(there[0], writer))
        for end in (there[1], writer):
            end.close()

    server = await asyncio.start_server(carry, sock=listening)
    await server.serve_forever()


async def _one_way(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until the end of one side, which the other is told. A connection that breaks is broken on both sides."""
    try:
        while piece := await reader.read(_PIECE):
            writer.write(piece)
            await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()
    except OSError:
        writer.transport.abort()
