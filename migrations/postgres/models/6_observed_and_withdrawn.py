"""The observations of the current registration, and whether the cancellation of an operation was requested while
a stock Leshan held it."""

from __future__ import annotations

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """
        ALTER TABLE endpoint ADD COLUMN IF NOT EXISTS observations TEXT;
        ALTER TABLE operation ADD COLUMN IF NOT EXISTS cancel_requested BOOL NOT NULL DEFAULT FALSE;
    """


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        ALTER TABLE operation DROP COLUMN IF EXISTS cancel_requested;
        ALTER TABLE endpoint DROP COLUMN IF EXISTS observations;
    """
