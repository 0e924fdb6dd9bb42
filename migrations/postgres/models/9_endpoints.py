"""Tags, contacts and deletion of endpoints.

A deleted endpoint's row remains until its last operation is deleted, so a name is unique among the other endpoints only.
``overdue``, ``seen_hour`` and the tables ``endpoint_tag`` and ``endpoint_object`` serve the filters of endpoints: they
change seldom, so that a message of a device adds no entry to any index.
"""

from __future__ import annotations

from tortoise import BaseDBAsyncClient

from app.models.endpoint_index import FILL_OBJECTS, READ_OBJECTS, fill_rows

RUN_IN_TRANSACTION = True


async def upgrade(db: BaseDBAsyncClient) -> str:
    await db.execute_script("""
        ALTER TABLE endpoint
            ADD COLUMN IF NOT EXISTS overdue_check_at BIGINT,
            ADD COLUMN IF NOT EXISTS overdue BOOL NOT NULL DEFAULT FALSE,
            ADD COLUMN IF NOT EXISTS seen_hour INT,
            ADD COLUMN IF NOT EXISTS first_seen_at BIGINT,
            ADD COLUMN IF NOT EXISTS contacts TEXT,
            ADD COLUMN IF NOT EXISTS tags TEXT,
            ADD COLUMN IF NOT EXISTS deleted_at BIGINT,
            ADD COLUMN IF NOT EXISTS deleted_seq BIGINT,
            DROP CONSTRAINT IF EXISTS uq_endpoint_server_name;
        UPDATE endpoint SET first_seen_at = LEAST(registered_at, last_seen_at), seen_hour = last_seen_at / 3600000000,
            overdue_check_at = lifetime_ends_at WHERE last_seen_at IS NOT NULL;
        CREATE UNIQUE INDEX IF NOT EXISTS uq_endpoint_name ON endpoint (name, server_id) WHERE deleted_at IS NULL;
        CREATE INDEX IF NOT EXISTS ix_endpoint_overdue ON endpoint (name) WHERE overdue = TRUE;
        CREATE INDEX IF NOT EXISTS ix_endpoint_overdue_check ON endpoint (server_id, overdue_check_at)
            WHERE overdue_check_at IS NOT NULL;
        CREATE INDEX IF NOT EXISTS ix_endpoint_seen ON endpoint (seen_hour);
        CREATE INDEX IF NOT EXISTS ix_endpoint_pending ON endpoint (name) WHERE queued + sending > 0;
        CREATE INDEX IF NOT EXISTS ix_endpoint_deleted ON endpoint (deleted_at) WHERE deleted_at IS NOT NULL;
        CREATE INDEX IF NOT EXISTS ix_endpoint_tombstone ON endpoint (name) WHERE deleted_at IS NOT NULL;
        CREATE INDEX IF NOT EXISTS ix_endpoint_deleting ON endpoint (server_id)
            WHERE deleted_at IS NOT NULL AND queued > 0;

        CREATE TABLE IF NOT EXISTS endpoint_tag (
            endpoint_id BIGINT NOT NULL REFERENCES endpoint (id) ON DELETE CASCADE,
            tag VARCHAR(100) COLLATE "C" NOT NULL,
            overdue BOOL NOT NULL,
            name VARCHAR(255) COLLATE "C" NOT NULL,
            PRIMARY KEY (endpoint_id, tag)
        );
        CREATE INDEX IF NOT EXISTS ix_endpoint_tag_name ON endpoint_tag (tag, overdue, name);

        CREATE TABLE IF NOT EXISTS endpoint_object (
            endpoint_id BIGINT NOT NULL REFERENCES endpoint (id) ON DELETE CASCADE,
            object_id INT NOT NULL,
            name VARCHAR(255) COLLATE "C" NOT NULL,
            PRIMARY KEY (endpoint_id, object_id)
        );
        CREATE INDEX IF NOT EXISTS ix_endpoint_object_name ON endpoint_object (object_id, name);
    """)
    after = 0
    while read := await db.execute_query_dict(READ_OBJECTS, [after]):
        if rows := fill_rows(read):
            await db.execute_many(FILL_OBJECTS, rows)
        after = read[-1]["id"]
    return "ANALYZE endpoint_object"


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        UPDATE leshan_server s SET confirmed = s.confirmed - d.confirmed, failed = s.failed - d.failed,
            canceled = s.canceled - d.canceled, expired = s.expired - d.expired, queued = s.queued - d.queued
            FROM (SELECT server_id, sum(confirmed) AS confirmed, sum(failed) AS failed, sum(canceled) AS canceled,
                         sum(expired) AS expired, sum(queued) AS queued
                  FROM endpoint WHERE deleted_at IS NOT NULL GROUP BY server_id) d WHERE d.server_id = s.id;
        DELETE FROM operation WHERE endpoint_id IN (SELECT id FROM endpoint WHERE deleted_at IS NOT NULL);
        DELETE FROM endpoint WHERE deleted_at IS NOT NULL;
        DROP TABLE IF EXISTS endpoint_object;
        DROP TABLE IF EXISTS endpoint_tag;
        DROP INDEX IF EXISTS uq_endpoint_name;
        DROP INDEX IF EXISTS ix_endpoint_overdue;
        ALTER TABLE endpoint
            DROP COLUMN IF EXISTS overdue_check_at,
            DROP COLUMN IF EXISTS overdue,
            DROP COLUMN IF EXISTS seen_hour,
            DROP COLUMN IF EXISTS first_seen_at,
            DROP COLUMN IF EXISTS contacts,
            DROP COLUMN IF EXISTS tags,
            DROP COLUMN IF EXISTS deleted_at,
            DROP COLUMN IF EXISTS deleted_seq,
            ADD CONSTRAINT uq_endpoint_server_name UNIQUE (server_id, name);
        DROP INDEX IF EXISTS ix_endpoint_pending;
    """
