"""Batches: the creation of one operation for each endpoint of a filter, in pieces that can be continued."""

from __future__ import annotations

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """
        CREATE TABLE IF NOT EXISTS operation_batch (
            id BIGINT NOT NULL PRIMARY KEY,
            name VARCHAR(255) NOT NULL,
            endpoint_filter TEXT NOT NULL,
            template TEXT NOT NULL,
            fingerprint VARCHAR(64) NOT NULL,
            last_endpoint VARCHAR(255),
            created INT NOT NULL DEFAULT 0,
            passed_over INT NOT NULL DEFAULT 0,
            begun_by VARCHAR(255) NOT NULL,
            begun_at BIGINT NOT NULL,
            continued_at BIGINT NOT NULL,
            finished_at BIGINT,
            CONSTRAINT uq_operation_batch_name UNIQUE (name),
            CONSTRAINT ck_operation_batch_counts CHECK (created >= 0 AND passed_over >= 0)
        );
        CREATE INDEX IF NOT EXISTS ix_operation_batch_continued ON operation_batch (continued_at);
    """


async def downgrade(db: BaseDBAsyncClient) -> str:
    return "DROP TABLE IF EXISTS operation_batch;"
