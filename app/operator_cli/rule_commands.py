"""The commands of observation rules and their options. Each imports its implementation when it runs, as in
``app/cli.py``."""

# ruff: noqa: PLC0415

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import typer

from app.operator_cli.options import DEFAULT_URL, ENDPOINT_FILTER, AsJson, Filter, Token, Url, filtered_by

Name: TypeAlias = Annotated[str, typer.Argument(metavar="NAME", help="Name of the rule, or its id.")]
Paths: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--path", "-p", help="Path to observe; * is every instance: '/3303/*/5700'. Repeatable."),
]
ReadPaths: TypeAlias = Annotated[
    list[str] | None, typer.Option("--read", "-r", help="Path to read at every registration. Repeatable.")
]
Attributes: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--attribute", "-a", help="pmin, pmax, gt, lt, st, epmin or epmax: pmax=300. Repeatable."),
]
Composite: TypeAlias = Annotated[
    bool | None, typer.Option("--composite/--single", help="One composite observation of all paths, or one of each.")
]

rules = typer.Typer(
    name="rules",
    help="Observation rules of a running Reveille: what the endpoints of a filter observe, and read at registration. "
    "Connects to --url, else REVEILLE_URL, else this machine.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@rules.command("list")
def list_(*, as_json: AsJson = False, url: Url = DEFAULT_URL, token: Token = None) -> None:
    """List all rules, with the number of endpoints in each state."""
    from app.operator_cli.connection import Api
    from app.operator_cli.rules import listing

    listing(Api(url, token), as_json=as_json)


@rules.command()
def show(name: Name, *, as_json: AsJson = False, url: Url = DEFAULT_URL, token: Token = None) -> None:
    """Show all fields of a rule, and the number of endpoints in each state."""
    from app.operator_cli.connection import Api
    from app.operator_cli.rules import showing

    showing(Api(url, token), name, as_json=as_json)


@rules.command()
@filtered_by(ENDPOINT_FILTER)
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Unique name of the new rule.")],
    *,
    criteria: Filter,
    paths: Paths = None,
    read_paths: ReadPaths = None,
    attributes: Attributes = None,
    composite: Composite = None,
    disabled: Annotated[bool, typer.Option("--disabled", help="Create it without carrying it out.")] = False,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Create a rule (reveille rules create climate -p '/3303/*/5700' -a pmax=300). It is carried out at once on the
    registered endpoints that match the options, all of them without one."""
    from app.operator_cli import rules as implementation
    from app.operator_cli.connection import Api

    given = {"name": name, "filter": criteria, **_given(paths, read_paths, attributes, composite)}
    implementation.create(Api(url, token), {**given, "enabled": not disabled}, as_json=as_json)


@rules.command()
@filtered_by(ENDPOINT_FILTER)
def update(
    name: Name,
    *,
    criteria: Filter,
    new_name: Annotated[str | None, typer.Option("--name", help="New name.")] = None,
    paths: Paths = None,
    read_paths: ReadPaths = None,
    attributes: Attributes = None,
    composite: Composite = None,
    without: Annotated[
        list[str] | None,
        typer.Option("--without", help="Remove all of: paths, readPaths, attributes or filter. Repeatable."),
    ] = None,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Change a rule. The given options replace the rule's former name, paths, attributes or, as a whole, its filter;
    the rest remains."""
    from app.operator_cli import rules as implementation
    from app.operator_cli.connection import Api

    removed: dict[str, Any] = {field: {} if field == "filter" else None for field in without or ()}
    changes = {**removed, **_given(paths, read_paths, attributes, composite)}
    changes |= {"filter": criteria} if criteria else {}
    changes |= {} if new_name is None else {"name": new_name}
    implementation.update(Api(url, token), name, changes, as_json=as_json)


@rules.command()
def delete(name: Name, *, as_json: AsJson = False, url: Url = DEFAULT_URL, token: Token = None) -> None:
    """Delete a rule. Its observations are canceled, unless another rule wants them."""
    from app.operator_cli import rules as implementation
    from app.operator_cli.connection import Api

    implementation.delete(Api(url, token), name, as_json=as_json)


@rules.command()
def enable(name: Name, *, as_json: AsJson = False, url: Url = DEFAULT_URL, token: Token = None) -> None:
    """Carry a disabled rule out again."""
    from app.operator_cli import rules as implementation
    from app.operator_cli.connection import Api

    implementation.update(Api(url, token), name, {"enabled": True}, as_json=as_json)


@rules.command()
def disable(name: Name, *, as_json: AsJson = False, url: Url = DEFAULT_URL, token: Token = None) -> None:
    """Keep a rule without carrying it out. Its observations are canceled, unless another rule wants them."""
    from app.operator_cli import rules as implementation
    from app.operator_cli.connection import Api

    implementation.update(Api(url, token), name, {"enabled": False}, as_json=as_json)


def _given(
    paths: list[str] | None,
    read_paths: list[str] | None,
    attributes: list[str] | None,
    composite: bool | None,
) -> dict[str, Any]:
    """Return the fields of an ``ObservationRuleInput`` whose options are given."""
    from app.operator_cli.rules import attributes_of

    facts = {
        "paths": paths or None,
        "readPaths": read_paths or None,
        "attributes": attributes_of(attributes) if attributes else None,
        "composite": composite,
    }
    return {name: fact for name, fact in facts.items() if fact is not None}
