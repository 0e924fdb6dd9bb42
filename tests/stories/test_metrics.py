"""Every transition can be read from the metrics; no log is needed."""

from __future__ import annotations

import pytest
from prometheus_client import REGISTRY

from tests.support.simulated_world import FIRMWARE, SimulatedWorld
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio

STEPS = (("", "QUEUED", ""), ("QUEUED", "SENDING", ""), ("SENDING", "CONFIRMED", ""))


def steps() -> list[float]:
    names = ("from_status", "to_status", "reason")
    samples = (dict(zip(names, step, strict=True)) for step in STEPS)
    return [REGISTRY.get_sample_value("reveille_operation_transitions_total", labels) or 0 for labels in samples]


async def test_every_step_is_counted_once_it_is_committed(world: SimulatedWorld) -> None:
    await world.wake()
    before = steps()
    await world.confirmed(await world.create("WRITE", "/5/0/1", FIRMWARE))
    counted = [then + 1 for then in before]
    await eventually(lambda: steps() == counted, "the step that is seen in the database is counted")
