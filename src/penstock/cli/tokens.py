"""`penstock tokens`: made, listed and revoked, through the hub that serves the state or in its database."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from penstock.cli.output import Leave, print_json, print_table, refuse
from penstock.cli.place import find_place
from penstock.hub import intake
from penstock.hub.context import Hub
from penstock.model.people import ROLES
from penstock.model.units import DAY_MS
from penstock.reports.builds import EXIT_FAILED
from penstock.web.tokens import create_token, list_tokens, revoke_token
from penstock.wire.client import Address, Client, HubError, Unreachable
from penstock.wiring import Quiet, assemble

Document = dict[str, Any]
SPAN = re.compile(r"(\d{1,6})([mhd])")
REFUSED = (400, 409)
UNITS_MS = {"m": 60_000, "h": 3_600_000, "d": DAY_MS}


class Where(msgspec.Struct, frozen=True, kw_only=True):
    """Which farm: as every command names it."""

    farm: Path | None = None
    state: Path | None = None


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """For whom a token is: an agent of a pool, or a user."""

    pool: str = ""
    user: str = ""
    role: str = ""
    name: str = ""
    span: str = ""


def create(holder: Holder, where: Where, as_json: bool) -> None:
    """`penstock tokens create`: the token alone, or as {"token"}."""
    asked = _asked(holder)
    document = _do(where, "POST", "tokens", asked, lambda hub: create_token(hub, asked))
    if as_json:
        print_json(document)
    else:
        print(document["token"])


def show(where: Where, as_json: bool) -> None:
    """`penstock tokens list`."""
    document = _do(where, "GET", "tokens", None, list_tokens)
    if as_json:
        print_json(document)
        return
    rows = [
        (one["user"], one["name"], one["role"], moment(one["created_s"]), _until(one))
        for one in document["tokens"]
    ]
    print_table(("user", "name", "role", "made", "until"), rows)


def revoke(user: str, name: str, where: Where, as_json: bool) -> None:
    """`penstock tokens revoke`: exit 1 when there was none."""
    asked = {"user": user, "name": name}
    document = _do(where, "POST", "tokens/revoke", asked, lambda hub: revoke_token(hub, asked))
    if as_json:
        print_json(document)
    else:
        print(f"{document['revoked']} revoked")
    raise Leave(0 if document["revoked"] else EXIT_FAILED)


def span_ms(text: str) -> int:
    """Write "30d", "12h" or "90m" for that many milliseconds; "" is 0, until it is revoked."""
    found = SPAN.fullmatch(text)
    if text and (found is None or not int(found[1])):
        refuse(f"--for {text}: write minutes, hours or days, such as 90m, 12h or 30d")
    return int(found[1]) * UNITS_MS[found[2]] if found else 0


def _asked(holder: Holder) -> Document:
    """What to ask of the hub. Refuses what is neither an agent's nor a person's."""
    if bool(holder.pool) == bool(holder.user):
        refuse("give --pool POOL for an agent, or --user NAME with --role ROLE for a person or a program")
    if holder.pool:
        if holder.role or holder.name or holder.span:
            refuse("--role, --name and --for are for users: an agent's token is good once, for a day")
        return {"pool": holder.pool}
    if holder.role not in ROLES:
        refuse(f"--role {holder.role or 'is missing'}: write {', '.join(ROLES)}")
    return {
        "user": holder.user,
        "role": holder.role,
        "name": holder.name,
        "valid_ms": span_ms(holder.span),
    }


def _do(
    where: Where, method: str, path: str, body: Document | None, own: Callable[[Hub], Document]
) -> Document:
    """Through the hub that serves this state; where none does, `own` on its database, made when it is missing."""
    place = find_place(where.farm, where.state)
    served = place.hub_address()
    if served is not None:
        try:
            client = Client(Address(served["address"]), served["token"])
            return client.call(method, f"/api/v1/{path}", body, tries=1)
        except HubError as problem:
            if problem.status in REFUSED:
                refuse(problem.reason)
            raise
        except Unreachable:
            pass  # it died without taking its address back
    parts = assemble(place.rules, place.folder, Quiet())
    try:
        intake.make_farm(parts.hub)
        return own(parts.hub)
    finally:
        parts.close()


def _until(token: Document) -> str:
    if token["revoked"]:
        return "revoked"
    ends_s = token["ends_s"]
    return "for ever" if ends_s is None else moment(ends_s)


def moment(seconds: float) -> str:
    """A time as people read it, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
