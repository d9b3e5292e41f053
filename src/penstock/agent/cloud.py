"""What an instance of EC2 is told about itself: which one it is, and that it will be taken back soon.

Its metadata service is asked by version 2: a token first, then everything with it. Source: "Use instance metadata to manage
your EC2 instance" and "Spot Instance interruption notices".
"""

from __future__ import annotations

import json
import os
import threading
import time
from calendar import timegm
from collections.abc import Callable
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

ADDRESS = "http://169.254.169.254"
NAMED_BY = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
"""The variable by which Amazon's own tools are told of another address."""
LOOK_S = 1.0
TOKEN_S = 21_600
_PATIENCE_S = 1.0
_MOST_BYTES = 1 << 16


class Instance:
    """The machine that this runs on. `leaves_in_s`: when it will be taken away, None while nothing was said of that."""

    def __init__(self, address: str = "") -> None:
        self._address = (address or os.environ.get(NAMED_BY, "") or ADDRESS).rstrip("/")
        self._open = build_opener(ProxyHandler({})).open
        self._token, self._good_until_s = "", 0.0
        self._leaves_s: float | None = None

    def document(self) -> str:
        """Which instance this is, as JSON with "instanceId", "accountId" and "region"; "" where nothing answers."""
        return self._get("/latest/dynamic/instance-identity/document")

    def shown(self) -> dict[str, str]:
        """The document of now and Amazon's RSA-2048 signature under it, as `Register` has them: they are others after each start,
        also of an agent that slept through it."""
        signature = self._get("/latest/dynamic/instance-identity/rsa2048")
        return {"document": self.document(), "signature": signature}

    @property
    def leaves_in_s(self) -> float | None:
        """Seconds that are left; 0 where the time is over."""
        return None if self._leaves_s is None else max(0.0, self._leaves_s - time.time())

    def watch(self, told: Callable[[], None]) -> None:
        """Look every second, in a thread of its own, and call `told` when the end is announced."""
        threading.Thread(target=self._watch, args=(told,), name="instance", daemon=True).start()

    def _watch(self, told: Callable[[], None]) -> None:
        while not self.look():
            time.sleep(LOOK_S)
        told()

    def look(self) -> bool:
        """Whether its end is announced."""
        text = self._get("/latest/meta-data/spot/instance-action")
        try:
            when = json.loads(text)["time"] if text else ""
            self._leaves_s = float(timegm(time.strptime(when, "%Y-%m-%dT%H:%M:%SZ"))) if when else None
        except (ValueError, KeyError, TypeError):
            self._leaves_s = time.time()
        return self._leaves_s is not None

    def _get(self, path: str) -> str:
        try:
            return self._ask(
                Request(self._address + path, headers={"X-aws-ec2-metadata-token": self._fresh()})
            )
        except HTTPError as problem:
            if problem.code == 401:
                self._good_until_s = 0.0
            return ""
        except (OSError, ValueError):
            return ""

    def _fresh(self) -> str:
        """A token that is good for a while still."""
        if time.monotonic() >= self._good_until_s:
            headers = {"X-aws-ec2-metadata-token-ttl-seconds": str(TOKEN_S)}
            self._token = self._ask(
                Request(self._address + "/latest/api/token", method="PUT", headers=headers)
            )
            self._good_until_s = time.monotonic() + TOKEN_S / 2
        return self._token

    def _ask(self, request: Request) -> str:
        with self._open(request, timeout=_PATIENCE_S) as answer:
            return str(answer.read(_MOST_BYTES).decode())
