"""Observation rules, how far they are on each endpoint, and the operations that they create: see the PostgreSQL
revision of this number.

SQLite runs a script outside of any transaction and has no ADD COLUMN IF NOT EXISTS: only columns that an interrupted
start did not add are added.
"""

from __future__ import annotations

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = False

COLUMNS = {
    ("leshan_server", "rules_seq"): "BIGINT NOT NULL DEFAULT 0",
    ("endpoint", "rules_seq"): "BIGINT NOT NULL DEFAULT 0",
    ("operation", "rule_id"): "BIGINT",
}


async def _present(db: BaseDBAsyncClient) -> set[tuple[str, str]]:
    tables = {table for table, _ in COLUMNS}
    rows = {table: await db.execute_query_dict(f"PRAGMA table_info({table})") for table in tables}
    return {(table, row["name"]) for table, found in rows.items() for row in found}


async def upgrade(db: BaseDBAsyncClient) -> str:
    there = await _present(db)
    missing = {column: rest for column, rest in COLUMNS.items() if column not in there}
    added = "\n".join(f"ALTER TABLE {table} ADD COLUMN {name} {rest};" for (table, name), rest in missing.items())
    return added + """
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
    there = await _present(db)
    dropped = "\n".join(f"ALTER TABLE {table} DROP COLUMN {name};" for table, name in COLUMNS if (table, name) in there)
    return f"""
        DROP INDEX IF EXISTS ix_endpoint_rules;
        DROP INDEX IF EXISTS ix_operation_rule;
        DROP TABLE IF EXISTS observation;
        DROP TABLE IF EXISTS observation_rule;
        {dropped}
    """
