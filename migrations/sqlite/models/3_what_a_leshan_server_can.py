"""The capabilities that the Leshan server reports, and the position up to which its event stream was ingested.

SQLite runs a script statement by statement outside of any transaction, and has no ADD COLUMN IF NOT EXISTS: only columns
that an interrupted start did not add are added.
"""

from __future__ import annotations

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = False

COLUMNS = {
    "boot_id": "VARCHAR(64)",
    "request_ids": "BOOL NOT NULL DEFAULT 0",
    "notifications_wake": "BOOL NOT NULL DEFAULT 0",
    "open_calls": "INT CHECK (open_calls > 0)",
    "stream_id": "VARCHAR(64)",
    "missed_at": "BIGINT",
}


async def _present(db: BaseDBAsyncClient) -> set[str]:
    return {row["name"] for row in await db.execute_query_dict("PRAGMA table_info(leshan_server)")}


async def upgrade(db: BaseDBAsyncClient) -> str:
    there = await _present(db)
    missing = {name: rest for name, rest in COLUMNS.items() if name not in there}
    return "\n".join(f"ALTER TABLE leshan_server ADD COLUMN {name} {rest};" for name, rest in missing.items())


async def downgrade(db: BaseDBAsyncClient) -> str:
    there = await _present(db)
    return "\n".join(f"ALTER TABLE leshan_server DROP COLUMN {name};" for name in COLUMNS if name in there)
