"""What an attempt leaves to the hub: its outputs as packed trees, each sent as a stream and packed again after a cut.

Where the hub gives tickets, large outputs are packed into a file first and go to the object store (direct.py).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from penstock.agent.artifacts import gather
from penstock.agent.cancel import Cancel
from penstock.agent.direct import LEAST_BYTES, Elsewhere, Packed, put, received
from penstock.agent.sandbox import Layout
from penstock.agent.session import API, FENCE_HEADER, Session
from penstock.wire.client import Client, HubError, Refused, Unreachable
from penstock.wire.trees import pack

# A hub that is away for long is waited for; one that takes everything but this upload is not.
_LIMIT_S = 3600.0
# The way past the hub is a short cut, not worth waiting for.
_DIRECT_LIMIT_S = 30.0
Pack = Callable[[Callable[[bytes], object]], Any]


class Uploads:
    """The outputs of one attempt."""

    def __init__(self, session: Session, client: Client, cancel: Cancel, say: Callable[[str], None]) -> None:
        self._session = session
        self._client = client
        self._cancel = cancel
        self._say = say

    def send_all(self, offer: dict[str, Any], layout: Layout) -> list[dict[str, Any]]:
        """Send every output that the offer asks for. Raises TreeError, Stopped, Refused, HubError, OSError."""
        sent = []
        for name in offer.get("outputs") or []:
            digest, size = self._send(offer, name, self._packer(name, offer, layout), layout.base)
            sent.append({"name": name, "digest": digest, "size_bytes": size})
        return sent

    def _send(self, offer: dict[str, Any], name: str, packing: Pack, folder: Path) -> tuple[str, int]:
        path = f"{API}/attempts/{offer['attempt']}/outputs/{name}"
        headers = {FENCE_HEADER: offer["fence"], "Content-Type": "application/x-tar"}

        def checked(write: Callable[[bytes], object]) -> Any:
            return packing(lambda piece: self._write(write, piece))

        if not self._session.direct:
            return self._through_hub(path, headers, checked)
        try:
            packed = Packed(folder, checked)
        except OSError:
            # No room for it twice: then without a file.
            return self._through_hub(path, headers, checked)
        with packed.file:
            if self._past_hub(path, headers, packed):
                return packed.digest, packed.size
            return self._through_hub(path, headers, packed.pieces(self._cancel.check))

    def _past_hub(self, path: str, headers: dict[str, str], packed: Packed) -> bool:
        """Send it to the object store. False when the hub has to take it. Raises Stopped, Refused."""
        if packed.size < LEAST_BYTES:
            return False
        try:
            ticket = self._ask(lambda client: client.raw("POST", f"{path}/ticket", b"", headers))
            if packed.size > int(ticket["most_bytes"]):
                return False
            put(ticket, packed, self._session.address, self._cancel.check)
            self._ask(lambda client: received(client, path, packed, headers))
            return True
        except Refused:
            raise
        except (Elsewhere, HubError, Unreachable, KeyError, ValueError) as error:
            self._cancel.check()
            if isinstance(error, Elsewhere) and error.lasting:
                # Until the next session: every try costs seconds, and the hub is always there.
                self._session.direct = False
            self._say(f"an output goes through the hub: {error}")
            return False

    def _ask(self, operation: Callable[[Client], Any]) -> Any:
        return self._session.call(self._client, operation, self._cancel, _DIRECT_LIMIT_S)

    def _through_hub(self, path: str, headers: dict[str, str], produce: Pack) -> tuple[str, int]:
        def upload(client: Client) -> Any:
            return client.upload(path, produce, headers)

        sent = self._session.call(self._client, upload, self._cancel, _LIMIT_S)
        return str(sent[0]), int(sent[1])

    def _write(self, write: Callable[[bytes], object], piece: bytes) -> None:
        self._cancel.check()
        write(piece)

    def _packer(self, name: str, offer: dict[str, Any], layout: Layout) -> Pack:
        prefix = layout.inside["prefix"]
        if name == "tree":
            tree = layout.destination / prefix.lstrip("/")
            tree.mkdir(parents=True, exist_ok=True)
            return lambda write: pack(tree, write, absolute={prefix: ""})
        if name == "artifacts":
            target = layout.base / "artifacts"
            target.mkdir()
            for pattern in gather(offer.get("artifacts") or [], layout, target):
                self._say(f"no file matches the artifact pattern {pattern}")
            return lambda write: pack(target, write, absolute={prefix: prefix.lstrip("/")})
        # "worktree" and "source": what sources link to outside is their own business, and never followed.
        return lambda write: pack(layout.source, write, any_links=True)
