"""When the clock changes the presence of an endpoint, in columns that most messages leave alone.

PostgreSQL writes an entry to every index of the table when an indexed column changes, and every wake of a device changes
``awake_until`` and ``lifetime_ends_at``. ``presence_check_at`` is a time at which neither has ended, or the first to end;
a later end moves it only once it has come. ``presence_due_at``, which the sweep reads, is never later than one of
them, whatever a process of an earlier version writes. ``ready_until`` is the end of the window of an endpoint that may be
claimed.
"""

from __future__ import annotations

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """
        ALTER TABLE endpoint
            ADD COLUMN IF NOT EXISTS presence_check_at BIGINT,
            ADD COLUMN IF NOT EXISTS presence_due_at BIGINT GENERATED ALWAYS AS (
                CASE WHEN presence <> 'OFFLINE' THEN LEAST(presence_check_at, awake_until, lifetime_ends_at) END
            ) STORED,
            ADD COLUMN IF NOT EXISTS ready_until BIGINT GENERATED ALWAYS AS (
                CASE WHEN ready_at IS NOT NULL THEN awake_until END
            ) STORED;
        DROP INDEX IF EXISTS ix_endpoint_window;
        DROP INDEX IF EXISTS ix_endpoint_lifetime;
        DROP INDEX IF EXISTS ix_endpoint_ready;
        CREATE INDEX ix_endpoint_ready ON endpoint (server_id, silent, ready_until) WHERE ready_at IS NOT NULL;
        CREATE INDEX IF NOT EXISTS ix_endpoint_presence_due ON endpoint (server_id, presence_due_at)
            WHERE presence_due_at IS NOT NULL;
        ANALYZE endpoint;
    """


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        DROP INDEX IF EXISTS ix_endpoint_ready;
        DROP INDEX IF EXISTS ix_endpoint_presence_due;
        ALTER TABLE endpoint
            DROP COLUMN IF EXISTS ready_until,
            DROP COLUMN IF EXISTS presence_due_at,
            DROP COLUMN IF EXISTS presence_check_at;
        CREATE INDEX ix_endpoint_ready ON endpoint (server_id, silent, awake_until) WHERE ready_at IS NOT NULL;
        CREATE INDEX IF NOT EXISTS ix_endpoint_window ON endpoint (server_id, awake_until) WHERE presence = 'ONLINE';
        CREATE INDEX IF NOT EXISTS ix_endpoint_lifetime ON endpoint (server_id, lifetime_ends_at)
            WHERE presence <> 'OFFLINE';
    """
