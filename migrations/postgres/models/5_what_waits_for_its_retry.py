"""An operation that the device answered with an error waits for its retry separately, and a device without queue mode is
not held back forever.

``operation.held_wake_seq`` and ``retry_at`` state until when an operation waits, ``endpoint.next_operation`` which one is
sent next behind those that wait. ``endpoint.composites`` and ``answered_wake_seq`` record what the device answers.

Endpoints without queue mode whose turn had ended and whose retry time was cleared by a later answer could not be called
until they registered or updated: now they can be called at once.
"""

from __future__ import annotations

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """
        ALTER TABLE endpoint
            ADD COLUMN IF NOT EXISTS next_operation BIGINT,
            ADD COLUMN IF NOT EXISTS answered_wake_seq BIGINT,
            ADD COLUMN IF NOT EXISTS composites TEXT;
        ALTER TABLE operation
            ADD COLUMN IF NOT EXISTS held_wake_seq BIGINT,
            ADD COLUMN IF NOT EXISTS retry_at BIGINT;
        UPDATE endpoint SET held_wake_seq = NULL, ready_at = coalesce(not_before, 0)
            WHERE queue_mode = FALSE AND held_wake_seq >= wake_seq AND retry_at IS NULL AND ready_at IS NULL
              AND queued > 0 AND lease_operation IS NULL AND awake_until IS NOT NULL AND down_since IS NULL
              AND NOT paused;
    """


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        ALTER TABLE operation
            DROP COLUMN IF EXISTS held_wake_seq,
            DROP COLUMN IF EXISTS retry_at;
        ALTER TABLE endpoint
            DROP COLUMN IF EXISTS next_operation,
            DROP COLUMN IF EXISTS answered_wake_seq,
            DROP COLUMN IF EXISTS composites;
    """
