"""An operation that the device answered with an error waits for its retry separately, and a device without queue mode is
not held back forever: see the PostgreSQL revision of this number.

SQLite runs a script outside of any transaction and has no ADD COLUMN IF NOT EXISTS: only columns that
an interrupted start did not add are added.
"""

from __future__ import annotations

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = False

COLUMNS = (
    ("endpoint", "next_operation", "BIGINT"),
    ("endpoint", "answered_wake_seq", "BIGINT"),
    ("endpoint", "composites", "TEXT"),
    ("operation", "held_wake_seq", "BIGINT"),
    ("operation", "retry_at", "BIGINT"),
)


async def _has(db: BaseDBAsyncClient, table: str, column: str) -> bool:
    rows = await db.execute_query_dict(f"SELECT name FROM pragma_table_info('{table}')")
    return column in [row["name"] for row in rows]


async def upgrade(db: BaseDBAsyncClient) -> str:
    missing = [one for one in COLUMNS if not await _has(db, one[0], one[1])]
    added = "\n".join(f"ALTER TABLE {table} ADD COLUMN {column} {kind};" for table, column, kind in missing)
    return added + """
        UPDATE endpoint SET held_wake_seq = NULL, ready_at = coalesce(not_before, 0)
            WHERE queue_mode = FALSE AND held_wake_seq >= wake_seq AND retry_at IS NULL AND ready_at IS NULL
              AND queued > 0 AND lease_operation IS NULL AND awake_until IS NOT NULL AND down_since IS NULL
              AND NOT paused;
    """


async def downgrade(db: BaseDBAsyncClient) -> str:
    present = [one for one in COLUMNS if await _has(db, one[0], one[1])]
    return "\n".join(f"ALTER TABLE {table} DROP COLUMN {column};" for table, column, _ in present)
