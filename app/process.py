"""The composition of a process: which components it runs, in which order they start, and how they stop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import Flag, auto
from typing import TYPE_CHECKING, Any, Final

import structlog

from app.authentication import ApiTokenCache, Authenticator
from app.authentication.authenticator import host_time
from app.bus import Bus, Channel, open_bus
from app.command_error import CommandError
from app.dispatcher.verdict import judge
from app.domain.enums import DAY, SECOND, Instant
from app.fleet.package_store import FirmwareStorage, StorageFailed, open_package_store
from app.gauges import Gauges
from app.health import DATABASE_SECONDS, Health
from app.ingest.event_ingestor import EventIngestor
from app.models.database import has_standbys, reading, server_in_use
from app.models.ledger import Committed, Ledger, ProveWritable, Rules, open_store
from app.models.object_models import ObjectModelCache
from app.models.postgres import watch_primary
from app.operation_log import OperationLog, record_ends
from app.settings import Settings
from app.telemetry import LEDGER_GROUP_SECONDS, LEDGER_GROUP_SIZE, READINGS, TRANSITIONS
from app.timing import DEFAULT, Timing

if TYPE_CHECKING:
    from app.dispatcher.dispatcher import Dispatcher
    from app.ingest.stream_bridge import Bridge

log = structlog.get_logger(__name__)

SERVER_ID: Final = 1
"""The id of the only Leshan server. Rows carry the id of their server already."""


Clock = Callable[[Instant], Instant]
"""Maps the database's time; tests shift it."""


class Role(Flag):
    """The roles of a process. With an embedded database, one process has all of them."""

    API = auto()
    DISPATCH = auto()
    BRIDGE = auto()
    EVERYTHING = API | DISPATCH | BRIDGE


@dataclass(slots=True)
class Components:
    """The components of a running process. ``ended`` is set when a component that should run forever has failed."""

    settings: Settings
    timing: Timing
    clock: Clock
    ledger: Ledger
    bus: Bus
    object_models: ObjectModelCache
    ingestor: EventIngestor
    health: Health
    gauges: Gauges
    authenticator: Authenticator
    ended: asyncio.Event
    dispatcher: Dispatcher | None = None
    bridge: Bridge | None = None


def rules_of(settings: Settings) -> Rules:
    """Return the settings that the ledger needs."""
    return Rules(
        judge=judge,
        awake_window=settings.awake_window * SECOND,
        max_in_flight=settings.leshan_max_in_flight,
        max_queued=settings.max_queued,
        retention=settings.retention * DAY,
        reading_retention=settings.reading_retention * DAY,
        aggregate_retention=settings.aggregate_retention * DAY,
        audit_retention=settings.audit_retention * DAY,
        honours_at=settings.leshan_notifications_wake,
    )


def firmware_storage(settings: Settings) -> FirmwareStorage:
    """Return the storage of uploaded firmware packages.

    Raises:
        CommandError: it cannot be used.
    """
    try:
        store = open_package_store(settings.firmware_store) if settings.firmware_store else None
    except ModuleNotFoundError:
        message = "REVEILLE_FIRMWARE_STORE: s3:// needs the package obstore; install Reveille with the extra `s3`"
        raise CommandError(message, 2) from None
    except (OSError, StorageFailed) as error:
        raise CommandError(f"REVEILLE_FIRMWARE_STORE: {error}", 2) from None
    return FirmwareStorage(store, settings.firmware_url, settings.firmware_max_size)


Start = Callable[[Coroutine[Any, Any, None]], None]
"""Runs a task for as long as the components of a process exist."""

Part = Callable[[Components], AbstractAsyncContextManager[None]]
"""Runs the components of a role, beside those that every process has, for as long as the block lasts."""


@contextlib.asynccontextmanager
async def running(
    settings: Settings,
    *parts: Part,
    clock: Clock = lambda now: now,
    unsafe: bool = False,
    timing: Timing = DEFAULT,
) -> AsyncIterator[Components]:
    """Run the components of a process for as long as the block lasts. The database must have been migrated.

    Args:
        parts: the components of the roles of this process (``app/entrypoints``), beside those that every process has.
        clock: maps the database's time; tests shift it.
        unsafe: accept a database that may lose commits; only for tests.
        timing: the times of the components' loops; tests pass shorter ones.

    Raises:
        StoreUnavailable, UnsafeDatabase: the database cannot be used.
    """
    async with contextlib.AsyncExitStack() as stack:
        discard_readers = await stack.enter_async_context(reading(settings.database_url))
        bus = await stack.enter_async_context(open_bus(settings.redis_url))
        ledger = _ledger(settings, bus, clock, discard_readers, unsafe=unsafe)
        await ledger.start()
        stack.push_async_callback(ledger.close)
        object_models = ObjectModelCache(SERVER_ID, timing)
        await object_models.refresh()
        uses_stream = settings.uses_stream
        ingestor = EventIngestor(ledger, object_models, webhook_readings=not uses_stream, timing=timing)
        authenticator = _authenticator(settings, ledger)
        await authenticator.refresh()
        gauges = Gauges(SERVER_ID, ledger.rules, uses_stream=uses_stream, clock=clock)
        health = _health(settings, bus, ledger, authenticator, gauges)
        ended = asyncio.Event()
        components = Components(
            settings, timing, clock, ledger, bus, object_models, ingestor, health, gauges, authenticator, ended
        )
        start = await stack.enter_async_context(background(ended))
        start(authenticator.run(ledger.outage, timing.access))
        start(object_models.run(ledger.outage))
        if has_standbys(settings.database_url):
            start(watch_primary(settings.database_url))
        start(ingestor.run())
        for part in parts:
            await stack.enter_async_context(part(components))
        yield components


def _authenticator(settings: Settings, ledger: Ledger) -> Authenticator:
    tokens = ApiTokenCache(ledger, host_time)
    provider = None
    if settings.jwt_issuer is not None:
        # packages that no process needs without an identity provider
        from app.authentication.identity_provider import IdentityProvider, ProviderConfig  # noqa: PLC0415

        config = ProviderConfig(
            issuer=settings.jwt_issuer,
            audience=settings.jwt_audience or "",
            jwks=settings.jwt_jwks or "",
            role_claim=settings.jwt_role_claim,
            roles=settings.jwt_roles,
            name_claim=settings.jwt_name_claim,
        )
        provider = IdentityProvider(config, host_time)
    allows_open = settings.allows_open_access
    return Authenticator(settings.auth, allows_open=allows_open, tokens=tokens, provider=provider)


def _health(settings: Settings, bus: Bus, ledger: Ledger, authenticator: Authenticator, gauges: Gauges) -> Health:
    def write() -> Coroutine[Any, Any, None]:
        return ledger.submit(ProveWritable(), within=DATABASE_SECONDS)

    return Health(
        SERVER_ID,
        bus.health,
        write,
        uses_stream=settings.uses_stream,
        server=lambda: server_in_use(settings.database_url),
        authenticates=authenticator.is_authenticated,
        gauges=gauges,
    )


def _ledger(
    settings: Settings,
    bus: Bus,
    clock: Clock,
    discard_readers: Callable[[], None],
    *,
    unsafe: bool,
) -> Ledger:
    def notify(channel: str) -> None:
        bus.notify(Channel(channel))

    operation_log = OperationLog()

    def observe(committed: Committed) -> None:
        LEDGER_GROUP_SIZE.observe(committed.commands)
        LEDGER_GROUP_SECONDS.observe(committed.seconds)
        for (before, to, reason), times in committed.moves.items():
            TRANSITIONS.labels(before or "", to, reason or "").inc(times)
        for origin, values in committed.readings.items():
            READINGS.labels(origin).inc(values)
        operation_log.write(committed.ended)
        record_ends(committed.ended, committed.seconds)

    return Ledger(
        open_store(settings.database_url, unsafe=unsafe),
        rules_of(settings),
        notify=notify,
        server_id=SERVER_ID,
        server_name=settings.leshan_name,
        clock=clock,
        observe=observe,
        on_silence=discard_readers,
    )


@contextlib.asynccontextmanager
async def background(ended: asyncio.Event) -> AsyncIterator[Start]:
    """Run tasks until the block ends. A task that ends earlier is a fault: ``ended`` is set, and the process stops."""
    tasks: set[asyncio.Task[None]] = set()

    def note(task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            log.critical("component_ended", component=task.get_name(), error=repr(task.exception()))
            ended.set()

    def start(work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=getattr(work, "__qualname__", "component"))
        task.add_done_callback(note)
        tasks.add(task)

    try:
        yield start
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
