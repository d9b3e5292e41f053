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
from penstock.wire.client import Address, Client, Denied, HubError, Insecure, Unreachable, is_loopback

PROTOCOL = 1
FENCE_HEADER = "X-Penstock-Fence"
API = "/api/v1/agent"
_PATIENCE_S = 2.0
_PREFER_S = 300.0
T = TypeVar("T")
Clock = Callable[[], float]


class Unwelcome(Exception):
    """Neither the credential nor the enrolment token is accepted."""


class Identity:
    """Key and credential of this machine, in a file that only we can read. A power cut must not need a person."""

    def __init__(self, path: Path, hubs: list[str]) -> None:
        self._path = path
        self._hubs = hubs
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
        same = self._kept.get("hub") in self._hubs
        order = [credential, enrolment] if same else [enrolment, credential]
        return [token for token in order if token]

    def keep(self, credential: str) -> None:
        """Remember the credential for this hub."""
        self._kept.update(credential=credential, hub=self._hubs[0])
        self._save()

    @property
    def moved(self) -> str:
        """Where the hub of these addresses said that it will be found; "" while it said nothing."""
        return str(self._kept.get("address", "")) if self._kept.get("hub") in self._hubs else ""

    def follow(self, address: str) -> None:
        """Remember where the hub will be found."""
        self._kept.update(address=address)
        self._save()

    def _save(self) -> None:
        fresh = self._path.with_suffix(".new")
        write_private(fresh, json.dumps(self._kept).encode())
        os.replace(fresh, self._path)


class Session:
    """The session's token and figures, shared by all threads; each thread calls through a client of its own."""

    def __init__(
        self,
        addresses: list[Address],
        identity: Identity,
        enrolment: Callable[[], str],
        clock: Clock = time.monotonic,
    ) -> None:
        self._addresses = addresses
        self._at = 0
        self._left_s = 0.0
        self._clock = clock
        self._identity = identity
        self._lock = threading.Lock()
        self.shown: Callable[[], dict[str, str]] = dict
        """What the machine's provider tells it about itself, asked for each time that it registers."""
        self.follow(identity.moved, said=False)
        self._enrolment = enrolment
        self.token = ""
        self.contact_s = 90.0
        self.right_s = 1200.0
        self.poll_s = 30.0
        self.direct = False
        self.finish_log_bytes = 0

    @property
    def address(self) -> Address:
        """Where calls go now: the first address, or, when that was away, another one for a while."""
        if self._at and self._clock() - self._left_s > _PREFER_S:
            self._at = 0
        return self._addresses[self._at]

    def next_address(self) -> bool:
        """The hub is away at this address: use the next one. False where there is only one."""
        with self._lock:
            self._at = (self._at + 1) % len(self._addresses)
            self._left_s = self._clock()
        return len(self._addresses) > 1

    def follow(self, url: str, said: bool = True) -> str:
        """The hub says where it will be found: tried first from now on, after a restart, too. Returns why not, or "".

        An address that protects less than the one in use is not taken: nobody who sits between may lead us away.
        """
        if not url or url == self._addresses[0].url:
            self._at = 0 if url else self._at  # it may not have been up yet when it was asked before
            return ""
        old = self._addresses[self._at]
        try:
            new = Address(url, ca_file=old.ca_file, insecure=old.insecure)
        except (Insecure, ValueError) as error:
            return str(error)
        if old.secure and not new.secure:
            return f"{url}: the hub is spoken to by https, and its new address is plain http"
        if is_loopback(new.host) and not is_loopback(old.host):
            return f"{url}: is this machine itself, where the hub is not"
        with self._lock:
            self._addresses = [new, *(one for one in self._addresses if one.url != url)]
            self._at = 0
        if said:
            self._identity.follow(url)
        return ""

    def other_agent(self, answer: dict[str, Any], about: dict[str, Any]) -> str:
        """What to say when the hub serves another agent than this one is, else ""."""
        release, digest = answer.get("release"), answer.get("agent_digest")
        other = bool(release) and release != about["version"]
        if not other and (not digest or about.get("file") in (None, "", digest)):
            return ""
        where = f"{self.address.url.rstrip('/')}{answer.get('agent_file') or ''}"
        return f"this agent is release {about['version']}, the hub {release}: its agent is at {where}"

    @property
    def wait_s(self) -> float:
        """How long a poll may stay open: it also renews, so well within contact and right."""
        return min(self.poll_s, self.contact_s / 3, self.right_s / 4)

    def register(self, about: dict[str, Any], client: Client) -> dict[str, Any]:
        """Begin a session. Raises Unwelcome, Unreachable, HubError."""
        body = {"protocol": PROTOCOL, "key": self._identity.key, **about, **self.shown()}
        client.move(self.address)
        for token in self._identity.tokens(self._enrolment()):
            client.token = token
            try:
                answer = client.call("POST", f"{API}/register", body, tries=1)
            except Denied:
                continue
            if not answer.get("token"):
                raise Unreachable("what answers there is no hub")
            self._begin(answer, client)
            return answer
        raise Unwelcome(
            "the hub accepts neither this machine's credential nor the enrolment token; "
            "`penstock tokens create --pool POOL` on the hub's machine makes a new one"
        )

    def call(
        self, client: Client, operation: Callable[[Client], T], cancel: Cancel, limit_s: float = math.inf
    ) -> T:
        """Insist on one call until it is answered: a hub that is away, or a session that ended, comes back.

        After `limit_s` the last error stands. Raises Stopped, Refused, HubError (what trying again would not change).
        """
        until = self._clock() + limit_s
        while True:
            cancel.check()
            client.token = self.token
            client.move(self.address)
            try:
                return operation(client)
            except (Unreachable, Denied, HubError) as error:
                lasting = isinstance(error, HubError) and error.status not in (401, 403, 500, 502, 503, 504)
                if lasting or self._clock() > until:
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
