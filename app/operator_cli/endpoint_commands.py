"""The commands of ``reveille endpoints`` and their options, as in ``commands.py``."""

# ruff: noqa: PLC0415

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from app.operator_cli.options import (
    DEFAULT_URL,
    ENDPOINT_FILTER,
    AsJson,
    Confirmed,
    Filter,
    Token,
    Url,
    filtered_by,
)

Names: TypeAlias = Annotated[list[str] | None, typer.Argument(help="Names of endpoints.", metavar="name")]
ExpectedEndpoints: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--expect", min=0, help="Proceed without confirmation, only if exactly this number of endpoints matches."
    ),
]

endpoints = typer.Typer(
    name="endpoints",
    help="Endpoints of a running Reveille: list, show, tag, delete. Connects to --url, else REVEILLE_URL, else this "
    "machine.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@endpoints.command("list")
@filtered_by(ENDPOINT_FILTER)
def list_(
    names: Names = None,
    *,
    criteria: Filter,
    first: Annotated[int, typer.Option("--first", "-n", min=1, help="Maximum number of endpoints, by name.")] = 50,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """List endpoints by name: all, or those that match the names and options (reveille endpoints list --tag
    site:x --overdue)."""
    from app.operator_cli.connection import Api
    from app.operator_cli.endpoints import listing

    listing(Api(url, token), names or [], criteria, first, as_json=as_json)


@endpoints.command()
def show(
    name: Annotated[str, typer.Argument(help="Name of the endpoint.")],
    *,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Show an endpoint: contacts, tags, registration, and the latest value of each resource."""
    from app.operator_cli.connection import Api
    from app.operator_cli.endpoints import showing

    showing(Api(url, token), name, as_json=as_json)


@endpoints.command()
@filtered_by(ENDPOINT_FILTER)
def tag(
    names: Names = None,
    *,
    add: Annotated[list[str] | None, typer.Option("--add", "-a", help="Tag to add; repeatable.")] = None,
    remove: Annotated[list[str] | None, typer.Option("--remove", "-r", help="Tag to remove; repeatable.")] = None,
    criteria: Filter,
    expect: ExpectedEndpoints = None,
    yes: Confirmed = False,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Add and remove tags (reveille endpoints tag dev-1 dev-2 --add site:x): of endpoints by name, or of all that match
    the options, if their number is the one that you confirm."""
    from app.operator_cli.connection import Api
    from app.operator_cli.endpoints import tagging

    api = Api(url, token)
    tagging(api, names or [], criteria, add or [], remove or [], expected=expect, confirmed=yes, as_json=as_json)


@endpoints.command()
@filtered_by(ENDPOINT_FILTER)
def delete(
    names: Names = None,
    *,
    criteria: Filter,
    expect: ExpectedEndpoints = None,
    yes: Confirmed = False,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Delete endpoints by name, or all that match the options, if their number is the one that you confirm. Their
    queued operations are canceled. A device that makes contact again is a new endpoint."""
    from app.operator_cli.connection import Api
    from app.operator_cli.endpoints import deleting

    deleting(Api(url, token), names or [], criteria, expected=expect, confirmed=yes, as_json=as_json)
