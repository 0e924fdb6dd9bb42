"""The statistics of ended operations through GraphQL."""

from __future__ import annotations

from typing import Any

import pytest

from app.schema.api import statistics
from tests.support.api import Api
from tests.support.ledger import REFUSED, SUCCESS, LedgerWorld, new, registered, updated
from tests.support.schema import VIEWER

pytestmark = pytest.mark.asyncio(loop_scope="session")

STATISTICS = """
  query($seconds: Int) {
    operationStatistics(windowSeconds: $seconds) {
      from to capped counts { status count } reasons { status reason count }
      wakeToConfirmed { operations p50Ms p95Ms p99Ms } bucketSeconds buckets { from ended confirmed }
    }
  }
"""


@pytest.fixture
def at_the_time_of(world: LedgerWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read the statistics at the time of the world."""

    async def now() -> int:
        return world.now

    monkeypatch.setattr(statistics, "database_now", now)


async def read(api: Api, seconds: int | None = None) -> dict[str, Any]:
    found: dict[str, Any] = (await api.ask(STATISTICS, VIEWER, seconds=seconds))["operationStatistics"]
    return found


@pytest.mark.usefixtures("at_the_time_of")
async def test_statistics_of_what_ended_are_for_viewers(world: LedgerWorld, api: Api) -> None:
    await world.ingest(registered("a"))
    await world.create(*[new("a", max_attempts=1) for _ in range(4)])
    world.pass_(60)
    await world.ingest(updated("a", 2))
    for seconds, report in ((1, SUCCESS), (1, REFUSED), (1, SUCCESS), (2, SUCCESS)):
        claimed = await world.claim_one()
        world.pass_(seconds)
        await world.settle(claimed, report)
    found = await read(api)
    assert (found["from"], found["to"]) == ("2023-11-14T21:14:25Z", "2023-11-14T22:14:25Z")
    assert (found["capped"], found["bucketSeconds"]) == (False, 120)
    assert found["counts"] == [
        {"status": "CONFIRMED", "count": 3},
        {"status": "FAILED", "count": 1},
        {"status": "CANCELED", "count": 0},
        {"status": "EXPIRED", "count": 0},
    ]
    assert found["reasons"] == [{"status": "FAILED", "reason": "DEVICE_REFUSED", "count": 1}]
    assert found["wakeToConfirmed"] == {"operations": 3, "p50Ms": 3_000, "p95Ms": 5_000, "p99Ms": 5_000}
    assert len(found["buckets"]) == 30
    assert found["buckets"][-1] == {"from": "2023-11-14T22:12:25Z", "ended": 4, "confirmed": 3}
    shorter = await read(api, 60)
    assert (shorter["from"], shorter["bucketSeconds"]) == ("2023-11-14T22:13:25Z", 2)
    assert [bucket["ended"] for bucket in shorter["buckets"]][-3:] == [1, 2, 1]


async def test_without_an_ended_operation_there_are_no_percentiles(api: Api) -> None:
    found = await read(api)
    assert {one["count"] for one in found["counts"]} == {0}
    assert found["wakeToConfirmed"] == {"operations": 0, "p50Ms": None, "p95Ms": None, "p99Ms": None}


@pytest.mark.parametrize("seconds", [59, 86_401])
async def test_a_window_out_of_range_is_refused(api: Api, seconds: int) -> None:
    refused = await api.error(STATISTICS, VIEWER, seconds=seconds)
    assert (refused["code"], refused["field"]) == ("BAD_USER_INPUT", "windowSeconds")
