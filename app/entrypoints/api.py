"""``reveille api``: serve GraphQL, the webhook and the web page."""

from __future__ import annotations

import contextlib
import socket

import structlog

from app.entrypoints.stopping import until_stopped
from app.http_app import direct_routes
from app.leshan.webhook import direct_answers, webhook_routes
from app.models.database import migrate
from app.process import Components, running
from app.schema.limits import body_limit
from app.serving import listen, serving, termination_signal
from app.settings import Settings
from app.tracing import configure_tracing
from app.web import api_routes, web_app

log = structlog.get_logger(__name__)


async def run_api(settings: Settings) -> None:
    """Serve the API until a signal arrives.

    Raises:
        OSError, StoreUnavailable, UnsafeDatabase: the address or the database cannot be used.
        SystemExit: with 1, a component failed that should run forever.
    """
    configure_tracing("api")
    await migrate(settings.database_url)
    listening = listen(settings.host, settings.port)
    terminated = termination_signal()
    async with running(settings) as components, contextlib.AsyncExitStack() as stack:
        await serve_api(components, stack, listening)
        await until_stopped(terminated, components)


async def serve_api(components: Components, stack: contextlib.AsyncExitStack, listening: socket.socket) -> None:
    """Serve the API as long as the stack is open."""
    settings = components.settings
    webhook = webhook_routes(
        components.ingestor.from_webhook,
        secrets=settings.webhook_secrets,
        token=settings.webhook_token,
        trust_loopback=lambda: settings.trusts_loopback and not components.authenticator.has_credentials,
        notifications_wake=settings.leshan_notifications_wake,
    )
    routes = await stack.enter_async_context(api_routes(components))
    app = web_app(settings, components.authenticator, [*routes, *webhook, *components.health.routes()])
    direct = direct_routes(settings, components.authenticator, direct_answers(webhook))
    limit = body_limit(settings.max_opaque)
    await stack.enter_async_context(serving(app, [listening], direct=direct, max_message=limit))
    host, port = listening.getsockname()[:2]
    authority = f"[{host}]" if ":" in host else host
    if not (components.authenticator.is_open or components.authenticator.has_credentials):
        reason = "With a webhook secret or token, loopback is not trusted; create a token, or set REVEILLE_AUTH."
        log.warning("graphql_closed", reason=reason)
    log.info("serving", page=f"http://{authority}:{port}/", graphql=f"http://{authority}:{port}/graphql")
