"""A small run of ``python -m tests.support.leshan.radio_run``: bad radios, and each device's own record of received
requests."""

from __future__ import annotations

import pytest

from tests.support.leshan.radio_run import Plan, run

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("java")]


@pytest.mark.timeout(300)
async def test_over_bad_radios_operations_end_and_no_execute_is_repeated() -> None:
    result = await run(Plan(operations=60, devices=8, hold=6.0, within=180.0))
    assert result.broken == []
    assert sum(result.ends.values()) == 60
    assert result.radio["lost"] > 0
    assert result.radio["duplicated"] > 0
