"""What a job says to its proxy: CONNECT, or GET and HEAD of an http:// address; taken apart strictly, and said anew.

Whatever could be read in two ways is refused. One request, one connection, one host: what comes behind a GET is not sent.
"""

from __future__ import annotations

import re
from typing import NamedTuple

MOST_BYTES = 16 * 1024
END = b"\r\n\r\n"
_CONNECT = re.compile(rb"CONNECT ([!-~]{1,300}) HTTP/1\.[01]")
_FETCH = re.compile(rb"(GET|HEAD) (?i:http)://([^/?#@\x00-\x20\x7f-\xff]{1,300})([/?][!-~]*)? HTTP/1\.[01]")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t -~\x80-\xff]*)")
_PORT = re.compile(r".*:[0-9]+")
_OWN = frozenset((b"connection", b"proxy-connection", b"keep-alive", b"te", b"trailer", b"upgrade", b"host"))
"""Headers between a client and its proxy alone, and the one that is said anew."""


class Wrong(Exception):
    """What was said is not taken: the status and the reason to answer."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Asked(NamedTuple):
    """`to`: HOST:PORT. `tunnel`: both ways, after the answer to a CONNECT; else `first` is all that is sent."""

    to: str
    tunnel: bool
    first: bytes


def asked(head: bytes) -> Asked:
    """Take a head apart that ends with an empty line. Raises Wrong."""
    line, *rest = head[: -len(END)].split(b"\r\n")
    headers = [_header(one) for one in rest]
    found = _CONNECT.fullmatch(line)
    if found:
        return Asked(found[1].decode(), True, b"")
    found = _FETCH.fullmatch(line)
    if not found:
        raise _not_taken(line)
    place, path = found[2].decode(), found[3] or b"/"
    path = path if path.startswith(b"/") else b"/" + path
    kept = _kept(headers)
    said = [b"%b %b HTTP/1.1" % (found[1], path), b"Host: " + found[2], *kept, b"Connection: close"]
    return Asked(place if _PORT.fullmatch(place) else f"{place}:80", False, b"\r\n".join(said) + END)


def _header(line: bytes) -> tuple[bytes, bytes]:
    found = _HEADER.fullmatch(line)
    if not found:
        raise Wrong(400, "a header that is none")
    return found[1].lower(), found[2].strip()


def _kept(headers: list[tuple[bytes, bytes]]) -> list[bytes]:
    """The headers that are the host's business. Raises Wrong for a body."""
    named = {
        word.strip().lower() for name, value in headers if name == b"connection" for word in value.split(b",")
    }
    kept = []
    for name, value in headers:
        if name == b"transfer-encoding" or (name == b"content-length" and value != b"0"):
            raise Wrong(400, "a body is not taken")
        if name not in _OWN and name not in named and not name.startswith(b"proxy-"):
            kept.append(name + b": " + value)
    return kept


def _not_taken(line: bytes) -> Wrong:
    if re.match(rb"[A-Z]+ (?i:http)://", line) and not line.startswith((b"GET ", b"HEAD ")):
        return Wrong(405, "http:// goes through the hub by GET and HEAD only; https:// as it likes")
    return Wrong(400, "write CONNECT HOST:PORT, or GET http://HOST/PATH")
