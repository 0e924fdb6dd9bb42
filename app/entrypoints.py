"""The entry point of each command: run the components of a role and serve, until a signal arrives.

Separate from ``app/cli.py`` because these imports take most of the startup time: ``reveille --help`` and ``migrate``
need none of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import structlog

from app.domain.enums import Instant
from app.leshan.webhook import webhook_routes
from app.models.database import migrate
from app.models.ledger import Ledger, Provision, open_store
from app.models.rebuild import Progress, Rebuilt, rebuild_aggregates
from app.process import SERVER_ID, Components, Role, rules_of, running
from app.schema.limits import body_limit
from app.serving import listen, serving, termination_signal
from app.settings import Settings, viewer_of
from app.web import api_routes, health_app, web_app
from simulator import Simulator, SimulatorConfig

log = structlog.get_logger(__name__)


async def run_everything(settings: Settings) -> None:
    """Migrate, serve, dispatch and listen in this process; with a simulator if no Leshan server is configured.

    Raises:
        OSError, StoreUnavailable, UnsafeDatabase: the address or the database cannot be used.
        SystemExit: with 1, a component failed that should run forever.
    """
    await migrate(settings.database_url)
    listening = listen(settings.host, settings.port)
    terminated = termination_signal()  # before any claim or lease that must be released in order
    async with contextlib.AsyncExitStack() as stack:
        devices: list[str] = []
        if settings.leshan_url is None:
            settings, devices = await stack.enter_async_context(_simulated(settings))
        components = await stack.enter_async_context(running(settings, Role.EVERYTHING))
        # so that the first operation can be created at once, before the device has registered
        await asyncio.gather(*(components.ledger.submit(Provision(name)) for name in devices))
        await _serve(components, stack, listening)
        await _until_stopped(terminated, components)


async def run_api(settings: Settings) -> None:
    """Serve GraphQL, the webhook and the web page. Raise the exceptions of :func:`run_everything`."""
    await migrate(settings.database_url)
    listening = listen(settings.host, settings.port)
    terminated = termination_signal()
    async with running(settings, Role.API) as components, contextlib.AsyncExitStack() as stack:
        await _serve(components, stack, listening)
        await _until_stopped(terminated, components)


async def run_worker(settings: Settings, role: Role, health_port: int | None) -> None:
    """Dispatch, or listen to the event stream; serve health and metrics on ``health_port``. Raise the exceptions of
    :func:`run_everything`."""
    await migrate(settings.database_url)
    terminated = termination_signal()
    async with running(settings, role) as components, contextlib.AsyncExitStack() as stack:
        if health_port is not None:
            listening = listen(settings.host, health_port)
            await stack.enter_async_context(serving(health_app(settings, components.health.routes()), [listening]))
            log.info("health", port=listening.getsockname()[1])
        log.info("running", role=role.name)
        await _until_stopped(terminated, components)


async def run_aggregation(settings: Settings, since: Instant, endpoint: str | None, progress: Progress) -> Rebuilt:
    """Compute the hourly aggregates again, beside running processes. Raise the exceptions of
    :func:`rebuild_aggregates`."""
    ledger = Ledger(
        open_store(settings.database_url),
        rules_of(settings),
        notify=lambda _channel: None,
        server_id=SERVER_ID,
        server_name=settings.leshan_name,
    )
    await ledger.start()
    try:
        return await rebuild_aggregates(ledger, settings.database_url, since, endpoint, progress)
    finally:
        await ledger.close()


@contextlib.asynccontextmanager
async def _simulated(settings: Settings) -> AsyncIterator[tuple[Settings, list[str]]]:
    """Run a simulator in this process; yield the settings that point to it, and the names of its devices."""
    config = SimulatorConfig.demo(
        devices=settings.simulate_devices,
        seed=settings.simulate_seed,
        start_within_seconds=1.0,
        asleep_seconds=(2.0, 8.0),
    )
    async with Simulator(config).serve() as simulator:
        log.info(
            "simulator",
            devices=settings.simulate_devices,
            address=simulator.url,
            hint="set REVEILLE_LESHAN_URL to use a Leshan server",
        )
        window = int(config.awake_window_seconds)
        yield settings.model_copy(update={"leshan_url": simulator.url, "awake_window": window}), config.names()


async def _serve(components: Components, stack: contextlib.AsyncExitStack, listening: socket.socket) -> None:
    """Serve the API as long as the stack is open."""
    settings = components.settings
    webhook = webhook_routes(
        components.ingestor.from_webhook,
        secrets=[settings.webhook_secret.get_secret_value()] if settings.webhook_secret else [],
        token=settings.webhook_token.get_secret_value() if settings.webhook_token else None,
        trust_loopback=settings.trusts_loopback,
        notifications_wake=settings.leshan_notifications_wake,
    )
    routes = await stack.enter_async_context(api_routes(components))
    app = web_app(settings, [*routes, *webhook, *components.health.routes()])
    limit = body_limit(settings.max_opaque)
    await stack.enter_async_context(serving(app, [listening], max_message=limit))
    host, port = listening.getsockname()[:2]
    authority = f"[{host}]" if ":" in host else host
    if viewer_of(settings, None) is None and not settings.auth:
        reason = "With a webhook secret or token, loopback is not trusted; set REVEILLE_AUTH or REVEILLE_ALLOW_OPEN."
        log.warning("graphql_closed", reason=reason)
    log.info("serving", page=f"http://{authority}:{port}/", graphql=f"http://{authority}:{port}/graphql")


async def _until_stopped(terminated: asyncio.Event, components: Components) -> None:
    """Return at SIGTERM or SIGINT. A component that failed ends the process with exit code 1, so that it is
    restarted."""
    waiting = [asyncio.create_task(terminated.wait()), asyncio.create_task(components.ended.wait())]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    if components.ended.is_set():
        raise SystemExit(1)
    log.info("stopping")
