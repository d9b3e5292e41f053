"""Answers that are cut off, or that something else than a hub gives, are no answers."""

import contextlib
import socket
import threading
from pathlib import Path

import pytest

from penstock.agent.session import Identity, Session
from penstock.wire.client import Address, Client, Unreachable


def answering(answer: bytes) -> Address:
    """A server that gives this answer once to each of two callers."""
    listen = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listen:
            for _ in range(2):
                connection, _ = listen.accept()
                with connection:
                    connection.recv(1 << 16)
                    connection.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    return Address(f"http://127.0.0.1:{listen.getsockname()[1]}")


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
WRONG = {
    "cut before its body": HEAD + b"Content-Length: 20\r\n\r\n",
    "cut in its body": HEAD + b'Content-Length: 20\r\n\r\n{"token":',
    "cut in a chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n14\r\n{}",
    "a page of another server": HEAD + b"Content-Length: 13\r\n\r\n<html></html>",
}


@pytest.mark.parametrize("answer", WRONG.values(), ids=WRONG)
def test_what_is_no_whole_answer_is_asked_for_again(answer: bytes) -> None:
    with pytest.raises(Unreachable):
        Client(answering(answer)).call("POST", "/x", {}, tries=1)


@pytest.mark.parametrize("answer", [*WRONG.values(), HEAD + b"Content-Length: 2\r\n\r\n{}"])
def test_a_registration_that_brings_no_token_is_none(tmp_path: Path, answer: bytes) -> None:
    address = answering(answer)
    session = Session([address], Identity(tmp_path / "credential.json", ["x"]), lambda: "enrolment")
    with contextlib.closing(session.client()) as client, pytest.raises(Unreachable):
        session.register({}, client)
    assert session.token == ""
