"""Counters for the metrics, and the trace context of an operation: see the PostgreSQL revision of this number.

SQLite runs a script outside of any transaction and has no ADD COLUMN IF NOT EXISTS: the column is added unless an
interrupted start did.
"""

from __future__ import annotations

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = False


async def _has_trace(db: BaseDBAsyncClient) -> bool:
    rows = await db.execute_query_dict("SELECT name FROM pragma_table_info('operation')")
    return "trace" in [row["name"] for row in rows]


async def upgrade(db: BaseDBAsyncClient) -> str:
    added = "" if await _has_trace(db) else "ALTER TABLE operation ADD COLUMN trace VARCHAR(55);"
    return added + """
        CREATE TABLE IF NOT EXISTS ledger_counter (
            server_id SMALLINT NOT NULL REFERENCES leshan_server (id) ON DELETE CASCADE,
            name VARCHAR(64) NOT NULL,
            value BIGINT NOT NULL,
            PRIMARY KEY (server_id, name)
        );
    """


async def downgrade(db: BaseDBAsyncClient) -> str:
    dropped = "ALTER TABLE operation DROP COLUMN trace;" if await _has_trace(db) else ""
    return dropped + "DROP TABLE IF EXISTS ledger_counter;"
