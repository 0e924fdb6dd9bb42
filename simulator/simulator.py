"""The simulator as a whole: in a test, inside ``reveille serve``, or as ``reveille simulate``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from simulator.behaviours import OF_THE_DEVICE, Behaviour, Kind
from simulator.config import Mode, SimulatorConfig
from simulator.control import control
from simulator.device import Device, Received
from simulator.events import Events
from simulator.exchange import Exchange
from simulator.fleet import Fleet
from simulator.http_call import Receive, Scope, Send
from simulator.models import Json
from simulator.requests import read_path
from simulator.rest import Rest
from simulator.webhook import WebhookPoster
from simulator.wire import Server


class Simulator:
    """A Leshan look-alike with its devices.

    What the methods do is also served under ``/sim`` (``control.py``). They are called in the loop that serves, while
    it serves. A name of no device raises KeyError.

    Attributes:
        url: where it listens, like ``http://127.0.0.1:40123``; empty while it does not.
        events: told of each event; ``events.newest`` and ``events.counters`` keep what was told.
        stats: calls open now, the most that were open at once, answers by status.
    """

    def __init__(self, config: SimulatorConfig | None = None) -> None:
        self.config = config or SimulatorConfig()
        self.events = Events(own=self.config.mode is Mode.REVEILLE)
        self._fleet = Fleet(self.config, self.events)
        self._exchange = Exchange(self.config, self._fleet, self.events)
        self._rest = Rest(self.config, self._fleet, self._exchange, self.events)
        self._control = control(self)
        self.stats = self._rest.stats
        self.url = ""
        for name in self.config.names():
            self._fleet.add(name)

    @asynccontextmanager
    async def serve(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Simulator]:
        """Listen and let the devices live as long as the block runs; 0 takes a free port.

        What the devices and the server know stays when the block ends, and is there when it is served again.

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
        """The ASGI app. It needs the connections of ``wire.py``, so no other server can serve it."""
        if scope["raw_path"].startswith(b"/sim/"):
            await self._control(scope, receive, send)
        else:
            await self._rest(scope, receive, send)

    # --- devices

    def device(self, name: str) -> Device:
        """A device's state, counters and received requests."""
        return self._fleet.devices[name]

    def devices(self) -> list[Device]:
        """All devices."""
        return list(self._fleet.devices.values())

    def add(self, name: str, *, queue_mode: bool | None = None) -> Device:
        """One more device, not registered; None: queue mode by the configured share."""
        device = self._fleet.add(name, queue_mode=queue_mode)
        if self.url:
            self._fleet.start(device)
        return device

    def remove(self, name: str) -> None:
        """Deregister a device and forget it."""
        self._fleet.remove(self.device(name))

    def register(self, name: str, *, old_after: bool = False) -> None:
        """A new REGISTRATION; ``old_after``: the replaced one's DEREGISTRATION comes after it instead of before."""
        self._fleet.register(self.device(name), old_after=old_after)

    def wake(self, name: str, *, new_address: bool = False) -> None:
        """A registration update, or a registration where there is none. A new address cancels its open calls."""
        self._fleet.update(self.device(name), new_address=new_address)

    def sleep(self, name: str) -> None:
        """The device goes deaf, and in queue mode the server knows (SLEEPING)."""
        self._fleet.sleep(self.device(name))

    def deafen(self, name: str, *, deaf: bool = True) -> None:
        """The device hears nothing any more (or again), and the server does not know."""
        self.device(name).deaf = deaf

    def deregister(self, name: str) -> None:
        """DEREGISTRATION."""
        self._fleet.deregister(self.device(name))

    def set_value(self, name: str, path: str, value: Json) -> None:
        """Set a resource in Leshan's form (``"24.5"`` of a FLOAT, ``{"0": ..}`` of a multiple one); tells nobody."""
        ids = read_path(path.strip("/"))
        multiple = isinstance(value, dict) and all(key.isdigit() for key in value)
        self.device(name).objects.put(ids, {int(key): item for key, item in value.items()} if multiple else value)

    def value(self, name: str, path: str) -> Json:
        """What the device has at a resource, in Leshan's form; None where it has nothing."""
        return self.device(name).objects.value(read_path(path.strip("/")))

    def notify(self, name: str, path: str, value: Json = None, *, anyway: bool = False) -> int:
        """Set a value, and NOTIFICATION of all observations that cover it (``anyway``: of the path itself).

        Returns:
            how many notifications were sent.
        """
        if value is not None:
            self.set_value(name, path, value)
        ids = read_path(path.strip("/"))
        if not anyway:
            return self._fleet.notify(self.device(name), ids)
        self._fleet.notify_anyway(self.device(name), ids)
        return 1

    def send(self, name: str, paths: Iterable[str]) -> None:
        """SEND with the present values of these paths."""
        self._fleet.send(self.device(name), [read_path(path.strip("/")) for path in paths])

    # --- behaviours

    def behave(self, name: str, behaviour: Behaviour) -> None:
        """Tell one device how to take requests from now on."""
        self.device(name).behaviours.add(behaviour)

    def behave_all(self, behaviour: Behaviour) -> None:
        """Tell each device."""
        for device in self.devices():
            device.behaviours.add(behaviour)

    def server_behaves(self, behaviour: Behaviour) -> None:
        """What the server (or a proxy before it) does with every request, that for a registration included.

        Raises:
            ValueError: a behaviour that only a device can have.
        """
        if behaviour.kind in OF_THE_DEVICE | {Kind.DELAYED}:
            raise ValueError(f"{behaviour.kind} is a device's behaviour: the server has none of it")
        self._rest.behaviours.add(behaviour)

    def hang(self) -> None:
        """The server accepts and never answers, until :meth:`behave_well`."""
        self.server_behaves(Behaviour(kind=Kind.NEVER))

    def behave_well(self, name: str | None = None) -> None:
        """Forget what one device was told, or (None) all devices and the server."""
        if name is not None:
            self.device(name).behaviours.clear()
            return
        self._rest.behaviours.clear()
        for device in self.devices():
            device.behaviours.clear()

    # --- the server

    def restart(self) -> None:
        """As a restarted Leshan: registrations and delayed requests are gone, event streams end, nobody is told."""
        self._rest.ids.interrupt()
        self._fleet.forget_registrations()
        self.events.restarted()

    def reset(self) -> None:
        """Forget counters, received requests and behaviours; registrations and values stay."""
        self._rest.behaviours.clear()
        self._rest.stats.reset()
        self._exchange.counters.clear()
        self.events.counters.clear()
        self.events.newest.clear()
        for device in self.devices():
            device.forget()

    def received(self, name: str) -> list[Received]:
        """What arrived at the server for this device, oldest first."""
        return list(self.device(name).received)

    def figures(self) -> dict[str, Json]:
        """As ``GET /sim/stats`` tells it."""
        devices = self.devices()
        return {
            "devices": len(devices),
            "registered": sum(device.registration is not None for device in devices),
            "awake": sum(device.registration is not None and device.callable for device in devices),
            "openCalls": self.stats.open_calls,
            "maxOpenCalls": self.stats.max_open_calls,
            "maxOpenCallsOfOneDevice": max((device.max_open_calls for device in devices), default=0),
            "calls": self.stats.calls,
            "statuses": dict(self.stats.statuses),
            "outcomes": dict(self._exchange.counters),
            "unknownClients": self.stats.unknown_clients,
            "eventListeners": self.events.listeners,
            "events": dict(self.events.counters),
        }


async def run_simulator(
    config: SimulatorConfig, host: str, port: int, ready: Callable[[str], None] | None = None
) -> None:
    """Serve until the task is cancelled; ``ready`` is told the address as soon as it listens.

    Raises:
        OSError: the address cannot be used.
    """
    async with Simulator(config).serve(host, port) as simulator:
        if ready is not None:
            ready(simulator.url)
        await asyncio.Event().wait()
