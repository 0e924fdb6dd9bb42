"""The time before which an operation is not sent, and the sequence that it belongs to.

Both are null for most operations, which therefore have no entry in the two indexes: the next ``not_before`` of an
endpoint's queue, and the operations of a sequence by their status.
"""

from __future__ import annotations

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """
        ALTER TABLE operation
            ADD COLUMN IF NOT EXISTS not_before BIGINT,
            ADD COLUMN IF NOT EXISTS sequence VARCHAR(255);
        CREATE INDEX IF NOT EXISTS ix_operation_not_before ON operation (endpoint_id, not_before)
            WHERE not_before IS NOT NULL AND status = 'QUEUED';
        CREATE INDEX IF NOT EXISTS ix_operation_sequence ON operation (endpoint_id, sequence, status, seq)
            WHERE sequence IS NOT NULL;
    """


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        DROP INDEX IF EXISTS ix_operation_sequence;
        DROP INDEX IF EXISTS ix_operation_not_before;
        ALTER TABLE operation
            DROP COLUMN IF EXISTS not_before,
            DROP COLUMN IF EXISTS sequence;
    """
