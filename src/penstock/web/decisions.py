"""Decisions of the capacity policy with what it was told, in pages: what `penstock replay` decides again."""

from base64 import b64encode
from typing import Any

from penstock.hub.context import Hub
from penstock.hub.journal import journal_page
from penstock.hub.steps import look
from penstock.model.people import Role
from penstock.web import documents as d
from penstock.web.calls import Call

A_PAGE = 50


class After(d.Document):
    """Behind which row of the journal; 0 = from its beginning."""

    after: d.Offset = 0


class MadeDecision(d.Document):
    """A decision that was acted upon: `view`, `memory` are digests of what it was made from, `acts` what it said."""

    seq: int
    at_ms: int
    view: str
    memory: str
    acts: str


class JournalRow(d.Document):
    """One row: `content` in base64, of the policy's own form; `begins`: a journal begins here. `decided`: what it leads to,
    null where nothing was done, or where it is not kept any more."""

    seq: int
    at_ms: int
    begins: bool
    content: str
    decided: MadeDecision | None


class JournalPage(d.Document):
    """Some rows in order; `next`: ask behind it, null at the end. Times in farm time."""

    rows: list[JournalRow]
    next: int | None


def decisions_page(hub: Hub, after: int) -> dict[str, Any]:
    """A JournalPage."""
    rows, made = look(hub, lambda tx, farm: journal_page(tx, after, A_PAGE))
    return {
        "rows": [
            {
                "seq": row.seq,
                "at_ms": row.at_ms,
                "begins": row.begins,
                "content": b64encode(row.content).decode(),
                "decided": _made(made[row.decided]) if row.decided in made else None,
            }
            for row in rows
        ],
        "next": rows[-1].seq if len(rows) == A_PAGE else None,
    }


def _made(one: Any) -> dict[str, Any]:
    return {
        "seq": one.seq,
        "at_ms": one.at_ms,
        "view": one.view,
        "memory": one.memory,
        "acts": one.acts,
    }


def decisions_call(hub: Hub) -> Call:
    """GET /api/v1/decisions."""
    return Call(
        method="GET",
        path="/api/v1/decisions",
        name="read_decisions",
        text="Decisions of the capacity policy with what it was told, in pages, so that each can be made once more.",
        run=lambda said: decisions_page(hub, said.query.after),
        slow=True,
        role=Role.OPERATOR,
        query=After,
        answer=JournalPage,
    )
