"""A question about costs as data: the same for who calls the API and for a command on a farm that nobody serves."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from penstock.hub.context import Hub
from penstock.model.people import Role
from penstock.web.documents import Nothing

Document = dict[str, Any]


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """GET /api/v1/costs/NAME: `query` says what may be asked, `run` answers a document of the type `answer`."""

    text: str
    run: Callable[[Hub, Any], Document]
    query: type[Any] = Nothing
    answer: type[Any]
    role: Role = Role.VIEWER
    errors: Mapping[int, Any] = {}


class Tell(msgspec.Struct, frozen=True, kw_only=True):
    """POST /api/v1/costs/NAME: changes something, as `run(hub, body, who)`, and says what."""

    text: str
    run: Callable[[Hub, Any, str], Document]
    body: type[Any]
    answer: type[Any]
    role: Role = Role.OPERATOR
    errors: Mapping[int, Any] = {}


def answer(ask: Ask, hub: Hub, query: Mapping[str, str]) -> Document:
    """What the API would answer, without it. Raises msgspec.ValidationError for a question that is not as asked for."""
    return ask.run(hub, msgspec.convert(dict(query), ask.query, strict=False))


def do(tell: Tell, hub: Hub, body: Document, who: str) -> Document:
    """What a call would do, without it. Raises msgspec.ValidationError for a body that is not as asked for."""
    return tell.run(hub, msgspec.convert(body, tell.body), who)
