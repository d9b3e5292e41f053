"""What one hub process serves: its parts, and to whom."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from penstock.hub.context import Hub
from penstock.hub.submission import Accepted, Submission
from penstock.ports import Forge, LogStore
from penstock.web.bell import Bell

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
LOOPBACK_ADDRESSES = ("127.0.0.1", "::1")


@dataclass(frozen=True)
class Site:
    """One hub process as its HTTP edge sees it.

    `operator_token` is the local operator's, who may do everything; `hosts` are the names in a Host header that are
    answered. `on_fault` is told of what went wrong in the hub itself, such as a full disk: callers are answered 500,
    and try again. `on_forward` is told a line of each connection that an attempt had through the hub. `submit` turns what is asked for into a build, and may take its time; without it nothing can be
    submitted. It raises hub.submission.Unfit, Refused.
    """

    hub: Hub
    logs: LogStore
    forge: Forge
    bell: Bell
    operator_token: str
    hosts: Collection[str] = LOOPBACK
    on_fault: Callable[[Exception], None] | None = None
    on_forward: Callable[[str], None] = lambda line: None
    submit: Callable[[Submission], Accepted] | None = None
