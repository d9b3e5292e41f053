"""The commands that run a hub and let others in."""

from pathlib import Path
from typing import Annotated

import typer

from penstock.cli.options import AsJson, FarmFile, NoSandbox, StateFolder


def serve(
    listen: Annotated[
        str, typer.Option("--listen", help="ADDRESS:PORT; port 0 takes a free one.")
    ] = "127.0.0.1:8010",
    host: Annotated[
        list[str] | None, typer.Option("--host", help="A name that it answers to; may be repeated.")
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option("--tls-cert", help="Certificate and chain, PEM.")] = None,
    tls_key: Annotated[
        Path | None, typer.Option("--tls-key", help="The key of the certificate, PEM.")
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Allow plain http on an address of the network.")
    ] = False,
    public_url: Annotated[
        str, typer.Option("--public-url", help="What people and agents call it, behind a proxy.")
    ] = "",
    no_migrate: Annotated[
        bool, typer.Option("--no-migrate", help="Refuse a database that is not of this release yet.")
    ] = False,
    no_sandbox: NoSandbox = False,
    farm: FarmFile = None,
    state: StateFolder = None,
    as_json: AsJson = False,
) -> None:
    """Run a hub: serve agents and people, decide while it leads. The first line printed is its address."""
    from penstock.cli.serve import Wanted, run_serve

    wanted = Wanted(
        listen=listen,
        hosts=tuple(host or ()),
        tls_cert=tls_cert,
        tls_key=tls_key,
        insecure=insecure,
        public_url=public_url,
        no_migrate=no_migrate,
        no_sandbox=no_sandbox,
        as_json=as_json,
    )
    run_serve(farm, state, wanted)


def migrate(farm: FarmFile = None, state: StateFolder = None, as_json: AsJson = False) -> None:
    """Bring the database to this release's schema, and say what was done."""
    from penstock.cli.migrate import run_migrate

    run_migrate(farm, state, as_json)


tokens_app = typer.Typer(
    help="Tokens of agents, people and programs.", no_args_is_help=True, rich_markup_mode=None
)


@tokens_app.command("create")
def tokens_create(
    pool: Annotated[str, typer.Option("--pool", help="For one agent of this pool, once.")] = "",
    user: Annotated[str, typer.Option("--user", help="For this person or program.")] = "",
    role: Annotated[
        str, typer.Option("--role", help="What it may do: viewer, developer, operator, admin.")
    ] = "",
    name: Annotated[str, typer.Option("--name", help="Tells a user's tokens apart.")] = "",
    span: Annotated[
        str, typer.Option("--for", help="How long it is good: 90m, 12h, 30d; else until revoked.")
    ] = "",
    farm: FarmFile = None,
    state: StateFolder = None,
    as_json: AsJson = False,
) -> None:
    """Make a token and print it, this once: for an agent (--pool) or a user (--user, --role)."""
    from penstock.cli import tokens

    holder = tokens.Holder(pool=pool, user=user, role=role, name=name, span=span)
    tokens.create(holder, tokens.Where(farm=farm, state=state), as_json)


@tokens_app.command("list")
def tokens_list(farm: FarmFile = None, state: StateFolder = None, as_json: AsJson = False) -> None:
    """List the tokens of users; the tokens themselves are kept nowhere."""
    from penstock.cli import tokens

    tokens.show(tokens.Where(farm=farm, state=state), as_json)


@tokens_app.command("revoke")
def tokens_revoke(
    user: Annotated[str, typer.Option("--user", help="Whose.")],
    name: Annotated[str, typer.Option("--name", help="Which of them; without it those without a name.")] = "",
    farm: FarmFile = None,
    state: StateFolder = None,
    as_json: AsJson = False,
) -> None:
    """Revoke the tokens of a user that have this name."""
    from penstock.cli import tokens

    tokens.revoke(user, name, tokens.Where(farm=farm, state=state), as_json)
