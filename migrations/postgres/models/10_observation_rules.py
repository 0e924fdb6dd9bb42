"""Observation rules, how far they are on each endpoint, and the operations that they create.

``rules_seq`` of an endpoint is the state of the rules that was applied to it, as ``rules_seq`` of its Leshan server
counts them: a lower one is due. Both are 0 as long as there are no rules.
"""

from __future__ import annotations

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """
        ALTER TABLE leshan_server ADD COLUMN IF NOT EXISTS rules_seq BIGINT NOT NULL DEFAULT 0;
        ALTER TABLE endpoint ADD COLUMN IF NOT EXISTS rules_seq BIGINT NOT NULL DEFAULT 0;
        ALTER TABLE operation ADD COLUMN IF NOT EXISTS rule_id BIGINT;
        CREATE TABLE IF NOT EXISTS observation_rule (
            id BIGINT NOT NULL PRIMARY KEY,
            server_id SMALLINT NOT NULL REFERENCES leshan_server (id) ON DELETE RESTRICT,
            name VARCHAR(255) NOT NULL,
            given_filter TEXT NOT NULL,
            criteria TEXT NOT NULL,
            paths TEXT NOT NULL,
            composite BOOL NOT NULL,
            attributes TEXT,
            read_paths TEXT NOT NULL,
            enabled BOOL NOT NULL,
            created_at BIGINT NOT NULL,
            created_by VARCHAR(255),
            CONSTRAINT uq_observation_rule_name UNIQUE (server_id, name)
        );
        CREATE TABLE IF NOT EXISTS observation (
            id BIGINT NOT NULL PRIMARY KEY,
            endpoint_id BIGINT NOT NULL REFERENCES endpoint (id) ON DELETE CASCADE,
            rule_id BIGINT NOT NULL,
            registration VARCHAR(255),
            targets TEXT NOT NULL,
            state VARCHAR(13) NOT NULL,
            since BIGINT NOT NULL,
            check_at BIGINT,
            operation BIGINT,
            detail TEXT,
            CONSTRAINT ck_observation_state
                CHECK (state IN ('PENDING', 'ESTABLISHED', 'STALE', 'REFUSED', 'NOT_SUPPORTED'))
        );
        CREATE UNIQUE INDEX IF NOT EXISTS uq_observation_endpoint ON observation (endpoint_id, rule_id);
        CREATE INDEX IF NOT EXISTS ix_observation_rule_state ON observation (rule_id, state);
        CREATE INDEX IF NOT EXISTS ix_observation_check ON observation (check_at) WHERE check_at IS NOT NULL;
        CREATE INDEX IF NOT EXISTS ix_operation_rule ON operation (endpoint_id, status)
            WHERE rule_id IS NOT NULL AND status IN ('QUEUED', 'SENDING');
        CREATE INDEX IF NOT EXISTS ix_endpoint_rules ON endpoint (server_id, rules_seq);
    """


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        DROP INDEX IF EXISTS ix_endpoint_rules;
        DROP INDEX IF EXISTS ix_operation_rule;
        DROP TABLE IF EXISTS observation;
        DROP TABLE IF EXISTS observation_rule;
        ALTER TABLE operation DROP COLUMN IF EXISTS rule_id;
        ALTER TABLE endpoint DROP COLUMN IF EXISTS rules_seq;
        ALTER TABLE leshan_server DROP COLUMN IF EXISTS rules_seq;
    """
