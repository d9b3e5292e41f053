"""Switches that are none: a network card that wakes its machine by a magic packet. Going off is its agent's own affair.

Source: AMD, Magic Packet Technology (1995): six bytes of 255, then the card's address sixteen times.
"""

import contextlib
import socket

from penstock.model.pool_power import Place
from penstock.ports import ProviderError

TIMES = 3
"""Packets get lost, and nobody answers them."""


def magic(mac: str) -> bytes:
    """The packet for the card with these twelve digits."""
    return b"\xff" * 6 + bytes.fromhex(mac) * 16


class Wake:
    """One card."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def is_on(self) -> bool | None:
        """As Switch: nobody can tell."""
        return None

    def on(self) -> None:
        """As Switch."""
        host, port = self._place.host.strip("[]"), self._place.port or 9
        try:
            where = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
            with socket.socket(where[0], socket.SOCK_DGRAM) as sender:
                with contextlib.suppress(OSError):
                    sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
                for _ in range(TIMES):
                    sender.sendto(magic(self._place.mac), where[4])
        except OSError as wrong:
            raise ProviderError(f"the packet cannot be sent to {host}: {wrong.strerror}") from None

    def off(self, hard: bool) -> None:
        """As Switch: its agent is told when its session ends."""
