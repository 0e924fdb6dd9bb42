"""Reveille in the test's own process, between a database and a Leshan server: what all such tests do and ask.

The Leshan server is simulated (``tests/support/simulated_world.py``) or real (``tests/support/leshan_world.py``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from app.domain.enums import OperationStatus, Presence, ReasonCode
from app.domain.values import JsonValue
from app.models import tables
from app.models.ledger import Create, Provision
from app.models.operation import NewOperation
from app.process import Components
from tests.support.leshan.devices import Device
from tests.support.waiting import eventually

Op = int
"""An operation, by its ``seq``."""


def name_of(device: str | Device) -> str:
    """Return the endpoint name of a device."""
    return device if isinstance(device, str) else device.name


@dataclass(slots=True)
class World:
    """A running Reveille.

    Attributes:
        components: the components of the process that the test started with.
    """

    components: Components = field(init=False)

    # --- devices

    async def endpoint(self, device: str | Device = "dev") -> tables.Endpoint | None:
        """Return the device's present row, if any; not a deleted one."""
        return await tables.Endpoint.get_or_none(name=name_of(device), deleted_at=None)

    async def presence_is(self, device: str | Device, presence: Presence) -> None:
        """Wait until the endpoint has this presence."""

        async def so() -> bool:
            row = await self.endpoint(device)
            return row is not None and row.presence is presence

        await eventually(so, f"{name_of(device)} is {presence}")

    async def provision(self, name: str = "dev") -> None:
        """Create the endpoint of a device before its first registration."""
        await self.components.ledger.submit(Provision(name))

    # --- operations

    async def create_many(self, wanted: Iterable[NewOperation]) -> list[Op]:
        """Queue several operations in one batch."""
        return [created.seq for created in await self.components.ledger.submit(Create(list(wanted)))]

    async def operation(self, op: Op) -> tables.Operation:
        """Return the operation's present row."""
        return await tables.Operation.get(seq=op)

    async def answer(self, op: Op) -> JsonValue:
        """Return the device's response, as the operation has it."""
        return (await self.operation(op)).answer

    async def transitions(self, op: Op) -> list[str]:
        """Return the operation's transitions so far, like ``["QUEUED", "SENDING", "QUEUED NO_ANSWER"]``."""
        rows = await tables.Transition.filter(operation_id=op).order_by("number")
        return [f"{row.to_status} {row.reason or ''}".strip() for row in rows]

    async def becomes(self, op: Op, status: str, reason: str | None = None, *, attempts: int | None = None) -> None:
        """Wait until the operation has this state; fail with its transitions if it does not reach it."""
        wanted, why = OperationStatus(status), ReasonCode(reason) if reason else None

        async def so() -> bool:
            row = await self.operation(op)
            return row.status is wanted and row.reason is why and attempts in (None, row.attempts)

        try:
            await eventually(so)
        except AssertionError:
            steps = await self.transitions(op)
            raise AssertionError(f"{status} {reason} with {attempts} attempts was expected, but: {steps}") from None

    async def passes(self, op: Op, step: str) -> None:
        """Wait until the operation has made this transition (as in ``transitions``), whatever its state is by then."""

        async def so() -> bool:
            return step in await self.transitions(op)

        await eventually(so, f"{op} was {step}")

    async def confirmed(self, *ops: Op) -> None:
        """Wait until all these are CONFIRMED."""
        for op in ops:
            await self.becomes(op, "CONFIRMED")
