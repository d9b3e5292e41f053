"""Keeps the values of secrets out of a log: each is replaced by its name, also where it comes in two pieces.

It helps against accidents (`set -x`, a tool that prints its settings). A job that means to show a secret can: who may
have it is decided before, by farm.toml.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import quote_from_bytes

LEAST_BYTES = 4
"""Shorter values would hide half of every log."""
_BASE64_LEAST_BYTES = 8
_WRAPPED_BYTES = 57
"""So many bytes are one line of wrapped base64 (76 letters)."""


class Mask:
    """Hands on what it is given, with every known form of every value replaced. One thread."""

    def __init__(self, values: Mapping[str, bytes], hand_on: Callable[[bytes], object]) -> None:
        self._hand_on = hand_on
        self._forms = _forms_of(values)
        self._held = b""

    def add(self, piece: bytes) -> None:
        """The next bytes. What may be the beginning of a value is held until it is known."""
        if not self._forms:
            self._hand_on(piece)
            return
        whole = self._held + piece
        cut = self._cut(whole)
        self._held = whole[cut:]
        if cut:
            self._hand_on(self.hidden(whole[:cut]))

    def end(self) -> None:
        """Nothing follows: hand on what was held."""
        held, self._held = self._held, b""
        if held:
            self._hand_on(self.hidden(held))

    def hidden(self, text: bytes) -> bytes:
        """A whole text with the values replaced, the longest first."""
        for form, shown in self._forms:
            text = text.replace(form, shown)
        return text

    def _cut(self, whole: bytes) -> int:
        """Up to where it can be handed on: nothing behind may begin a value that goes on in what follows, and no value
        lies across."""
        cut = min((len(whole) - _begun(whole, form) for form, _ in self._forms), default=len(whole))
        moved = True
        while moved:
            before = cut
            for form, _ in self._forms:
                found = whole.find(form, max(0, cut - len(form) + 1), cut + len(form) - 1)
                if 0 <= found < cut:
                    cut = found
            moved = cut < before
        return cut


def _begun(whole: bytes, form: bytes) -> int:
    """How many bytes at the end are the beginning of this form, but not all of it."""
    for size in range(min(len(form) - 1, len(whole)), 0, -1):
        if whole.endswith(form[:size]):
            return size
    return 0


def _forms_of(values: Mapping[str, bytes]) -> list[tuple[bytes, bytes]]:
    """Every form of every value with what is shown instead, the longest first."""
    found: dict[bytes, bytes] = {}
    for name, value in values.items():
        for form in _forms(value):
            found.setdefault(form, b"[secret %s]" % name.encode())
    return sorted(found.items(), key=lambda one: (-len(one[0]), one[0]))


def _forms(value: bytes) -> Iterable[bytes]:
    """The value as it is, its lines, both as an address has them, and base64 of it, whole, wrapped, or inside of something."""
    whole = value.strip()
    lines = [line.strip() for line in whole.splitlines()]
    for text in dict.fromkeys([value, whole, *lines]):
        if len(text.strip()) >= LEAST_BYTES:
            yield text
            yield quote_from_bytes(text, safe="").encode()
    for text in (value, whole):
        for shift in range(3):
            yield from _inside(text, shift)
    for first in range(0, len(value), _WRAPPED_BYTES):
        yield from _inside(value[first : first + _WRAPPED_BYTES], 0)


def _inside(text: bytes, shift: int) -> Iterable[bytes]:
    """The letters of base64 that depend on the text alone where `shift` bytes (of three) go before it."""
    first, last = -(-shift * 8 // 6), (shift + len(text)) * 8 // 6
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        form = encode(bytes(shift) + text)[first:last]
        if len(form) >= _BASE64_LEAST_BYTES:
            yield form
