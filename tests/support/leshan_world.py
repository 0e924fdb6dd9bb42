"""The whole path in one process: Reveille between a database and a real Leshan server with real LwM2M devices.

A test has three sources: the operation's transitions (our record), the device's own list of received requests (the
facts), and Leshan's REST API (its state). At the end, the invariants of ``docs/lifecycle.md`` are checked.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final, Self
from urllib.parse import quote

import httpx
from starlette.applications import Starlette

from app.domain.enums import OperationKind, Presence, ValueType
from app.domain.operations import OperationRequest
from app.domain.values import JsonValue
from app.entrypoints.serve import parts_of
from app.leshan.events import registration_of
from app.models import tables
from app.models.invariant_check import violations
from app.models.operation import NewOperation
from app.process import Role, running
from app.settings import Settings
from app.timing import DEFAULT, Timing
from app.web import api_routes
from tests.support import loopback
from tests.support.api import Api
from tests.support.ledger import new_operation
from tests.support.leshan.devices import Delivery, Device, Devices, Uplink
from tests.support.leshan.launch import LeshanServer
from tests.support.tables import tables_of
from tests.support.waiting import eventually
from tests.support.world import Op, World

FIRMWARE: Final = "https://url.com/fw.bin"
TEMPERATURE: Final = "/3303/0/5700"

_numbers = itertools.count()


@dataclass(slots=True)
class LeshanWorld(World):
    """Helpers for the tests. Devices send messages only on command."""

    database_url: str
    leshan: LeshanServer
    devices: Devices
    rest: httpx.AsyncClient
    made: list[Device] = field(default_factory=list)
    witness: Device | None = None

    @classmethod
    @contextlib.asynccontextmanager
    async def begin(
        cls, database_url: str, leshan: LeshanServer, devices: Devices, *, timing: Timing = DEFAULT, **settings: Any
    ) -> AsyncIterator[Self]:
        """Run Reveille; at the end of the test its devices are removed and the invariants are checked."""
        url = leshan.url.removesuffix("/api")
        chosen = Settings(database_url=database_url, leshan_url=url, **settings)
        async with (
            loopback.AsyncClient(base_url=leshan.url, timeout=30) as rest,
            tables_of(database_url),
            running(chosen, *parts_of(Role.EVERYTHING), unsafe=True, timing=timing) as components,
        ):
            world = cls(database_url, leshan, devices, rest)
            world.components = components
            try:
                await world.listens()
                yield world
                assert not components.ended.is_set(), "a part of ours failed"
                assert await violations(database_url) == []
            finally:
                for device in world.made:
                    await asyncio.to_thread(device.remove)

    @contextlib.asynccontextmanager
    async def graphql(self) -> AsyncIterator[Api]:
        """Serve the API of this Reveille."""
        async with api_routes(self.components) as routes:
            api = Api.within(Starlette(routes=routes))
            async with api.http:
                yield api

    async def listens(self) -> None:
        """Wait until the event stream is open and all registrations have been read: one that the list reports before
        the stream does is another contact of its device."""
        bridge = self.components.bridge
        assert bridge is not None
        await eventually(lambda: bridge.listening and bridge._reconciler.completed > 0, "the bridge listens")

    # --- devices

    async def device(self, name: str | None = None, **spec: Any) -> Device:
        """Create a device that is registered and known to Reveille."""
        name = name or f"device-{next(_numbers)}"
        device = await asyncio.to_thread(self.devices.create, name, server=self.leshan.coap_uri, lifetime=3600, **spec)
        self.made.append(device)
        await self.registration_known(device)
        return device

    async def sleeper(self, **spec: Any) -> Device:
        """Create a device in queue mode that sleeps."""
        device = await self.device(queue_mode=True, **spec)
        await self.sleep(device)
        return device

    async def sleep(self, device: Device) -> None:
        """Let the device fall asleep; Leshan discovers it by a request of ours, and publishes it."""
        await asyncio.to_thread(device.sleep)
        answer = await self.rest.get(f"{_client(device)}/3/0/0", params={"timeout": 0})
        assert (answer.status_code, answer.text) == (504, "Request timeout")
        await self.presence_is(device, Presence.ASLEEP)

    async def wake(self, device: Device, **how: Any) -> None:
        """Make the device send a registration update, and receive requests."""
        _taken(await asyncio.to_thread(device.wake, **how))

    async def register(self, device: Device, **how: Any) -> None:
        """Make the device register again."""
        _taken(await asyncio.to_thread(device.register, **how))

    async def leave(self, device: Device) -> None:
        """Make the device deregister, and wait until Reveille knows it."""
        _taken(await asyncio.to_thread(device.deregister))
        await self.presence_is(device, Presence.OFFLINE)

    async def registration_known(self, device: Device) -> None:
        """Wait until Reveille knows the registration that Leshan has."""
        listed = (await self.rest.get("/clients")).raise_for_status().json()
        (told,) = [registration for name, registration in map(registration_of, listed) if name == device.name]

        async def known() -> bool:
            row = await self.endpoint(device)
            same = row is not None and row.registration_id == told.registration_id
            return same and row is not None and row.leshan_last_update == told.last_update

        await eventually(known, f"the news of {device.name}")

    async def received(self, device: Device, method: str | None = None) -> list[Delivery]:
        """Return the requests that reached the device, oldest first."""
        return await asyncio.to_thread(device.received, method=method)

    async def texts(self, device: Device) -> list[str | None]:
        """Return the values written to the device, oldest first."""
        return [one.value for one in await self.received(device, "WRITE")]

    async def notify(self, device: Device, value: str) -> None:
        """Make the device notify its temperature, and wait until Reveille has stored it."""
        await asyncio.to_thread(device.notify, TEMPERATURE, value)
        row = await self.known_row(device)

        async def known() -> bool:
            state = await tables.ResourceState.get_or_none(endpoint_id=row.id, path=TEMPERATURE)
            return state is not None and float(state.value) == float(value)

        await eventually(known, f"{device.name} measured {value}")

    # --- operations

    async def create(self, device: Device, kind: str, path: str | None = None, **more: Any) -> Op:
        """Queue one operation; ``more`` are the arguments of :meth:`wanted`."""
        (op,) = await self.create_many([self.wanted(device, kind, path, **more)])
        return op

    def wanted(
        self,
        device: Device,
        kind: str,
        path: str | None = None,
        *,
        text: str | None = None,
        priority: int = 0,
        timeout: int = 10,
        **request: Any,
    ) -> NewOperation:
        """Return an operation to be created. ``text`` is written as STRING; ``request`` are fields of
        OperationRequest."""
        if text is not None:
            request |= {"value_type": ValueType.STRING, "value": text}
        request.setdefault("paths", (path,) if path else ())
        wanted = OperationRequest(device.name, OperationKind(kind), path, timeout_seconds=timeout, **request)
        return new_operation(wanted, priority=priority)

    async def known_row(self, device: Device) -> tables.Endpoint:
        """Return the row of a known device."""
        return await tables.Endpoint.get(name=device.name)

    async def settled(self) -> None:
        """Wait until all earlier events and operations have been processed, to verify that nothing happens.

        The witness then updates its registration, on the same stream, and gets a new operation, which the same poll of
        the ready list finds. This is done twice, because a poll may have begun before.
        """
        if self.witness is None:
            self.witness = await self.device()
        for _ in range(2):
            await self.wake(self.witness)
            await self.registration_known(self.witness)
            await self.confirmed(await self.create(self.witness, "READ", "/3/0/0"))

    async def read_back(self, device: Device, path: str) -> JsonValue:
        """Return the node at a path from Leshan's own REST API, which reads it from the device."""
        answer = await self.rest.get(f"{_client(device)}{path}", params={"timeout": 10})
        content: dict[str, Any] = answer.raise_for_status().json()
        assert content["success"], content
        return content["content"]


def _client(device: Device) -> str:
    return f"/clients/{quote(device.name, safe='')}"


def _taken(uplink: Uplink) -> None:
    assert uplink.ok, f"{uplink.operation}: {uplink.code} {uplink.error or ''}"
