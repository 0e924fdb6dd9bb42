"""The HTTP interface of an API process: GraphQL, webhooks, the web page, health and metrics."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Final

import structlog
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Scope

from app.authentication import Authenticator
from app.bus import Channel
from app.command_error import CommandError
from app.fleet.package_store import FirmwareStorage, StorageFailed
from app.http_app import application
from app.http_protocol import LONG_BODY
from app.models.live import LiveLog
from app.models.queries import ReadUnavailable, stored_package_keys
from app.process import Components, background, firmware_storage
from app.resources import folder
from app.schema.api.context import SchemaContext
from app.schema.api.input_validation import Defaults
from app.schema.caller_limits import CallerLimiter
from app.schema.limits import CallerLimits
from app.schema.transport.export import export_routes
from app.schema.transport.firmware_download import download_route
from app.schema.transport.firmware_upload import upload_route
from app.schema.transport.graphiql import ADDRESS as GRAPHIQL_ADDRESS
from app.schema.transport.graphiql import FILES as GRAPHIQL_FILES
from app.schema.transport.http import graphql_routes
from app.schema.trusted_documents import DocumentPolicy, InvalidDocuments, document_policy
from app.settings import Settings

log = structlog.get_logger(__name__)

ORPHAN_INTERVAL: Final = 3_600.0
"""Seconds between two deletions of contents that no package has."""
PLAIN_PAGE: Final = folder("static/page", "frontend-examples/plain-html")
PLAIN_ADDRESS: Final = "/plain-html"


@contextlib.asynccontextmanager
async def api_routes(components: Components) -> AsyncIterator[list[BaseRoute]]:
    """Yield GraphQL's routes, with the process's one reader of the log running."""
    settings = components.settings
    firmware = firmware_storage(settings)
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
            firmware=firmware,
            uses_stream=settings.uses_stream,
            allowed_origins=settings.allowed_origins,
        )
        try:
            async with background(components.ended) as start:
                start(_delete_orphans(firmware))
                packages = upload_route(context, _permit_long_body), download_route(context)
                yield [*graphql_routes(context), *export_routes(context), *packages]
        finally:
            await live.close()


async def _delete_orphans(firmware: FirmwareStorage) -> None:
    """Delete contents of packages that were broken off by the end of a process, at the start and every hour."""
    while True:
        try:
            if deleted := await firmware.delete_orphans(stored_package_keys):
                log.info("package_orphans_deleted", contents=deleted)
        except (StorageFailed, ReadUnavailable) as error:
            log.warning("package_orphans_not_deleted", error=str(error))
        await asyncio.sleep(ORPHAN_INTERVAL)


def _permit_long_body(request: Request) -> None:
    request.scope["extensions"][LONG_BODY]()


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
    """Return the application. ``routes`` come first; the web pages handle all other paths."""
    files = [
        Mount(GRAPHIQL_ADDRESS, StaticFiles(directory=GRAPHIQL_FILES)),
        Mount(PLAIN_ADDRESS, StaticFiles(directory=PLAIN_PAGE, html=True)),
        _root(),
    ]
    return application(settings, authenticator, [*routes, *files])


def _root() -> BaseRoute:
    """Return the route of the dashboard, or to the page that needs no build where the dashboard was not built."""
    try:
        built = folder("static/dashboard", "frontend-examples/dashboard/dist")
    except FileNotFoundError:
        return Route("/", _redirect_to_plain_page)
    return Mount("/", GZipMiddleware(_Dashboard(directory=built, html=True), minimum_size=1_024))


def _redirect_to_plain_page(request: Request) -> Response:
    return RedirectResponse(request.scope.get("root_path", "") + PLAIN_ADDRESS + "/")


class _Dashboard(StaticFiles):
    """The files of the dashboard. Those in ``assets/`` have a hash of their content in their name."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        lasting = path.startswith("assets/") and response.status_code == 200
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if lasting else "no-cache"
        return response
