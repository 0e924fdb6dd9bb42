"""The composition of a process: which components it runs, in which order they start, and how they stop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from enum import Flag, auto
from typing import Any, Final

import structlog

from app.bus import Bus, Channel, open_bus
from app.dispatcher.dispatcher import Dispatcher
from app.dispatcher.inquiry import Inquirer
from app.dispatcher.runner import Runner
from app.dispatcher.sweeper import Sweeper
from app.dispatcher.verdict import judge
from app.dispatcher.withdrawing import Withdrawer
from app.domain.enums import DAY, SECOND, Instant
from app.health import DATABASE_SECONDS, Health
from app.ingest.event_ingestor import EventIngestor
from app.ingest.model_fetcher import ModelFetcher
from app.ingest.reconciler import Reconciler
from app.ingest.server_info import ServerInfoWatch
from app.ingest.stream_bridge import Bridge
from app.leshan.client import LeshanClient
from app.models.database import reading
from app.models.ledger import Committed, Ledger, ProveWritable, Rules, open_store
from app.models.object_models import ObjectModelCache
from app.settings import LeshanEvents, Settings, viewer_of
from app.telemetry import LEDGER_GROUP_SECONDS, LEDGER_GROUP_SIZE, READINGS, TRANSITIONS
from app.timing import DEFAULT, Timing

log = structlog.get_logger(__name__)

SERVER_ID: Final = 1
"""The id of the only Leshan server. Rows carry the id of their server already."""


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
    ledger: Ledger
    bus: Bus
    object_models: ObjectModelCache
    ingestor: EventIngestor
    health: Health
    ended: asyncio.Event
    dispatcher: Dispatcher | None = None
    bridge: Bridge | None = None


def rules_of(settings: Settings) -> Rules:
    """Return the settings that the ledger needs."""
    return Rules(
        judge=judge,
        awake_window=settings.awake_window * SECOND,
        max_in_flight=settings.leshan_max_in_flight,
        retention=settings.retention * DAY,
        reading_retention=settings.reading_retention * DAY,
        aggregate_retention=settings.aggregate_retention * DAY,
        honours_at=settings.leshan_notifications_wake,
    )


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


@contextlib.asynccontextmanager
async def running(
    settings: Settings,
    roles: Role,
    *,
    clock: Callable[[Instant], Instant] = lambda now: now,
    unsafe: bool = False,
    timing: Timing = DEFAULT,
) -> AsyncIterator[Components]:
    """Run the components of these roles for as long as the block lasts. The database must have been migrated.

    Args:
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
        uses_stream = settings.leshan_events is not LeshanEvents.WEBHOOK
        ingestor = EventIngestor(ledger, object_models, webhook_readings=not uses_stream, timing=timing)

        def write() -> Coroutine[Any, Any, None]:
            return ledger.submit(ProveWritable(), within=DATABASE_SECONDS)

        health = Health(
            SERVER_ID,
            bus.health,
            write,
            uses_stream=uses_stream,
            authenticates=lambda token: viewer_of(settings, token) is not None,
        )
        components = Components(settings, timing, ledger, bus, object_models, ingestor, health, asyncio.Event())
        start = await stack.enter_async_context(_background(components.ended))
        start(object_models.run(ledger.outage))
        start(ingestor.run())
        if roles & (Role.DISPATCH | Role.BRIDGE):
            client = leshan_client(settings)
            stack.push_async_callback(client.aclose)
            start = await stack.enter_async_context(_background(components.ended))
            watch = ServerInfoWatch(client, ledger, timing)
            start(watch.run())
            reconciler = Reconciler(ledger, ingestor, client, watch, timing)
            if roles & Role.DISPATCH:
                _start_dispatching(components, client, watch, clock, start)
            if roles & Role.BRIDGE and uses_stream:
                _start_bridge(components, client, reconciler, watch, start)
            if roles & Role.DISPATCH and not uses_stream:
                start(reconciler.run_without_stream())
        yield components


def _ledger(
    settings: Settings,
    bus: Bus,
    clock: Callable[[Instant], Instant],
    discard_readers: Callable[[], None],
    *,
    unsafe: bool,
) -> Ledger:
    def notify(channel: str) -> None:
        bus.notify(Channel(channel))

    def observe(committed: Committed) -> None:
        LEDGER_GROUP_SIZE.observe(committed.commands)
        LEDGER_GROUP_SECONDS.observe(committed.seconds)
        for (before, to, reason), times in committed.moves.items():
            TRANSITIONS.labels(before or "", to, reason or "").inc(times)
        for origin, values in committed.readings.items():
            READINGS.labels(origin).inc(values)

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


Start = Callable[[Coroutine[Any, Any, None]], None]


def _start_dispatching(
    components: Components,
    client: LeshanClient,
    watch: ServerInfoWatch,
    clock: Callable[[Instant], Instant],
    start: Start,
) -> None:
    settings, timing = components.settings, components.timing
    pieces = 1 if settings.is_embedded_database else 2
    slots = settings.leshan_max_in_flight
    fetcher = ModelFetcher(components.object_models, client, components.ledger, timing)
    runner = Runner(
        client, components.ledger, components.object_models, fetcher, server=settings.leshan_name, timing=timing
    )
    components.dispatcher = Dispatcher(
        components.ledger, components.bus, runner, slots=slots, pieces=pieces, clock=clock, timing=timing
    )
    start(fetcher.run())
    inquirer = Inquirer(client, components.ledger, components.object_models)
    withdrawer = Withdrawer(client, components.ledger, clock=clock)
    start(Sweeper(components.ledger, client, inquirer, watch, withdrawer, clock=clock, timing=timing).run())
    start(components.dispatcher.run())


def _start_bridge(
    components: Components, client: LeshanClient, reconciler: Reconciler, watch: ServerInfoWatch, start: Start
) -> None:
    settings, timing = components.settings, components.timing
    components.bridge = Bridge(
        components.ledger,
        components.ingestor,
        client,
        reconciler,
        watch,
        notifications_wake=settings.leshan_notifications_wake,
        timing=timing,
    )
    start(components.bridge.run())


@contextlib.asynccontextmanager
async def _background(ended: asyncio.Event) -> AsyncIterator[Start]:
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
