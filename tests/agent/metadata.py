"""EC2's metadata service for tests, version 2 alone: no token, no answer."""

import http.server
import json
import threading
import time

DOCUMENT = json.dumps(
    {"instanceId": "i-0123456789abcdef0", "region": "eu-west-1", "accountId": "123456789012"}
)


class Metadata:
    """`url` is where it is; `leave` announces the end. `asked`: how often each path was asked for."""

    def __init__(self) -> None:
        self.action, self.document, self.signature = "", DOCUMENT, ""
        self.token = "token-1"
        self.asked: list[str] = []
        self.told_s = 0.0
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def leave(self, in_s: float) -> None:
        """It will be terminated in so many seconds."""
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + in_s))
        self.action = json.dumps({"action": "terminate", "time": when})
        self.told_s = time.monotonic()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, path: str, token: str) -> tuple[int, str]:
        self.asked.append(path)
        if path == "/latest/api/token":
            return 200, self.token
        if token != self.token:
            return 401, ""
        if path == "/latest/dynamic/instance-identity/document":
            return 200, self.document
        if path == "/latest/dynamic/instance-identity/rsa2048" and self.signature:
            return 200, self.signature
        if path == "/latest/meta-data/spot/instance-action" and self.action:
            return 200, self.action
        return 404, ""

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                ttl = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds")
                self.say(*(service._answer(self.path, "") if ttl else (400, "")))

            def do_GET(self) -> None:
                self.say(*service._answer(self.path, self.headers.get("X-aws-ec2-metadata-token", "")))

            def say(self, status: int, text: str) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None:
                """Nothing is printed."""

        return Handler
