"""The commands of ``reveille campaigns`` and their options, as in ``commands.py``."""

# ruff: noqa: PLC0415

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from app.operator_cli.options import (
    CAMPAIGN_FILTER,
    DEFAULT_URL,
    ENDPOINT_FILTER,
    TARGET_FILTER,
    AsJson,
    Confirmed,
    Filter,
    Token,
    Url,
    filtered_by,
)

Name: TypeAlias = Annotated[str, typer.Argument(metavar="NAME", help="Name of the campaign, or its id.")]
Reason: TypeAlias = Annotated[str, typer.Option("--reason", "-r", help="Reason, shown to all users.")]
Package: TypeAlias = Annotated[
    str | None, typer.Option("--package", "-p", help="Firmware package: NAME, NAME@VERSION or its id.")
]
Method: TypeAlias = Annotated[str | None, typer.Option("--method", "-m", help="Of a firmware campaign: pull or push.")]
Instance: TypeAlias = Annotated[
    int, typer.Option("--instance", "-i", min=0, help="Instance of the Firmware Update object.")
]
Operations: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--operations",
        "-o",
        help="File of operations as in the API, but without endpoint: a JSON list, or one object per line; - is stdin.",
    ),
]
Waves: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--wave",
        "-w",
        help="Percent of the targets, then the success in percent that the next wave needs, and approve if it needs "
        "approval: 10,95,approve. Repeatable; the percentages add up to 100.",
    ),
]
Abort: TypeAlias = Annotated[
    str | None,
    typer.Option("--abort", help="Percent of failed targets that aborts it, and after how many: 10 or 10,50."),
]
Start: TypeAlias = Annotated[str | None, typer.Option("--start", help="Start time: 2026-12-01T22:00:00Z, or +2h.")]
Window: TypeAlias = Annotated[
    str | None, typer.Option("--window", help="Hours of each day in which targets begin: 22:00-05:00.")
]

campaigns = typer.Typer(
    name="campaigns",
    help="Campaigns of a running Reveille: the same work for many endpoints. create, list, show, targets, watch, "
    "pause, resume, approve, cancel, retry. Connects to --url, else REVEILLE_URL, else this machine.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@campaigns.command()
@filtered_by(ENDPOINT_FILTER)
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Unique name of the new campaign.")],
    *,
    criteria: Filter,
    endpoints: Annotated[
        list[str] | None, typer.Option("--endpoint", "-e", help="Endpoint of this name; repeatable.")
    ] = None,
    package: Package = None,
    method: Method = None,
    instance: Instance = 0,
    operations: Operations = None,
    waves: Waves = None,
    per_minute: Annotated[int | None, typer.Option("--per-minute", help="Maximum starts in a minute.")] = None,
    max_running: Annotated[int | None, typer.Option("--max-running", help="Maximum targets at a time.")] = None,
    abort: Abort = None,
    start: Start = None,
    end: Annotated[
        str | None, typer.Option("--end", help="Time after which no target begins: RFC 3339, or +7d.")
    ] = None,
    window: Window = None,
    time_zone: Annotated[str, typer.Option("--time-zone", help="Time zone of the window: Europe/Berlin.")] = "UTC",
    retries: Annotated[int, typer.Option("--retries", help="Repetitions of a target that failed, 0 to 10.")] = 0,
    continuous: Annotated[
        bool, typer.Option("--continuous", help="Endpoints that match later join while it runs.")
    ] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Follow it to its end, as the command watch does.")] = False,
    yes: Confirmed = False,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Create a campaign for the endpoints that match the options, if their number is the one that you confirm (reveille
    campaigns create spring --package meter@2.0.1 --tag site:x --wave 5,95,approve --wave 95 --abort 10)."""
    from app.operator_cli import campaign_creating as creating
    from app.operator_cli.campaign_watching import watching
    from app.operator_cli.connection import Api

    api = Api(url, token)
    given = creating.input_of(
        api, name, criteria, endpoints or [], package=package, method=method, instance=instance, operations=operations,
        waves=waves or [], per_minute=per_minute, max_running=max_running, abort=abort, start=start, end=end,
        window=window, time_zone=time_zone, retries=retries, continuous=continuous,
    )  # fmt: skip
    id_ = creating.create(api, given, confirmed=yes, as_json=as_json)
    if watch:
        watching(api, id_, as_json=as_json)


@campaigns.command("list")
@filtered_by(CAMPAIGN_FILTER)
def list_(
    *,
    criteria: Filter,
    first: Annotated[int, typer.Option("--first", "-n", min=1, help="Maximum number of campaigns, newest first.")] = 50,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """List campaigns, newest first, with the number of targets in each state."""
    from app.operator_cli.campaigns import listing
    from app.operator_cli.connection import Api

    listing(Api(url, token), criteria, first, as_json=as_json)


@campaigns.command()
def show(name: Name, *, as_json: AsJson = False, url: Url = DEFAULT_URL, token: Token = None) -> None:
    """Show all fields of a campaign, and the number of targets in each state."""
    from app.operator_cli.campaigns import showing
    from app.operator_cli.connection import Api

    showing(Api(url, token), name, as_json=as_json)


@campaigns.command()
@filtered_by(TARGET_FILTER)
def targets(
    name: Name,
    *,
    criteria: Filter,
    first: Annotated[
        int, typer.Option("--first", "-n", min=1, help="Maximum number of targets, in the order in which they begin.")
    ] = 50,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """List the targets of a campaign (reveille campaigns targets spring --state failed)."""
    from app.operator_cli.campaigns import targets as listed
    from app.operator_cli.connection import Api

    listed(Api(url, token), name, criteria, first, as_json=as_json)


@campaigns.command()
def watch(name: Name, *, as_json: AsJson = False, url: Url = DEFAULT_URL, token: Token = None) -> None:
    """Follow a campaign to its end: a table on a terminal, otherwise a line for each change. Exit with 4 unless it is
    COMPLETED and no target is FAILED or CANCELED. A lost connection is resumed without a gap."""
    from app.operator_cli.campaign_watching import watching
    from app.operator_cli.campaigns import campaign_id
    from app.operator_cli.connection import Api

    api = Api(url, token)
    watching(api, campaign_id(api, name), as_json=as_json)


@campaigns.command()
def pause(name: Name, *, reason: Reason, as_json: AsJson = False, url: Url = DEFAULT_URL, token: Token = None) -> None:
    """Begin no further targets until resume; those that have begun go on."""
    from app.operator_cli import fleet_documents
    from app.operator_cli.campaigns import act
    from app.operator_cli.connection import Api

    act(Api(url, token), fleet_documents.PAUSE_CAMPAIGN, name, as_json=as_json, reason=reason)


@campaigns.command()
def resume(name: Name, *, as_json: AsJson = False, url: Url = DEFAULT_URL, token: Token = None) -> None:
    """Continue a paused campaign; if a wave had too little success, begin the next one all the same."""
    from app.operator_cli import fleet_documents
    from app.operator_cli.campaigns import act
    from app.operator_cli.connection import Api

    act(Api(url, token), fleet_documents.RESUME_CAMPAIGN, name, as_json=as_json)


@campaigns.command()
def approve(name: Name, *, as_json: AsJson = False, url: Url = DEFAULT_URL, token: Token = None) -> None:
    """Begin the next wave of a campaign that waits for approval."""
    from app.operator_cli import fleet_documents
    from app.operator_cli.campaigns import act
    from app.operator_cli.connection import Api

    act(Api(url, token), fleet_documents.APPROVE_WAVE, name, as_json=as_json)


@campaigns.command()
def cancel(name: Name, *, reason: Reason, as_json: AsJson = False, url: Url = DEFAULT_URL, token: Token = None) -> None:
    """Cancel the targets that have not begun; those that have begun go on."""
    from app.operator_cli import fleet_documents
    from app.operator_cli.campaigns import act
    from app.operator_cli.connection import Api

    act(Api(url, token), fleet_documents.CANCEL_CAMPAIGN, name, as_json=as_json, reason=reason)


@campaigns.command()
def retry(name: Name, *, as_json: AsJson = False, url: Url = DEFAULT_URL, token: Token = None) -> None:
    """Begin the FAILED and CANCELED targets of a campaign again."""
    from app.operator_cli import fleet_documents
    from app.operator_cli.campaigns import act
    from app.operator_cli.connection import Api

    act(Api(url, token), fleet_documents.RETRY_CAMPAIGN, name, as_json=as_json)
