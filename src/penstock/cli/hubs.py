"""Hubs on this machine and on others: where they are, who calls, and what is said when they do not answer as wished.

Any command that talks to a hub can be pointed at one elsewhere: `--hub URL`, a token from `--token-file` or
PENSTOCK_TOKEN_FILE or PENSTOCK_TOKEN, an authority of one's own for its certificate from `--ca-file` or PENSTOCK_CA_FILE.
"""

import functools
import inspect
import os
import ssl
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import msgspec
import typer

from penstock.cli.output import refuse

TOKEN, TOKEN_FILE, CA_FILE = "PENSTOCK_TOKEN", "PENSTOCK_TOKEN_FILE", "PENSTOCK_CA_FILE"
MOST_TOKEN_BYTES = 4096
ASKED_WRONGLY = (400, 404, 405, 409, 413, 415, 422)
"""What the hub answers where an open farm raises NotFound or Refused: bad input."""
T = TypeVar("T")


class Reach(msgspec.Struct, frozen=True):
    """How this command reaches a hub, as its options say."""

    token_file: Path | None = None
    ca_file: Path | None = None
    insecure: bool = False


class Target(msgspec.Struct, frozen=True):
    """A hub that can be called: its address, the caller's token, and how its certificate is checked."""

    url: str
    token: str
    ca_file: str | None = None
    insecure: bool = False

    def address(self) -> Any:
        """As the client takes it. Raises ValueError for what is no address, or none that a token is sent to."""
        from penstock.wire.client import Address

        return Address(self.url, ca_file=self.ca_file, insecure=self.insecure)

    def client(self) -> Any:
        """A client of this hub."""
        from penstock.wire.client import Client

        return Client(self.address(), self.token)


NEAR = Reach()
"""Without options."""
REACH: ContextVar[Reach] = ContextVar("reach", default=NEAR)

_OPTIONS = {
    "token_file": Annotated[
        Path | None, typer.Option("--token-file", help=f"Who calls: a token (also {TOKEN_FILE}, {TOKEN}).")
    ],
    "ca_file": Annotated[
        Path | None, typer.Option("--ca-file", help=f"Who vouches for the hub, PEM (also {CA_FILE}).")
    ],
    "insecure": Annotated[
        bool, typer.Option("--insecure", help="Send the token over plain http to another machine.")
    ],
}


def reaching(command: Callable[..., T]) -> Callable[..., T]:
    """A command that talks to a hub also takes --token-file, --ca-file and --insecure; they are in REACH then."""

    @functools.wraps(command)
    def run(**given: Any) -> T:
        reach = Reach(*(given.pop(name) for name in _OPTIONS))
        kept = REACH.set(reach)
        try:
            return command(**given)
        finally:
            REACH.reset(kept)

    signature = inspect.signature(command)
    more = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=False if name == "insecure" else None,
            annotation=kind,
        )
        for name, kind in _OPTIONS.items()
    ]
    run.__signature__ = signature.replace(parameters=[*signature.parameters.values(), *more])  # type: ignore[attr-defined]
    run.__annotations__ = command.__annotations__ | _OPTIONS
    return run


def target(hub: str, known: dict[str, Any] | None) -> Target:
    """The hub at this address, called with the token that was given; else with the one that a hub at the same address
    left in the state folder (`known`). Refuses when there is none."""
    reach = REACH.get()
    token = given_token(reach)
    if not token and known is not None and known["address"] == hub.rstrip("/"):
        token = str(known["token"])
    if not token:
        refuse(
            f"--hub {hub}: no token for it; give --token-file FILE (or {TOKEN_FILE}, {TOKEN}), "
            "or the --state of the farm that it serves on this machine"
        )
    found = Target(hub.rstrip("/"), token, authority(reach), reach.insecure)
    try:
        found.address()
    except ValueError as wrong:
        refuse(f"--hub {wrong}")
    return found


def given_token(reach: Reach) -> str:
    """The token of the options or of the environment; "" when none was given. Refuses a file that holds none."""
    named = reach.token_file or os.environ.get(TOKEN_FILE)
    if not named:
        return os.environ.get(TOKEN, "").strip()
    what = "--token-file" if reach.token_file else TOKEN_FILE
    try:
        with Path(named).open("rb") as file:
            token = file.read(MOST_TOKEN_BYTES).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as wrong:
        reason = wrong.strerror if isinstance(wrong, OSError) else "is no token"
        refuse(f"{what} {named}: {reason}; write a file that holds a token and nothing else")
    if not token or any(character.isspace() for character in token):
        refuse(f"{what} {named}: is no token; write a file that holds one line, the token")
    return token


def authority(reach: Reach) -> str | None:
    """The file of the authority that vouches for the hub's certificate. Refuses one that cannot be read as such."""
    named = reach.ca_file or os.environ.get(CA_FILE)
    if not named:
        return None
    what = "--ca-file" if reach.ca_file else CA_FILE
    try:
        ssl.create_default_context(cafile=str(named))
    except (OSError, ssl.SSLError) as wrong:
        refuse(
            f"{what} {named}: {getattr(wrong, 'strerror', None) or 'holds no certificate'}; write a file in PEM"
        )
    return str(named)


def refuse_answer(url: str, problem: Exception) -> NoReturn:
    """What a hub answered that the caller can mend, as one line and exit 2; anything else is raised again, and ends as 3."""
    from penstock.wire.client import HubError

    cause = problem.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        refuse(f"{url}: its certificate is not to be trusted: {cause.verify_message}; give --ca-file FILE")
    if isinstance(problem, HubError):
        if problem.status == 401:
            refuse(f"{url}: the token is not accepted: {problem.reason}; `penstock tokens create` makes one")
        if problem.status == 403:
            refuse(f"{url}: {problem.reason}")
        if problem.status == 421:
            refuse(f"{url}: {problem.reason}; `penstock serve --host NAME` makes it answer to a name")
        if problem.status in ASKED_WRONGLY:
            refuse(problem.reason)
    raise problem
