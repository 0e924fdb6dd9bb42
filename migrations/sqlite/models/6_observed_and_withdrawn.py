"""The observations of the current registration, and whether the cancellation of an operation was requested while
a stock Leshan held it.

SQLite runs a script statement by statement outside of any transaction, and has no ADD COLUMN IF NOT EXISTS: only columns
that an interrupted start did not add are added.
"""

from __future__ import annotations

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = False

COLUMNS = {
    ("endpoint", "observations"): "TEXT",
    ("operation", "cancel_requested"): "BOOL NOT NULL DEFAULT 0",
}


async def _present(db: BaseDBAsyncClient) -> set[tuple[str, str]]:
    tables = {table for table, _ in COLUMNS}
    rows = {table: await db.execute_query_dict(f"PRAGMA table_info({table})") for table in tables}
    return {(table, row["name"]) for table, found in rows.items() for row in found}


async def upgrade(db: BaseDBAsyncClient) -> str:
    there = await _present(db)
    missing = {column: rest for column, rest in COLUMNS.items() if column not in there}
    return "\n".join(f"ALTER TABLE {table} ADD COLUMN {name} {rest};" for (table, name), rest in missing.items())


async def downgrade(db: BaseDBAsyncClient) -> str:
    there = await _present(db)
    return "\n".join(f"ALTER TABLE {table} DROP COLUMN {name};" for table, name in COLUMNS if (table, name) in there)
