"""The proxy does what its faults say, and nothing without them."""

import http.client
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from real.faultproxy import SLOW_DOWN, Fault, FaultProxy

BODY = b"0123456789" * 10_000


class Echo(BaseHTTPRequestHandler):
    """Answers what it was sent, or BODY; remembers what came whole."""

    protocol_version = "HTTP/1.1"
    came: list[tuple[str, int]] = []

    def do_GET(self) -> None:
        self.came.append((self.path, 0))
        if self.path != "/chunked":
            self._answer(BODY)
            return
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for start in range(0, len(BODY), 999):
            piece = BODY[start : start + 999]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def do_PUT(self) -> None:
        size = int(self.headers["Content-Length"])
        body = self.rfile.read(size)
        if len(body) == size:
            self.came.append((self.path, size))
            self._answer(body)

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def proxy() -> Iterator[FaultProxy]:
    Echo.came = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with FaultProxy(f"http://127.0.0.1:{server.server_port}") as made:
        yield made
    server.shutdown()
    server.server_close()


def call(
    proxy: FaultProxy, method: str = "GET", path: str = "/", body: bytes | None = None
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(proxy.url.removeprefix("http://"), timeout=20)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_without_rules_everything_goes_through(proxy: FaultProxy) -> None:
    connection = http.client.HTTPConnection(proxy.url.removeprefix("http://"), timeout=20)
    for method, path, body in (
        ("GET", "/", None),
        ("PUT", "/x", BODY),
        ("GET", "/chunked", None),
        ("PUT", "/y", b""),
    ):
        connection.request(method, path, body)
        answer = connection.getresponse()
        assert answer.status == 200
        assert answer.read() == (BODY if body is None else body)
    connection.close()
    assert proxy.calls == ["GET /", "PUT /x", "GET /chunked", "PUT /y"]
    assert proxy.seen == []


def test_refused_and_not_passed_on(proxy: FaultProxy) -> None:
    proxy.add(Fault(status=503), "PUT", times=1)
    assert call(proxy, "PUT", "/x", BODY) == (503, SLOW_DOWN)
    assert Echo.came == []
    assert call(proxy, "PUT", "/x", BODY) == (200, BODY)


@pytest.mark.parametrize("path", ["/", "/chunked"])
def test_an_answer_that_is_cut_off(proxy: FaultProxy, path: str) -> None:
    proxy.add(Fault(answer_bytes=5000))
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        call(proxy, path=path)


def test_a_request_that_is_cut_off(proxy: FaultProxy) -> None:
    proxy.add(Fault(request_bytes=5000))
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        call(proxy, "PUT", "/x", BODY)
    assert Echo.came == []


def test_an_answer_that_is_lost_after_the_server_did_it(proxy: FaultProxy) -> None:
    proxy.add(Fault(lost=True))
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        call(proxy, "PUT", "/x", BODY)
    assert Echo.came == [("/x", len(BODY))]


def test_reset_before_anything_is_passed_on(proxy: FaultProxy) -> None:
    proxy.add(Fault(reset=True))
    with pytest.raises(ConnectionError):
        call(proxy, "PUT", "/x", BODY)
    assert Echo.came == []


def test_late_and_slow_but_whole(proxy: FaultProxy) -> None:
    proxy.add(Fault(wait_s=0.05, bytes_per_s=2_000_000))
    assert call(proxy) == (200, BODY)


def test_rules_count_skip_and_throw_dice_from_their_seed(proxy: FaultProxy) -> None:
    proxy.add(Fault(status=503), "GET /rare", skip=1, times=1)
    assert [call(proxy, path="/rare")[0] for _ in range(4)] == [200, 503, 200, 200]
    proxy.heal()
    proxy.add(Fault(status=500), chance=0.5)
    statuses = [call(proxy)[0] for _ in range(20)]
    assert 3 < statuses.count(500) < 17
