"""The time before which an operation is not sent, and the sequence that it belongs to: see the PostgreSQL revision of
this number.

SQLite runs a script outside of any transaction and has no ADD COLUMN IF NOT EXISTS: only columns that
an interrupted start did not add are added.
"""

from __future__ import annotations

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = False

COLUMNS = {"not_before": "BIGINT", "sequence": "VARCHAR(255)"}


async def _present(db: BaseDBAsyncClient) -> set[str]:
    return {row["name"] for row in await db.execute_query_dict("PRAGMA table_info(operation)")}


async def upgrade(db: BaseDBAsyncClient) -> str:
    there = await _present(db)
    missing = {name: kind for name, kind in COLUMNS.items() if name not in there}
    added = "\n".join(f"ALTER TABLE operation ADD COLUMN {name} {kind};" for name, kind in missing.items())
    return added + """
        CREATE INDEX IF NOT EXISTS ix_operation_not_before ON operation (endpoint_id, not_before)
            WHERE not_before IS NOT NULL AND status = 'QUEUED';
        CREATE INDEX IF NOT EXISTS ix_operation_sequence ON operation (endpoint_id, sequence, status, seq)
            WHERE sequence IS NOT NULL;
    """


async def downgrade(db: BaseDBAsyncClient) -> str:
    there = await _present(db)
    dropped = "\n".join(f"ALTER TABLE operation DROP COLUMN {name};" for name in COLUMNS if name in there)
    return f"""
        DROP INDEX IF EXISTS ix_operation_sequence;
        DROP INDEX IF EXISTS ix_operation_not_before;
        {dropped}
    """
