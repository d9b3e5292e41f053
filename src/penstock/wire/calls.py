"""One call over an open connection, for answers of the plain kind: HTTP/1.1 with a length (RFC 9112).

The library reads each head by its parser of mail, which takes as long as all the rest of a poll, and sends head and body one
by one. Whatever is unusual about an answer is read by the library, from its first byte on.
"""

from __future__ import annotations

import http.client
import io
import re
import socket
from collections.abc import Mapping
from typing import Any

_HEAD_MAX = 64 * 1024
_PIECE = 64 * 1024
_DIGITS_MAX = 7
"""Of a length: longer answers are the library's."""
_TARGET = re.compile(r"[\x21-\x7e]+")
_NAME = re.compile(r"[A-Za-z0-9-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_STATUS = re.compile(rb"HTTP/1\.1 ([2-5][0-9][0-9])(?: [^\0\r\n]*)?")
_FIELD = re.compile(rb"([A-Za-z0-9!#$%&'*+.^_`|~-]+):[ \t]*([^\0\r\n]*?)[ \t]*")
_NO_BODY = (204, 304)
_UNUSUAL = (b"transfer-encoding", b"upgrade")


class Answer:
    """What a caller needs of http.client.HTTPResponse. `will_close`: the connection is of no more use."""

    def __init__(self, opened: socket.socket, status: int, length: int, begun: bytes) -> None:
        self._opened, self._begun = opened, begun
        self.status, self.length = status, length
        self.will_close = len(begun) > length

    def read(self, size: int) -> bytes:
        """The body, or its first bytes; less where the connection was cut."""
        wanted = min(size, self.length)
        pieces, held = [self._begun[:wanted]], min(len(self._begun), wanted)
        while held < wanted:
            piece = self._opened.recv(min(_PIECE, wanted - held))
            if not piece:
                break
            pieces.append(piece)
            held += len(piece)
        self.will_close |= held < self.length
        return b"".join(pieces)

    def isclosed(self) -> bool:
        """Whether nothing of it is left on the connection."""
        return not self.will_close


def message(
    connection: http.client.HTTPConnection,
    call: tuple[str, str],
    headers: Mapping[str, str],
    body: bytes | None,
) -> bytes:
    """Head and body of a call (method, target), as http.client would send them. Raises ValueError, InvalidURL."""
    method, target = call
    host = f"[{connection.host}]" if ":" in connection.host else connection.host
    if connection.port != connection.default_port:
        host = f"{host}:{connection.port}"
    fields = {"Host": host, "Accept-Encoding": "identity"}
    if body is not None or method in ("POST", "PUT", "PATCH"):
        fields["Content-Length"] = str(len(body or b""))
    fields.update(headers)
    if not _TARGET.fullmatch(target):
        raise http.client.InvalidURL("an address holds only printable ASCII")
    if not all(_NAME.fullmatch(name) and _VALUE.fullmatch(value) for name, value in fields.items()):
        raise ValueError("a header cannot hold this")
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "\r\n"]
    return "\r\n".join(lines).encode("latin-1") + (body or b"")


def answer(opened: socket.socket, method: str) -> Answer | http.client.HTTPResponse:
    """Read the head of an answer. Raises OSError, HTTPException."""
    begun = b""
    while (end := begun.find(b"\r\n\r\n")) < 0 and b"\n\n" not in begun and len(begun) <= _HEAD_MAX:
        piece = opened.recv(_PIECE)
        if not piece and not begun:
            raise http.client.RemoteDisconnected("closed without an answer")
        if not piece:
            raise http.client.IncompleteRead(begun)
        begun += piece
    plain = _plain(begun[:end].split(b"\r\n")) if end >= 0 else None
    if plain is not None:
        return Answer(opened, *plain, begun[end + 4 :])
    again: Any = _Again(begun, opened)
    response = http.client.HTTPResponse(again, method=method)
    response.begin()
    return response


def _plain(lines: list[bytes]) -> tuple[int, int] | None:
    """Status and length of an answer about which nothing is unusual."""
    first = _STATUS.fullmatch(lines[0])
    if first is None or int(first[1]) in _NO_BODY:
        return None
    length = -1
    for line in lines[1:]:
        field = _FIELD.fullmatch(line)
        if field is None:
            return None
        name, value = field[1].lower(), field[2]
        if name in _UNUSUAL or (name == b"connection" and value.lower() != b"keep-alive"):
            return None
        if name == b"content-length":
            if length >= 0 or not value.isdigit() or len(value) > _DIGITS_MAX:
                return None
            length = int(value)
    return (int(first[1]), length) if length >= 0 else None


def reason(problem: Exception) -> str:
    """Why nothing was answered, with what to do where the cause is known."""
    text = f"{type(problem).__name__}: {problem}"
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return f"{text}; --ca-file names the authority that signed the hub's certificate"
    if "WRONG_VERSION_NUMBER" in text:
        return "speaks no TLS; write http:// if it is meant to be plain"
    if isinstance(problem, http.client.RemoteDisconnected):
        return "closed the connection without an answer; write https:// if it speaks TLS"
    if isinstance(problem, ConnectionRefusedError):
        return "nobody listens there; is the hub running, and is this its address?"
    return text


def keep_alive(opened: socket.socket) -> None:
    """A machine that was suspended, or a hub that vanished, is noticed in seconds: 2 s + 3 x 1 s of silence."""
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 2), ("TCP_KEEPINTVL", 1), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            opened.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class _Again(io.RawIOBase):
    """What was read already, then the rest of the connection: all that http.client.HTTPResponse asks of a socket."""

    def __init__(self, begun: bytes, opened: socket.socket) -> None:
        self._begun, self._opened = begun, opened

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Called once."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, into: Any) -> int:
        """Some bytes; 0 at the end."""
        if not self._begun:
            return self._opened.recv_into(into)
        piece, self._begun = self._begun[: len(into)], self._begun[len(into) :]
        into[: len(piece)] = piece
        return len(piece)
