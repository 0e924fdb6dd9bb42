"""A step of an operation writes less: immutable columns have their indexes in a table of their own, and a transition is
written without a lookup of its operation.

A step writes a new version of the operation's row, and an entry into every index of its table: half of these were of
columns by which lists are filtered and that never change. And for each transition PostgreSQL looked up and locked the
operation that was written in the same statement. Triggers now maintain the table of the indexes and delete transitions
as the foreign key did, so the previous version, which does not know of them, creates and prunes operations like this
one. Its own lists find the same rows without these indexes, only slower.
"""

from __future__ import annotations

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """
        CREATE TABLE operation_filing (
            seq BIGINT NOT NULL PRIMARY KEY,
            endpoint_id BIGINT NOT NULL,
            kind VARCHAR(24) NOT NULL,
            path VARCHAR(32) COLLATE "C",
            batch VARCHAR(255),
            created_by VARCHAR(255),
            created_at BIGINT NOT NULL
        );

        CREATE FUNCTION file_operations() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO operation_filing (seq, endpoint_id, kind, path, batch, created_by, created_at)
            SELECT seq, endpoint_id, kind, path, batch, created_by, created_at FROM created;
            RETURN NULL;
        END
        $$;
        CREATE TRIGGER tr_operation_created AFTER INSERT ON operation REFERENCING NEW TABLE AS created
            FOR EACH STATEMENT EXECUTE FUNCTION file_operations();

        CREATE FUNCTION forget_operations() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            DELETE FROM transition t USING gone g WHERE t.operation_id = g.seq;
            DELETE FROM operation_filing f USING gone g WHERE f.seq = g.seq;
            RETURN NULL;
        END
        $$;
        CREATE TRIGGER tr_operation_gone AFTER DELETE ON operation REFERENCING OLD TABLE AS gone
            FOR EACH STATEMENT EXECUTE FUNCTION forget_operations();
        ALTER TABLE transition DROP CONSTRAINT IF EXISTS transition_operation_id_fkey;

        INSERT INTO operation_filing (seq, endpoint_id, kind, path, batch, created_by, created_at)
            SELECT seq, endpoint_id, kind, path, batch, created_by, created_at FROM operation;
        CREATE INDEX ix_filing_endpoint ON operation_filing (endpoint_id, seq);
        CREATE INDEX ix_filing_kind ON operation_filing (kind, seq);
        CREATE INDEX ix_filing_path ON operation_filing (path, seq);
        CREATE INDEX ix_filing_batch ON operation_filing (batch, seq) WHERE batch IS NOT NULL;
        CREATE INDEX ix_filing_creator ON operation_filing (created_by, seq);
        CREATE INDEX ix_filing_created ON operation_filing (created_at);
        ANALYZE operation_filing;

        DROP INDEX IF EXISTS ix_operation_endpoint;
        DROP INDEX IF EXISTS ix_operation_kind;
        DROP INDEX IF EXISTS ix_operation_path;
        DROP INDEX IF EXISTS ix_operation_batch;
        DROP INDEX IF EXISTS ix_operation_creator;
        DROP INDEX IF EXISTS ix_operation_created;
    """


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        CREATE INDEX IF NOT EXISTS ix_operation_endpoint ON operation (endpoint_id, seq);
        CREATE INDEX IF NOT EXISTS ix_operation_kind ON operation (kind, seq);
        CREATE INDEX IF NOT EXISTS ix_operation_path ON operation (path, seq);
        CREATE INDEX IF NOT EXISTS ix_operation_batch ON operation (batch, seq) WHERE batch IS NOT NULL;
        CREATE INDEX IF NOT EXISTS ix_operation_creator ON operation (created_by, seq);
        CREATE INDEX IF NOT EXISTS ix_operation_created ON operation (created_at);
        ALTER TABLE transition ADD CONSTRAINT transition_operation_id_fkey
            FOREIGN KEY (operation_id) REFERENCES operation (seq) ON DELETE CASCADE;
        DROP TRIGGER IF EXISTS tr_operation_gone ON operation;
        DROP TRIGGER IF EXISTS tr_operation_created ON operation;
        DROP FUNCTION IF EXISTS forget_operations();
        DROP FUNCTION IF EXISTS file_operations();
        DROP TABLE IF EXISTS operation_filing;
    """
