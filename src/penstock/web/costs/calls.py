"""Calls of the API made from the questions about costs."""

from penstock.hub.context import Hub
from penstock.web import documents as d
from penstock.web.calls import Call
from penstock.web.costs import ASKS, TELLS
from penstock.web.costs.asks import Ask, Tell


def cost_calls(hub: Hub) -> list[Call]:
    """All of them, over one hub."""
    return [_reading(hub, name, ask) for name, ask in ASKS.items()] + [
        _changing(hub, name, tell) for name, tell in TELLS.items()
    ]


def _reading(hub: Hub, name: str, ask: Ask) -> Call:
    return Call(
        method="GET",
        path=f"/api/v1/costs/{name}",
        name=f"read_costs_{name}",
        text=ask.text,
        run=lambda said: ask.run(hub, said.query),
        slow=True,
        role=ask.role,
        query=ask.query,
        answer=ask.answer,
        errors=ask.errors,
    )


def _changing(hub: Hub, name: str, tell: Tell) -> Call:
    return Call(
        method="POST",
        path=f"/api/v1/costs/{name}",
        name=f"change_costs_{name}",
        text=tell.text,
        run=lambda said: tell.run(hub, said.body, said.caller.user),
        slow=True,
        role=tell.role,
        body=tell.body,
        answer=tell.answer,
        errors={409: d.Problem, **tell.errors},
    )
