"""The server over real sockets: what connections may not do, and what it says of itself."""

import contextlib
import http.client
import json
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar.types import Receive, Scope, Send

from penstock.ports import StoreError
from penstock.web import bounds, entry, server
from penstock.web.server import Edge, Tls
from penstock.wire.client import Address, Client

Document = dict[str, Any]
LIMIT_S = 20


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Says how many bytes came; /early answers before it reads; /big sends more than any buffer takes."""
    got = 0
    more = scope["path"] != "/early"  # type: ignore[typeddict-item]
    while more:
        message: Any = await receive()
        if message["type"] == "http.disconnect":
            return
        got += len(message["body"])
        more = message["more_body"]
    body = b"x" * (64 << 20) if scope["path"] == "/big" else str(got).encode()  # type: ignore[typeddict-item]
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]}
    )
    await send({"type": "http.response.body", "body": body, "more_body": False})


@contextlib.contextmanager
def serving(app: Any = echo, **more: Any) -> Iterator[Edge]:
    """An edge on a free port."""
    edge = Edge(app, socket.create_server(("127.0.0.1", 0)), **more).start()
    try:
        yield edge
    finally:
        edge.stop()


@pytest.fixture
def edge() -> Iterator[Edge]:
    with serving() as one:
        yield one


def opened(edge: Edge) -> socket.socket:
    host, port = edge.address.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=LIMIT_S)


def answer(connection: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    found = b""
    while piece := connection.recv(65536):
        found += piece
    return found


def get(edge: Edge, path: str) -> tuple[int, Document]:
    address = edge.address.removeprefix("http://")
    with contextlib.closing(http.client.HTTPConnection(address, timeout=LIMIT_S)) as connection:
        # A load balancer asks by address, under a name that is nobody's.
        connection.request("GET", path, headers={"Host": "10.1.2.3"})
        said = connection.getresponse()
        return said.status, json.loads(said.read())


def test_a_head_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch, edge: Edge) -> None:
    monkeypatch.setattr(bounds, "HEAD_S", 0.2)
    for sent in (b"", b"GET / HTTP/1.1\r\nHost: a\r\n", b"GE"):
        with opened(edge) as connection:
            connection.sendall(sent)
            assert answer(connection).startswith(b"HTTP/1.1 408 ")


def test_a_head_that_comes_byte_by_byte_has_no_more_time(monkeypatch: pytest.MonkeyPatch, edge: Edge) -> None:
    monkeypatch.setattr(bounds, "HEAD_S", 0.3)
    ended = threading.Event()
    with opened(edge) as connection:

        def trickle() -> None:
            with contextlib.suppress(OSError):
                while not ended.wait(0.02):
                    connection.sendall(b"a")

        sender = threading.Thread(target=trickle)
        connection.sendall(b"GET / HTTP/1.1\r\nX-Slow: ")
        sender.start()
        try:
            assert answer(connection).startswith(b"HTTP/1.1 408 ")
        finally:
            ended.set()
            sender.join()


def test_the_second_request_of_a_connection_is_bounded_as_the_first(
    monkeypatch: pytest.MonkeyPatch, edge: Edge
) -> None:
    with opened(edge) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        while not connection.recv(1000).endswith(b"0"):
            continue
        monkeypatch.setattr(bounds, "HEAD_S", 0.2)
        connection.sendall(b"GET / HTTP/1.1\r\nHo")
        assert answer(connection).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * 40_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: a\r\n" % n for n in range(200)) + b"\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000,
    ],
    ids=["address", "header", "headers", "no end"],
)
def test_a_head_that_is_too_large_is_refused(edge: Edge, head: bytes) -> None:
    with opened(edge) as connection:
        with contextlib.suppress(OSError):
            for start in range(0, len(head), 4096):
                connection.sendall(head[start : start + 4096])
        assert answer(connection).startswith(b"HTTP/1.1 431 ")


def test_who_sends_on_after_a_refusal_still_reads_it(edge: Edge) -> None:
    with opened(edge) as connection:
        # More than the server reads at once: closed with bytes unread, the connection would be reset.
        with contextlib.suppress(OSError):
            connection.sendall(b"GET /" + b"a" * (4 << 20))
        assert answer(connection).startswith(b"HTTP/1.1 431 ")


def test_who_sends_on_for_ever_after_a_refusal_is_closed(monkeypatch: pytest.MonkeyPatch, edge: Edge) -> None:
    monkeypatch.setattr(bounds, "LINGER_S", 0.1)

    def send_for_ever() -> None:
        while True:
            connection.sendall(b"a" * 4096)

    with opened(edge) as connection, pytest.raises((BrokenPipeError, ConnectionResetError)):
        send_for_ever()


def test_what_is_no_http_is_refused(edge: Edge) -> None:
    with opened(edge) as connection:
        connection.sendall(b"\x16\x03\x01 not http\r\n\r\n")
        assert answer(connection).startswith(b"HTTP/1.1 400 ")


def test_a_body_that_stalls_is_given_up(monkeypatch: pytest.MonkeyPatch, edge: Edge) -> None:
    monkeypatch.setattr(bounds, "STALL_S", 0.2)
    with opened(edge) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nabc")
        assert answer(connection).startswith(b"HTTP/1.1 408 ")


def test_a_body_that_is_slow_but_comes_is_taken(monkeypatch: pytest.MonkeyPatch, edge: Edge) -> None:
    # In all it takes longer than one stall may; no pause comes near to one, on a busy machine either.
    monkeypatch.setattr(bounds, "STALL_S", 1.0)
    monkeypatch.setattr(bounds, "LEAST_BYTES", 10)
    with opened(edge) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1500\r\n\r\n")
        for _ in range(15):
            time.sleep(0.1)
            connection.sendall(b"a" * 100)
        assert answer(connection).endswith(b"\r\n\r\n1500")


def test_a_body_that_was_refused_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch, edge: Edge) -> None:
    monkeypatch.setattr(bounds, "LINGER_S", 0.2)
    with opened(edge) as connection:
        connection.sendall(b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nabc")
        assert answer(connection).startswith(b"HTTP/1.1 200 ")


def test_a_reader_that_takes_nothing_is_dropped(monkeypatch: pytest.MonkeyPatch, edge: Edge) -> None:
    monkeypatch.setattr(bounds, "STALL_S", 0.3)
    with opened(edge) as connection:
        connection.sendall(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(1)
        got = 0
        with contextlib.suppress(ConnectionResetError):
            while piece := connection.recv(1 << 20):
                got += len(piece)
        assert got < 64 << 20


def test_connections_above_the_limit_hear_so() -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(server, "_most_connections", lambda: 3)
        with serving() as edge, contextlib.ExitStack() as stack:
            held = [stack.enter_context(opened(edge)) for _ in range(3)]
            # Taken in order: the third one's answer says that all three are known.
            held[-1].sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert held[-1].recv(1000).startswith(b"HTTP/1.1 200 ")
            with opened(edge) as fourth:
                assert answer(fourth).startswith(b"HTTP/1.1 503 ")
            held.pop().close()
            held.pop().close()
            with opened(edge) as again:
                again.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                assert answer(again).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("/api/v1/cancel/x", 1 << 20),
        ("/api/v1/agent/poll", 4 << 20),
        ("/api/v1/agent/attempts/a/log", 4 << 20),
        ("/api/v1/agent/attempts/a/outputs/tree", None),
    ],
)
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_is_as_large_as_its_path_allows(
    edge: Edge, path: str, most: int | None, chunked: bool
) -> None:
    def post(size: int) -> int:
        address, body = edge.address.removeprefix("http://"), b"a" * size
        with contextlib.closing(http.client.HTTPConnection(address, timeout=LIMIT_S)) as connection:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request(
                    "POST", path, body=iter([body]) if chunked else body, encode_chunked=chunked
                )
            return connection.getresponse().status

    assert post(most or 6 << 20) == 200
    if most is not None:
        assert post(most + 1) == 413


def test_health_is_told_to_anybody_under_any_name() -> None:
    state: Document = {"leads": True}

    def ready() -> Document:
        if "wrong" in state:
            raise StoreError("a secret address")
        return dict(state)

    with pytest.MonkeyPatch.context() as patched, serving(ready=ready) as edge:
        patched.setattr(entry, "FRESH_S", 0.0)
        assert get(edge, "/healthz") == (200, {"alive": True})
        assert get(edge, "/readyz") == (200, {"ready": True, "leads": True})
        state["wrong"] = True
        assert get(edge, "/readyz") == (503, {"ready": False, "reason": "the store does not answer"})
        assert get(edge, "/healthz") == (200, {"alive": True})


def test_a_store_that_hangs_is_not_ready_and_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry, "READY_S", 0.2)
    monkeypatch.setattr(entry, "FRESH_S", 0.0)
    go, asked = threading.Event(), []

    def ready() -> Document:
        asked.append(1)
        go.wait(LIMIT_S)
        return {}

    with serving(ready=ready) as edge:
        for _ in range(3):
            status, said = get(edge, "/readyz")
            assert (status, said["ready"]) == (503, False)
        assert len(asked) == 1
        go.set()
        while get(edge, "/readyz")[0] != 200:
            continue


def test_another_application_answers_from_now() -> None:
    async def other(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    with serving() as edge:
        edge.use(other)
        with opened(edge) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert answer(connection).startswith(b"HTTP/1.1 204 ")
        assert edge.ticks()


@pytest.fixture
def certificate(tmp_path: Path) -> Tls:
    """A certificate of 127.0.0.1 that is signed by itself."""
    files = Tls(str(tmp_path / "cert.pem"), str(tmp_path / "key.pem"))
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    words += ["-keyout", files.key, "-out", files.certificate, "-days", "2", "-subj", "/CN=hub"]
    subprocess.run([*words, "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    return files


def test_https_is_served_beside_plain_http_of_this_machine(certificate: Tls) -> None:
    with serving(tls=certificate, inner=socket.create_server(("127.0.0.1", 0))) as edge:
        assert edge.address.startswith("https://127.0.0.1:")
        for address in (Address(edge.address, ca_file=certificate.certificate), Address(edge.inner_address)):
            with contextlib.closing(Client(address)) as client:
                assert client.call("GET", "/healthz", tries=1) == {"alive": True}
        host, port = edge.address.removeprefix("https://").split(":")
        stranger = socket.create_connection((host, int(port)), timeout=LIMIT_S)
        with stranger, pytest.raises(ssl.SSLCertVerificationError):
            ssl.create_default_context().wrap_socket(stranger, server_hostname=host)


def test_a_certificate_that_is_none_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "x.pem").write_text("no certificate")
    with socket.create_server(("127.0.0.1", 0)) as listen, pytest.raises(ssl.SSLError):
        Edge(echo, listen, Tls(str(tmp_path / "x.pem"), str(tmp_path / "x.pem")))
