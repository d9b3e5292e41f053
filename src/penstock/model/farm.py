"""The farm's own row, and the events that it tells."""

import msgspec


class Farm(msgspec.Struct, frozen=True, kw_only=True):
    """One row, `id` = "farm".

    `incarnation` is new at restore and clone and part of every fence; `time_ms` is farm time (I10), advanced
    by the leader only and never set from a wall clock; `leader` and `leader_epoch` name who decides. A `frozen` farm
    reports and decides nothing until a person thaws it; `adopted` are the older incarnations whose machines are its
    own. `address` is where agents are to call from now on, "" = where they do.
    """

    id: str = "farm"
    name: str = ""
    uid: str = ""
    incarnation: str = ""
    time_ms: int = 0
    leader: str = ""
    leader_epoch: int = 0
    frozen: bool = False
    frozen_reason: str = ""
    adopted: tuple[str, ...] = ()
    address: str = ""
    position: int = 0
    version: int = 0


EVENT_KINDS = (
    "job",
    "build",
    "machine",
    "power",
    "farm",
    "attempt",
    "capacity",
    "download",
    "enrolment",
    "token",
    "alert",
    "guard",
)
"""What events are about: all that a hub writes, and so all that can be asked for."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the outbox: written in the transaction of what it tells, stamped with a `position` after
    its commit (I16; 0 = not stamped yet). `seq` is given by the store."""

    seq: int = 0
    position: int = 0
    at_ms: int = 0
    build: str = ""
    job: str = ""
    attempt: str = ""
    machine: str = ""
    kind: str = ""
    state: str = ""
    reason: str = ""
    version: int = 0
