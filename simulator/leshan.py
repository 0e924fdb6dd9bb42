"""The simulated Leshan server and its devices, without the sockets: :mod:`simulator.simulator` serves it."""

from __future__ import annotations

from collections.abc import Iterable

from simulator.behaviours import OF_THE_DEVICE, Behaviour, Kind
from simulator.config import Mode, SimulatorConfig
from simulator.device import Device, Received
from simulator.events import Events
from simulator.exchange import Exchange
from simulator.firmware_behaviours import NORMAL, FirmwareBehaviour
from simulator.fleet import Fleet
from simulator.models import Json
from simulator.requests import read_path
from simulator.rest import Rest


class SimulatedLeshan:
    """A Leshan server with its devices, and everything that a test or ``/sim`` (``control.py``) can do to them.

    Call the methods in the loop that serves, while it serves. An unknown device name raises KeyError.

    Attributes:
        url: the server's address, like ``http://127.0.0.1:40123``; empty while it does not listen.
        events: publishes the events; ``events.newest`` and ``events.counters`` record them.
        stats: calls open now, the most that were open at once, responses by status.
    """

    def __init__(self, config: SimulatorConfig | None = None) -> None:
        self.config = config or SimulatorConfig()
        self.events = Events(own=self.config.mode is Mode.REVEILLE)
        self._fleet = Fleet(self.config, self.events)
        self._exchange = Exchange(self.config, self._fleet, self.events)
        self._rest = Rest(self.config, self._fleet, self._exchange, self.events)
        self.stats = self._rest.stats
        self.url = ""
        for name in self.config.names():
            self._fleet.add(name)

    # --- devices

    def device(self, name: str) -> Device:
        """Return a device's state, counters and received requests."""
        return self._fleet.devices[name]

    def devices(self) -> list[Device]:
        """Return all devices."""
        return list(self._fleet.devices.values())

    def add(self, name: str, *, queue_mode: bool | None = None) -> Device:
        """Add a device, not registered; None: queue mode by the configured share."""
        device = self._fleet.add(name, queue_mode=queue_mode)
        if self.url:
            self._fleet.start(device)
        return device

    def remove(self, name: str) -> None:
        """Deregister a device and remove it."""
        self._fleet.remove(self.device(name))

    def register(self, name: str, *, old_after: bool = False) -> None:
        """Send a new REGISTRATION; ``old_after``: the replaced one's DEREGISTRATION comes after it instead of
        before."""
        self._fleet.register(self.device(name), old_after=old_after)

    def wake(self, name: str, *, new_address: bool = False) -> None:
        """Send a registration update, or a registration if there is none. A new address cancels its open calls."""
        self._fleet.update(self.device(name), new_address=new_address)

    def sleep(self, name: str) -> None:
        """Make the device stop receiving; in queue mode the server knows (SLEEPING)."""
        self._fleet.sleep(self.device(name))

    def deafen(self, name: str, *, deaf: bool = True) -> None:
        """Make the device stop receiving (or receive again); the server does not know."""
        self.device(name).deaf = deaf

    def deregister(self, name: str) -> None:
        """Send DEREGISTRATION."""
        self._fleet.deregister(self.device(name))

    def set_value(self, name: str, path: str, value: Json) -> None:
        """Set a resource in Leshan's form (``"24.5"`` of a FLOAT, ``{"0": ..}`` of a multiple one), without a
        notification."""
        ids = read_path(path.strip("/"))
        multiple = isinstance(value, dict) and all(key.isdigit() for key in value)
        self.device(name).objects.put(ids, {int(key): item for key, item in value.items()} if multiple else value)

    def value(self, name: str, path: str) -> Json:
        """Return the device's value of a resource, in Leshan's form; None if it has none."""
        return self.device(name).objects.value(read_path(path.strip("/")))

    def notify(self, name: str, path: str, value: Json = None, *, anyway: bool = False) -> int:
        """Set a value, and send NOTIFICATION for all observations that cover it (``anyway``: of the path itself).

        Returns:
            the number of notifications sent.
        """
        if value is not None:
            self.set_value(name, path, value)
        ids = read_path(path.strip("/"))
        if not anyway:
            return self._fleet.notify(self.device(name), ids)
        self._fleet.notify_anyway(self.device(name), ids)
        return 1

    def send(self, name: str, paths: Iterable[str]) -> None:
        """Publish a SEND with the present values of these paths."""
        self._fleet.send(self.device(name), [read_path(path.strip("/")) for path in paths])

    # --- behaviors

    def behave(self, name: str, behaviour: Behaviour) -> None:
        """Set how one device handles requests from now on."""
        self.device(name).behaviours.add(behaviour)

    def behave_all(self, behaviour: Behaviour) -> None:
        """Set how each device handles requests from now on."""
        for device in self.devices():
            device.behaviours.add(behaviour)

    def set_firmware(self, name: str, behaviour: FirmwareBehaviour = NORMAL) -> None:
        """Set how one device updates its firmware from now on. ``device(name).firmware`` counts what it did."""
        self.device(name).set_firmware(behaviour)

    def server_behaves(self, behaviour: Behaviour) -> None:
        """Set how the server (or a proxy before it) handles every request, those for a registration included.

        Raises:
            ValueError: a behavior that only a device can have.
        """
        if behaviour.kind in OF_THE_DEVICE | {Kind.DELAYED}:
            raise ValueError(f"{behaviour.kind} is a device's behaviour: the server has none of it")
        self._rest.behaviours.add(behaviour)

    def hang(self) -> None:
        """Accept connections and never respond, until :meth:`behave_well`."""
        self.server_behaves(Behaviour(kind=Kind.NEVER))

    def behave_well(self, name: str | None = None) -> None:
        """Remove the behaviors of one device, or (None) of all devices and the server."""
        if name is not None:
            self.device(name).behaviours.clear()
            return
        self._rest.behaviours.clear()
        for device in self.devices():
            device.behaviours.clear()

    # --- the server

    def restart(self) -> None:
        """Restart the server, as Leshan: registrations and delayed requests are lost, event streams end, without an
        event."""
        self._rest.ids.interrupt()
        self._fleet.forget_registrations()
        self.events.restarted()

    def reset(self) -> None:
        """Clear counters, received requests and behaviors; registrations and values stay."""
        self._rest.behaviours.clear()
        self._rest.stats.reset()
        self._exchange.counters.clear()
        self.events.counters.clear()
        self.events.newest.clear()
        for device in self.devices():
            device.forget()

    def received(self, name: str) -> list[Received]:
        """Return the requests that arrived at the server for this device, oldest first."""
        return list(self.device(name).received)

    def figures(self) -> dict[str, Json]:
        """Return the figures of ``GET /sim/stats``."""
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
