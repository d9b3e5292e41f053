"""JSON calls to another system's REST interface, all of one look within a few seconds, nothing repeated. Standard library.

The token is read from its file for every look, so that a new one counts at once; it is sent to no address but the one of the
settings, and stands in no message.
"""

import http.client
import http.cookiejar
import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from penstock.queueport import QueueError

WITHIN_S = 5.0
MOST_BYTES = 32 << 20
PIECE_BYTES = 1 << 18
Ask = Callable[..., Any]
"""Takes a path below the address, and for a call that changes something its method and its body. Returns what JSON came, None
where there is no such thing."""


class Rest:
    """Calls below `url`. `headers`: made from the token, "" where there is none."""

    def __init__(
        self,
        url: str,
        token_file: str = "",
        ca_file: str = "",
        headers: Callable[[str], dict[str, str]] = lambda token: {},
    ) -> None:
        self._url, self._token_file, self._headers = url.rstrip("/"), token_file, headers
        self._ca_file = ca_file
        self._cookies = http.cookiejar.CookieJar()

    def within(self, seconds: float = WITHIN_S) -> Ask:
        """For calls that together may take so long. Raises QueueError."""
        until = time.monotonic() + seconds
        headers = {"Accept": "application/json", **self._headers(read_secret(self._token_file))}
        opener = self._opener()

        def ask(path: str, method: str = "GET", body: object = None) -> Any:
            data = None if body is None else json.dumps(body).encode()
            more = {} if data is None else {"Content-Type": "application/json"}
            request = urllib.request.Request(
                f"{self._url}/{path}", data=data, headers=headers | more, method=method
            )
            return _answer(opener, request, until)

        return ask

    def _opener(self) -> urllib.request.OpenerDirector:
        try:
            context = ssl.create_default_context(cafile=self._ca_file or None)
        except OSError as wrong:
            raise QueueError(f"{self._ca_file} cannot be read: {wrong.strerror}") from None
        return urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=context),
            urllib.request.HTTPCookieProcessor(self._cookies),
            urllib.request.ProxyHandler({}),
            _Stays(),
        )


class _Stays(urllib.request.HTTPRedirectHandler):
    """Goes nowhere else: a token is for one address."""

    def redirect_request(self, *words: Any, **named: Any) -> None:
        """None: not followed."""
        return None


def read_secret(file: str) -> str:
    """What stands in a file, without its line's end; "" where no file is named. Raises QueueError."""
    if not file:
        return ""
    try:
        return Path(file).read_text().strip()
    except (OSError, UnicodeError) as wrong:
        said = getattr(wrong, "strerror", None) or "it is no text"
        raise QueueError(f"{file} cannot be read: {said}") from None


def _answer(opener: urllib.request.OpenerDirector, request: urllib.request.Request, until: float) -> Any:
    """What came, as far as it came in time."""
    left_s = until - time.monotonic()
    if left_s <= 0:
        raise QueueError("it did not answer in time")
    try:
        with opener.open(request, timeout=left_s) as answer:
            return json.loads(_read(answer, until) or b"null")
    except urllib.error.HTTPError as wrong:
        with wrong:
            if wrong.code == 404:
                return None
            raise QueueError(f"it answered {wrong.code} {wrong.reason}"[:200]) from None
    except ValueError:
        raise QueueError("what it answered is no JSON") from None
    except (OSError, http.client.HTTPException) as wrong:
        reason = getattr(wrong, "reason", wrong)
        raise QueueError(f"it does not answer: {reason}"[:200]) from None


def _read(answer: Any, until: float) -> bytes:
    pieces, size = [], 0
    while piece := answer.read1(PIECE_BYTES):
        pieces.append(piece)
        size += len(piece)
        if size > MOST_BYTES:
            raise QueueError("it answered more than 32 MiB")
        if time.monotonic() > until:
            raise QueueError("it did not answer in time")
    return b"".join(pieces)
