"""The API that people and the command line call: documents to read, and a few things to do.

Each call is one function over the hub, so that a command on a farm that nobody serves uses the same one.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from penstock.hub import fleet, people, pools, retiring, views
from penstock.hub.context import Hub, Moved, NotFound, Refused
from penstock.hub.explain import explain
from penstock.hub.fsck import fsck
from penstock.hub.sessions import refuse_where_moved
from penstock.hub.steps import look
from penstock.model.job import TRUSTS
from penstock.model.machine import Machine
from penstock.model.states import Power
from penstock.ports import LogStore
from penstock.web import freezing
from penstock.web.freezing import NOBODY
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
    "machines": lambda hub, _: fleet.machines_view(hub),
    "console": fleet.console_view,
    "pools": lambda hub, _: pools.pools_view(hub),
    "fsck": _checked,
    "known": _known,
    "outputs": outputs_view,
}
"""What can be read, by name: (hub, id or "") -> document. Raises context.NotFound."""


Act = Callable[[Hub, str, str, str], bool]


def _why(verb: str, who: str, reason: str) -> str:
    """What is kept and shown of who did it."""
    return f"{verb} by {who}" + (f": {reason}" if reason else "")


def _act(do: Act, yes: str, no: str) -> Callable[..., Document]:
    """A function of ACTS from one that changes the hub, and what it says when it did and when it did not."""

    def act(hub: Hub, name: str, reason: str, who: str = NOBODY) -> Document:
        _refuse_where_moved(hub)
        done = do(hub, name, reason, who)
        return {"done": done, "said": f"{name} {yes if done else no}"}

    return act


def _refuse_where_moved(hub: Hub) -> None:
    """What is asked of a farm that lives elsewhere now would be lost to it. Raises Refused, which says where it is."""
    try:
        look(hub, lambda tx, farm: refuse_where_moved(farm))
    except Moved as moved:
        raise Refused(f"{moved}: ask there", stop=False) from None


def _repeated(hub: Hub, job_id: str, _: str, who: str = NOBODY) -> Document:
    _refuse_where_moved(hub)
    build = people.repeat(hub, job_id, "" if who == NOBODY else who)
    return {"done": True, "said": f"submitted again as build {build.id}", "build": build.id}


def _drained(hub: Hub, name: str, reason: str, who: str = NOBODY) -> Document:
    _refuse_where_moved(hub)
    if people.drain(hub, name, _why("drained", who, reason)):
        return {"done": True, "said": f"{name} ends what it runs and takes nothing more"}
    machine = hub.store.read(lambda tx: tx.get(Machine, name))
    drains = machine is not None and machine.power == Power.DRAINING
    return {"done": False, "said": f"{name} {'drains already' if drains else 'is not up'}"}


ACTS: dict[str, Callable[..., Document]] = {
    "cancel": _act(
        lambda hub, name, reason, who: people.cancel(hub, name, _why("cancelled", who, reason)),
        "is cancelled",
        "had ended already",
    ),
    "retry": _repeated,
    "hold": _act(
        lambda hub, name, reason, who: people.hold(hub, name, _why("held", who, reason)),
        "is held",
        "was held already",
    ),
    "release": _act(
        lambda hub, name, reason, who: people.release(hub, name, _why("released", who, reason)),
        "is released",
        "was not held",
    ),
    "quarantine": _act(
        lambda hub, name, reason, who: people.quarantine(hub, name, _why("quarantined", who, reason)),
        "gets nothing more",
        "was quarantined already",
    ),
    "unquarantine": _act(
        lambda hub, name, reason, who: people.unquarantine(hub, name, _why("trusted again", who, reason)),
        "is trusted again",
        "was not quarantined",
    ),
    "retire": _act(
        lambda hub, name, reason, who: retiring.retire(hub, name, _why("retired", who, reason)),
        "ends what it runs and leaves the farm",
        "was retired already",
    ),
    "drain": _drained,
    "undrain": _act(
        lambda hub, name, reason, who: people.undrain(hub, name, _why("drain taken back", who, reason)),
        "takes work again",
        "did not drain",
    ),
    "clear-pool": _act(
        lambda hub, name, reason, who: pools.clear_pool(hub, name, _why("cleared", who, reason)),
        "has its strangers deleted within the next minutes",
        "is being cleared already",
    ),
    "trust-pool": _act(
        lambda hub, name, reason, who: pools.trust_pool(hub, name, _why("trusted again", who, reason)),
        "is trusted again: what its machines failed at is forgotten",
        "was not suspected",
    ),
    "stop-pool": _act(
        lambda hub, name, reason, who: pools.stop_pool(hub, name, _why("stopped", who, reason)),
        "is stopped: nothing starts there until it is started again",
        "was stopped already",
    ),
    "start-pool": _act(
        lambda hub, name, reason, who: pools.start_pool(hub, name, _why("started", who, reason)),
        "is used again",
        "was not stopped",
    ),
    "freeze": freezing.freeze,
    "move": freezing.move,
    "thaw": freezing.thaw,
}
"""What can be done, by name: (hub, id, reason, who) -> {"done": bool, "said": sentence}. Raises NotFound, Refused."""


def log_chunk(hub: Hub, logs: LogStore, job_id: str, offset: int) -> Document:
    """A piece of the newest attempt's log from `offset`: {"hex", "ended"}; hex because a log is any bytes."""
    attempt = views.newest_attempt(hub, job_id)
    data = logs.read(attempt.id, offset, LOG_PIECE_BYTES) if attempt else b""
    return {"hex": data.hex(), "ended": attempt is None or not attempt.live}
