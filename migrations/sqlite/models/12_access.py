"""Access: API tokens, stored as hashes, and the audit of mutations."""

from __future__ import annotations

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = False


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """
        CREATE TABLE IF NOT EXISTS api_token (
            id BIGINT NOT NULL PRIMARY KEY,
            name VARCHAR(255) NOT NULL,
            role VARCHAR(8) NOT NULL,
            digest VARCHAR(64) NOT NULL,
            created_at BIGINT NOT NULL,
            created_by VARCHAR(255),
            expires_at BIGINT,
            last_used_at BIGINT,
            revoked_at BIGINT,
            ends_at BIGINT,
            changed_seq BIGINT NOT NULL,
            CONSTRAINT uq_api_token_digest UNIQUE (digest),
            CONSTRAINT ck_api_token_role CHECK (role IN ('viewer', 'operator', 'admin')),
            CONSTRAINT ck_api_token_ends CHECK (
                (expires_at IS NULL OR (ends_at IS NOT NULL AND ends_at <= expires_at))
                AND (revoked_at IS NULL OR (ends_at IS NOT NULL AND ends_at <= revoked_at))
            )
        );
        CREATE INDEX IF NOT EXISTS ix_api_token_ends ON api_token (ends_at);
        CREATE INDEX IF NOT EXISTS ix_api_token_changed ON api_token (changed_seq);
        CREATE TABLE IF NOT EXISTS audit_event (
            id BIGINT NOT NULL PRIMARY KEY,
            at BIGINT NOT NULL,
            actor VARCHAR(255) NOT NULL,
            action VARCHAR(64) NOT NULL,
            target VARCHAR(255),
            detail TEXT
        );
    """


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        DROP TABLE IF EXISTS audit_event;
        DROP TABLE IF EXISTS api_token;
    """
