"""Downloads that failed, counted by host, so that people see a broken mirror before it breaks everything."""

from __future__ import annotations

import re
import threading
from typing import Any

from penstock.wire.client import HubError, Unreachable

TAIL_BYTES = 64 * 1024
_MOST = 64
_HOST = r"\(?'?\"?([A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?)"
_SAID = (
    # curl, and git over https, which is curl.
    (re.compile(rf"Could not resolve host: {_HOST}"), "cannot be resolved"),
    (re.compile(rf"Failed to connect to {_HOST}[ '\"]"), "cannot be reached"),
    # wget: "unable to resolve host address 'X'", "Connecting to X (X)|1.2.3.4|:443... failed: Connection refused."
    (re.compile(rf"unable to resolve host address [‘`]?{_HOST}"), "cannot be resolved"),
    (re.compile(rf"^Connecting to {_HOST}[ |:(].*failed: ", re.MULTILINE), "cannot be reached"),
    # apt: "Could not resolve 'X'", "Could not connect to X:80 (1.2.3.4)", "Unable to connect to X:80:"
    (re.compile(rf"Could not resolve '{_HOST}'"), "cannot be resolved"),
    (re.compile(rf"(?:Could not|Unable to) connect to {_HOST}:"), "cannot be reached"),
    # ssh, below git
    (re.compile(rf"ssh: Could not resolve hostname {_HOST}:"), "cannot be resolved"),
    (re.compile(rf"ssh: connect to host {_HOST} port \d+: "), "cannot be reached"),
)


def failed_hosts(tail: bytes) -> list[tuple[str, str]]:
    """Hosts that the last words of a failed fetch complain of, each once, with what is wrong: (host, what).

    Only lines that curl, wget, apt, git and ssh write word for word, in English; of the last TAIL_BYTES. A log can say
    anything, so this is a hint for people and decides nothing.
    """
    text = tail[-TAIL_BYTES:].decode("utf-8", "replace")
    found = {match.group(1).lower(): what for pattern, what in _SAID for match in pattern.finditer(text)}
    return sorted(found.items())[:_MOST]


def kind_of(error: Exception) -> str:
    """What went wrong with a download, in a word that can be counted."""
    if isinstance(error, HubError):
        return f"answered {error.status}"
    return "unreachable" if isinstance(error, Unreachable) else "damaged"


class Trouble:
    """Counts since the last poll that was answered. Any thread may add."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, str], int] = {}

    def note(self, host: str, what: str) -> None:
        """A download from this host failed."""
        with self._lock:
            if (host, what) in self._counts or len(self._counts) < _MOST:
                self._counts[host, what] = self._counts.get((host, what), 0) + 1

    def told(self) -> list[dict[str, Any]]:
        """What a poll says."""
        with self._lock:
            return [{"host": h, "what": w, "count": n} for (h, w), n in sorted(self._counts.items())]

    def forget(self, told: list[dict[str, Any]]) -> None:
        """The hub has heard this."""
        with self._lock:
            for one in told:
                key = (one["host"], one["what"])
                left = self._counts.get(key, 0) - one["count"]
                if left > 0:
                    self._counts[key] = left
                else:
                    self._counts.pop(key, None)
