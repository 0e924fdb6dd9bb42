"""The gauges of the metrics: each statement is served by an index and ends after a limited number of rows, and the
values are what the rows say."""

from __future__ import annotations

from typing import Any, Final

import pytest
from prometheus_client import REGISTRY

from app.domain.enums import DAY, Instant
from app.fleet.campaigns import AdvanceCampaign, CancelCampaign
from app.gauges import Gauges
from app.models.database import reading
from app.models.ledger import CorrectCounters, PauseDispatch, Provision, Rules, Scope, Sweep
from app.models.queries import gauges
from app.models.queries.access import Statement
from tests.integration.reads.many_rows import execute
from tests.integration.reads.test_fleet_pages import FILL as FLEET
from tests.integration.reads.test_indexes import ANALYZED, plan, statistics, used_indexes, whole_tables
from tests.integration.reads.test_live_campaigns import advance, create
from tests.support.firmware import FirmwareDevice
from tests.support.ledger import SILENT, LedgerWorld, new, registered

pytestmark = pytest.mark.asyncio

NOW: Final = 1_800_000_000_000_000
FILL: Final = (
    *FLEET,
    "UPDATE endpoint SET ready_at = 0, awake_until = 1800000009000000, silent = (id % 4 = 0) WHERE presence = 'ONLINE'",
    """
    UPDATE endpoint SET sending = 1, lease_operation = id, lease_token = 't', lease_wake_seq = 0,
        lease_until = 1800000000000000 + id - 20 WHERE id <= 200
    """,
    """
    INSERT INTO dispatch_pause (id, endpoint_id, server_id, reason, paused_by, paused_at, resumed_by, resumed_at)
    SELECT id, id, 1, 'r', 'olga', 1, CASE WHEN id % 100 > 0 THEN 'olga' END, CASE WHEN id % 100 > 0 THEN 2 END
    FROM endpoint
    """,
    """
    INSERT INTO reading_hour (endpoint_id, path, hour, count, numbers, last_at, last_value)
    SELECT id, '/3/0/0', id * 1000, 1, 0, 1, '1' FROM endpoint
    """,
)
CASES: Final[dict[str, tuple[str, list[Any], set[str]]]] = {
    "oldest queued": (gauges.OLDEST_QUEUED, [], {"ix_operation_status"}),
    "late leases": (gauges.LATE_LEASES, [1, NOW], {"ix_endpoint_lease"}),
    "ready": (gauges.READY, [1, NOW], {"ix_endpoint_ready", "ix_operation_queue"}),
    "pauses": (gauges.PAUSES, [], {"uq_dispatch_pause_present"}),
    "oldest operation": (gauges.OLDEST["operations"], [], {"ix_operation_finished"}),
    "oldest reading": (gauges.OLDEST["readings"], [], set()),
    "fleet work due": (gauges.FLEET_DUE, [], {"ix_firmware_update_due", "ix_campaign_due"}),
    "campaigns": (gauges.CAMPAIGNS, [], {"ix_campaign_status"}),
    "targets": (gauges.TARGETS, [], {"ix_campaign_status"}),
    "oldest aggregate": (gauges.OLDEST["aggregates"], [], {"ix_reading_hour_hour"}),
}


@pytest.mark.parametrize("analyze", ANALYZED)
async def test_statements_of_gauges_have_their_indexes(many_rows_url: str, analyze: bool) -> None:
    await execute(many_rows_url, *FILL, *statistics(analyze))
    async with reading(many_rows_url):
        for name, (sql, values, wanted) in CASES.items():
            lines = await plan(Statement(sql, values))
            assert not whole_tables(lines), (name, lines)
            assert wanted <= used_indexes(lines), (name, lines)


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"reveille_{name}", labels)


async def test_gauges_are_what_the_rows_say(world: LedgerWorld) -> None:
    ledger, server = world.ledgers[0], {"server": "leshan"}
    await ledger.submit(Provision("c"))
    await world.ingest(registered("a"), registered("b"))
    await world.create(new("a", max_attempts=9), new("b"), new("c"))
    (claimed,) = [one for one in await world.claim() if one.request.endpoint == "a"]
    await world.settle(claimed, SILENT)
    world.pass_(1)
    await ledger.submit(PauseDispatch(Scope(endpoint="c"), "olga", "smoke"))
    await world.ingest(registered("a", "r2", 2))
    world.pass_(10)
    await world.ingest(registered("e"))
    await world.create(new("e"))
    world.pass_(20)
    read = Gauges(1, Rules(judge=ledger.rules.judge, retention=DAY), uses_stream=True, clock=clock_of(world))
    await read.update()
    assert value("endpoints", **server, presence="ONLINE") is None, "nothing has been counted yet"
    assert value("ready_endpoints", **server) == 2
    assert value("ready_seconds", **server) == 20, "that of e: a did not respond last time"
    assert value("oldest_queued_seconds", **server) == 31
    assert value("paused", scope="endpoint") == 1
    assert value("event_stream_open", **server) == 0
    assert value("late_leases", **server) == 0
    world.pass_(60)
    await ledger.submit(CorrectCounters({}, None))
    await read.update()
    assert value("late_leases", **server) == 1, "that of b"
    assert value("late_lease_seconds", **server) > 0  # type: ignore[operator]
    assert value("endpoints", **server, presence="OFFLINE") == 1
    assert value("open_operations", **server, status="QUEUED", reason="NO_ANSWER") == 1
    assert value("open_operations", **server, status="QUEUED", reason="") == 2
    assert value("open_operations", **server, status="SENDING", reason="") == 1
    await ledger.submit(Sweep())
    world.pass_(2)
    await read.update()
    assert value("sweep_age_seconds", **server) == 2
    assert value("late_leases", **server) == 0
    assert value("retention_lag_seconds", kind="operations") == 0
    read.clear()
    assert value("stored_operations", **server, status="QUEUED") is None


async def test_fleet_work_is_counted(world: LedgerWorld) -> None:
    ledger, server = world.ledgers[0], {"server": "leshan"}
    device = FirmwareDevice(world)
    await device.prepare()
    await device.update()
    ids = [await create(world, name) for name in ("a", "b")]
    await ledger.submit(AdvanceCampaign(ids[0]))
    await ledger.submit(CancelCampaign(ids[1], "over"))
    await ledger.submit(CorrectCounters({}, None))
    await advance(world, ids[1])
    world.pass_(30)
    read = Gauges(1, Rules(judge=ledger.rules.judge, retention=DAY), uses_stream=True, clock=clock_of(world))
    await read.update()
    assert value("firmware_updates", **server, state="QUEUED") == 1
    assert [value("campaigns", status=status) for status in ("RUNNING", "CANCELED", "ABORTED")] == [1, 1, 0]
    assert [value("campaign_targets", state=state) for state in ("WAITING", "RUNNING")] == [1, 0]
    assert value("fleet_overdue_seconds") == 30
    await advance(world, ids[0])
    await device.answer()
    await read.update()
    assert value("firmware_updates", **server, state="PREPARING") == 1
    assert value("firmware_updates", **server, state="QUEUED") == 0
    assert [value("campaign_targets", state=state) for state in ("WAITING", "RUNNING")] == [0, 1]
    assert value("fleet_overdue_seconds") == 0


def clock_of(world: LedgerWorld) -> Any:
    def clock(_now: Instant) -> Instant:
        return world.now

    return clock
