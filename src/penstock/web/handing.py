"""Secrets, given to the agent of a running attempt that was planned with them (hub.handing); kept nowhere on the way."""

import asyncio
import base64
from pathlib import Path

from litestar import Router, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from penstock.hub import handing, sessions
from penstock.hub.context import Hub
from penstock.store.secretfiles import Unreadable, read_secret
from penstock.web.agents import AnyRequest, fence_of
from penstock.web.guards import bearer
from penstock.wire.messages import SecretValue


def secrets_router(hub: Hub) -> Router:
    """GET attempts/{id}/secrets/{name}."""

    @get("/attempts/{attempt:str}/secrets/{name:str}", include_in_schema=False)
    async def secret(request: AnyRequest, attempt: FromPath[str], name: FromPath[str]) -> SecretValue:
        return await asyncio.to_thread(_given, hub, (bearer(request), attempt, fence_of(request), name))

    return Router("/api/v1/agent", route_handlers=[secret], tags=["agent"])


def _given(hub: Hub, asked: tuple[str, str, str, str]) -> SecretValue:
    token, attempt, fence, name = asked
    session = sessions.authenticate(hub, token)
    found = handing.secret_for(hub, session, attempt, fence, name)
    if found is None:
        raise NotFoundException("no secret of this attempt is called so")
    try:
        value = read_secret(Path(hub.rules.folder) / found.file)
    except Unreadable as wrong:
        # Not 503: nothing but a person changes that, and the job's cause names it.
        raise NotFoundException(f"secret {name} cannot be read on the hub: {wrong}") from None
    return SecretValue(name=name, value=base64.b64encode(value).decode())
