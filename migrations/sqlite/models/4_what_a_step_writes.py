"""No change: SQLite writes an index only when a column of it changes, and finds the row of a foreign key by its rowid. On
PostgreSQL this revision removes both costs from a step (``docs/decisions/0016-operation-index-table.md``).
"""

from __future__ import annotations

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = False

NOTHING = "SELECT 1;"


async def upgrade(db: BaseDBAsyncClient) -> str:
    return NOTHING


async def downgrade(db: BaseDBAsyncClient) -> str:
    return NOTHING
