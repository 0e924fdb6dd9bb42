"""The command line: one verb per role, and the few things that an operator does by hand."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Annotated, Any, Final

import structlog
import typer

from app.leshan.simulator import Simulator, SimulatorConfig
from app.leshan.webhook import webhook_routes
from app.main import Parts, Role, running
from app.models.database import migrate as migrate_database
from app.models.ledger import StoreUnavailable, UnsafeDatabase
from app.schema.sdl import export
from app.serving import listen, serving
from app.settings import LogFormat, Settings, SettingsError, load_settings
from app.telemetry import configure_logging
from app.web import api_routes, health_app, web_app

log = structlog.get_logger(__name__)

SCHEMA_FILE: Final = Path(__file__).parents[1] / "schema.graphql"

cli = typer.Typer(
    name="reveille",
    help="Operations for LwM2M devices that sleep: kept, sent through Leshan when the device wakes, told step by step.",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

HealthPort = Annotated[
    int | None, typer.Option(help="Serve /health and /metrics on this port of REVEILLE_HOST; 0 takes a free one.")
]


def main() -> None:
    """The console script. Expected troubles end with one line and exit code 1; a bad setting with exit code 2."""
    try:
        cli()
    except SettingsError as error:
        sys.exit(_said(f"reveille: {error}", 2))
    except (StoreUnavailable, UnsafeDatabase) as error:
        sys.exit(_said(f"reveille: REVEILLE_DATABASE_URL: {error}", 1))
    except OSError as error:
        sys.exit(_said(f"reveille: {error}", 1))


def _said(line: str, code: int) -> int:
    print(line, file=sys.stderr)
    return code


@cli.command()
def serve() -> None:
    """Run everything in one process: migrate, serve, dispatch, listen; without REVEILLE_LESHAN_URL also a simulator."""
    _run(_serve(_settings()))


@cli.command()
def api() -> None:
    """Serve GraphQL, the webhook and the web page. Any number of these; they need REVEILLE_REDIS_URL to be quick."""
    _run(_api(_settings()))


@cli.command()
def dispatch(health_port: HealthPort = None) -> None:
    """Send operations to Leshan when devices are awake. Any number of these."""
    _run(_worker(_settings(), Role.DISPATCH, health_port))


@cli.command()
def bridge(health_port: HealthPort = None) -> None:
    """Listen to the event stream of the Leshan server. One of them does, the others stand by."""
    _run(_worker(_settings(), Role.BRIDGE, health_port))


@cli.command()
def migrate() -> None:
    """Bring the database to the present schema. Starting processes do the same; this is for deployments that want it
    as a step of its own."""
    applied = asyncio.run(migrate_database(_settings().database_url))
    print("\n".join(f"applied {revision}" for revision in applied) or "nothing to do: the schema is up to date")


@cli.command()
def simulate(
    host: Annotated[str, typer.Option(help="Address to serve on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to serve on; 0 takes a free one.")] = 8080,
    devices: Annotated[int, typer.Option(help="How many sleeping devices.")] = 10,
    seed: Annotated[int, typer.Option(help="The same seed gives the same run.")] = 1,
    silent_rate: Annotated[float, typer.Option(help="Share of requests that a device leaves unanswered.")] = 0.0,
    refuse_rate: Annotated[float, typer.Option(help="Share of requests that a device refuses.")] = 0.0,
) -> None:
    """Run a Leshan look-alike with sleeping devices, over real HTTP, for trying things out."""
    configure_logging()
    config = SimulatorConfig.demo(devices=devices, seed=seed, silent_rate=silent_rate, refuse_rate=refuse_rate)
    _run(_simulate(config, host, port))


@cli.command()
def schema(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail when schema.graphql is not this.")] = False,
) -> None:
    """Write the GraphQL schema to schema.graphql."""
    text = export()
    if not check:
        SCHEMA_FILE.write_text(text)
    elif not SCHEMA_FILE.exists() or SCHEMA_FILE.read_text() != text:
        raise SystemExit(_said("schema.graphql is not the present schema: run `make schema`", 1))


def _settings() -> Settings:
    settings = load_settings()
    configure_logging(json=settings.log_format is LogFormat.JSON, level=settings.log_level)
    return settings


def _run(work: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=_loop) as runner:
        runner.run(work)


def _loop() -> asyncio.AbstractEventLoop:
    import uvloop  # noqa: PLC0415 - comes with uvicorn[standard] where the platform has it

    return uvloop.new_event_loop()


async def _serve(settings: Settings) -> None:
    await migrate_database(settings.database_url)
    listening = listen(settings.host, settings.port)
    async with contextlib.AsyncExitStack() as stack:
        if settings.leshan_url is None:
            settings = await stack.enter_async_context(_simulated(settings))
        parts = await stack.enter_async_context(running(settings, Role.EVERYTHING))
        await _until_told(parts, stack, listening)


@contextlib.asynccontextmanager
async def _simulated(settings: Settings) -> AsyncIterator[Settings]:
    config = SimulatorConfig.demo(
        devices=settings.simulate_devices, seed=settings.simulate_seed, start_within_seconds=1.0
    )
    async with Simulator(config).serve() as simulator:
        log.info(
            "simulator",
            devices=settings.simulate_devices,
            address=simulator.url,
            hint="set REVEILLE_LESHAN_URL to use a Leshan server",
        )
        window = int(config.awake_window_seconds)
        yield settings.model_copy(update={"leshan_url": simulator.url, "awake_window": window})


async def _api(settings: Settings) -> None:
    await migrate_database(settings.database_url)
    listening = listen(settings.host, settings.port)
    async with running(settings, Role.API) as parts, contextlib.AsyncExitStack() as stack:
        await _until_told(parts, stack, listening)


async def _until_told(parts: Parts, stack: contextlib.AsyncExitStack, listening: socket.socket) -> None:
    """Serve the API until a signal comes or a part fails."""
    settings = parts.settings
    webhook = webhook_routes(
        parts.hearing.from_webhook,
        secrets=[settings.webhook_secret.get_secret_value()] if settings.webhook_secret else [],
        token=settings.webhook_token.get_secret_value() if settings.webhook_token else None,
        notifications_wake=settings.leshan_notifications_wake,
    )
    routes = await stack.enter_async_context(api_routes(parts))
    loopback_only = not (settings.auth or settings.allow_open)
    app = web_app([*routes, *webhook, *parts.health.routes()], loopback_only=loopback_only)
    await stack.enter_async_context(serving(app, [listening]))
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    log.info("serving", page=f"http://{shown}:{port}/", graphql=f"http://{shown}:{port}/graphql")
    await _signal_or_end(parts)


async def _worker(settings: Settings, role: Role, health_port: int | None) -> None:
    await migrate_database(settings.database_url)
    async with running(settings, role) as parts, contextlib.AsyncExitStack() as stack:
        if health_port is not None:
            listening = listen(settings.host, health_port)
            await stack.enter_async_context(serving(health_app(parts.health.routes()), [listening]))
            log.info("health", port=listening.getsockname()[1])
        log.info("running", role=role.name)
        await _signal_or_end(parts)


async def _signal_or_end(parts: Parts) -> None:
    """Return at SIGTERM or SIGINT. A part that failed ends the process with exit code 1, so that it is restarted."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    waiting = [asyncio.create_task(told.wait()), asyncio.create_task(parts.ended.wait())]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    if parts.ended.is_set():
        raise SystemExit(1)
    log.info("stopping")


async def _simulate(config: SimulatorConfig, host: str, port: int) -> None:
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    async with Simulator(config).serve(host, port) as simulator:
        log.info("simulator", address=simulator.url, devices=len(simulator.devices()))
        await told.wait()


