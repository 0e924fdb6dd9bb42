"""When the clock changes the presence of an endpoint: see the PostgreSQL revision of this number.

SQLite runs a script outside of any transaction and has no ADD COLUMN IF NOT EXISTS: only columns that an interrupted
start did not add are added. Its ``min`` is NULL if an argument is.
"""

from __future__ import annotations

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = False

NEVER = 2**63 - 1
COLUMNS = {
    "presence_check_at": "BIGINT",
    "presence_due_at": f"""BIGINT GENERATED ALWAYS AS (
        CASE WHEN presence <> 'OFFLINE' THEN nullif(min(
            coalesce(presence_check_at, {NEVER}), coalesce(awake_until, {NEVER}), coalesce(lifetime_ends_at, {NEVER})
        ), {NEVER}) END
    ) VIRTUAL""",
    "ready_until": "BIGINT GENERATED ALWAYS AS (CASE WHEN ready_at IS NOT NULL THEN awake_until END) VIRTUAL",
}


async def _present(db: BaseDBAsyncClient) -> set[str]:
    return {row["name"] for row in await db.execute_query_dict("PRAGMA table_xinfo(endpoint)")}


async def upgrade(db: BaseDBAsyncClient) -> str:
    there = await _present(db)
    added = "\n".join(
        f"ALTER TABLE endpoint ADD COLUMN {name} {kind};" for name, kind in COLUMNS.items() if name not in there
    )
    return added + """
        DROP INDEX IF EXISTS ix_endpoint_window;
        DROP INDEX IF EXISTS ix_endpoint_lifetime;
        DROP INDEX IF EXISTS ix_endpoint_ready;
        CREATE INDEX ix_endpoint_ready ON endpoint (server_id, silent, ready_until) WHERE ready_at IS NOT NULL;
        CREATE INDEX IF NOT EXISTS ix_endpoint_presence_due ON endpoint (server_id, presence_due_at)
            WHERE presence_due_at IS NOT NULL;
    """


async def downgrade(db: BaseDBAsyncClient) -> str:
    there = await _present(db)
    dropped = "\n".join(f"ALTER TABLE endpoint DROP COLUMN {name};" for name in reversed(COLUMNS) if name in there)
    return f"""
        DROP INDEX IF EXISTS ix_endpoint_ready;
        DROP INDEX IF EXISTS ix_endpoint_presence_due;
        {dropped}
        CREATE INDEX ix_endpoint_ready ON endpoint (server_id, silent, awake_until) WHERE ready_at IS NOT NULL;
        CREATE INDEX IF NOT EXISTS ix_endpoint_window ON endpoint (server_id, awake_until) WHERE presence = 'ONLINE';
        CREATE INDEX IF NOT EXISTS ix_endpoint_lifetime ON endpoint (server_id, lifetime_ends_at)
            WHERE presence <> 'OFFLINE';
    """
