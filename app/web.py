"""The HTTP interface of an API process: GraphQL, webhooks, the web page, health and metrics."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Final

from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from app.authentication import Authenticator
from app.bus import Channel
from app.command_error import CommandError
from app.http_app import application
from app.leshan.webhook import EVENTS
from app.models.live import LiveLog
from app.process import Components
from app.resources import folder
from app.schema.api.context import SchemaContext
from app.schema.api.input_validation import Defaults
from app.schema.caller_limits import CallerLimiter
from app.schema.limits import CallerLimits
from app.schema.transport.export import export_routes
from app.schema.transport.graphiql import ADDRESS as GRAPHIQL_ADDRESS
from app.schema.transport.graphiql import FILES as GRAPHIQL_FILES
from app.schema.transport.http import graphql_routes
from app.schema.trusted_documents import DocumentPolicy, InvalidDocuments, document_policy
from app.settings import Settings

PAGE: Final = folder("static/page", "frontend-examples/plain-html")


@contextlib.asynccontextmanager
async def api_routes(components: Components) -> AsyncIterator[list[BaseRoute]]:
    """Yield GraphQL's routes, with the process's one reader of the log running."""
    settings = components.settings
    with components.bus.subscribe(Channel.CHANGED) as changed:
        live = LiveLog(changed.wait, outage=components.ledger.outage)
        await live.start()
        components.gauges.behind = live.behind
        context = SchemaContext(
            ledger=components.ledger,
            live=live,
            object_models=components.object_models,
            authenticator=components.authenticator,
            document_policy=_document_policy(settings),
            defaults=Defaults(settings.leshan_timeout, settings.max_attempts, settings.max_opaque),
            limiter=CallerLimiter(_caller_limits(settings)),
            allowed_origins=settings.allowed_origins,
        )
        try:
            yield [*graphql_routes(context), *export_routes(context)]
        finally:
            await live.close()


def _document_policy(settings: Settings) -> DocumentPolicy:
    try:
        return document_policy(
            settings.trusted_documents,
            only_trusted=settings.trusted_documents_only,
            introspection=settings.introspection,
        )
    except InvalidDocuments as error:
        raise CommandError(f"REVEILLE_TRUSTED_DOCUMENTS: {error}", 2) from None


def _caller_limits(settings: Settings) -> CallerLimits:
    return CallerLimits(settings.requests_per_minute, settings.operations_per_minute, settings.max_subscriptions)


def web_app(settings: Settings, authenticator: Authenticator, routes: Sequence[BaseRoute]) -> ASGIApp:
    """Return the application. ``routes`` come first; the web page handles all other paths."""
    direct = {route.path: route.app for route in routes if isinstance(route, Route) and route.path == EVENTS}
    files = [
        Mount(GRAPHIQL_ADDRESS, StaticFiles(directory=GRAPHIQL_FILES)),
        Mount("/", StaticFiles(directory=PAGE, html=True)),
    ]
    return application(settings, authenticator, [*routes, *files], direct)
