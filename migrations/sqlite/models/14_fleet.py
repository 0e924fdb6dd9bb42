"""Fleet work: firmware packages, firmware updates and campaigns: see the PostgreSQL revision of this number.

SQLite runs a script outside of any transaction and has no ADD COLUMN IF NOT EXISTS: only columns that an interrupted
start did not add are added.
"""

from __future__ import annotations

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = False

COLUMNS = {"operation": "fleet_id", "endpoint": "update_id"}


async def _present(db: BaseDBAsyncClient, table: str) -> bool:
    rows = await db.execute_query_dict(f"SELECT name FROM pragma_table_info('{table}')")
    return COLUMNS[table] in [row["name"] for row in rows]


async def upgrade(db: BaseDBAsyncClient) -> str:
    missing = [(table, column) for table, column in COLUMNS.items() if not await _present(db, table)]
    added = "\n".join(f"ALTER TABLE {table} ADD COLUMN {column} BIGINT;" for table, column in missing)
    return added + """
        CREATE TABLE IF NOT EXISTS firmware_package (
            id BIGINT NOT NULL PRIMARY KEY,
            name VARCHAR(255) NOT NULL,
            version VARCHAR(255) NOT NULL,
            uri TEXT,
            size BIGINT,
            sha256 VARCHAR(64),
            created_at BIGINT NOT NULL,
            created_by VARCHAR(255),
            key VARCHAR(64) NOT NULL,
            retired_at BIGINT
        );
        CREATE TABLE IF NOT EXISTS firmware_update (
            id BIGINT NOT NULL PRIMARY KEY,
            endpoint_id BIGINT NOT NULL REFERENCES endpoint (id) ON DELETE CASCADE,
            package_id BIGINT NOT NULL REFERENCES firmware_package (id) ON DELETE RESTRICT,
            target_id BIGINT,
            method VARCHAR(4) NOT NULL,
            object_instance INT NOT NULL,
            state VARCHAR(11) NOT NULL,
            step VARCHAR(24),
            step_at BIGINT NOT NULL,
            operation BIGINT,
            device_state INT,
            update_result INT,
            version_before VARCHAR(255),
            version_after VARCHAR(255),
            attempts SMALLINT NOT NULL,
            executions SMALLINT NOT NULL,
            tries SMALLINT NOT NULL,
            created_at BIGINT NOT NULL,
            created_by VARCHAR(255),
            since BIGINT NOT NULL,
            deadline BIGINT,
            due_at BIGINT,
            seen_seq BIGINT NOT NULL,
            registration VARCHAR(255),
            observed_under VARCHAR(255),
            executed_under VARCHAR(255),
            finished_at BIGINT,
            reason VARCHAR(32),
            detail TEXT,
            CONSTRAINT ck_firmware_update_method CHECK (method IN ('PULL', 'PUSH')),
            CONSTRAINT ck_firmware_update_state CHECK (state IN ('QUEUED', 'PREPARING', 'DELIVERING', 'DOWNLOADING',
                'DOWNLOADED', 'UPDATING', 'VERIFYING', 'SUCCEEDED', 'FAILED', 'CANCELED')),
            CONSTRAINT ck_firmware_update_finished CHECK (
                (finished_at IS NOT NULL) = (state IN ('SUCCEEDED', 'FAILED', 'CANCELED'))
            )
        );
        CREATE INDEX IF NOT EXISTS ix_firmware_update_due ON firmware_update (due_at) WHERE due_at IS NOT NULL;
        CREATE UNIQUE INDEX IF NOT EXISTS uq_firmware_update_open ON firmware_update (endpoint_id)
            WHERE finished_at IS NULL;
        CREATE INDEX IF NOT EXISTS ix_firmware_update_endpoint ON firmware_update (endpoint_id, id);
        CREATE INDEX IF NOT EXISTS ix_firmware_update_package ON firmware_update (package_id, finished_at);
        CREATE INDEX IF NOT EXISTS ix_firmware_update_state ON firmware_update (state, id);
        CREATE INDEX IF NOT EXISTS ix_firmware_update_finished ON firmware_update (finished_at)
            WHERE finished_at IS NOT NULL;
        CREATE TABLE IF NOT EXISTS campaign (
            id BIGINT NOT NULL PRIMARY KEY,
            server_id SMALLINT NOT NULL REFERENCES leshan_server (id) ON DELETE RESTRICT,
            name VARCHAR(255) NOT NULL,
            status VARCHAR(20) NOT NULL,
            reason TEXT,
            given_filter TEXT NOT NULL,
            criteria TEXT NOT NULL,
            continuous BOOL NOT NULL,
            package_id BIGINT REFERENCES firmware_package (id) ON DELETE RESTRICT,
            method VARCHAR(4),
            object_instance INT,
            operations TEXT,
            waves TEXT NOT NULL,
            wave_ends TEXT,
            wave SMALLINT NOT NULL,
            wave_accepted SMALLINT NOT NULL,
            starts_per_minute INT,
            max_running INT,
            abort_percent REAL,
            abort_min_ended INT,
            start_at BIGINT,
            end_at BIGINT,
            daily_window TEXT,
            retries SMALLINT NOT NULL,
            created_at BIGINT NOT NULL,
            created_by VARCHAR(255),
            started_at BIGINT,
            finished_at BIGINT,
            listed_up_to VARCHAR(255),
            listed_at BIGINT,
            retry_before BIGINT,
            next_start_at BIGINT,
            due_at BIGINT,
            waiting INT NOT NULL,
            running INT NOT NULL,
            succeeded INT NOT NULL,
            failed INT NOT NULL,
            canceled INT NOT NULL,
            skipped INT NOT NULL,
            CONSTRAINT uq_campaign_server_name UNIQUE (server_id, name),
            CONSTRAINT ck_campaign_status CHECK (status IN ('SCHEDULED', 'RUNNING', 'PAUSED', 'WAITING_FOR_APPROVAL',
                'ABORTED', 'COMPLETED', 'CANCELED')),
            CONSTRAINT ck_campaign_method CHECK (method IN ('PULL', 'PUSH')),
            CONSTRAINT ck_campaign_work CHECK ((package_id IS NULL) = (operations IS NOT NULL)),
            CONSTRAINT ck_campaign_counts CHECK (waiting >= 0 AND running >= 0 AND succeeded >= 0 AND failed >= 0
                AND canceled >= 0 AND skipped >= 0)
        );
        CREATE INDEX IF NOT EXISTS ix_campaign_due ON campaign (due_at) WHERE due_at IS NOT NULL;
        CREATE INDEX IF NOT EXISTS ix_campaign_status ON campaign (status, id);
        CREATE INDEX IF NOT EXISTS ix_campaign_package ON campaign (package_id) WHERE package_id IS NOT NULL;
        CREATE TABLE IF NOT EXISTS campaign_target (
            id BIGINT NOT NULL PRIMARY KEY,
            campaign_id BIGINT NOT NULL REFERENCES campaign (id) ON DELETE CASCADE,
            endpoint_id BIGINT NOT NULL REFERENCES endpoint (id) ON DELETE CASCADE,
            number INT NOT NULL,
            state VARCHAR(9) NOT NULL,
            attempts SMALLINT NOT NULL,
            work BIGINT,
            detail TEXT,
            changed_at BIGINT NOT NULL,
            due_at BIGINT,
            CONSTRAINT uq_campaign_target_endpoint UNIQUE (endpoint_id, campaign_id),
            CONSTRAINT uq_campaign_target_number UNIQUE (campaign_id, number),
            CONSTRAINT ck_campaign_target_state CHECK (state IN ('WAITING', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELED',
                'SKIPPED'))
        );
        CREATE INDEX IF NOT EXISTS ix_campaign_target_state ON campaign_target (campaign_id, state, number);
        CREATE INDEX IF NOT EXISTS ix_campaign_target_running ON campaign_target (endpoint_id) WHERE state = 'RUNNING';
        CREATE INDEX IF NOT EXISTS ix_campaign_target_due ON campaign_target (due_at) WHERE due_at IS NOT NULL;
        CREATE TABLE IF NOT EXISTS campaign_change (
            seq BIGINT NOT NULL PRIMARY KEY,
            campaign_id BIGINT NOT NULL REFERENCES campaign (id) ON DELETE CASCADE,
            target_id BIGINT,
            at BIGINT NOT NULL
        );
        CREATE INDEX IF NOT EXISTS ix_campaign_change_campaign ON campaign_change (campaign_id, seq);
        CREATE INDEX IF NOT EXISTS ix_operation_fleet ON operation (fleet_id, seq) WHERE fleet_id IS NOT NULL;
    """


async def downgrade(db: BaseDBAsyncClient) -> str:
    there = [(table, column) for table, column in COLUMNS.items() if await _present(db, table)]
    dropped = "\n".join(f"ALTER TABLE {table} DROP COLUMN {column};" for table, column in there)
    return """
        DROP INDEX IF EXISTS ix_operation_fleet;
        DROP TABLE IF EXISTS campaign_change;
        DROP TABLE IF EXISTS campaign_target;
        DROP TABLE IF EXISTS campaign;
        DROP TABLE IF EXISTS firmware_update;
        DROP TABLE IF EXISTS firmware_package;
    """ + dropped
