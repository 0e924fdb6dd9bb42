"""Counters for the metrics, which a dispatcher fills when it starts, and the trace context of an operation: it is null
for most operations, and never searched for."""

from __future__ import annotations

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """
        CREATE TABLE IF NOT EXISTS ledger_counter (
            server_id SMALLINT NOT NULL REFERENCES leshan_server (id) ON DELETE CASCADE,
            name VARCHAR(64) NOT NULL,
            value BIGINT NOT NULL,
            PRIMARY KEY (server_id, name)
        );
        ALTER TABLE ledger_counter SET (fillfactor = 50);
        ALTER TABLE operation ADD COLUMN IF NOT EXISTS trace VARCHAR(55);
    """


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        ALTER TABLE operation DROP COLUMN IF EXISTS trace;
        DROP TABLE IF EXISTS ledger_counter;
    """
