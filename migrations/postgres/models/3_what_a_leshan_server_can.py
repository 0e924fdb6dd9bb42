"""The capabilities that the Leshan server reports, and the position up to which its event stream was ingested."""

from __future__ import annotations

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """
        ALTER TABLE leshan_server
            ADD COLUMN IF NOT EXISTS boot_id VARCHAR(64),
            ADD COLUMN IF NOT EXISTS request_ids BOOL NOT NULL DEFAULT FALSE,
            ADD COLUMN IF NOT EXISTS notifications_wake BOOL NOT NULL DEFAULT FALSE,
            ADD COLUMN IF NOT EXISTS open_calls INT CHECK (open_calls > 0),
            ADD COLUMN IF NOT EXISTS stream_id VARCHAR(64),
            ADD COLUMN IF NOT EXISTS missed_at BIGINT;
    """


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        ALTER TABLE leshan_server
            DROP COLUMN IF EXISTS boot_id,
            DROP COLUMN IF EXISTS request_ids,
            DROP COLUMN IF EXISTS notifications_wake,
            DROP COLUMN IF EXISTS open_calls,
            DROP COLUMN IF EXISTS stream_id,
            DROP COLUMN IF EXISTS missed_at;
    """
