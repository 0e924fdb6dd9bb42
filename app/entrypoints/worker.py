"""A process without an API: its components, and optionally health and metrics over HTTP."""

from __future__ import annotations

import contextlib

import structlog

from app.entrypoints.stopping import until_stopped
from app.http_app import application
from app.models.database import migrate
from app.process import Part, running
from app.serving import listen, serving, termination_signal
from app.settings import Settings
from app.tracing import configure_tracing

log = structlog.get_logger(__name__)


async def run_worker(settings: Settings, role: str, part: Part, health_port: int | None) -> None:
    """Run the components of a role; serve health and metrics on ``health_port``.

    Raises:
        OSError, StoreUnavailable, UnsafeDatabase: the address or the database cannot be used.
        SystemExit: with 1, a component failed that should run forever.
    """
    configure_tracing(role.lower())
    await migrate(settings.database_url)
    terminated = termination_signal()  # before any claim or lease that must be released in order
    async with running(settings, part) as components, contextlib.AsyncExitStack() as stack:
        if health_port is not None:
            listening = listen(settings.host, health_port)
            app = application(settings, components.authenticator, components.health.routes())
            await stack.enter_async_context(serving(app, [listening], max_message=0))
            log.info("health", port=listening.getsockname()[1])
        log.info("running", role=role.upper())
        await until_stopped(terminated, components)
