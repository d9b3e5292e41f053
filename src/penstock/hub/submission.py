"""What a person or a program asks to be built, and how a repeat of that is known."""

import hashlib

import msgspec

from penstock.hub.context import Refused
from penstock.model.change import Build, Change
from penstock.ports import Tx

DIGITS = 32


class Unfit(Exception):
    """What is asked for cannot be built as it is: where, what, what to write instead; as text one line (HTTP 400)."""


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """A repository at a ref, and for whom. `request` is the caller's own id of this call: the same twice is one build.

    `user` is who called, `local` when that is the local operator on this machine: then folders may be named.
    `klass` is what is asked for, "" = what the rules give: it can only ask for less.
    """

    request: str
    repository: str
    ref: str = "HEAD"
    path: str = "."
    user: str
    who: str = ""
    local: bool = False
    project: str = ""
    priority: int = 0
    klass: str = ""
    queue_limit_ms: int | None = None


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """The build that answers a submission. `warnings`: what it waits for in vain as the farm is now, as sentences."""

    build: Build
    warnings: tuple[str, ...] = ()


def change_id(asked: Submission) -> str:
    """The id of the change that a submission becomes: who asked with which request id, then what was asked."""
    body = msgspec.json.encode(asked)
    return f"{_prefix(asked)}{hashlib.sha256(body).hexdigest()[:DIGITS]}"


def known(tx: Tx, asked: Submission) -> Build | None:
    """The build that this submission became already. Raises Refused when its request id was used for another."""
    prefix, wanted = _prefix(asked), change_id(asked)
    found = tx.find(Change, "key", limit=1, after=(prefix,))
    if not found or not found[0].id.startswith(prefix):
        return None
    if found[0].id != wanted:
        raise Refused(
            f"the request id {asked.request!r} was used for something else: choose another", stop=False
        )
    builds = [build for build in tx.find(Build, "source", found[0].source) if build.change == wanted]
    return builds[0] if builds else None


def _prefix(asked: Submission) -> str:
    """What all changes of one request id begin with."""
    said = hashlib.sha256(msgspec.json.encode((asked.user, asked.request))).hexdigest()
    return f"request-{said[:DIGITS]}-"
