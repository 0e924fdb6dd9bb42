"""Databases with more rows than a planner can overlook, filled without the ledger and its time limits."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing

import asyncpg

from app.domain.enums import DAY
from tests.support.servers.databases import KIND, DatabaseKind, file_of

ENDPOINTS = 3_000
OPERATIONS = 30_000

_NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})"

_ENDPOINTS = """
    INSERT INTO endpoint (id, server_id, name, presence, told_presence, awake_until)
    {numbers}
    SELECT i, 1, 'device-' || (1000 + i), {presence}, 'OFFLINE', NULL FROM n
"""
_PRESENCE = "CASE i % 10 WHEN 0 THEN 'ONLINE' WHEN 1 THEN 'ASLEEP' ELSE 'OFFLINE' END"

_OPERATIONS = """
    INSERT INTO operation (
        seq, id, endpoint_id, kind, path, paths, replace, priority, max_attempts, repeatable, validated,
        timeout_seconds, created_at, status, version, last_seq, delivery, finished_at, reason, batch, created_by
    )
    {numbers}
    SELECT 1000 + 2 * i, {id}, 1 + i % {endpoints},
        CASE i % 20 WHEN 0 THEN 'EXECUTE' WHEN 1 THEN 'READ' WHEN 2 THEN 'READ' ELSE 'WRITE' END,
        CASE i % 25 WHEN 0 THEN '/3/0/1' WHEN 1 THEN '/3303/0/5700' WHEN 2 THEN '/3/0' ELSE '/5/0/' || (i % 25) END,
        '[]', TRUE, 0, 3, TRUE, FALSE, 30, 1700000000000000 + CAST(i AS BIGINT) * 1000000,
        {status}, 1, 1001 + 2 * i, 'NOT_SENT', CASE WHEN {status} = 'QUEUED' THEN NULL ELSE 1 END,
        CASE {status} WHEN 'FAILED' THEN CASE i % 4 WHEN 0 THEN 'NO_ANSWER' ELSE 'DEVICE_REFUSED' END END,
        CASE i % 3 WHEN 0 THEN 'batch-' || (i / 1000) END, 'creator-' || (i % 100)
    FROM n
"""
_STATUS = "CASE i % 30 WHEN 0 THEN 'QUEUED' WHEN 1 THEN 'FAILED' WHEN 2 THEN 'EXPIRED' ELSE 'CONFIRMED' END"

_TRANSITIONS = """
    INSERT INTO transition (seq, operation_id, number, from_status, to_status, attempt, at)
    SELECT last_seq, seq, 1, NULL, 'QUEUED', 0, created_at FROM operation
"""
_CHANGES = """
    INSERT INTO {table} ({columns})
    {numbers}
    SELECT 100000 + i, 1 + i % {endpoints}, {values}, 1700000000000000 + i FROM n
"""


async def execute(database_url: str, *statements: str) -> None:
    """Execute statements, each in a transaction of its own, and close the connection."""
    if KIND is DatabaseKind.POSTGRES:
        connection = await asyncpg.connect(database_url)
        try:
            for sql in statements:
                await connection.execute(sql)
        finally:
            await connection.close()
        return
    with closing(sqlite3.connect(file_of(database_url), isolation_level=None)) as database:
        for sql in statements:
            database.execute(sql)


async def fill(database_url: str) -> None:
    """Insert endpoints, operations and their log, without statistics for the planner."""
    id_ = "CAST('00000000-0000-0000-0000-' || (100000000000 + i) AS UUID)"
    if KIND is not DatabaseKind.POSTGRES:
        id_ = "'00000000-0000-0000-0000-' || (100000000000 + i)"
    few, many = _NUMBERS.format(count=ENDPOINTS), _NUMBERS.format(count=OPERATIONS)
    facts = {"id": id_, "endpoints": ENDPOINTS, "status": _STATUS, "presence": _PRESENCE}
    presence = {"table": "presence_change", "columns": "seq, endpoint_id, presence, at", "values": "'ONLINE'"}
    value = {
        "table": "reading",
        "columns": "seq, endpoint_id, path, type, value, report, origin, time_source, received_at, stored_at, at",
        "values": f"'/5/0/' || (i % 30), 'STRING', '\"x\"', 1, 0, 1, 1, {time.time_ns() // 1000} + (i % 5 - 1) * {DAY}",
    }
    await execute(
        database_url,
        "INSERT INTO leshan_server (id, name) VALUES (1, 'leshan')",
        _ENDPOINTS.format(numbers=few, **facts),
        _OPERATIONS.format(numbers=many, **facts),
        _TRANSITIONS,
        _CHANGES.format(numbers=many, **presence, endpoints=ENDPOINTS),
        _CHANGES.format(numbers=many, **value, endpoints=ENDPOINTS),
        "UPDATE ledger_head SET seq = 200000",
    )
