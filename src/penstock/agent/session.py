"""Who we are to the hub: enrolment, the machine credential kept on disk, the session token, and every call we make."""

from __future__ import annotations

import json
import math
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from penstock.agent.cancel import Cancel
from penstock.wire.client import Address, Client, Denied, HubError, Unreachable

PROTOCOL = 1
FENCE_HEADER = "X-Penstock-Fence"
API = "/api/v1/agent"
_PATIENCE_S = 2.0
T = TypeVar("T")


class Unwelcome(Exception):
    """Neither the credential nor the enrolment token is accepted."""


class Identity:
    """Key and credential of this machine, in a file that only we can read. A power cut must not need a person."""

    def __init__(self, path: Path, hub: str) -> None:
        self._path = path
        self._hub = hub
        try:
            self._kept = json.loads(path.read_text())
        except (OSError, ValueError):
            self._kept = {}
        if not self._kept.get("key"):
            # Written before it is first used: a repeated enrolment must bring the same key.
            self._kept = {"key": os.urandom(32).hex()}
            self._save()

    @property
    def key(self) -> str:
        """64 hex digits that stay the same as long as the work folder does."""
        return str(self._kept["key"])

    def tokens(self, enrolment: str) -> list[str]:
        """What to register with, in this order; a credential of another hub is the last try."""
        credential = self._kept.get("credential", "")
        same = self._kept.get("hub") == self._hub
        order = [credential, enrolment] if same else [enrolment, credential]
        return [token for token in order if token]

    def keep(self, credential: str) -> None:
        """Remember the credential for this hub."""
        self._kept.update(credential=credential, hub=self._hub)
        self._save()

    def _save(self) -> None:
        fresh = self._path.with_suffix(".new")
        write_private(fresh, json.dumps(self._kept).encode())
        os.replace(fresh, self._path)


class Session:
    """The session's token and figures, shared by all threads; each thread calls through a client of its own."""

    def __init__(self, address: Address, identity: Identity, enrolment: Callable[[], str]) -> None:
        self.address = address
        self._identity = identity
        self._enrolment = enrolment
        self._lock = threading.Lock()
        self.token = ""
        self.contact_s = 90.0
        self.right_s = 1200.0
        self.poll_s = 30.0
        self.direct = False
        self.finish_log_bytes = 0

    @property
    def wait_s(self) -> float:
        """How long a poll may stay open: it also renews, so well within contact and right."""
        return min(self.poll_s, self.contact_s / 3, self.right_s / 4)

    def register(self, about: dict[str, Any], client: Client) -> dict[str, Any]:
        """Begin a session. Raises Unwelcome, Unreachable, HubError."""
        body = {"protocol": PROTOCOL, "key": self._identity.key, **about}
        for token in self._identity.tokens(self._enrolment()):
            client.token = token
            try:
                answer = client.call("POST", f"{API}/register", body, tries=1)
            except Denied:
                continue
            self._begin(answer, client)
            return answer
        raise Unwelcome("the hub accepts neither this machine's credential nor the enrolment token")

    def call(
        self, client: Client, operation: Callable[[Client], T], cancel: Cancel, limit_s: float = math.inf
    ) -> T:
        """Insist on one call until it is answered: a hub that is away, or a session that ended, comes back.

        After `limit_s` the last error stands. Raises Stopped, Refused, HubError (what trying again would not change).
        """
        until = time.monotonic() + limit_s
        while True:
            cancel.check()
            client.token = self.token
            try:
                return operation(client)
            except (Unreachable, Denied, HubError) as error:
                lasting = isinstance(error, HubError) and error.status not in (401, 403, 500, 502, 503, 504)
                if lasting or time.monotonic() > until:
                    raise
                cancel.wait(_PATIENCE_S)

    def client(self, cancel: Cancel | None = None) -> Client:
        """A client for one thread."""
        return (
            Client(self.address, self.token, pause=cancel.wait)
            if cancel
            else Client(self.address, self.token)
        )

    def _begin(self, answer: dict[str, Any], client: Client) -> None:
        self.token = client.token = str(answer["token"])
        self.contact_s = float(answer.get("contact_s") or self.contact_s)
        self.right_s = float(answer.get("right_s") or self.right_s)
        self.poll_s = float(answer.get("poll_s") or self.poll_s)
        self.finish_log_bytes = int(answer.get("finish_log_bytes") or 0)
        self.direct = bool(answer.get("direct"))
        if answer.get("credential"):
            self._identity.keep(str(answer["credential"]))


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only we can read, durably."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
