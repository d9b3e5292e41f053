"""A double of a Kubernetes API server, over HTTP on loopback: strict, watched, and broken on demand.

There is none for Debian or PyPI. This one refuses what the real one refuses (kubedouble_rules.py), keeps versions and history
as it does (kubedouble_store.py), lets callers do what their role says, and is driven by the official client and by
kubectl in its own tests (test_kubedouble.py), so that it is not shaped by our own code.
"""

import contextlib
import functools
import json
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import yaml
from real import kubedouble_rules as rules
from real.kubedouble_calls import Calls
from real.kubedouble_store import KINDS, Document, Selection, Status

NAMESPACED = ("pods", "secrets", "resourcequotas", "serviceaccounts")
OPERATOR = "operator-token"
"""May do everything, as who has a cluster's own kubeconfig."""
VERBS = {"GET": "get", "POST": "create", "PUT": "update", "DELETE": "delete"}


@functools.cache
def certificate() -> "tempfile.TemporaryDirectory[str]":
    """A folder with cert.pem for loopback, its own authority, and key.pem, made once. kubectl sends no token without TLS."""
    folder = tempfile.TemporaryDirectory(prefix="kube")
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    words += ["-days", "2", "-subj", "/CN=double", "-addext", "subjectAltName=IP:127.0.0.1"]
    words += ["-keyout", f"{folder.name}/key.pem", "-out", f"{folder.name}/cert.pem"]
    subprocess.run(words, check=True, capture_output=True)
    return folder


class Faults:
    """How often what goes wrong, each from 0 to 1.

    `lost`: no answer; half of those calls are carried out. `throttled`: 429. `away`: 503 with Retry-After. `expired`: a list
    whose second part is not there any more, and watches that cannot go on.
    """

    def __init__(self) -> None:
        self.lost = self.throttled = self.away = self.expired = 0.0
        self._chance = Random("faults of a cluster")

    def strikes(self, how_often: float) -> bool:
        return self._chance.random() < how_often


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Callers that hang up are no fault."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class KubeDouble(Calls):
    """One cluster's API. `roles`: what the bearer of a token may do, as (verb, resource); None = everything."""

    def __init__(self) -> None:
        super().__init__()
        self.faults = Faults()
        self.roles: dict[str, tuple[str, set[tuple[str, str]]] | None] = {OPERATOR: None}
        self.log_of: Callable[[str], bytes] = lambda _name: b""
        self.calls: list[tuple[str, str]] = []
        self._watches: set[socket.socket] = set()
        handler = type("Bound", (_Handler,), {"double": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        place = Path(certificate().name)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(place / "cert.pem", place / "key.pem")
        # Hands are shaken in the thread of each connection.
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.url = f"https://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self.cut()

    def apply(self, text: str) -> None:
        """Objects as a person would send them, namespaces and roles included; each must be valid."""
        for thing in yaml.safe_load_all(text):
            rules.kubernetes_validate.validate(thing, rules.VERSION, strict=True)
            for resource, kind in KINDS.items():
                if thing["kind"] == kind:
                    self.store.add(resource, thing)
            if thing["kind"] == "Role":
                allowed = {
                    (verb, resource)
                    for rule in thing["rules"]
                    for verb in rule["verbs"]
                    for resource in rule["resources"]
                }
                self.roles[thing["metadata"]["name"]] = (thing["metadata"]["namespace"], allowed)

    def kubeconfig(self, file: Path, token: str = OPERATOR) -> Path:
        """A file by which clients find this cluster."""
        authority = str(Path(certificate().name) / "cert.pem")
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": "double", "cluster": {"server": self.url, "certificate-authority": authority}}
            ],
            "users": [{"name": "caller", "user": {"token": token}}],
            "contexts": [
                {
                    "name": "double",
                    "context": {"cluster": "double", "user": "caller", "namespace": "penstock"},
                }
            ],
            "current-context": "double",
        }
        file.write_text(yaml.safe_dump(document))
        file.chmod(0o600)
        return file

    def cut(self) -> None:
        """Break off all watches."""
        for one in list(self._watches):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    @contextlib.contextmanager
    def watching(self, connection: socket.socket) -> Any:
        self._watches.add(connection)
        try:
            yield
        finally:
            self._watches.discard(connection)

    def may(self, token: str, verb: str, resource: str, space: str) -> None:
        """Raises what the server says to who may not."""
        if token not in self.roles:
            raise Status(401, "Unauthorized", "Unauthorized")
        role = self.roles[token]
        if role is None or (role[0] == space and (verb, resource) in role[1]):
            return
        raise Status(
            403,
            "Forbidden",
            f'{resource} is forbidden: User "{token}" cannot {verb} resource "{resource}" in API group "" in the namespace "{space}"',
        )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    double: KubeDouble

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_PUT = do_DELETE = do_PATCH = do_GET  # noqa: N815

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        place = urlsplit(self.path)
        self.query = {key: values[-1] for key, values in parse_qs(place.query).items()}
        self.double.calls.append((self.command, self.path))
        try:
            answer, code = self._answer(unquote(place.path), body)
        except Status as wrong:
            self._send(wrong.code, wrong.document(), wrong.retry_after_s)
        else:
            if answer is not None:
                self._send(code, answer)

    def _answer(self, path: str, body: bytes) -> tuple[Any, int]:
        """What is said, None where it was said already; and the status."""
        if (found := DISCOVERY.get(path.rstrip("/"))) is not None:
            return found, 200
        parts = path.strip("/").split("/")
        if parts[:2] != ["api", "v1"]:
            raise Status(404, "NotFound", "the server could not find the requested resource")
        parts = parts[2:]
        space = parts[1] if parts[0] == "namespaces" and len(parts) > 2 else ""
        parts = parts[2:] if space else parts
        resource, name, sub = (*parts, "", "")[:3]
        if resource not in KINDS:
            raise Status(404, "NotFound", "the server could not find the requested resource")
        verb = VERBS.get(self.command, "patch")
        if self.command == "GET" and not name:
            verb = "watch" if self.query.get("watch") in ("true", "1") else "list"
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        self.double.may(token, verb, f"{resource}/{sub}" if sub else resource, space)
        lost = self._fail(verb, token)
        document = self._document(body) if body else {}
        if lost is True:
            return self._hang_up()
        said = self._do(verb, resource, (space, name), sub, document)
        return self._hang_up() if lost is False else (said, 201 if verb == "create" else 200)

    def _fail(self, verb: str, token: str) -> bool | None:
        """Whether the answer is lost: True before it is carried out, False after. Operators are spared."""
        faults = self.double.faults
        if token == OPERATOR:
            return None
        if faults.strikes(faults.throttled):
            raise Status(429, "TooManyRequests", "too many requests, please try again later", 1)
        if faults.strikes(faults.away):
            raise Status(503, "ServiceUnavailable", "the server is currently unable to handle the request", 5)
        if verb != "watch" and faults.strikes(faults.lost):
            return faults.strikes(0.5)
        return None

    def _hang_up(self) -> tuple[None, int]:
        """No answer."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        return None, 0

    def _document(self, body: bytes) -> Document:
        kind = (self.headers.get("Content-Type") or "").partition(";")[0]
        # Without a word it is JSON: the official client says none.
        if kind not in ("", "application/json"):
            raise Status(
                415, "UnsupportedMediaType", f"the body of the request was in an unknown format - {kind}"
            )
        try:
            found = json.loads(body)
        except ValueError as wrong:
            raise Status(400, "BadRequest", f"error decoding: {wrong}") from wrong
        if not isinstance(found, dict):
            raise Status(400, "BadRequest", "error decoding: no object")
        return found

    def _do(self, verb: str, resource: str, key: tuple[str, str], sub: str, body: Document) -> Any:
        double, store = self.double, self.double.store
        if resource not in NAMESPACED and key[0]:
            raise Status(404, "NotFound", "the server could not find the requested resource")
        if sub == "log" and verb == "get":
            pod = store.get("pods", key)
            if pod["status"]["phase"] == "Pending":
                name = pod["spec"]["containers"][0]["name"]
                raise Status(400, "BadRequest", f'container "{name}" in pod "{key[1]}" is waiting to start')
            return double.log_of(key[1])
        if sub == "eviction" and verb == "create":
            return double.evict(key, body)
        if sub or verb == "patch":
            raise Status(
                405, "MethodNotAllowed", "the server does not allow this method on the requested resource"
            )
        if verb in ("list", "watch"):
            return self._many(verb, resource, key[0])
        if verb == "get":
            return store.get(resource, key)
        if verb == "create":
            return double.create(resource, key[0], body)
        if verb == "update":
            rules.shaped(body, KINDS[resource])
            return store.replace(resource, body)
        if body and body.get("kind") not in (None, "DeleteOptions"):
            raise Status(400, "BadRequest", "no DeleteOptions")
        if "gracePeriodSeconds" in self.query:
            body["gracePeriodSeconds"] = int(self.query["gracePeriodSeconds"])
        return double.delete(resource, key, body)

    def _many(self, verb: str, resource: str, space: str) -> Any:
        ask, faults = self.query.get, self.double.faults
        select = Selection(ask("labelSelector", ""), ask("fieldSelector", ""), resource)
        expired = self.double.faults.strikes(faults.expired)
        if verb == "list":
            limit = int(ask("limit", "0"))
            return self.double.store.page(
                resource, space, select, limit, ask("continue", ""), bool(limit) and expired
            )
        version = ask("resourceVersion", "")
        if expired and version:
            raise Status(410, "Expired", f"too old resource version: {version}")
        lasts_s = float(ask("timeoutSeconds", "1800"))
        events = self.double.store.events(
            resource, space, select, version, lasts_s, ask("allowWatchBookmarks") in ("true", "1")
        )
        self._stream(events)
        return None

    def _stream(self, events: Any) -> None:
        """In chunks, one line for each event."""
        first = next(events, None)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with self.double.watching(self.connection), contextlib.suppress(OSError):
            while True:
                if first is not None:
                    line = json.dumps(first).encode() + b"\n"
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
                    self.wfile.flush()
                try:
                    first = next(events)
                except StopIteration:
                    break
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = True

    def _send(self, code: int, answer: Any, retry_after_s: int | None = None) -> None:
        text = isinstance(answer, bytes)
        content = answer if text else json.dumps(answer).encode()
        self.send_response(code)
        self.send_header("Content-Type", "text/plain" if text else "application/json")
        self.send_header("Content-Length", str(len(content)))
        if retry_after_s is not None:
            self.send_header("Retry-After", str(retry_after_s))
        self.end_headers()
        self.wfile.write(content)


def _resource(name: str, kind: str, verbs: str) -> Document:
    return {
        "name": name,
        "singularName": kind.lower(),
        "namespaced": name.partition("/")[0] in NAMESPACED,
        "kind": kind,
        "verbs": verbs.split(),
    }


DISCOVERY: dict[str, Document] = {
    "/version": {"major": "1", "minor": "32", "gitVersion": "v1.32.0-double", "platform": "linux/amd64"},
    "/api": {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {
        "kind": "APIResourceList",
        "groupVersion": "v1",
        "resources": [
            *(_resource(name, kind, "create delete get list update watch") for name, kind in KINDS.items()),
            _resource("pods/log", "Pod", "get"),
            _resource("pods/eviction", "Eviction", "create") | {"group": "policy", "version": "v1"},
        ],
    },
}
