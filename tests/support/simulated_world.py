"""The environment of a test in this folder: a simulated Leshan server with its devices, a database, and Reveille
between the two.

A test wakes devices, creates operations for them, and has three sources: the operation's transitions (our record), the
device's list of received requests (the facts), and the invariants (``app/models/invariant_check.py``), checked when the
test ends.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self
from unittest import mock
from urllib.parse import urlsplit

import httpx
import orjson
from starlette.applications import Starlette

from app.domain.enums import SECOND, Instant, OperationKind, Presence, ValueType
from app.domain.operations import OperationRequest, conflict, instances_of, repeatable_by_kind
from app.domain.values import JsonValue
from app.entrypoints.serve import parts_of
from app.leshan.webhook import webhook_routes
from app.models import tables
from app.models.invariant_check import violations
from app.models.operation import NewOperation
from app.models.queries import (
    database_now,
    endpoint_by_id,
    heads_of,
    operations_by_seq,
    server_view,
)
from app.models.queries.gauges import counter_differences
from app.models.waiting import waiting_for
from app.process import Components, Role, running
from app.settings import Settings
from app.timing import Timing
from simulator import Received, Simulator, SimulatorConfig
from tests.support import loopback
from tests.support.ledger import new_operation
from tests.support.servers.kept_databases import reader_of
from tests.support.tables import tables_of
from tests.support.waiting import eventually
from tests.support.world import Op, World

WITNESS: Final = "witness"
"""A well-behaved device of every world: its events show that Reveille has processed the earlier ones
(:meth:`SimulatedWorld.settled`)."""

FAST: Final = Timing(
    poll=0.2,
    sweep=0.1,
    ingest_retry=0.1,
    late_response=0.5,
    bridge_lease=4,
    bridge_renewal=0.5,
    reconnect=(0.05, 0.1, 0.2, 0.5),
    reconcile_retry=0.2,
    reconcile_check=0.3,
    first_server_info=0.1,
    object_models=0.2,
)
"""Shorter intervals and pauses than in production. The deadlines of calls and their leases stay: a busy machine stalls
a process for a second or two, which must not look like a device that does not answer."""

FIRMWARE: Final = "https://url.com/fw.bin"


@dataclass(slots=True)
class SimulatedWorld(World):
    """Helpers for tests. Names of devices are those of the simulator; times are seconds.

    Attributes:
        simulator: the Leshan server, which controls its devices.
        ahead: by how much Reveille's clock is ahead of the machine's (:meth:`move_clock`).
    """

    simulator: Simulator
    timing: Timing
    settings: Settings = field(init=False)
    ahead: Instant = 0
    _port: int = 0
    _serving: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)
    _others: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    @classmethod
    @contextlib.asynccontextmanager
    async def begin(
        cls,
        database_url: str,
        *devices: str,
        simulated: Mapping[str, Any] | None = None,
        roles: Role = Role.EVERYTHING,
        timing: Timing = FAST,
        **settings: Any,
    ) -> AsyncIterator[Self]:
        """Run a world with these devices, none of them registered. ``simulated`` are settings of the simulator, the
        rest are ours. At the end of the test the invariants are checked."""
        config = SimulatorConfig.manual(*(devices or ("dev",)), **(simulated or {}))
        world = cls(Simulator(config), timing)
        await world.leshan_up()
        world.settings = Settings(database_url=database_url, leshan_url=world.simulator.url, **settings)
        world.simulator.add(WITNESS, queue_mode=False)
        try:
            async with (
                tables_of(database_url),
                running(
                    world.settings, *parts_of(roles), clock=world.clock, unsafe=True, timing=timing
                ) as world.components,
                world._others,
            ):
                await world._stream_open()
                yield world
                await world.check_invariants()
                await world.leshan_down()  # open calls end, and no process waits for them
        finally:
            await world.leshan_down()

    async def _stream_open(self) -> None:
        """Wait until the bridge listens and has read all registrations: on a busy machine it would otherwise read the
        list in the middle of the test, as after missed events."""
        bridge = self.components.bridge
        if bridge is not None:
            await eventually(lambda: bridge.listening and bridge._reconciler.completed > 0, "the bridge listens")

    # --- Leshan

    async def leshan_up(self) -> None:
        """Make Leshan listen, on its previous port."""
        serving = self.simulator.serve(port=self._port)
        await self._serving.enter_async_context(serving)
        self._port = urlsplit(self.simulator.url).port or 0

    async def leshan_down(self) -> None:
        """Close Leshan's port and its connections. Its registrations remain."""
        await self._serving.aclose()

    def webhook(self) -> httpx.AsyncClient:
        """Return a client of our webhook, on this machine."""
        app = Starlette(routes=webhook_routes(self.components.ingestor.from_webhook))
        transport = httpx.ASGITransport(app, client=("127.0.0.1", 4711))
        return loopback.AsyncClient(transport=transport, base_url="http://reveille")

    async def post_event(self, event: str, data: JsonValue, *, late: int = 0, ordered: bool = False) -> None:
        """Post one event to ``/leshan/events``, which arrives ``late`` seconds after it happened."""
        body: dict[str, JsonValue] = {"event": event, "data": data, "time": 1_800_000_000_000}
        body |= {"seq": 1} if ordered else {}
        async with self.webhook() as caller:
            sent = {"webhook-timestamp": str(1_800_000_000 + late)}
            answer = await caller.post("/leshan/events", content=orjson.dumps(body), headers=sent)
        assert answer.status_code == 202, answer.text

    async def post_legacy(self, form: str, body: JsonValue) -> None:
        """Post to ``/leshan_api/resource/{single|composite}``."""
        async with self.webhook() as caller:
            answer = await caller.post(f"/leshan_api/resource/{form}", content=orjson.dumps(body))
        assert answer.status_code == 202, answer.text

    def published(self, event: str) -> JsonValue:
        """Return the newest event of this name that Leshan published, unchanged."""
        return next(orjson.loads(data) for name, data in reversed(self.simulator.events.newest) if name == event)

    async def server_info_known(self) -> None:
        """Wait until Reveille knows the capabilities of our own Leshan server."""

        async def known() -> bool:
            return (await tables.LeshanServer.get(id=1)).request_ids

        await eventually(known, "the server was asked what it can")

    # --- devices

    async def wake(self, *names: str) -> None:
        """Make the devices register, or update an existing registration; return when Reveille has processed it."""
        for name in names or ("dev",):
            self.simulator.wake(name)
        for name in names or ("dev",):
            await self.registration_known(name)

    async def sleep(self, *names: str) -> None:
        """Let the devices fall asleep, which Leshan publishes; return when Reveille has processed it."""
        for name in names or ("dev",):
            self.simulator.sleep(name)
        for name in names or ("dev",):
            await self.presence_is(name, Presence.ASLEEP)

    async def asleep(self, *names: str) -> None:
        """Register the devices and let them sleep: they are known, and may not be called."""
        await self.wake(*names)
        await self.sleep(*names)

    async def registration_known(self, name: str) -> None:
        """Wait until Reveille knows the registration that Leshan has."""

        async def known() -> bool:
            told, row = self.simulator.device(name).registration, await self.endpoint(name)
            return told is not None and row is not None and row.leshan_last_update == told.last_update

        await eventually(known, f"the news of {name}")

    def received(self, name: str = "dev") -> list[Received]:
        """Return the requests for the device that Leshan received, oldest first."""
        return self.simulator.received(name)

    def arrivals(self, operation: str, name: str = "dev") -> list[Received]:
        """Return the requests of one operation, by its id."""
        return [one for one in self.received(name) if (one.request_id or "").startswith(f"{operation}/")]

    async def call_is_open(self, name: str = "dev") -> None:
        """Wait until Leshan has a call for the device without a response."""
        await eventually(lambda: self.simulator.device(name).open_calls == 1, f"an open call to {name}")

    # --- operations

    async def create(self, kind: str, path: str, value: JsonValue = None, *, device: str = "dev", **more: Any) -> Op:
        """Queue one operation: ``create("WRITE", "/5/0/1", "https://..")``. A device has 5 s for its response."""
        (op,) = await self.create_many([self.wanted(kind, path, value, device=device, **more)])
        return op

    def wanted(
        self,
        kind: str,
        path: str,
        value: JsonValue = None,
        *,
        device: str = "dev",
        timeout: int = 5,
        repeatable: bool = False,
        priority: int = 0,
        max_attempts: int = 3,
        **more: Any,
    ) -> NewOperation:
        """Return an operation to be created; texts are written as STRING. ``repeatable`` is the caller's own
        declaration."""
        operation_kind = OperationKind(kind)
        request = OperationRequest(
            endpoint=device,
            kind=operation_kind,
            path=path,
            paths=(path,),
            value=value,
            value_type=ValueType.STRING if isinstance(value, str) else None,
            timeout_seconds=timeout,
        )
        repeatable = repeatable or repeatable_by_kind(operation_kind, path)
        return new_operation(request, priority=priority, max_attempts=max_attempts, repeatable=repeatable, **more)

    async def waits_for(self, op: Op) -> str:
        """Return the condition that the operation reports to wait for."""
        view = (await operations_by_seq([op]))[op]
        endpoint, server = await endpoint_by_id(view.endpoint_id), await server_view()
        assert endpoint is not None
        heads = await heads_of([endpoint.id])
        return str(waiting_for(view, endpoint, server, self.clock(server.now), heads.get(endpoint.id)))

    # --- time

    def clock(self, now: Instant) -> Instant:
        """Return the time of Reveille's clock."""
        return now + self.ahead

    def move_clock(self, seconds: float) -> None:
        """Move Reveille's clock forward, and no other."""
        self.ahead += int(seconds * SECOND)

    async def settled(self) -> None:
        """Wait until all earlier events and operations have been processed, to verify that nothing happens.

        The witness then updates its registration, on the same stream, and gets a new operation, which the same poll of
        the ready list finds. This is done twice, because a poll may have begun before.
        """
        for _ in range(2):
            await self.wake(WITNESS)
            await self.confirmed(await self.create("READ", "/3/0/0", device=WITNESS))
        await self.swept()

    async def swept(self) -> None:
        """Wait for a sweep: it has processed everything that was committed before."""
        before = (await tables.LeshanServer.get(id=1)).swept_at

        async def again() -> bool:
            return (await tables.LeshanServer.get(id=1)).swept_at != before

        await eventually(again, "a sweep")

    # --- more processes, and the invariants

    @contextlib.asynccontextmanager
    async def another(self, roles: Role) -> AsyncIterator[Components]:
        """Run another process of Reveille on the same database; here both share the connections of readers."""
        with mock.patch("app.process.reading", return_value=contextlib.nullcontext()):
            process = running(self.settings, *parts_of(roles), clock=self.clock, unsafe=True, timing=self.timing)
            components = await process.__aenter__()
        try:
            yield components
        finally:
            await process.__aexit__(None, None, None)

    async def joined_by(self, roles: Role) -> Components:
        """Run :meth:`another` until the end of the test."""
        return await self._others.enter_async_context(self.another(roles))

    async def check_invariants(self) -> None:
        """Check the invariants, by the database, and by the devices' own lists of received requests."""
        assert not self.components.ended.is_set(), "a part of ours failed"
        now = self.clock(await database_now())
        limit = self.settings.leshan_max_in_flight
        broken = await violations(reader_of(self.settings.database_url), now=now, max_in_flight=limit)
        assert not broken, broken
        differences, _ = await counter_differences(1)
        assert not differences, differences
        for device in self.simulator.devices():
            # a request without an id is not an attempt: it only displaced one that Leshan held
            received = [one for one in device.received if one.request_id is not None]
            attempts = Counter(one.request_id for one in received)
            doubled = [id_ for id_, count in attempts.items() if count > 1]
            assert not doubled, f"{device.name} was asked twice in one attempt: {doubled}"
            assert device.max_open_calls <= 1, f"{device.name} had {device.max_open_calls} calls open at once"
            await self._check_handed_over(received)
            await self._check_order(received)

    async def _check_handed_over(self, received: list[Received]) -> None:
        # a 200 without an execution is the device's own refusal, which proves that it was not executed
        handed = Counter(_operation_of(one) for one in received if one.handed_over and not _refused(one))
        several = [id_ for id_, count in handed.items() if count > 1]
        once = await tables.Operation.filter(id__in=several, repeatable=False) if several else []
        assert not once, f"handed over more than once, and not repeatable: {[row.id for row in once]}"

    async def _check_order(self, received: list[Received]) -> None:
        """Check that first arrivals are in queue order; later operations may pass one that is retried, but not within
        its instance, and one with a time or a sequence, whose own invariants the database shows."""
        ids = list(map(_operation_of, received))
        rows = {str(row.id): row for row in await tables.Operation.filter(id__in=set(ids))} if ids else {}
        arrived = [rows[id_] for id_ in ids if id_ in rows]
        last: dict[int, int] = {}
        for place, row in enumerate(arrived):
            before = arrived[:place]
            if row.seq < last.get(row.priority, 0) and row not in before:
                held_by = [one for one in before if _goes_before(one, row) and _conflict(one, row)]
                assert held_by or row.not_before or row.sequence, f"operation {row.id} was overtaken"
            if row in before:
                since = before[before.index(row) :]
                later = [one for one in since if one.seq > row.seq and one.priority == row.priority]
                passed = [one.id for one in later if _conflict(one, row)]
                assert not passed, f"operation {row.id} was overtaken within its object instance by {passed}"
            last[row.priority] = max(row.seq, last.get(row.priority, 0))


def _goes_before(one: tables.Operation, other: tables.Operation) -> bool:
    return (-one.priority, one.seq) < (-other.priority, other.seq)


def _conflict(one: tables.Operation, other: tables.Operation) -> bool:
    return conflict(*(instances_of(row.kind, row.path, row.paths) for row in (one, other)))


def _refused(received: Received) -> bool:
    return received.status == 200 and not received.carried_out


def _operation_of(received: Received) -> str:
    return (received.request_id or "").rpartition("/")[0]
