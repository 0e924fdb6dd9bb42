"""The commands and their options. Each imports its implementation when it runs, as in ``app/cli.py``."""

# ruff: noqa: PLC0415

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import typer

from app.command_error import CommandError
from app.operator_cli.campaign_commands import campaigns
from app.operator_cli.endpoint_commands import endpoints
from app.operator_cli.firmware_update_commands import firmware
from app.operator_cli.options import (
    DEFAULT_URL,
    ENDPOINT_FILTER,
    OPERATION_FILTER,
    QUEUED_FILTER,
    TRANSITION_FILTER,
    AsJson,
    Confirmed,
    Expected,
    Filter,
    Ids,
    Token,
    Url,
    filtered_by,
    global_id,
)
from app.operator_cli.reading_command import readings
from app.operator_cli.rule_commands import rules

ValidateRange: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--validate-range/--no-validate-range",
        help="Reject values outside the ranges of the device's object models, or send them; also of a file.",
    ),
]
ValueTypeName: TypeAlias = Annotated[
    str,
    typer.Option("--type", "-t", help="Type of the value: string, integer, float, boolean, opaque, time, node, .."),
]
NotBefore: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--not-before", help="Time before which it is not sent: 2026-12-01T08:00:00Z, or +90s, +30m, +2h, +1d."
    ),
]
Sequence: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--sequence", help="Name of its sequence, to be used once: an operation that fails stops those behind."
    ),
]
Key: TypeAlias = Annotated[
    str | None, typer.Option("--idempotency-key", help="Repeating the call with the same key creates nothing twice.")
]
InputFile: TypeAlias = Annotated[
    str | None,
    typer.Option("--file", "-f", help="File of inputs as in the API: a JSON list, or one object per line; - is stdin."),
]

Value: TypeAlias = Annotated[str | None, typer.Option("--value", "-v", help="Value of a WRITE or CREATE.")]
Arguments: TypeAlias = Annotated[str | None, typer.Option("--arguments", help="Arguments of an EXECUTE: 0='a',1")]
Priority: TypeAlias = Annotated[int | None, typer.Option("--priority", help="Priority, -100 to 100.")]
Ttl: TypeAlias = Annotated[int | None, typer.Option("--ttl", help="Seconds after which it expires in the queue.")]
Timeout: TypeAlias = Annotated[int | None, typer.Option("--timeout", help="Seconds to wait for the device's response.")]
MaxAttempts: TypeAlias = Annotated[int | None, typer.Option("--max-attempts", help="Maximum attempts, 1 to 100.")]
Supersede: TypeAlias = Annotated[bool, typer.Option("--supersede", help="Cancel older queued writes to this path.")]
Paths: TypeAlias = Annotated[
    list[str] | None, typer.Argument(metavar="path", help="One path, or several for a composite.")
]

ops = typer.Typer(
    name="ops",
    help="Operations of a running Reveille: list, show, watch, cancel, retry, create, create-for. Connects to --url, "
    "else REVEILLE_URL, else this machine.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def add_to(cli: typer.Typer) -> None:
    """Add these commands to those of the processes."""
    cli.add_typer(ops)
    cli.add_typer(rules)
    cli.add_typer(endpoints)
    cli.add_typer(firmware)
    cli.add_typer(campaigns)
    for command in (status, pause, resume, readings):
        cli.command()(command)


def status(
    *,
    live: Annotated[bool, typer.Option("--live", "-l", help="Refresh every two seconds until interrupted.")] = False,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Show the waiting operations by device and age, and what blocks them. Exit with 3 if anything does."""
    from app.operator_cli.connection import Api
    from app.operator_cli.status import status as show_status

    raise typer.Exit(show_status(Api(url, token), as_json=as_json, live=live))


def pause(
    *,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Reason, shown to all users.")],
    endpoint: Annotated[str | None, typer.Option("--endpoint", "-e", help="Only this endpoint.")] = None,
    server: Annotated[str | None, typer.Option("--server", help="Only the devices of this Leshan server.")] = None,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Pause sending: to everything, to one Leshan server's devices, or to one endpoint. Open calls are not canceled."""
    from app.operator_cli import documents, tables
    from app.operator_cli.connection import Api

    data = Api(url, token).execute_with_retry(documents.PAUSE, reason=reason, endpoint=endpoint, server=server)
    if as_json:
        tables.print_json(data["pauseDispatch"])
    else:
        tables.show(tables.pauses_table([data["pauseDispatch"]]))


def resume(
    *,
    endpoint: Annotated[str | None, typer.Option("--endpoint", "-e", help="This endpoint.")] = None,
    server: Annotated[str | None, typer.Option("--server", help="The devices of this Leshan server.")] = None,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Resume the dispatch that was paused with the same options, and list the pauses that remain."""
    from app.operator_cli import documents, tables
    from app.operator_cli.connection import Api

    api = Api(url, token)
    resumed = api.execute(documents.RESUME, endpoint=endpoint, server=server)["resumeDispatch"]
    remaining = api.execute(documents.PAUSES)["dispatchPauses"]
    if as_json:
        tables.print_json({"resumed": resumed, "paused": remaining})
        return
    tables.echo(f"resumed: {tables.scope(resumed)}")
    if remaining:
        tables.show(tables.pauses_table(remaining))


@ops.command("list")
@filtered_by(OPERATION_FILTER)
def list_(
    *,
    criteria: Filter,
    first: Annotated[
        int, typer.Option("--first", "-n", min=1, help="Maximum number of operations, newest first.")
    ] = 50,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """List operations, newest first."""
    from app.operator_cli.connection import Api
    from app.operator_cli.listing import listing

    listing(Api(url, token), criteria, first, as_json=as_json)


@ops.command()
def show(
    id_: Annotated[str, typer.Argument(metavar="ID", help="Id of an operation.")],
    *,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Show all fields and all transitions of an operation."""
    from app.operator_cli.connection import Api
    from app.operator_cli.listing import showing

    showing(Api(url, token), global_id(id_), as_json=as_json)


@ops.command()
@filtered_by(TRANSITION_FILTER)
def watch(
    ids: Ids = None,
    *,
    criteria: Filter,
    after: Annotated[str | None, typer.Option("--after", help="Start with the transitions after this cursor.")] = None,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Follow operations transition by transition: those with these ids until all have ended (exit code 4 if one is not
    CONFIRMED), else all operations, until interrupted. A lost connection is resumed without a gap."""
    from app.operator_cli.connection import Api
    from app.operator_cli.watching import watch as watched

    watched(Api(url, token), ids or [], criteria, after=after, as_json=as_json)


@ops.command()
@filtered_by(QUEUED_FILTER)
def cancel(
    ids: Ids = None,
    *,
    criteria: Filter,
    expect: Expected = None,
    yes: Confirmed = False,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Cancel QUEUED operations: by ids, or all that match the options, if their number is the one that you confirm."""
    from app.operator_cli import many
    from app.operator_cli.connection import Api

    many.cancel(Api(url, token), ids or [], criteria, expected=expect, confirmed=yes, as_json=as_json)


@ops.command()
@filtered_by(OPERATION_FILTER)
def retry(
    ids: Ids = None,
    *,
    criteria: Filter,
    expect: Expected = None,
    yes: Confirmed = False,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Retry ended operations: by ids, or all that match the options (without --status: FAILED and EXPIRED) and have not
    been retried yet."""
    from app.operator_cli import many
    from app.operator_cli.connection import Api

    many.retry(Api(url, token), ids or [], criteria, expected=expect, confirmed=yes, as_json=as_json)


@ops.command()
def create(
    endpoint: Annotated[str | None, typer.Argument(help="Name of the endpoint.")] = None,
    kind: Annotated[str | None, typer.Argument(help="READ, WRITE, EXECUTE, ..")] = None,
    paths: Paths = None,
    *,
    value: Value = None,
    type_: ValueTypeName = "string",
    arguments: Arguments = None,
    priority: Priority = None,
    ttl: Ttl = None,
    timeout: Timeout = None,
    max_attempts: MaxAttempts = None,
    supersede: Supersede = False,
    not_before: NotBefore = None,
    sequence: Sequence = None,
    validate_range: ValidateRange = True,
    file: InputFile = None,
    batch: Annotated[str | None, typer.Option("--batch", "-b", help="Name of the batch.")] = None,
    key: Key = None,
    wait: Annotated[
        bool, typer.Option("--wait", "-w", help="Watch until all operations have ended, then show the outcome of each.")
    ] = False,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Create one operation (reveille ops create dev-1 WRITE /5/0/1 --value https://..), or those of a file."""
    from app.operator_cli import creating
    from app.operator_cli.connection import Api
    from app.operator_cli.watching import outcomes

    api = Api(url, token)
    if (file is None) is (endpoint is None):
        raise CommandError("expected an endpoint and a kind, or --file: see --help", 2)
    if file is not None:
        inputs = creating.read_inputs(file)
    else:
        facts = creating.facts_of(
            kind=kind, value=value, type_=type_, arguments=arguments, priority=priority, ttl=ttl, timeout=timeout,
            max_attempts=max_attempts, supersede=supersede, not_before=not_before, sequence=sequence,
        )  # fmt: skip
        inputs = [{"endpoint": endpoint, **creating.single_input(facts, paths or [])}]
    common: dict[str, Any] = {} if batch is None else {"batch": batch}
    if not validate_range:
        common["validateRange"] = False
    ids = creating.create(api, creating.with_keys(inputs, key, common), as_json=as_json)
    if wait and ids:
        outcomes(api, ids, as_json=as_json)


@ops.command("create-for")
@filtered_by(ENDPOINT_FILTER)
def create_for(
    kind: Annotated[str, typer.Argument(help="READ, WRITE, EXECUTE, ..")],
    paths: Paths = None,
    *,
    batch: Annotated[str, typer.Option("--batch", "-b", help="Name of the batch, by which the command continues.")],
    criteria: Filter,
    value: Value = None,
    type_: ValueTypeName = "string",
    arguments: Arguments = None,
    priority: Priority = None,
    ttl: Ttl = None,
    timeout: Timeout = None,
    max_attempts: MaxAttempts = None,
    supersede: Supersede = False,
    not_before: Annotated[
        str | None, typer.Option("--not-before", help="Time before which none is sent: 2026-12-01T08:00:00Z.")
    ] = None,
    sequence: Sequence = None,
    validate_range: ValidateRange = True,
    expect: Annotated[
        int | None,
        typer.Option(
            "--expect", min=0, help="Proceed without confirmation, only if exactly this number of endpoints matches."
        ),
    ] = None,
    yes: Confirmed = False,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Create one operation for each endpoint that matches the options, if their number is the one that you confirm.
    Repeat the same command to continue after an interruption: no endpoint gets a second operation."""
    from app.operator_cli import creating
    from app.operator_cli.connection import Api

    if not_before is not None and not_before.startswith("+"):
        raise CommandError("--not-before: expected a time; with a span, a repeated command would differ", 2)
    facts = creating.facts_of(
        kind=kind, value=value, type_=type_, arguments=arguments, priority=priority, ttl=ttl, timeout=timeout,
        max_attempts=max_attempts, supersede=supersede, not_before=not_before, sequence=sequence,
    )  # fmt: skip
    template = creating.single_input(facts, paths or [])
    if not validate_range:
        template["validateRange"] = False
    creating.create_for(Api(url, token), criteria, template, batch, expected=expect, confirmed=yes, as_json=as_json)
