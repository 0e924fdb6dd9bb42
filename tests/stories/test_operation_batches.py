"""One operation for each device of a filter: created once whatever interrupts it, sent at each device's next wake."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.applications import Starlette

from app.models import tables
from app.schema.api import operation_batches
from app.web import api_routes
from simulator import Behaviour, Kind
from tests.stories.conftest import Begin
from tests.support.api import Api
from tests.support.simulated_world import SimulatedWorld

pytestmark = pytest.mark.asyncio

METERS = [f"meter-{number}" for number in range(5)]
FOR = """
  mutation($value: String! = "https://url.com/fw.bin") {
    createDeviceOperationsFor(
      filter: {nameContains: "meter-"}, input: {path: "/5/0/1", value: {string: $value}, timeoutSeconds: 5},
      batch: "night"
    ) { created passedOver batch }
  }
"""
CANCEL = """
  mutation($count: Int!) {
    cancelDeviceOperations(filter: {batch: "night"}, expectedCount: $count) { canceled }
  }
"""


async def operations_of(world: SimulatedWorld) -> dict[str, int]:
    rows = await tables.Operation.filter(batch="night").order_by("seq").select_related("endpoint")
    assert len({row.endpoint.name for row in rows}) == len(rows)
    return {row.endpoint.name: row.seq for row in rows}


async def test_a_batch_is_created_sent_and_canceled(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operation_batches, "PIECE", 2)
    monkeypatch.setattr(operation_batches, "WORK_SECONDS", 0.0)
    async with begin(*METERS, "other") as world, api_routes(world.components) as routes:
        world.simulator.behave(METERS[1], Behaviour(kind=Kind.REFUSE, code=405))
        await world.asleep(*METERS, "other")
        api = Api.within(Starlette(routes=routes))
        async with api.http:
            assert (await api.error(FOR))["created"] == 2
            created = await operations_of(world)
            await world.wake(METERS[0])
            await world.confirmed(created[METERS[0]])
            assert (await api.error(FOR))["created"] == 4
            done: dict[str, Any] = (await api.ask(FOR))["createDeviceOperationsFor"]
            assert done == {"created": 5, "passedOver": 0, "batch": "night"}
            assert (await api.ask(FOR))["createDeviceOperationsFor"] == done
            assert (await api.error(FOR, value="https://url.com/other.bin"))["code"] == "CONFLICT"
            created = await operations_of(world)
            assert list(created) == METERS
            await world.wake(*METERS[1:3])
            await world.becomes(created[METERS[1]], "FAILED", "DEVICE_REFUSED")
            await world.confirmed(created[METERS[2]])
            assert (await api.ask(CANCEL, count=2))["cancelDeviceOperations"] == {"canceled": 2}
            await world.wake(*METERS, "other")
            await world.settled()
        assert [len(world.received(name)) for name in (*METERS, "other")] == [1, 1, 1, 0, 0, 0]
