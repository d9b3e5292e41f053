"""The API that people and the command line call: documents to read, and a few things to do.

Each call is one function over the hub, so that a command on a farm that nobody serves uses the same one.
"""

from collections.abc import Callable
from typing import Any

import msgspec
from litestar import Request, Router, get, post
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.status_codes import HTTP_200_OK

from penstock.hub import people, views
from penstock.hub.context import Hub, NotFound
from penstock.hub.explain import explain
from penstock.hub.fsck import fsck
from penstock.model.job import TRUSTS
from penstock.ports import LogStore
from penstock.web.guards import people_only
from penstock.web.outputs import outputs_view

LOG_PIECE_BYTES = 1 << 19
Document = dict[str, Any]


def _explanation(hub: Hub, job_id: str) -> Document:
    found: Document = msgspec.to_builtins(explain(hub, job_id))
    return found | {"job": views.job_view(hub, job_id)}


def _checked(hub: Hub, how: str) -> Document:
    """`how` "deep" reads and digests every stored object again."""
    return {"violations": msgspec.to_builtins(fsck(hub, digest_again=how == "deep"))}


def _known(hub: Hub, name: str) -> Document:
    """`name`: "TRUST KEY". What `penstock plan` asks of a farm that is served."""
    trust, _, key = name.partition(" ")
    if trust not in TRUSTS:
        raise NotFound("level of trust", trust)
    modules, failure = hub.store.read(lambda tx: views.known(tx, trust, key))  # type: ignore[arg-type]
    return {"modules": msgspec.to_builtins(modules), "failure": msgspec.to_builtins(failure)}


READS: dict[str, Callable[[Hub, str], Document]] = {
    "builds": lambda hub, _: views.builds_view(hub),
    "build": views.build_view,
    "jobs": lambda hub, build_id: views.jobs_view(hub, build_id or None),
    "job": views.job_view,
    "explain": _explanation,
    "machines": lambda hub, _: views.machines_view(hub),
    "fsck": _checked,
    "known": _known,
    "outputs": outputs_view,
}
"""What can be read, by name: (hub, id or "") -> document. Raises context.NotFound."""

LISTS = ("builds", "jobs", "machines", "fsck")
"""What can be read without an id."""


def _said(done: bool, yes: str, no: str) -> Document:
    return {"done": done, "said": yes if done else no}


def _repeated(hub: Hub, job_id: str, _: str) -> Document:
    build = people.repeat(hub, job_id)
    return {"done": True, "said": f"submitted again as build {build.id}", "build": build.id}


ACTS: dict[str, Callable[[Hub, str, str], Document]] = {
    "cancel": lambda hub, name, reason: _said(
        people.cancel(hub, name, reason or "cancelled by a person"),
        f"{name} is cancelled",
        f"{name} had ended already",
    ),
    "retry": _repeated,
    "hold": lambda hub, name, reason: _said(
        people.hold(hub, name, reason or "held by a person"), f"{name} is held", f"{name} was held already"
    ),
    "release": lambda hub, name, reason: _said(
        people.release(hub, name, reason or "released by a person"),
        f"{name} is released",
        f"{name} was not held",
    ),
    "quarantine": lambda hub, name, reason: _said(
        people.quarantine(hub, name, reason or "quarantined by a person"),
        f"{name} gets nothing more",
        f"{name} was quarantined already",
    ),
    "unquarantine": lambda hub, name, _: _said(
        people.unquarantine(hub, name), f"{name} is trusted again", f"{name} was not quarantined"
    ),
    "drain": lambda hub, name, _: _said(
        people.drain(hub, name), f"{name} ends what it runs and takes nothing more", f"{name} is not up"
    ),
    "undrain": lambda hub, name, _: _said(
        people.undrain(hub, name), f"{name} takes work again", f"{name} did not drain"
    ),
}
"""What can be done, by name: (hub, id, reason) -> {"done": bool, "said": sentence}. Raises NotFound, Refused."""


def log_chunk(hub: Hub, logs: LogStore, job_id: str, offset: int) -> Document:
    """A piece of the newest attempt's log from `offset`: {"hex", "ended"}; hex because a log is any bytes."""
    attempt = views.newest_attempt(hub, job_id)
    data = logs.read(attempt.id, offset, LOG_PIECE_BYTES) if attempt else b""
    return {"hex": data.hex(), "ended": attempt is None or not attempt.live}


def people_router(hub: Hub, logs: LogStore) -> Router:
    """GET /NAME and /NAME/ID for what is read, POST /NAME/ID for what is done, for the operator."""
    handlers = [_list_handler(hub, what) for what in LISTS]
    handlers += [_read_handler(hub, what) for what in READS]
    handlers += [_act_handler(hub, what) for what in ACTS]

    @get("/log/{job_id:str}", sync_to_thread=True)
    def read_log(job_id: FromPath[str], offset: FromQuery[int] = 0) -> Document:
        return log_chunk(hub, logs, job_id, max(0, offset))

    return Router("/api/v1", guards=[people_only], route_handlers=[*handlers, read_log])


def _list_handler(hub: Hub, what: str) -> Any:
    @get(f"/{what}", sync_to_thread=True, operation_id=f"list_{what}")
    def handler() -> Document:
        return READS[what](hub, "")

    return handler


def _read_handler(hub: Hub, what: str) -> Any:
    @get(f"/{what}/{{name:str}}", sync_to_thread=True, operation_id=f"read_{what}")
    def handler(name: FromPath[str]) -> Document:
        return READS[what](hub, name)

    return handler


def _act_handler(hub: Hub, what: str) -> Any:
    @post(f"/{what}/{{name:str}}", sync_to_thread=True, status_code=HTTP_200_OK, operation_id=what)
    def handler(
        name: FromPath[str], data: JSONBody[dict[str, str]], request: Request[Any, Any, Any]
    ) -> Document:
        return ACTS[what](hub, name, data.get("reason", ""))

    return handler
