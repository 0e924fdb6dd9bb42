"""The components that every role which calls the Leshan server has: its client, what it can do, and reconciling."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from app.ingest.reconciler import Reconciler
from app.ingest.server_info import ServerInfoWatch
from app.leshan.client import LeshanClient
from app.process import Components, Part, Start, background
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class LeshanCalls:
    """The components that call the Leshan server. ``start`` runs a task for as long as they exist."""

    client: LeshanClient
    watch: ServerInfoWatch
    reconciler: Reconciler
    start: Start


StartRole = Callable[[Components, LeshanCalls], None]


def calling_leshan(*roles: StartRole) -> Part:
    """Return the part of a process that has these roles, which share one client."""

    @contextlib.asynccontextmanager
    async def part(components: Components) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            client = leshan_client(components.settings)
            stack.push_async_callback(client.aclose)
            start = await stack.enter_async_context(background(components.ended))
            watch = ServerInfoWatch(client, components.ledger, components.timing)
            start(watch.run())
            reconciler = Reconciler(components.ledger, components.ingestor, client, watch, components.timing)
            for start_role in roles:
                start_role(components, LeshanCalls(client, watch, reconciler, start))
            yield

    return part


def leshan_client(settings: Settings) -> LeshanClient:
    """Return the client of the configured Leshan server, with its headers and certificates."""
    if settings.leshan_url is None:
        raise ValueError("missing Leshan address; set REVEILLE_LESHAN_URL")
    return LeshanClient(
        settings.leshan_url,
        headers=settings.leshan_headers,
        ca=settings.leshan_ca,
        cert=settings.leshan_cert,
        key=settings.leshan_key,
        max_in_flight=settings.leshan_max_in_flight,
    )
