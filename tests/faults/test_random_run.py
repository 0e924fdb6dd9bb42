"""One run of random faults with every suite; ``make faults RUNS=500`` does many, with new seeds."""

from __future__ import annotations

import pytest

from tests.faults.plan import plan
from tests.faults.run import run
from tests.faults.site import Site


@pytest.mark.slow
@pytest.mark.asyncio
async def test_nothing_is_lost_and_nothing_done_twice(site: Site) -> None:
    result = await run(site, plan(112))
    assert result.broken == []
    assert sum(result.ends.values()) > 50


def test_a_seed_stands_for_one_plan() -> None:
    assert plan(7) == plan(7)
    assert plan(7) != plan(8)
