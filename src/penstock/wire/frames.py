"""What goes through a tunnel between agent and hub: pieces of a stream, its end, and why it was cut.

A piece is one byte of kind, four of length (big endian), then so many bytes. Without the frame of an end a stream that a
dying hub cut would look like one that is whole.
"""

from __future__ import annotations

DATA, END, CUT = b"D", b"E", b"X"
"""Bytes; this direction is over; all is over, and these words say why."""
MOST_BYTES = 1 << 20
_HEAD = 5


def frame(kind: bytes, data: bytes = b"") -> bytes:
    """One frame of at most MOST_BYTES."""
    return b"".join((kind, len(data).to_bytes(4, "big"), data))


class Frames:
    """Takes a stream of frames apart."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> list[tuple[bytes, bytes]]:
        """(kind, bytes) of each frame that is whole now. Raises ValueError for what is no frame."""
        self._held += data
        found, at = [], 0
        while len(self._held) - at >= _HEAD:
            kind, size = (
                bytes(self._held[at : at + 1]),
                int.from_bytes(self._held[at + 1 : at + _HEAD], "big"),
            )
            if kind not in (DATA, END, CUT) or size > MOST_BYTES:
                raise ValueError("what came is no frame")
            if len(self._held) - at - _HEAD < size:
                break
            found.append((kind, bytes(self._held[at + _HEAD : at + _HEAD + size])))
            at += _HEAD + size
        del self._held[:at]
        return found
