"""The simulator as a whole: in a test, inside ``reveille serve``, or as ``reveille simulate``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from simulator.config import SimulatorConfig
from simulator.control import control
from simulator.http_call import Receive, Scope, Send
from simulator.leshan import SimulatedLeshan
from simulator.webhook import WebhookPoster
from simulator.wire import Server


class Simulator(SimulatedLeshan):
    """A simulated Leshan that serves its REST API and ``/sim`` over HTTP, and posts to its webhook."""

    def __init__(self, config: SimulatorConfig | None = None) -> None:
        super().__init__(config)
        self._control = control(self)

    @asynccontextmanager
    async def serve(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Simulator]:
        """Listen and run the devices as long as the block runs; 0 takes a free port.

        The state of the devices and the server remains when the block ends, and is used when it is served again.

        Raises:
            OSError: the address cannot be used.
        """
        server = Server(self)
        opened = await server.open(host, port)
        self.url = f"http://{host}:{opened}"
        poster = WebhookPoster(self.config) if self.config.webhook_url else None
        if poster is not None:
            self.events.sink = poster.take
            poster.start()
        for device in self._fleet.devices.values():
            self._fleet.start(device)
        try:
            yield self
        finally:
            self.url = ""
            self._fleet.close()
            self.events.close()
            await server.close()
            await self._exchange.close()
            if poster is not None:
                self.events.sink = None
                await poster.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run as an ASGI app. It needs the connections of ``wire.py``, so no other server can serve it."""
        if scope["raw_path"].startswith(b"/sim/"):
            await self._control(scope, receive, send)
        else:
            await self._rest(scope, receive, send)


async def run_simulator(
    config: SimulatorConfig, host: str, port: int, ready: Callable[[str], None] | None = None
) -> None:
    """Serve until the task is canceled; ``ready`` is called with the address as soon as it listens.

    Raises:
        OSError: the address cannot be used.
    """
    async with Simulator(config).serve(host, port) as simulator:
        if ready is not None:
            ready(simulator.url)
        await asyncio.Event().wait()
