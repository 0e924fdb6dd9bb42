"""The emergency brake, the columns and indexes that select many operations, and since when the event stream is open.

The previous version runs on it: its columns are unchanged, and the new ones have defaults.
"""

from __future__ import annotations

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """
        CREATE TABLE dispatch_pause (
            id BIGINT NOT NULL PRIMARY KEY,
            server_id SMALLINT REFERENCES leshan_server (id) ON DELETE RESTRICT,
            endpoint_id BIGINT REFERENCES endpoint (id) ON DELETE CASCADE,
            reason TEXT NOT NULL,
            paused_by VARCHAR(255) NOT NULL,
            paused_at BIGINT NOT NULL,
            resumed_by VARCHAR(255),
            resumed_at BIGINT,
            CONSTRAINT ck_dispatch_pause_scope CHECK (endpoint_id IS NULL OR server_id IS NOT NULL),
            CONSTRAINT ck_dispatch_pause_end CHECK ((resumed_at IS NULL) = (resumed_by IS NULL))
        );
        CREATE UNIQUE INDEX uq_dispatch_pause_present
            ON dispatch_pause (coalesce(server_id, 0), coalesce(endpoint_id, 0)) WHERE resumed_at IS NULL;
        CREATE INDEX ix_dispatch_pause_wide ON dispatch_pause (server_id)
            WHERE endpoint_id IS NULL AND resumed_at IS NULL;
        CREATE INDEX ix_dispatch_pause_endpoint ON dispatch_pause (endpoint_id) WHERE endpoint_id IS NOT NULL;

        ALTER TABLE endpoint ADD COLUMN paused BOOL NOT NULL DEFAULT FALSE;
        ALTER TABLE leshan_server ADD COLUMN bridge_open_since BIGINT;
        ALTER TABLE operation ADD COLUMN IF NOT EXISTS batch VARCHAR(255);
        CREATE INDEX IF NOT EXISTS ix_operation_batch ON operation (batch, seq) WHERE batch IS NOT NULL;
        CREATE INDEX IF NOT EXISTS ix_operation_creator ON operation (created_by, seq);
        CREATE INDEX IF NOT EXISTS ix_operation_reason ON operation (reason, seq) WHERE reason IS NOT NULL;
    """


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        DROP INDEX IF EXISTS ix_operation_reason;
        DROP INDEX IF EXISTS ix_operation_creator;
        DROP INDEX IF EXISTS ix_operation_batch;
        ALTER TABLE operation DROP COLUMN IF EXISTS batch;
        ALTER TABLE leshan_server DROP COLUMN IF EXISTS bridge_open_since;
        ALTER TABLE endpoint DROP COLUMN IF EXISTS paused;
        DROP TABLE IF EXISTS dispatch_pause;
    """
