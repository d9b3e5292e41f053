"""The secrets of one attempt: in memory only, handed to the sandbox as files without a name, and kept out of its log."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from functools import partial
from typing import Any

from penstock.agent.cancel import Cancel
from penstock.agent.masking import Mask
from penstock.agent.session import API, FENCE_HEADER, Session
from penstock.wire.client import Client

_PATIENCE_S = 600.0


class Secrets:
    """None as long as nothing was fetched."""

    def __init__(self) -> None:
        self._values: dict[str, bytes] = {}
        self.handles: list[int] = []

    def fetch(self, offer: dict[str, Any], session: Session, client: Client, cancel: Cancel) -> None:
        """Get those that the offer names. Raises Stopped, Refused, HubError, Unreachable, OSError."""
        fence = {FENCE_HEADER: offer["fence"]}
        for name in offer["secrets"]:
            path = f"{API}/attempts/{offer['attempt']}/secrets/{name}"
            ask = partial(_asked, path=path, headers=fence)
            self._values[name] = base64.b64decode(session.call(client, ask, cancel, _PATIENCE_S)["value"])
            self.handles.append(_file_of(self._values[name]))

    def masking(self, hand_on: Callable[[bytes], object]) -> Mask:
        """What stands between the commands and their log."""
        return Mask(self._values, hand_on)

    def hide(self, text: str) -> str:
        """A sentence without values."""
        if not self._values:
            return text
        return self.masking(len).hidden(text.encode("utf-8", "replace")).decode("utf-8", "replace")

    def close(self) -> None:
        """Forget them."""
        for handle in self.handles:
            os.close(handle)
        self.handles, self._values = [], {}


def _asked(client: Client, path: str, headers: dict[str, str]) -> dict[str, Any]:
    return client.raw("GET", path, None, headers)


def _file_of(value: bytes) -> int:
    """A file in memory, without a name, to be read from its beginning."""
    handle = os.memfd_create("secret", os.MFD_CLOEXEC)
    os.write(handle, value)
    os.lseek(handle, 0, os.SEEK_SET)
    return handle
