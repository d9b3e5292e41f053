"""Which records are stored, by what key they are found, and what must be unique.

Stores are made from this table (SQL tables, dictionaries of the memory store), so they cannot disagree.
"""

import msgspec

from penstock.model.artifact import Blob, Failure, Inputs, Module
from penstock.model.change import Build, Change
from penstock.model.counted import Counted
from penstock.model.curb import Cleared, Stopped
from penstock.model.decision import Decided, Journal, Memory
from penstock.model.estimate import Estimate
from penstock.model.farm import Event, Farm
from penstock.model.job import Attempt, Edge, Job
from penstock.model.ledger import (
    Bill,
    BillLine,
    BuildCost,
    Entry,
    Footprint,
    Guarding,
    Ledger,
    Meter,
    Price,
    Span,
    Tally,
)
from penstock.model.machine import Credential, Machine, Session
from penstock.model.people import Token


class Shape(msgspec.Struct, frozen=True):
    """How one record type is stored.

    `key`: fields of the primary key. `indexes`: for each name the fields that rows are found and ordered by.
    `unique`: for each name (fields, flag field): no two rows with the flag set may agree in the fields; an
    empty flag means all rows. `numbered`: the key is one integer that the store gives at insertion.
    """

    table: str
    key: tuple[str, ...]
    indexes: dict[str, tuple[str, ...]] = {}
    unique: dict[str, tuple[tuple[str, ...], str]] = {}
    numbered: bool = False


SHAPES: dict[type[msgspec.Struct], Shape] = {
    Farm: Shape("farm", ("id",)),
    Change: Shape("change", ("id",), {"source": ("source", "created_ms")}),
    Build: Shape(
        "build",
        ("id",),
        {"open": ("open", "created_ms"), "source": ("source", "open"), "created": ("created_ms",)},
    ),
    Job: Shape(
        "job",
        ("id",),
        {
            "build": ("build", "open"),
            "state": ("state", "rank", "ready_ms"),
            "waits_on": ("waits_on",),
            "open": ("open", "deadline_ms"),
        },
        {"name_in_build": (("build", "name"), "")},
    ),
    Attempt: Shape(
        "attempt",
        ("id",),
        {
            "job": ("job", "n"),
            "live": ("live", "right_until_ms"),
            "unsettled": ("settled", "state"),
            "session": ("session", "settled"),
            "machine": ("machine", "live"),
            "build": ("build",),
        },
        {
            "one_live_attempt_per_job": (("job",), "live"),
            "one_live_attempt_per_slot": (("machine", "slot"), "live"),
            "attempts_are_counted": (("job", "n"), ""),
        },
    ),
    Edge: Shape("edge", ("parent", "child"), {"child": ("child",)}),
    Inputs: Shape("inputs", ("job",)),
    Estimate: Shape("estimate", ("project", "name", "platform")),
    Machine: Shape("machine", ("id",), {"pool": ("pool", "name"), "power": ("power",)}),
    Session: Shape(
        "session",
        ("id",),
        {"token": ("token_digest",), "open": ("open", "machine"), "contact": ("open", "contact_ms")},
        {"one_open_session_per_machine": (("machine",), "open")},
    ),
    Credential: Shape("credential", ("digest",), {"machine": ("machine",)}),
    Token: Shape("token", ("digest",), {"user": ("user", "name")}),
    Decided: Shape("decided", ("seq",), numbered=True),
    Memory: Shape("memory", ("id",)),
    Journal: Shape("journal", ("seq",), numbered=True),
    Ledger: Shape("ledger", ("id",)),
    Meter: Shape("meter", ("machine",)),
    Span: Shape("span", ("machine", "from_ms"), {"until": ("until_ms",)}),
    Entry: Shape(
        "entry",
        ("seq",),
        {
            "day": ("day", "seq"),
            "machine": ("machine", "span_ms", "seq"),
            "attempt": ("attempt", "seq"),
            "build": ("build", "seq"),
        },
        numbered=True,
    ),
    Price: Shape("price", ("pool", "what", "from_ms")),
    Tally: Shape("tally", ("day", "project", "platform", "pool", "klass", "account", "outcome")),
    BuildCost: Shape("build_cost", ("build",), {"day": ("day", "build")}),
    Footprint: Shape("footprint", ("day", "project", "name", "platform")),
    Bill: Shape("bill", ("id",), {"period": ("current", "provider", "account", "first")}),
    BillLine: Shape("bill_line", ("seq",), {"bill": ("bill", "day", "seq")}, numbered=True),
    Guarding: Shape("guarding", ("name",)),
    Stopped: Shape("stopped_pool", ("pool",)),
    Cleared: Shape("cleared_pool", ("pool",)),
    Counted: Shape("counted", ("what", "pool", "by", "of")),
    Module: Shape("module", ("trust", "key"), {"producer": ("producer",), "state": ("state",)}),
    Failure: Shape("failure", ("trust", "key")),
    Blob: Shape("blob", ("digest",), {"state": ("state",)}),
    Event: Shape(
        "event",
        ("seq",),
        {"position": ("position", "seq"), "job": ("job", "seq"), "kind": ("kind", "seq")},
        numbered=True,
    ),
}
