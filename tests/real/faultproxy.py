"""A proxy that does to HTTP/1.1 what networks and servers do: late, cut off, lost, refused, reset.

It stands before any HTTP service on this machine and passes everything on as it is, the Host header too, so signed
requests stay signed. A rule says which calls are hit, how often, and by what fault; the first rule that fits is used.
Standard library only, a thread per connection.
"""

import random
import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

HEAD_MOST_BYTES = 1 << 16
CHUNK = 1 << 16
SLOW_DOWN = (
    b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>"
)


@dataclass(frozen=True)
class Fault:
    """What happens to a call. What is not set does not happen.

    `wait_s`: so much later it is passed on. `status`, `body`: answered so, and not passed on. `request_bytes`: only so
    much of the body is passed on, then both sides are cut off. `lost`: the server does it, its answer is thrown away.
    `answer_bytes`: so much of the answer's body is passed on, then it is cut off. `bytes_per_s`: so slowly the answer's
    body goes. `reset`: cut off by a reset before anything is passed on.
    """

    wait_s: float = 0.0
    status: int = 0
    body: bytes = SLOW_DOWN
    request_bytes: int | None = None
    lost: bool = False
    answer_bytes: int | None = None
    bytes_per_s: int = 0
    reset: bool = False


@dataclass
class Rule:
    """Hits calls whose "METHOD target" matches `match`, by chance `chance`, at most `times`, after `skip` of them."""

    fault: Fault
    match: str = ""
    chance: float = 1.0
    times: int | None = None
    skip: int = 0

    def hits(self, call: str, dice: random.Random) -> bool:
        """Whether this call is hit; counts."""
        if self.times == 0 or not re.search(self.match, call) or dice.random() >= self.chance:
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


@dataclass
class Head:
    """The first line and the headers of a request or an answer, as they came."""

    raw: bytes
    first: list[str]
    headers: dict[str, str]

    @property
    def call(self) -> str:
        return " ".join(self.first[:2])

    def body(self, take: "Taking", request: bool, method: str = "") -> Iterator[bytes]:
        """The body's bytes as they are on the wire, chunked or not."""
        status = 0 if request else int(self.first[1])
        if method == "HEAD" or status in (204, 304) or 100 <= status < 200:
            return iter(())
        if "chunked" in self.headers.get("transfer-encoding", ""):
            return _chunked(take)
        if "content-length" in self.headers:
            return _counted(take, int(self.headers["content-length"]))
        return iter(()) if request else take.rest()


class Cut(Exception):
    """The connection ends here; `reset`: rudely."""

    def __init__(self, reset: bool = False) -> None:
        self.reset = reset


class FaultProxy:
    """Stands before `target` ("http://127.0.0.1:PORT"); `url` is where it is found. `seen`: calls that were hit.

    `tls`: certificate and key to speak https with, while the target still speaks http.
    """

    def __init__(self, target: str, seed: int = 0, tls: ssl.SSLContext | None = None) -> None:
        address = urlsplit(target)
        self._target = (address.hostname or "127.0.0.1", address.port or 80)
        self.rules: list[Rule] = []
        self.seen: list[tuple[str, Fault]] = []
        self.calls: list[str] = []
        self._dice = random.Random(seed)
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._tls = tls
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> "FaultProxy":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, fault: Fault, match: str = "", **how: object) -> Rule:
        """One more rule, behind the others."""
        rule = Rule(fault, match, **how)  # type: ignore[arg-type]
        with self._lock:
            self.rules.append(rule)
        return rule

    def heal(self) -> None:
        """No faults from now on."""
        with self._lock:
            self.rules.clear()

    def close(self) -> None:
        """End everything that goes through."""
        self._ended.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for one in self._open:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        """All calls of one connection, over one connection of our own."""
        server = None
        try:
            if self._tls is not None:
                client = self._tls.wrap_socket(client, server_side=True)
            with self._lock:
                self._open.add(client)
            server = socket.create_connection(self._target, 10)
            server.settimeout(None)
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open.add(server)
            asked, answered = Taking(client), Taking(server)
            while self._pass_on(client, server, asked, answered):
                continue
        except Cut as cut:
            if cut.reset:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            return
        finally:
            for one in (client, server):
                if one is not None:
                    with self._lock:
                        self._open.discard(one)
                    one.close()

    def _pass_on(
        self, client: socket.socket, server: socket.socket, asked: "Taking", answered: "Taking"
    ) -> bool:
        """One call. False when the connection is over."""
        head = asked.head()
        if head is None:
            return False
        fault = self._fault(head.call)
        if fault.wait_s and self._ended.wait(fault.wait_s):
            return False
        if fault.reset:
            raise Cut(reset=True)
        body = head.body(asked, request=True)
        if fault.status:
            for _ in body:
                continue
            client.sendall(_refusal(fault))
            return True
        server.sendall(head.raw)
        _send(body, server.sendall, fault.request_bytes)
        answer = answered.head()
        while answer is not None and answer.first[1].startswith("1"):
            client.sendall(answer.raw)
            answer = answered.head()
        if answer is None:
            return False
        answer_body = answer.body(answered, request=False, method=head.first[0])
        if fault.lost:
            for _ in answer_body:
                continue
            raise Cut
        client.sendall(answer.raw)
        _send(self._slowly(answer_body, fault.bytes_per_s), client.sendall, fault.answer_bytes)
        return answer.headers.get("connection", "").lower() != "close"

    def _fault(self, call: str) -> Fault:
        with self._lock:
            self.calls.append(call)
            for rule in self.rules:
                if rule.hits(call, self._dice):
                    self.seen.append((call, rule.fault))
                    return rule.fault
        return Fault()

    def _slowly(self, body: Iterator[bytes], bytes_per_s: int) -> Iterator[bytes]:
        if not bytes_per_s:
            yield from body
            return
        size = max(1, bytes_per_s // 20)
        for chunk in body:
            for start in range(0, len(chunk), size):
                if self._ended.wait(0.05):
                    raise Cut
                yield chunk[start : start + size]


@dataclass
class Taking:
    """Bytes that come from a connection, looked at before they are passed on."""

    source: socket.socket
    held: bytes = field(default=b"")

    def more(self) -> bool:
        """Wait for more. False at the end."""
        chunk = self.source.recv(CHUNK)
        self.held += chunk
        return bool(chunk)

    def head(self) -> Head | None:
        """The next head; None when the connection ended before it."""
        while b"\r\n\r\n" not in self.held:
            if len(self.held) > HEAD_MOST_BYTES or not self.more():
                return None
        raw, _, self.held = self.held.partition(b"\r\n\r\n")
        first, *lines = raw.decode("latin-1").split("\r\n")
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
        }
        return Head(raw + b"\r\n\r\n", first.split(" ", 2), headers)

    def take(self, most: int) -> bytes:
        """At most `most` bytes, at least one. Raises Cut at the end."""
        if not self.held and not self.more():
            raise Cut
        taken, self.held = self.held[:most], self.held[most:]
        return taken

    def line(self) -> bytes:
        """One line with its end. Raises Cut at the end."""
        while b"\r\n" not in self.held:
            if not self.more():
                raise Cut
        line, _, self.held = self.held.partition(b"\r\n")
        return line + b"\r\n"

    def rest(self) -> Iterator[bytes]:
        """All that comes until the connection ends."""
        while self.held or self.more():
            yield self.take(CHUNK)


def _counted(take: Taking, left: int) -> Iterator[bytes]:
    while left:
        chunk = take.take(min(left, CHUNK))
        left -= len(chunk)
        yield chunk


def _chunked(take: Taking) -> Iterator[bytes]:
    while True:
        line = take.line()
        yield line
        size = int(line.partition(b";")[0], 16)
        yield from _counted(take, size)
        if size:
            yield take.line()
            continue
        while line != b"\r\n":  # trailers, then an empty line
            line = take.line()
            yield line
        return


def _send(body: Iterator[bytes], send: Callable[[bytes], object], most: int | None) -> None:
    """Pass a body on, up to `most` bytes of it. Raises Cut after these."""
    for chunk in body:
        if most is not None and len(chunk) >= most:
            send(chunk[:most])
            raise Cut
        most = None if most is None else most - len(chunk)
        send(chunk)
    if most is not None:
        raise Cut


def _refusal(fault: Fault) -> bytes:
    head = f"HTTP/1.1 {fault.status} Refused\r\nContent-Type: application/xml\r\nContent-Length: {len(fault.body)}\r\n\r\n"
    return head.encode() + fault.body
