"""Readings with their history, and their hourly aggregates: see the PostgreSQL revision of this number.

Processes of the previous version cannot share the file with new ones: they insert into ``resource_change``.

SQLite runs a script outside of any transaction and has no ADD COLUMN IF NOT EXISTS: only what an interrupted start did
not do is done.
"""

from __future__ import annotations

import time

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = False

COLUMNS = {
    "resource_state": {
        "received_at": "BIGINT",
        "seq": "BIGINT",
        "report": "BIGINT",
        "origin": "SMALLINT NOT NULL DEFAULT 0 CHECK (origin BETWEEN 0 AND 4)",
        "time_source": "SMALLINT NOT NULL DEFAULT 1 CHECK (time_source BETWEEN 0 AND 1)",
    },
    "ledger_head": {
        "reading_horizon": "BIGINT NOT NULL DEFAULT 0 CHECK (reading_horizon <= seq)",
        "aggregated": "BIGINT NOT NULL DEFAULT 0 CHECK (aggregated <= seq)",
    },
}

OLD_READINGS = """
        INSERT OR IGNORE INTO reading
            SELECT seq, endpoint_id, at, at, {stored_at}, seq,
                CASE WHEN type IN ('FLOAT', 'INTEGER', 'UNSIGNED_INTEGER') AND value NOT GLOB '*[^-+0-9.eE"]*'
                    AND abs(CAST(trim(value, '"') AS REAL)) <= 1e300 THEN CAST(trim(value, '"') AS REAL)
                    WHEN type = 'BOOLEAN' THEN CASE value WHEN 'true' THEN 1.0 WHEN 'false' THEN 0.0 END
                    WHEN type = 'TIME' AND value LIKE '"%' THEN
                    round((julianday(trim(value, '"')) - 2440587.5) * 86400, 3) END,
                0, 1, path, type, value
            FROM resource_change;
        DROP TABLE resource_change;
"""


async def _present(db: BaseDBAsyncClient, table: str) -> set[str]:
    return {row["name"] for row in await db.execute_query_dict(f"PRAGMA table_info({table})")}


async def upgrade(db: BaseDBAsyncClient) -> str:
    added = []
    for table, columns in COLUMNS.items():
        there = await _present(db, table)
        added += [
            f"ALTER TABLE {table} ADD COLUMN {name} {kind};" for name, kind in columns.items() if name not in there
        ]
    kept = await db.execute_query_dict("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'resource_change'")
    old = OLD_READINGS.format(stored_at=time.time_ns() // 1000) if kept else ""
    return f"""
        {" ".join(added)}
        UPDATE ledger_head SET reading_horizon = horizon WHERE reading_horizon = 0;
        CREATE INDEX IF NOT EXISTS ix_resource_state_path ON resource_state (path, endpoint_id);
        CREATE TABLE IF NOT EXISTS reading (
            seq INTEGER NOT NULL PRIMARY KEY,
            endpoint_id BIGINT NOT NULL,
            at BIGINT NOT NULL,
            received_at BIGINT NOT NULL,
            stored_at BIGINT NOT NULL,
            report BIGINT NOT NULL,
            number REAL,
            origin SMALLINT NOT NULL CHECK (origin BETWEEN 0 AND 4),
            time_source SMALLINT NOT NULL CHECK (time_source BETWEEN 0 AND 1),
            path VARCHAR(32) NOT NULL,
            type VARCHAR(16) NOT NULL,
            value TEXT NOT NULL
        );
        CREATE INDEX IF NOT EXISTS ix_reading_path ON reading (endpoint_id, path, at);
        {old}
        CREATE TABLE IF NOT EXISTS reading_hour (
            endpoint_id BIGINT NOT NULL,
            path VARCHAR(32) NOT NULL,
            hour BIGINT NOT NULL,
            count BIGINT NOT NULL CHECK (count > 0),
            numbers BIGINT NOT NULL CHECK (numbers BETWEEN 0 AND count),
            low REAL,
            high REAL,
            total REAL,
            last_at BIGINT NOT NULL,
            last_value TEXT NOT NULL,
            PRIMARY KEY (endpoint_id, path, hour)
        ) WITHOUT ROWID;
        CREATE INDEX IF NOT EXISTS ix_reading_hour_hour ON reading_hour (hour);
    """


async def downgrade(db: BaseDBAsyncClient) -> str:
    dropped = []
    for table, columns in COLUMNS.items():
        there = await _present(db, table)
        dropped += [f"ALTER TABLE {table} DROP COLUMN {name};" for name in columns if name in there]
    return f"""
        CREATE TABLE IF NOT EXISTS resource_change (
            seq BIGINT NOT NULL PRIMARY KEY,
            endpoint_id BIGINT NOT NULL REFERENCES endpoint (id) ON DELETE CASCADE,
            path VARCHAR(32) NOT NULL,
            type VARCHAR(16) NOT NULL,
            value TEXT NOT NULL,
            at BIGINT NOT NULL
        );
        CREATE INDEX IF NOT EXISTS ix_resource_change_endpoint ON resource_change (endpoint_id, seq);
        INSERT OR IGNORE INTO resource_change SELECT seq, endpoint_id, path, type, value, at FROM reading
            WHERE endpoint_id IN (SELECT id FROM endpoint);
        DROP TABLE reading_hour;
        DROP TABLE reading;
        DROP INDEX IF EXISTS ix_resource_state_path;
        {" ".join(dropped)}
    """
