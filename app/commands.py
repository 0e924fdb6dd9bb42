"""The commands, parsed by Typer: one per role, and the manual tasks of an operator.

Each command imports its dependencies when it runs: to import all of them takes more than a second on a slow machine,
and ``--help``, an invalid setting and ``migrate`` should not cost that.
"""

# ruff: noqa: PLC0415

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from app.access_cli import add_access_to
from app.command_error import CommandError
from app.command_runner import MAX_PORT, read_settings, run, run_process
from app.operator_cli.commands import add_to
from app.printable import printable_lines

VersionFlag = Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)]

cli = typer.Typer(
    name="reveille",
    help="Operations for LwM2M devices that sleep: store them, send them through Leshan when the device wakes, and "
    "report every transition.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

HealthPort = Annotated[
    int | None,
    typer.Option(
        min=0, max=MAX_PORT, help="Serve /health and /metrics on this port of REVEILLE_HOST; 0 picks a free one."
    ),
]


@cli.callback(invoke_without_command=True)
def options(*, version: VersionFlag = False) -> None:
    """Apply the options that belong to no command."""
    if version:
        from importlib.metadata import version as installed_version

        typer.echo(f"reveille {installed_version('reveille')}")
        raise typer.Exit


@cli.command()
def serve() -> None:
    """Run everything in one process: migrate, serve, dispatch, listen; without REVEILLE_LESHAN_URL also a simulator."""
    run_process("serve")


@cli.command()
def api() -> None:
    """Serve GraphQL, the webhook and the web page. Any number may run; they need REVEILLE_REDIS_URL for low latency."""
    run_process("api")


@cli.command()
def dispatch(health_port: HealthPort = None) -> None:
    """Send operations to Leshan when devices are awake. Any number may run."""
    run_process("dispatch", health_port)


@cli.command()
def bridge(health_port: HealthPort = None) -> None:
    """Listen to the event stream of the Leshan server. One process listens, the others stand by."""
    run_process("bridge", health_port)


@cli.command()
def migrate() -> None:
    """Migrate the database to the present schema, as a separate step: starting processes do the same."""
    settings = read_settings()
    from app.models.database import migrate as migrate_database

    async def migrated() -> None:
        applied = await migrate_database(settings.database_url)
        typer.echo(
            "\n".join(f"applied {revision}" for revision in applied) or "nothing to do: the schema is up to date"
        )

    run(migrated())


@cli.command()
def check(
    *,
    restored: Annotated[
        bool, typer.Option("--restored", help="Check a copy that no process works on: ignore deadlines.")
    ] = False,
    readings: Annotated[
        Literal["recent", "all"],
        typer.Option(
            help="Hourly aggregates to compare with their readings: those of the last day before the newest reading,"
            " or all, which takes minutes for each 10 million readings."
        ),
    ] = "recent",
) -> None:
    """Verify the database invariants. Print the violations, and exit with 1 if there are any."""
    settings = read_settings()
    from app.domain.enums import DAY
    from app.models.invariant_check import violations

    async def checked() -> None:
        broken = await violations(
            settings.database_url,
            max_in_flight=settings.leshan_max_in_flight,
            aggregate_retention=settings.aggregate_retention * DAY,
            recent_only=readings == "recent",
            restored=restored,
        )
        if readings == "recent":
            typer.echo("hourly aggregates: only those of the last day (--readings all: all)", err=True)
        typer.echo(printable_lines("\n".join(broken)) or "all invariants hold")
        if broken:
            raise SystemExit(1)

    run(checked())


@cli.command()
def aggregate(
    *,
    since: Annotated[
        str, typer.Option("--since", help="Time of the first hour (RFC 3339, like 2026-11-23T10:00:00Z).")
    ],
    endpoint: Annotated[str | None, typer.Option("--endpoint", "-e", help="Only of this endpoint.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compute the hourly aggregates of readings again from the readings. Other processes may run meanwhile."""
    begin = _instant(since)
    settings = read_settings()
    from app.entrypoints.aggregate import run_aggregation
    from app.models.rebuild import ReadingsPruned, UnknownEndpoint

    def progress(done: int, resources: int) -> None:
        if sys.stderr.isatty():
            typer.echo(f"\r{done} of {resources} resources", err=True, nl=done >= resources)

    async def aggregated() -> None:
        try:
            rebuilt = await run_aggregation(settings, begin, endpoint, progress)
        except UnknownEndpoint:
            raise CommandError(f"--endpoint: unknown endpoint {endpoint!r}", 2) from None
        except ReadingsPruned as error:
            first = error.complete_from
            kept = "no readings are stored" if first is None else f"expected {_time(first)} or later"
            raise CommandError(f"--since: readings of that time have been deleted; {kept}", 2) from None
        facts = {"since": _time(rebuilt.since), "resources": rebuilt.resources, "readings": rebuilt.readings}
        line = "computed the hours since {since} of {resources} resources from {readings} readings".format(**facts)
        typer.echo(json.dumps(facts) if as_json else line)

    run(aggregated())


@cli.command()
def simulate(
    *,
    host: Annotated[str, typer.Option(help="Address to serve on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=MAX_PORT, help="Port to serve on; 0 picks a free one.")] = 8080,
    devices: Annotated[int, typer.Option(min=0, help="Number of sleeping devices.")] = 10,
    seed: Annotated[int, typer.Option(help="The same seed gives the same run.")] = 1,
    silent_rate: Annotated[
        float, typer.Option(min=0, max=1, help="Share of requests that a device leaves unanswered.")
    ] = 0.0,
    refuse_rate: Annotated[float, typer.Option(min=0, max=1, help="Share of requests that a device refuses.")] = 0.0,
    told: Annotated[bool, typer.Option("--told", help="The devices act only on requests to /sim.")] = False,
    like: Annotated[
        str, typer.Option(help="Server to imitate: M16 and M18 are stock Leshan, reveille is Reveille's own server.")
    ] = "M18",
) -> None:
    """Run a Leshan simulator with sleeping devices, over real HTTP, for experiments."""
    from app.serving import termination_signal
    from app.telemetry import configure_logging, get_logger
    from simulator import Mode, Simulator, SimulatorConfig

    if like not in [*Mode]:
        raise CommandError(f"--like: unknown server {like!r}; expected one of {', '.join(Mode)}", 2)
    configure_logging()
    chosen: dict[str, Any] = {"devices": devices, "seed": seed, "autonomous": not told, "mode": Mode(like)}
    chosen |= {"silent_rate": silent_rate, "refuse_rate": refuse_rate}
    config = SimulatorConfig(**chosen) if told else SimulatorConfig.demo(**chosen)

    async def simulated() -> None:
        async with Simulator(config).serve(host, port) as simulator:
            hint = f"set REVEILLE_AWAKE_WINDOW={config.awake_window_seconds:.0f}"
            get_logger("app.commands").info("simulator", address=simulator.url, devices=devices, hint=hint)
            await termination_signal().wait()

    run(simulated(), database=False)


@cli.command()
def schema(
    file: Annotated[Path, typer.Argument(help="The file to write.")] = Path("schema.graphql"),
    *,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail if the file differs.")] = False,
) -> None:
    """Write the GraphQL schema to a file."""
    from app.schema.execution.sdl import export

    text = export()
    if not check:
        file.write_text(text)
    elif not file.exists() or file.read_text() != text:
        raise CommandError(f"{file} is out of date: run `make schema`")


add_to(cli)


def _instant(text: str) -> int:
    """Return the instant of an RFC 3339 time.

    Raises:
        CommandError: it is none, or before 1970.
    """
    try:
        moment = datetime.fromisoformat(text)
        instant = round(moment.timestamp()) * 1_000_000
    except (ValueError, OverflowError):
        moment, instant = None, -1
    if moment is None or moment.tzinfo is None or instant < 0:
        expected = "expected a time with an offset from UTC, like 2026-11-23T10:00:00Z"
        raise CommandError(f"--since: invalid time {text!r}; {expected}", 2)
    return instant


def _time(instant: int) -> str:
    return datetime.fromtimestamp(instant // 1_000_000, UTC).isoformat().replace("+00:00", "Z")


add_access_to(cli, read_settings, run)
