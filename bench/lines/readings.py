"""Values that the webhook accepts and commits: lists of 50 notifications with 10 values each, with history, states,
aggregates, and an observation rule that wants what is reported.

The yardstick is a bare COPY of the same rows (SQLite: one INSERT for many) into a table without an index.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

import asyncpg
import orjson

from app.models.ledger import CreateObservationRule, RuleDefinition, open_store
from bench.devices import names, provision, wake
from bench.lines.webhook import post
from bench.measuring import Figure, used_by
from bench.site import WITHIN, Site, fake_leshan, site
from bench.size import Size

NOTIFICATIONS: Final = 50
"""Notifications of a list."""
VALUES: Final = 10
"""Values of a notification."""

_LINKS: Final = tuple({"url": f"/3303/{instance}"} for instance in range(VALUES))
_RULE: Final = RuleDefinition(
    name="temperatures",
    given_filter={},
    criteria={},
    paths=("/3303/*/5700",),
    composite=True,
    attributes={},
    read_paths=(),
    enabled=True,
)

_TABLE: Final = """
    CREATE TABLE IF NOT EXISTS bench_reading (
        seq BIGINT, endpoint_id BIGINT, at BIGINT, received_at BIGINT, stored_at BIGINT, report BIGINT,
        number DOUBLE PRECISION, origin SMALLINT, time_source SMALLINT, path TEXT, type TEXT, value TEXT
    )
"""
_INSERT: Final = f"INSERT INTO bench_reading VALUES ({', '.join(f'${number}' for number in range(1, 13))})"  # noqa: S608


async def measure(kind: str, size: Size) -> list[list[Figure]]:
    """Measure lists of notifications, and the yardstick."""
    async with fake_leshan() as leshan, site(kind) as system:
        await system.run(leshan, web=True)
        devices = names("reports", min(500, size.devices))
        await provision(system.ledger, devices)
        await wake(system.ledger, devices, object_links=_LINKS)
        await _observe(system, len(devices))
        return [await _round(system, devices, size.events, number) for number in range(size.rounds)]


async def _observe(system: Site, devices: int) -> None:
    """Create the rule, and wait until its observation of each device is ESTABLISHED."""
    await system.ledger.submit(CreateObservationRule(_RULE, "bench"))
    async with asyncio.timeout(WITHIN):
        while await system.one("SELECT count(*) FROM observation WHERE state = 'ESTABLISHED'") < devices:  # noqa: ASYNC110 - the database is polled
            await asyncio.sleep(0.1)


async def _round(system: Site, devices: list[str], notifications: int, number: int) -> list[Figure]:
    assert system.web is not None
    values = notifications * VALUES
    bodies = posted(devices, notifications, number)
    cpu, of_database = used_by([system.web.pid]).cpu, system.used_by_database().cpu
    seconds = await post(f"{system.web.url}/leshan/events", bodies)
    cpu = used_by([system.web.pid]).cpu - cpu
    of_database = system.used_by_database().cpu - of_database
    bare = await _copied(system, values)
    return [
        Figure("readings: bare COPY", values / bare, "values/s"),
        Figure("readings: accepted and committed", values / seconds, "values/s"),
        Figure("readings: of the bare COPY", bare / seconds * 100, "%"),
        Figure("readings: CPU of a value", cpu / values * 1e6, "us"),
        Figure("readings: CPU of a value in PostgreSQL", of_database / values * 1e6, "us"),
    ]


def posted(devices: list[str], notifications: int, number: int) -> list[bytes]:
    """Return the bodies of so many composite notifications, of the devices in turn."""
    events = [_notification(devices[index % len(devices)], number + index) for index in range(notifications)]
    return [orjson.dumps(events[first : first + NOTIFICATIONS]) for first in range(0, notifications, NOTIFICATIONS)]


def _notification(endpoint: str, number: int) -> dict[str, Any]:
    nodes = {
        f"/3303/{instance}/5700": {
            "kind": "singleResource",
            "id": 5700,
            "type": "FLOAT",
            "value": 20 + (number + instance) % 100 / 10,
        }
        for instance in range(VALUES)
    }
    return {"event": "NOTIFICATION", "data": {"ep": endpoint, "kind": "composite", "val": nodes}}


async def _copied(system: Site, values: int) -> float:
    """Return the seconds of the yardstick, a commit for each list."""
    now = time.time_ns() // 1000
    size = NOTIFICATIONS * VALUES
    rows = [
        (seq, 1 + seq % 500, now, now, now, seq, 20.5, 0, 1, f"/3303/{seq % 10}/5700", "FLOAT", "20.5")
        for seq in range(values)
    ]
    lists = [rows[first : first + size] for first in range(0, values, size)]
    if system.kind == "postgres":
        connection = await asyncpg.connect(system.database_url)
        await connection.execute(f"{_TABLE}; TRUNCATE bench_reading")
        started = time.perf_counter()
        for one in lists:
            await connection.copy_records_to_table("bench_reading", records=one)
        seconds = time.perf_counter() - started
        await connection.close()
        return seconds
    store = open_store(system.database_url)
    await store.open()
    await store.execute(_TABLE)
    started = time.perf_counter()
    for one in lists:
        await store.begin()
        await store.execute_many(_INSERT, one)
        await store.commit()
    seconds = time.perf_counter() - started
    await store.close()
    return seconds
