"""Calls of the cluster's API: one request each, within the time that is left, and what its refusals mean here.

The official client does TLS and credentials (kubeconfig, programs that fetch tokens, the account of a pod); objects go in and
come out as they are on the wire, so that a field that its release does not know breaks nothing.
"""

import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from penstock.model.pool_kubernetes import Kubernetes
from penstock.ports import NoAnswer, ProviderError, QuotaReached, Throttled
from penstock.providers.kubernetes.states import plain

Document = dict[str, Any]
Query = Mapping[str, str | int]
CALL_S = 4.5
"""A call of ports.Provider may take five seconds, whatever it asks of the cluster."""
CONNECT_S = 2.0
LARGEST = 64 << 20
BAD_REQUEST, NOT_FOUND, CONFLICT, GONE, TOO_MANY = 400, 404, 409, 410, 429
UNSURE = (408, 500, 502, 504)
"""Statuses after which the call may have been carried out."""
_BEARER = ["BearerToken"]


class Refused(ProviderError):
    """The cluster's own refusal: HTTP status, one word, one sentence."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason = code, reason


class Crowded(QuotaReached):
    """A quota of the namespace, which whatever goes there makes room in."""

    shared = True


class Left:
    """What is left of the time of one call of a provider."""

    def __init__(self, whole_s: float = CALL_S) -> None:
        self._until_s = time.monotonic() + whole_s

    def seconds(self) -> float:
        """So many. Raises NoAnswer when it is over."""
        left_s = self._until_s - time.monotonic()
        if left_s <= 0.05:
            raise NoAnswer("the cluster took too long")
        return left_s


class Api:
    """One cluster, as a pool names it. Nothing is read or called before it is used."""

    def __init__(self, about: Kubernetes) -> None:
        self._about = about
        self._lock = threading.Lock()
        self._client: Any = None

    def call(
        self, method: str, path: str, left: Left, body: Document | None = None, query: Query | None = None
    ) -> Document:
        """One request; its answer. `path`: below the namespace. Raises ProviderError: Refused where it says something else."""
        return _document(self._asked(method, path, left, body, query))

    def text(self, path: str, left: Left, query: Query) -> str:
        """An answer that is no object. Raises as `call` does."""
        return self._asked("GET", path, left, None, query).decode("utf-8", "replace")

    def _asked(self, method: str, path: str, left: Left, body: Document | None, query: Query | None) -> bytes:
        answer = self._send(method, path, _share(left.seconds()), body, query)
        try:
            content: bytes = answer.response.read(LARGEST, decode_content=True)
        except _broken() as wrong:
            raise NoAnswer(f"the cluster's answer broke off: {plain(wrong)}") from wrong
        finally:
            answer.response.release_conn()
        _judge(answer.status, answer.response.headers, content)
        return content

    def watch(self, path: str, query: Query, lasts_s: int) -> Iterator[Document]:
        """Events until the cluster ends it. The first is {} as soon as it has begun. Raises as `call` does."""
        asked = {**query, "watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": lasts_s}
        answer = self._send("GET", path, (CONNECT_S, lasts_s + CONNECT_S), None, asked)
        response = answer.response
        try:
            if answer.status != 200:
                _judge(answer.status, response.headers, response.read(LARGEST, decode_content=True))
            yield {}
            for line in _lines(response.stream(None, decode_content=True)):
                yield _document(line)
        except _broken() as wrong:
            raise NoAnswer(f"the cluster's watch broke off: {plain(wrong)}") from wrong
        finally:
            response.close()

    def _send(
        self,
        method: str,
        path: str,
        timeout_s: tuple[float, float],
        body: Document | None,
        query: Query | None,
    ) -> Any:
        client = self._opened()
        headers = {"Accept": "application/json, */*", "Content-Type": "application/json"}
        asked = [(key, str(value)) for key, value in (query or {}).items()]
        place = f"/api/v1/namespaces/{self._about.space}/{path}"
        request = client.param_serialize(
            method, place, query_params=asked, header_params=headers, body=body, auth_settings=_BEARER
        )
        try:
            return client.call_api(*request, _request_timeout=timeout_s)
        except _broken() as wrong:
            raise NoAnswer(f"the cluster did not answer: {plain(wrong)}") from wrong

    def _opened(self) -> Any:
        """The official client, made at the first call: it takes a second to import."""
        if not self._about.image:
            raise ProviderError("the pool has no [pool.kubernetes]: write image in it")
        with self._lock:
            if self._client is None:
                self._client = _client(self._about)
            return self._client


def _client(about: Kubernetes) -> Any:
    """It repeats nothing: the hub does, with what it knows."""
    from kubernetes import client, config

    settings = client.Configuration()
    inside = "KUBERNETES_SERVICE_HOST" in os.environ and not about.kubeconfig
    try:
        if inside and not about.context:
            config.load_incluster_config(client_configuration=settings)
        else:
            config.load_kube_config(
                about.kubeconfig or None,
                about.context or None,
                client_configuration=settings,
                persist_config=False,
            )
    except (config.ConfigException, OSError) as wrong:
        raise ProviderError(f"no access to the cluster: {plain(wrong)}") from wrong
    settings.retries = False
    settings.client_go_retries = False
    return client.ApiClient(settings)


def _broken() -> tuple[type[Exception], ...]:
    from kubernetes.client import ApiException
    from urllib3.exceptions import HTTPError

    return (HTTPError, ApiException, OSError)


def _share(left_s: float) -> tuple[float, float]:
    """Seconds to connect and to be answered, together no more than are left."""
    connect_s = min(CONNECT_S, left_s / 2)
    return connect_s, left_s - connect_s


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        if len(rest) > LARGEST:
            raise NoAnswer("the cluster's watch sends a line without an end")
        yield from (line for line in whole if line.strip())


def _document(content: bytes) -> Document:
    try:
        found = json.loads(content)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise NoAnswer("the cluster's answer is no object")
    return found


def _judge(status: int, headers: Mapping[str, str], content: bytes) -> None:
    """Raises what a refusal means."""
    if 200 <= status < 300:
        return
    try:
        said = _document(content)
    except NoAnswer:
        said = {}
    reason, message = str(said.get("reason", "")), plain(said.get("message") or f"HTTP status {status}")
    if status == TOO_MANY or (status == 503 and "Retry-After" in headers):
        raise Throttled(message)
    if status in UNSURE or status == 503:
        raise NoAnswer(message)
    if status == 403 and "exceeded quota" in message:
        raise Crowded(message)
    raise Refused(status, reason, message)
