"""What another system says of its queue: what waits, what runs where, what has ended, which agents are there.

Ids and names are that system's own; moments are milliseconds since 1970 by its clock.
"""

from typing import Literal

import msgspec

Result = Literal["", "passed", "failed", "error", "cancelled", "lost"]
"""How a run ended, "" while it runs. "lost": that system tries it again by itself; "error": it does not."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """Something that waits to run. `builder`: what such requests are called; `group`: those of one group were asked for
    together; `title`: what people call that; `labels`: what it asks of an agent."""

    id: str
    builder: str
    labels: tuple[str, ...] = ()
    group: str = ""
    title: str = ""
    since_ms: int = 0


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One try at a request, by the agent of that name. `ended_ms`: 0 while it runs."""

    id: str
    request: Request
    agent: str
    started_ms: int
    ended_ms: int = 0
    result: Result = ""
    cause: str = ""


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """One agent as that system sees it. `paused`: it is given nothing; `paused_by_us`: because this farm said so.
    `machine`: the id of the machine that it says it runs on, "" where it says nothing."""

    name: str
    connected: bool = False
    paused: bool = False
    paused_by_us: bool = False
    machine: str = ""


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """One look at a queue. What moved on meanwhile is in the list of what it came to; what went back may be in none.

    `ended`: since the mark that was given; `mark`: to be given the next time.
    """

    waiting: tuple[Request, ...] = ()
    running: tuple[Run, ...] = ()
    ended: tuple[Run, ...] = ()
    agents: tuple[Agent, ...] = ()
    mark: str = ""


class Fate(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one request that was in no list. `state`: "open" (it will be in one), "ended", "merged" (into another
    request) or "gone" (that system knows it no more). `runs`: all tries at it."""

    state: Literal["open", "ended", "merged", "gone"]
    result: Result = ""
    runs: tuple[Run, ...] = ()
