"""Answers read by ourselves and by the library say the same, and what is wrong with one is an error in either way."""

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from penstock.wire import calls
from penstock.wire.client import Address, Client, HubError, Unreachable

BODY = b'{"offers":[]}'
HEAD = b"HTTP/1.1 200 OK\r\ndate: now\r\nContent-Length: 13\r\n"
WAIT_S = 30.0


@contextmanager
def said(*pieces: bytes) -> Iterator[socket.socket]:
    """A connection on which the other side says this, piece by piece, and ends."""
    mine, its = socket.socketpair()
    mine.settimeout(WAIT_S)

    def say() -> None:
        with its:
            for piece in pieces:
                try:
                    its.sendall(piece)
                except OSError:
                    return

    with mine:
        saying = threading.Thread(target=say)
        saying.start()
        yield mine
        mine.close()
        saying.join()


def one_by_one(text: bytes) -> list[bytes]:
    return [text[at : at + 1] for at in range(len(text))]


PLAIN = {
    "as the hub says it": HEAD + b"server: uvicorn\r\n\r\n",
    "kept open": HEAD + b"Connection: Keep-Alive\r\n\r\n",
    "without a reason": HEAD.replace(b" OK", b"") + b"\r\n",
    "an empty field": HEAD + b"X-Empty:\r\n\r\n",
    "with spaces": HEAD.replace(b": 13", b":\t 13 ") + b"\r\n",
}
ODD = {
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nd\r\n%b\r\n0\r\n\r\n" % BODY,
    "to its end": b"HTTP/1.1 200 OK\r\n\r\n" + BODY,
    "the version before": HEAD.replace(b"1.1", b"1.0") + b"\r\n" + BODY,
    "a folded field": HEAD + b"X-Long: a\r\n b\r\n\r\n" + BODY,
    "lines without returns": HEAD.replace(b"\r", b"") + b"\n" + BODY,
    "the last on this connection": HEAD + b"Connection: close\r\n\r\n" + BODY,
    "after a word of patience": b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"\r\n" + BODY,
    "the length twice": HEAD + b"Content-Length: 13\r\n\r\n" + BODY,
}


@pytest.mark.parametrize("head", PLAIN.values(), ids=PLAIN)
def test_plain_answers_are_read_here_however_they_come(head: bytes) -> None:
    for pieces in ([head + BODY], [head, BODY], one_by_one(head + BODY)):
        with said(*pieces) as mine:
            found = calls.answer(mine, "POST")
            assert isinstance(found, calls.Answer)
            assert (found.status, found.length, found.read(1000), found.isclosed()) == (200, 13, BODY, True)


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_all_others_are_read_by_the_library(text: bytes) -> None:
    for pieces in ([text], one_by_one(text)):
        with said(*pieces) as mine:
            found = calls.answer(mine, "POST")
            assert isinstance(found, http.client.HTTPResponse)
            assert (found.status, found.read(1000)) == (200, BODY)


WRONG = {
    "a number below zero": HEAD.replace(b"13", b"-13") + b"\r\n",
    "no number": HEAD.replace(b"13", b"0x13") + b"\r\n",
    "digits of another script": HEAD.replace(b"13", "١٣".encode()) + b"\r\n",
    "a zero byte": HEAD + b"X: a\0b\r\n\r\n",
    "a space before the colon": HEAD.replace(b"Content-Length:", b"Content-Length :") + b"\r\n",
    "no field": HEAD + b"nothing\r\n\r\n",
    "a return in a field": HEAD + b"X: a\rContent-Length: 2\r\n\r\n",
    "a line in a field": HEAD.replace(b"date: now", b"date: now\nContent-Length: 2") + b"\r\n",
    "two lengths": HEAD + b"Content-Length: 2\r\n\r\n",
    "chunks and a length": HEAD + b"Transfer-Encoding: chunked\r\n\r\n",
    "another protocol": HEAD.replace(b"1.1", b"1.10") + b"\r\n",
    "a longer one than there is": HEAD.replace(b"13", b"99999999999999999999") + b"\r\n",
}


@pytest.mark.parametrize("head", WRONG.values(), ids=WRONG)
def test_what_can_be_read_in_two_ways_is_never_read_here(head: bytes) -> None:
    with said(head + BODY) as mine:
        try:
            found = calls.answer(mine, "POST")
        except (OSError, http.client.HTTPException):
            return
        assert isinstance(found, http.client.HTTPResponse)


def test_a_head_that_is_cut_anywhere_is_none() -> None:
    whole = PLAIN["as the hub says it"]
    for end in range(len(whole)):
        with said(whole[:end]) as mine, pytest.raises((OSError, http.client.HTTPException)):
            calls.answer(mine, "POST")


def test_a_head_without_an_end_is_refused() -> None:
    for filling in (b"X: y\r\n", b"x"):
        with said(HEAD, filling * 60_000) as mine, pytest.raises(http.client.HTTPException):
            calls.answer(mine, "POST")


def test_a_body_that_is_cut_is_shorter_and_the_connection_of_no_more_use() -> None:
    for end in range(len(BODY)):
        with said(HEAD + b"\r\n", BODY[:end]) as mine:
            found = calls.answer(mine, "POST")
            assert found.read(1000) == BODY[:end]
            assert found.will_close


class Taken:
    """What http.client would send."""

    def __init__(self) -> None:
        self.data = b""

    def sendall(self, data: Any) -> None:
        self.data += bytes(data)


@pytest.mark.parametrize("host", ["127.0.0.1", "hub.example", "::1"])
@pytest.mark.parametrize("port", [80, 8080])
@pytest.mark.parametrize(("method", "body"), [("GET", None), ("POST", None), ("POST", b""), ("POST", b"{}")])
def test_calls_are_said_as_the_library_says_them(
    host: str, port: int, method: str, body: bytes | None
) -> None:
    headers = {"Accept": "application/json", "Authorization": "Bearer x-\xe9"}
    connection, taken = http.client.HTTPConnection(host, port), Taken()
    connection.sock = taken  # type: ignore[assignment]
    connection.request(method, "/api?offset=1", body=body, headers=headers)
    assert calls.message(connection, (method, "/api?offset=1"), headers, body) == taken.data


@pytest.mark.parametrize("target", ["/a b", "/a\r\nX: y", "/\xe9", ""])
def test_an_address_with_more_than_its_letters_is_refused(target: str) -> None:
    with pytest.raises(http.client.InvalidURL):
        calls.message(http.client.HTTPConnection("hub"), ("GET", target), {}, None)


@pytest.mark.parametrize(
    "headers", [{"A": "b\r\nC: d"}, {"A": "b\n"}, {"A": "€"}, {"A b": "c"}, {"A\n": "c"}]
)
def test_a_header_that_is_more_than_one_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="header"):
        calls.message(http.client.HTTPConnection("hub"), ("GET", "/"), headers, None)


@contextmanager
def serving(*answers: bytes) -> Iterator[tuple[Client, list[int]]]:
    """A client of a server that gives these answers in turn, and how many answers each connection brought."""
    listen = socket.create_server(("127.0.0.1", 0))
    left, brought = list(answers), []

    def serve() -> None:
        while left:
            connection, _ = listen.accept()
            brought.append(0)
            with connection:
                while left and connection.recv(1 << 16):
                    brought[-1] += 1
                    connection.sendall(left.pop(0))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    client = Client(Address(f"http://127.0.0.1:{listen.getsockname()[1]}"))
    with listen:
        yield client, brought
        client.close()
        thread.join(WAIT_S)


GOOD = PLAIN["as the hub says it"] + BODY


def test_one_connection_carries_plain_answers_and_chunked_ones() -> None:
    gone = HEAD.replace(b"200 OK", b"404 Not Found") + b"\r\n" + BODY
    with serving(GOOD, ODD["chunked"], GOOD, gone, GOOD) as (client, brought):
        for _ in range(3):
            assert client.call("POST", "/x", {"a": 1}) == json.loads(BODY)
        with pytest.raises(HubError):
            client.call("GET", "/x")
        assert client.call("POST", "/x", {}) == json.loads(BODY)
    assert brought == [5]


@pytest.mark.parametrize("last", [GOOD + b"HTTP/1.1 200", ODD["the last on this connection"]])
def test_after_more_than_was_promised_or_a_goodbye_there_is_another_connection(last: bytes) -> None:
    with serving(GOOD, last, GOOD) as (client, brought):
        for _ in range(3):
            assert client.call("POST", "/x", {}) == json.loads(BODY)
    assert brought == [2, 1]


def test_what_comes_is_bounded() -> None:
    too_long = HEAD.replace(b"13", b"%d" % (1 << 30)) + b"\r\n"
    with serving(too_long) as (client, _), pytest.raises(Unreachable):
        client.call("POST", "/x", {}, tries=1, timeout_s=0.1)
