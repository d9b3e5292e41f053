"""An HTTP client for the hub: JSON calls, raw uploads and downloads as streams. Standard library only.

One client holds one connection and belongs to one thread; only `interrupt` may be called from another. Calls are made so
that they can be repeated (invariant I2), so a cut connection and 503 are simply tried again, with growing pauses.
"""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from penstock.wire import calls

_ANSWER_MAX = 64 << 20
_PAUSES_S = (0.1, 0.3, 1.0, 3.0, 5.0, 10.0)
T = TypeVar("T")
R = TypeVar("R")
Pause = Callable[[float], bool]
"""Waits that many seconds; True when the caller gives up meanwhile."""


class HubError(Exception):
    """The hub answered with an error; `status` is HTTP's, `body` what it said."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(
            f"the hub answered {status}: {body.get('reason') or body.get('detail') or ''}".rstrip(": ")
        )
        self.status = status
        self.body = body
        self.reason = str(body.get("reason") or body.get("detail") or "")


class Refused(HubError):
    """409: the caller's right has ended; it stops and sends nothing more."""


class Denied(HubError):
    """401 or 403: the token is not, or no longer, accepted."""


class Unreachable(Exception):
    """No answer: connection refused, cut, timed out, or 503 until patience ended."""


class Interrupted(Unreachable):
    """`interrupt` was called, or the caller gave up."""


class _Cut(OSError):
    """The connection failed while a stream went through it."""


class _Local(Exception):
    """The caller's own disk failed, not the connection: trying again would not help."""

    def __init__(self, error: OSError) -> None:
        self.error = error


class Insecure(ValueError):
    """Plain http to another machine, which needs to be asked for."""


def is_loopback(host: str) -> bool:
    """Whether an address stays on this machine."""
    return host in ("localhost", "::1") or (host.startswith("127.") and host.replace(".", "").isdigit())


class Address:
    """Where the hub is: scheme, host, port, path before /api; a certificate authority of one's own."""

    def __init__(self, url: str, *, ca_file: str | None = None, insecure: bool = False) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url}: write http://HOST:PORT or https://HOST")
        if parts.scheme == "http" and not insecure and not is_loopback(parts.hostname):
            raise Insecure(
                f"{url}: plain http to another machine shows tokens to everybody; use https, or --insecure"
            )
        self.url = url
        self.insecure = insecure
        self.host = parts.hostname
        self.port = parts.port
        self.path = parts.path.rstrip("/")
        self.secure = parts.scheme == "https"
        self.ca_file = ca_file

    def connect(self, timeout_s: float) -> http.client.HTTPConnection:
        """A connection that is not open yet."""
        if not self.secure:
            return http.client.HTTPConnection(self.host, self.port, timeout=timeout_s)
        import ssl

        context = ssl.create_default_context(cafile=self.ca_file)
        return http.client.HTTPSConnection(self.host, self.port, timeout=timeout_s, context=context)


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return False


class Client:
    """Calls to one hub. `pause` waits between tries; the agent gives one that a stop order ends."""

    def __init__(
        self, address: Address, token: str = "", *, pause: Pause = _sleep, timeout_s: float = 60.0
    ) -> None:
        self.address = address
        self.token = token
        self._pause = pause
        self._timeout_s = timeout_s
        self._connection: http.client.HTTPConnection | None = None
        self._lock = threading.Lock()
        self._interrupted = False

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        timeout_s: float | None = None,
        tries: int = len(_PAUSES_S) + 1,
    ) -> dict[str, Any]:
        """Send JSON, get JSON. Raises Refused, Denied, HubError, Unreachable."""
        data = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        return self.raw(
            method, path, data, {"Content-Type": "application/json"}, timeout_s=timeout_s, tries=tries
        )

    def raw(
        self,
        method: str,
        path: str,
        data: bytes | None,
        headers: dict[str, str],
        *,
        timeout_s: float | None = None,
        tries: int = len(_PAUSES_S) + 1,
    ) -> dict[str, Any]:
        """Send bytes, get JSON. Raises as `call` does."""

        target, ours = self.address.path + path, self._headers(headers)

        def send(connection: http.client.HTTPConnection) -> None:
            connection.sock.sendall(calls.message(connection, (method, target), ours, data))

        def once() -> dict[str, Any]:
            response = self._exchange(send, timeout_s, lambda c: calls.answer(c.sock, method))
            try:
                return _read_json(response)
            finally:
                if response.will_close or not response.isclosed():
                    self.close()

        return self._patiently(once, tries)

    def upload(
        self,
        path: str,
        produce: Callable[[Callable[[bytes], object]], Any],
        headers: dict[str, str],
        *,
        tries: int = 7,
    ) -> Any:
        """PUT what `produce(write)` writes, in chunks; returns what it returned. It is called again for each try.

        Nothing is held in memory or on disk: a tree is packed again when the connection was cut.
        """
        kept: list[Any] = []

        def send(connection: http.client.HTTPConnection) -> None:
            connection.putrequest("PUT", self.address.path + path)
            for key, value in self._headers({**headers, "Transfer-Encoding": "chunked"}).items():
                connection.putheader(key, value)
            connection.endheaders()
            with _OwnErrors():
                kept[:] = [produce(_chunked(connection))]
            connection.send(b"0\r\n\r\n")

        def once() -> Any:
            _read_json(self._exchange(send, None, _received))
            return kept[0]

        return self._patiently(once, tries)

    def download(self, path: str, consume: Callable[[Callable[[int], bytes]], Any], *, tries: int = 7) -> Any:
        """GET: `consume(read)` reads the body; returns what it returned. It is called again for each try."""

        def send(connection: http.client.HTTPConnection) -> None:
            connection.request("GET", self.address.path + path, headers=self._headers({}))

        def once() -> Any:
            response = self._exchange(send, None, _received)
            if response.status != 200:
                _read_json(response)
                raise HubError(response.status, {})
            with _OwnErrors():
                result = consume(_whole(response))
            if not response.isclosed():
                self.close()
            return result

        return self._patiently(once, tries)

    def interrupt(self) -> None:
        """End the call that is under way, if any, from another thread or a signal handler."""
        connection = self._connection
        self._interrupted = True
        if connection is not None and connection.sock is not None:
            try:
                connection.sock.shutdown(socket.SHUT_RDWR)
            except (OSError, AttributeError):
                return

    def rearm(self) -> None:
        """Allow calls again after `interrupt`."""
        self._interrupted = False

    def move(self, address: Address) -> None:
        """Calls go to this address from now on."""
        if address is not self.address:
            self.close()
            self.address = address

    def close(self) -> None:
        """Let go of the connection; the next call opens a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _headers(self, more: dict[str, str]) -> dict[str, str]:
        headers = {"Accept": "application/json", "User-Agent": "penstock-agent", **more}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        return headers

    def _patiently(self, once: Callable[[], T], tries: int) -> T:
        for number in range(tries):
            try:
                return once()
            except _Local as error:
                self.close()
                raise error.error from None
            except HubError as error:
                self._drop_after(error)
                if error.status not in (502, 503, 504) or number + 1 == tries:
                    raise
                problem: Exception = error
            except (OSError, http.client.HTTPException) as error:
                self.close()
                if self._interrupted:
                    raise Interrupted("interrupted") from error
                problem = error
            except BaseException:
                self.close()
                raise
            if number + 1 < tries and self._pause(_PAUSES_S[min(number, len(_PAUSES_S) - 1)]):
                raise Interrupted("given up") from problem
        raise Unreachable(f"{self.address.url}: {calls.reason(problem)}") from problem

    def _drop_after(self, error: HubError) -> None:
        """An error may come before the whole body was taken: what follows on that connection would be misread."""
        if error.status != 404:
            self.close()

    def _exchange(
        self,
        send: Callable[[http.client.HTTPConnection], None],
        timeout_s: float | None,
        receive: Callable[[http.client.HTTPConnection], R],
    ) -> R:
        if self._interrupted:
            raise ConnectionAbortedError("interrupted")
        reused = self._connection is not None
        connection = self._open(timeout_s or self._timeout_s)
        try:
            return _converse(connection, send, receive)
        except (ConnectionError, http.client.RemoteDisconnected):
            self.close()
            # The hub may close an idle connection at any time: that says nothing about the hub.
            if not reused or self._interrupted:
                raise
        return _converse(self._open(timeout_s or self._timeout_s), send, receive)

    def _open(self, timeout_s: float) -> http.client.HTTPConnection:
        connection = self._connection
        if connection is None:
            connection = self.address.connect(timeout_s)
            connection.connect()
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            calls.keep_alive(connection.sock)
            self._connection = connection
        elif connection.sock is None:
            connection.connect()
        connection.sock.settimeout(timeout_s)
        if self._interrupted:
            raise ConnectionAbortedError("interrupted")
        return connection


class _OwnErrors:
    """Tells errors of the caller's disk from those of the connection, which come as _Cut."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _where: object) -> None:
        if isinstance(error, OSError) and not isinstance(error, _Cut):
            raise _Local(error) from error


def _chunked(connection: http.client.HTTPConnection) -> Callable[[bytes], object]:
    def write(piece: bytes) -> None:
        try:
            connection.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        except OSError as error:
            raise _Cut(str(error)) from error

    return write


def _received(connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
    return connection.getresponse()


def _converse(
    connection: http.client.HTTPConnection,
    send: Callable[[http.client.HTTPConnection], None],
    receive: Callable[[http.client.HTTPConnection], R],
) -> R:
    try:
        send(connection)
    except (_Cut, BrokenPipeError, ConnectionResetError) as error:
        # A hub that refuses an upload answers and closes before it has read all of it: the answer is what counts.
        try:
            return receive(connection)
        except (OSError, http.client.HTTPException):
            raise error from None
    return receive(connection)


def _whole(response: http.client.HTTPResponse) -> Callable[[int], bytes]:
    """Reads of a body that raise where the connection was cut, even if the reader asked for less."""
    expected = response.length

    def read(size: int) -> bytes:
        nonlocal expected
        try:
            piece = response.read(size)
        except OSError as error:
            raise _Cut(str(error)) from error
        if expected is not None:
            expected -= len(piece)
            if not piece and expected > 0:
                raise http.client.IncompleteRead(b"", expected)
        return piece

    return read


def _read_json(response: http.client.HTTPResponse | calls.Answer) -> dict[str, Any]:
    good, expected = response.status in (200, 201, 202, 204), response.length
    data = response.read(_ANSWER_MAX + 1)
    if len(data) > _ANSWER_MAX:
        raise HubError(response.status, {"reason": "the answer is too long"})
    if expected is not None and len(data) < expected:
        # Asked for so many bytes, the library takes a connection that was cut for the end.
        raise http.client.IncompleteRead(data, expected - len(data))
    try:
        body = json.loads(data) if data else {}
    except ValueError as error:
        if good:
            raise http.client.HTTPException("the answer is no JSON: something else answers there") from error
        body = {"reason": data[:200].decode("utf-8", "replace")}
    if not isinstance(body, dict):
        body = {"value": body}
    if good:
        return body
    kinds = {409: Refused, 401: Denied, 403: Denied}
    raise kinds.get(response.status, HubError)(response.status, body)
