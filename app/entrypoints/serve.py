"""``reveille serve``: all roles in one process, and a simulator if no Leshan server is configured."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

import structlog

from app.entrypoints.api import serve_api
from app.entrypoints.bridge import start_bridge
from app.entrypoints.dispatch import start_dispatching
from app.entrypoints.leshan_calls import calling_leshan
from app.entrypoints.stopping import until_stopped
from app.models.database import migrate
from app.models.ledger import Provision
from app.process import Part, Role, running
from app.serving import listen, termination_signal
from app.settings import Settings
from app.tracing import configure_tracing
from simulator import Simulator, SimulatorConfig

log = structlog.get_logger(__name__)


async def run_everything(settings: Settings) -> None:
    """Migrate, serve, dispatch and listen in this process until a signal arrives.

    Raises:
        OSError, StoreUnavailable, UnsafeDatabase: the address or the database cannot be used.
        SystemExit: with 1, a component failed that should run forever.
    """
    configure_tracing("serve")
    await migrate(settings.database_url)
    listening = listen(settings.host, settings.port)
    terminated = termination_signal()  # before any claim or lease that must be released in order
    async with contextlib.AsyncExitStack() as stack:
        devices: list[str] = []
        if settings.leshan_url is None:
            settings, devices = await stack.enter_async_context(_simulated(settings))
        components = await stack.enter_async_context(running(settings, *parts_of(Role.EVERYTHING)))
        # so that the first operation can be created at once, before the device has registered
        await asyncio.gather(*(components.ledger.submit(Provision(name)) for name in devices))
        await serve_api(components, stack, listening)
        await until_stopped(terminated, components)


def parts_of(roles: Role) -> list[Part]:
    """Return the parts of a process with these roles, beside the API's."""
    starts = {Role.DISPATCH: start_dispatching, Role.BRIDGE: start_bridge}
    chosen = [start for role, start in starts.items() if role & roles]
    return [calling_leshan(*chosen)] if chosen else []


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
        yield replace(settings, leshan_url=simulator.url, awake_window=window), config.names()
