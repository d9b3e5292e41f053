"""A hub made for tests: speaks the protocol over real HTTP on loopback and misbehaves when told to.

A fault is (part of the path, what to do), used up once: "503", "409", "401", "404": answer that; "cut": close after a part
of the body; "lost": do it, then close without an answer; "late": as 503 before the body was read.
"""

import hashlib
import http.server
import io
import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from penstock.wire.trees import pack

PATIENCE_S = 60


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: "FakeHub"

    def log_message(self, *_: object) -> None:
        return

    def do_GET(self) -> None:
        self.handle_call()

    def do_POST(self) -> None:
        self.handle_call()

    def do_PUT(self) -> None:
        self.handle_call()

    def handle_call(self) -> None:
        fault = self.hub.fault_for(self.path)
        if fault == "late":
            self.answer(503, {"reason": "late"})
            self.close_connection = True
            return
        body = self.read_body(100_000 if fault == "cut" else None)
        if fault == "cut":
            self.hang_up()
            return
        if fault.isdigit():
            self.answer(int(fault), {"reason": f"fault {fault}"})
            return
        status, answer = self.hub.act(self.command, self.path, body, dict(self.headers))
        if fault == "lost":
            self.hang_up()
        elif fault == "half":
            self.half(answer)
        else:
            self.answer(status, answer)

    def read_body(self, most: int | None) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            size = int(self.headers.get("Content-Length") or 0)
            return self.rfile.read(size if most is None else min(size, most))
        body = bytearray()
        while most is None or len(body) < most:
            line = self.rfile.readline()
            if not line:
                raise ConnectionAbortedError("the upload was not finished")
            size = int(line, 16)
            body += self.rfile.read(size)
            self.rfile.readline()
            if not size:
                break
        return bytes(body)

    def answer(self, status: int, body: Any) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def half(self, data: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2])
        self.hang_up()

    def hang_up(self) -> None:
        self.close_connection = True
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, *_: object) -> None:
        """A client that went away is what these tests are about."""


class FakeHub:
    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.open: list[dict[str, Any]] = []
        self.acknowledged: list[str] = []
        self.finishes: dict[str, list[dict[str, Any]]] = {}
        self.logs: dict[str, bytearray] = {}
        self.outputs: dict[tuple[str, str], bytes] = {}
        self.blobs: dict[str, bytes] = {}
        self.sources: dict[str, bytes] = {}
        self.orders: dict[str, tuple[str, str]] = {}
        self.faults: list[tuple[str, str]] = []
        self.registrations: list[dict[str, Any]] = []
        self.tokens: list[str] = []
        self.enrolment = {"first"}
        self.credentials: dict[str, str] = {}
        self.calls: list[str] = []
        self.polls: list[dict[str, Any]] = []
        self.drain = False
        self.deaf_to_finishes = False
        self.refused_finishes: list[dict[str, Any]] = []
        self.right_s = 1200.0
        self.finish_log_bytes = 0
        self.address = ""
        self.gone_to = ""
        self.release = ""
        self.orders_of_power: dict[str, Any] = {}
        self.refuse: set[str] = set()
        self.refused_words: list[str] = []
        self.port = 0
        self.server: Server | None = None
        self.start()

    # The world -------------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        handler = type("Bound", (Handler,), {"hub": self})
        self.server = Server(("127.0.0.1", self.port), handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def stop(self) -> None:
        assert self.server is not None
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def fault(self, part: str, *what: str) -> None:
        with self.changed:
            self.faults += [(part, one) for one in what]

    def fault_for(self, path: str) -> str:
        with self.changed:
            self.calls.append(path)
            for at, (part, what) in enumerate(self.faults):
                if part in path:
                    del self.faults[at]
                    self.changed.notify_all()
                    return what
        return ""

    def wait(self, condition: Callable[[], Any], what: str = "") -> Any:
        with self.changed:
            assert self.changed.wait_for(condition, PATIENCE_S), f"waited in vain: {what} {self.calls[-10:]}"
            return condition()

    # What tests ask for ----------------------------------------------------------------------------------------

    def offer(self, attempt: str, *commands: str, source: Path | None = None, **more: Any) -> str:
        stream = io.BytesIO()
        if source is not None:
            pack(source, stream.write, any_links=True)
        else:
            stream.write(bytes(1024))
        self.sources[attempt] = stream.getvalue()
        offer = {
            "attempt": attempt,
            "fence": f"fence-{attempt}",
            "job": "j",
            "build": "b",
            "n": 1,
            "slot": 0,
            "kind": "build",
            "module": "m",
            "platform": "debian-12-gcc",
            "commands": list(commands),
            "timeout_s": 120.0,
            "source": "sha256:" + hashlib.sha256(stream.getvalue()).hexdigest(),
            "outputs": [],
            **more,
        }
        with self.changed:
            self.open.append(offer)
            self.changed.notify_all()
        return attempt

    def blob(self, folder: Path) -> str:
        stream = io.BytesIO()
        digest, _ = pack(folder, stream.write, absolute={"/opt/penstock": ""})
        self.blobs[digest] = stream.getvalue()
        return digest

    def order(self, attempt: str, order: str, reason: str = "") -> None:
        with self.changed:
            self.orders[attempt] = (order, reason)
            self.changed.notify_all()

    def ended(self, attempt: str) -> dict[str, Any]:
        return self.wait(lambda: self.finishes.get(attempt), f"end of {attempt}")[0]

    def log(self, attempt: str) -> bytes:
        return bytes(self.logs.get(attempt, b""))

    # The protocol ----------------------------------------------------------------------------------------------

    def act(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, Any]:
        parts = urlsplit(path)
        words = parts.path.removeprefix("/api/v1/agent/").split("/")
        token = headers.get("Authorization", "").removeprefix("Bearer ")
        with self.changed:
            try:
                if self.gone_to:
                    return 503, {"reason": "moved", "address": self.gone_to}
                if words == ["register"]:
                    return self.register(json.loads(body), token)
                if token not in self.tokens[-1:]:
                    return 401, {"reason": "old token"}
                if words == ["poll"]:
                    return self.poll(json.loads(body))
                return self.attempt_call(method, words, parts.query, body, headers)
            finally:
                self.changed.notify_all()

    def register(self, body: dict[str, Any], token: str) -> tuple[int, Any]:
        if token in self.enrolment:
            credential = self.credentials.setdefault(body["key"], f"credential-{len(self.credentials)}")
        elif token in self.credentials.values():
            credential = None
        else:
            return 401, {"reason": "unknown token"}
        self.registrations.append(body)
        self.tokens.append(f"session-{len(self.tokens)}")
        figures: dict[str, Any] = {"contact_s": 90.0, "right_s": self.right_s, "poll_s": 30.0}
        figures |= self.orders_of_power
        if self.address:
            figures["address"] = self.address
        if self.release:
            figures |= {"release": self.release, "agent_file": "/agent.pyz"}
        if self.finish_log_bytes:
            figures["finish_log_bytes"] = self.finish_log_bytes
        names = {"protocol": 1, "machine": "m1", "session": self.tokens[-1], "token": self.tokens[-1]}
        return 200, {**names, "credential": credential, **figures, "orders": []}

    def poll(self, body: dict[str, Any]) -> tuple[int, Any]:
        self.polls.append(body)
        if self.deaf_to_finishes and body["finish"]:
            self.refused_finishes += body["finish"]
            return 503, {"reason": "deaf"}
        acknowledged = [self.confirm(item) for item in body["acknowledge"]]
        finished = [self.finish(item) for item in body["finish"]]
        session = self.tokens[-1]
        held = {item["attempt"] for item in body["holds"]}

        def news() -> bool:
            stale = session != self.tokens[-1] or self.drain or bool(self.gone_to)
            return bool(self.offers(body)) or bool(held & set(self.orders)) or stale

        self.changed.notify_all()
        self.changed.wait_for(news, body["wait_s"])
        orders = [
            {"attempt": name, "order": self.orders[name][0], "reason": self.orders[name][1]}
            for name in held & set(self.orders)
        ]
        answer = {"offers": self.offers(body), "orders": orders, "acknowledged": acknowledged}
        return 200, {**answer, "finished": finished, "drain": self.drain}

    def offers(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        return [offer for offer in self.open if offer["slot"] in body["free_slots"]]

    def confirm(self, item: dict[str, Any]) -> dict[str, Any]:
        self.open = [offer for offer in self.open if offer["attempt"] != item["attempt"]]
        if item["attempt"] in self.refuse:
            self.refused_words.append(item["attempt"])
            return {"attempt": item["attempt"], "status": 409, "reason": "the offer is gone"}
        self.acknowledged.append(item["attempt"])
        return {"attempt": item["attempt"], "status": 200}

    def finish(self, item: dict[str, Any]) -> dict[str, Any]:
        self.finishes.setdefault(item["attempt"], []).append(item)
        return {"attempt": item["attempt"], "status": 200}

    def attempt_call(
        self, method: str, words: list[str], query: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, Any]:
        attempt, what = words[1], words[2]
        if what == "source":
            return 200, self.sources[attempt]
        if what == "inputs":
            blob = self.blobs.get(words[3])
            return (200, blob) if blob is not None else (404, {"reason": "no such blob"})
        if headers.get("X-Penstock-Fence") != f"fence-{attempt}":
            return 409, {"stop": True, "reason": "stale"}
        if what == "log":
            return self.add_log(attempt, int(parse_qs(query)["offset"][0]), body)
        assert method == "PUT"
        self.outputs[attempt, words[3]] = body
        return 200, {}

    def add_log(self, attempt: str, offset: int, body: bytes) -> tuple[int, Any]:
        log = self.logs.setdefault(attempt, bytearray())
        if offset <= len(log):
            log[offset:] = body
        return 200, {"next": len(log)}
