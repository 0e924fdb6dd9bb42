"""The emergency brake, the columns and indexes that select many operations, and since when the event stream is open.

The previous version runs on it: its columns are unchanged, and the new ones have defaults. SQLite runs a script
outside of any transaction and has no ADD COLUMN IF NOT EXISTS: only columns that an interrupted start did not add are
added.
"""

from __future__ import annotations

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = False

COLUMNS = (
    ("endpoint", "paused", "BOOL NOT NULL DEFAULT FALSE"),
    ("leshan_server", "bridge_open_since", "BIGINT"),
    ("operation", "batch", "VARCHAR(255)"),
)


async def _has(db: BaseDBAsyncClient, table: str, column: str) -> bool:
    rows = await db.execute_query_dict(f"SELECT name FROM pragma_table_info('{table}')")
    return column in [row["name"] for row in rows]


async def upgrade(db: BaseDBAsyncClient) -> str:
    missing = [one for one in COLUMNS if not await _has(db, one[0], one[1])]
    added = "\n".join(f"ALTER TABLE {table} ADD COLUMN {column} {kind};" for table, column, kind in missing)
    return added + """
        CREATE TABLE IF NOT EXISTS dispatch_pause (
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
        CREATE UNIQUE INDEX IF NOT EXISTS uq_dispatch_pause_present
            ON dispatch_pause (coalesce(server_id, 0), coalesce(endpoint_id, 0)) WHERE resumed_at IS NULL;
        CREATE INDEX IF NOT EXISTS ix_dispatch_pause_wide ON dispatch_pause (server_id)
            WHERE endpoint_id IS NULL AND resumed_at IS NULL;
        CREATE INDEX IF NOT EXISTS ix_dispatch_pause_endpoint ON dispatch_pause (endpoint_id)
            WHERE endpoint_id IS NOT NULL;
        CREATE INDEX IF NOT EXISTS ix_operation_batch ON operation (batch, seq) WHERE batch IS NOT NULL;
        CREATE INDEX IF NOT EXISTS ix_operation_creator ON operation (created_by, seq);
        CREATE INDEX IF NOT EXISTS ix_operation_reason ON operation (reason, seq) WHERE reason IS NOT NULL;
    """


async def downgrade(db: BaseDBAsyncClient) -> str:
    present = [one for one in COLUMNS if await _has(db, one[0], one[1])]
    dropped = "\n".join(f"ALTER TABLE {table} DROP COLUMN {column};" for table, column, _ in present)
    return f"""
        DROP INDEX IF EXISTS ix_operation_reason;
        DROP INDEX IF EXISTS ix_operation_creator;
        DROP INDEX IF EXISTS ix_operation_batch;
        DROP TABLE IF EXISTS dispatch_pause;
        {dropped}
    """
