"""Devices that do as a test tells them, behind one face: simulated ones, and real LwM2M clients over CoAP."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from app.domain.values import JsonValue
from simulator import Behaviour, Kind, Simulator
from tests.leshan.devices import Device, Devices, Uplink


@dataclass(frozen=True, slots=True)
class Reached:
    """One request that reached a device: its kind as in OperationKind, its path (None for a composite's)."""

    kind: str
    path: str | None
    value: str | None


class ToldDevice(Protocol):
    """One device. It speaks only when told to; each method returns when the server has answered it."""

    name: str

    async def register(self, *, new_address: bool = False) -> None:
        """It registers in full, and hears."""

    async def wake(self) -> None:
        """It sends a registration update, and hears."""

    async def deregister(self) -> None:
        """It says goodbye."""

    async def deafen(self) -> None:
        """It hears nothing any more, and the server does not know."""

    async def refuse(self, code: int, text: str) -> None:
        """It answers every request with a CoAP code, 405 for 4.05."""

    async def fall_silent(self) -> None:
        """It hears every request and neither does nor answers it."""

    async def behave(self) -> None:
        """It forgets how it was to refuse or be silent."""

    async def notify(self, path: str, value: JsonValue) -> None:
        """A value changes from within, and observers are notified."""

    async def send(self, path: str) -> None:
        """LwM2M Send of one present value."""

    async def held(self, path: str) -> JsonValue:
        """The value of a resource as the device holds it, in Leshan's form; read past the network."""

    async def reached(self) -> list[Reached]:
        """What has reached it, oldest first."""

    async def has_request(self) -> bool:
        """Whether a request is on its way, or has come."""


class Refused(AssertionError):
    """The server did not take what a device told it."""


class SimulatedDevice:
    """A device of the simulator. See :class:`ToldDevice`."""

    def __init__(self, simulator: Simulator, name: str, *, queue_mode: bool) -> None:
        self.name = name
        self._simulator = simulator
        simulator.add(name, queue_mode=queue_mode)

    async def register(self, *, new_address: bool = False) -> None:
        self._simulator.deafen(self.name, deaf=False)
        self._simulator.register(self.name)

    async def wake(self) -> None:
        self._simulator.deafen(self.name, deaf=False)
        self._simulator.wake(self.name)

    async def deregister(self) -> None:
        self._simulator.deregister(self.name)

    async def deafen(self) -> None:
        self._simulator.deafen(self.name)

    async def refuse(self, code: int, text: str) -> None:
        self._simulator.behave(self.name, Behaviour(kind=Kind.REFUSE, code=code, text=text))

    async def fall_silent(self) -> None:
        self._simulator.behave(self.name, Behaviour(kind=Kind.SILENT))

    async def behave(self) -> None:
        self._simulator.behave_well(self.name)

    async def notify(self, path: str, value: JsonValue) -> None:
        self._simulator.notify(self.name, path, value)

    async def send(self, path: str) -> None:
        self._simulator.send(self.name, [path])

    async def held(self, path: str) -> JsonValue:
        value = self._simulator.value(self.name, path)
        many = isinstance(value, dict) and all(isinstance(key, int) for key in value)
        return {str(key): one for key, one in value.items()} if many else value

    def behave_so(self, behaviour: Behaviour) -> None:
        """Treat every request so: what no well-behaved client does, and what stands between can do."""
        self._simulator.behave(self.name, behaviour)

    async def has_request(self) -> bool:
        return self._simulator.device(self.name).open_calls > 0

    async def reached(self) -> list[Reached]:
        return [
            Reached(one.kind or "", _path_of(one.target), one.body.decode())
            for one in self._simulator.received(self.name)
            if one.handed_over
        ]


def _path_of(target: str) -> str | None:
    """``/api/clients/NAME/3/0/4?..`` -> ``/3/0/4``."""
    ids = [part for part in unquote(urlsplit(target).path).split("/")[4:] if part.isdigit()]
    return f"/{'/'.join(ids)}" if ids else None


class RealDevice:
    """A real LwM2M client, over CoAP. See :class:`ToldDevice`."""

    def __init__(self, device: Device) -> None:
        self.name = device.name
        self.device = device

    @classmethod
    async def make(cls, devices: Devices, name: str, server: str, *, queue_mode: bool) -> RealDevice:
        made = await asyncio.to_thread(
            devices.create, name, queue_mode=queue_mode, server=server, register=False, lifetime=3600
        )
        return cls(made)

    async def register(self, *, new_address: bool = False) -> None:
        _taken(await asyncio.to_thread(self.device.register, new_port=new_address))

    async def wake(self) -> None:
        _taken(await asyncio.to_thread(self.device.wake))

    async def deregister(self) -> None:
        _taken(await asyncio.to_thread(self.device.deregister))

    async def deafen(self) -> None:
        await asyncio.to_thread(self.device.sleep)

    async def refuse(self, code: int, text: str) -> None:
        await asyncio.to_thread(self.device.refuse, f"{code // 100}.{code % 100:02}", text=text)

    async def fall_silent(self) -> None:
        await asyncio.to_thread(self.device.never_answer, carry_out=False)

    async def behave(self) -> None:
        await asyncio.to_thread(self.device.behave)

    async def notify(self, path: str, value: JsonValue) -> None:
        await asyncio.to_thread(self.device.notify, path, value)

    async def send(self, path: str) -> None:
        _taken(await asyncio.to_thread(self.device.send, [path]))

    async def held(self, path: str) -> JsonValue:
        node: dict[str, Any] | None = await asyncio.to_thread(self.device.value, path)
        node = node or {}
        return node.get("values", node.get("value"))

    async def has_request(self) -> bool:
        return bool(await self.reached())

    async def reached(self) -> list[Reached]:
        received = await asyncio.to_thread(self.device.received)
        return [Reached(one.method, one.path, one.value) for one in received]

    async def remove(self) -> None:
        await asyncio.to_thread(self.device.remove)


def _taken(uplink: Uplink) -> None:
    if not uplink.ok:
        raise Refused(f"{uplink.operation}: {uplink.code} {uplink.error or ''}")
