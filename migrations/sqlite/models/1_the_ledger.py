"""The first schema: the ledger's tables, with the constraints of their rows.

SQLite runs a script statement by statement outside of any transaction, so the next start may continue an interrupted
one: each statement has IF NOT EXISTS.
"""

from __future__ import annotations

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = False


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """
        CREATE TABLE IF NOT EXISTS aerich (
            id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
            version VARCHAR(255) NOT NULL,
            app VARCHAR(100) NOT NULL,
            content JSON NOT NULL
        );

        CREATE TABLE IF NOT EXISTS ledger_head (
            id SMALLINT NOT NULL PRIMARY KEY CHECK (id = 1),
            seq BIGINT NOT NULL,
            horizon BIGINT NOT NULL CHECK (horizon <= seq)
        );
        INSERT INTO ledger_head (id, seq, horizon) VALUES (1, 0, 0) ON CONFLICT DO NOTHING;

        CREATE TABLE IF NOT EXISTS leshan_server (
            id SMALLINT NOT NULL PRIMARY KEY,
            name VARCHAR(255) NOT NULL UNIQUE,
            swept_at BIGINT,
            breaker_opened_at BIGINT,
            breaker_reason TEXT,
            breaker_failures INT NOT NULL DEFAULT 0,
            breaker_endpoints TEXT,
            probe_at BIGINT,
            probe_backoff INT NOT NULL DEFAULT 0,
            bridge_holder VARCHAR(64),
            bridge_until BIGINT,
            queued BIGINT NOT NULL DEFAULT 0 CHECK (queued >= 0),
            sending BIGINT NOT NULL DEFAULT 0 CHECK (sending >= 0),
            confirmed BIGINT NOT NULL DEFAULT 0 CHECK (confirmed >= 0),
            failed BIGINT NOT NULL DEFAULT 0 CHECK (failed >= 0),
            canceled BIGINT NOT NULL DEFAULT 0 CHECK (canceled >= 0),
            expired BIGINT NOT NULL DEFAULT 0 CHECK (expired >= 0)
        );

        CREATE TABLE IF NOT EXISTS endpoint (
            id BIGINT NOT NULL PRIMARY KEY,
            server_id SMALLINT NOT NULL REFERENCES leshan_server (id) ON DELETE RESTRICT,
            name VARCHAR(255) NOT NULL,
            presence VARCHAR(8) NOT NULL CHECK (presence IN ('ONLINE', 'ASLEEP', 'OFFLINE')),
            told_presence VARCHAR(8) NOT NULL CHECK (told_presence IN ('ONLINE', 'ASLEEP', 'OFFLINE')),
            announce_at BIGINT,
            last_seen_at BIGINT,
            awake_until BIGINT,
            lifetime_ends_at BIGINT,
            awake_window_seconds INT CHECK (awake_window_seconds > 0),
            wake_seq BIGINT NOT NULL DEFAULT 0,
            listed_at BIGINT,
            lease_operation BIGINT,
            lease_token VARCHAR(36),
            lease_until BIGINT,
            lease_wake_seq BIGINT,
            call_open BOOL NOT NULL DEFAULT 0,
            ready_at BIGINT,
            held_wake_seq BIGINT,
            retry_at BIGINT,
            retries INT NOT NULL DEFAULT 0,
            not_before BIGINT,
            setbacks INT NOT NULL DEFAULT 0,
            down_since BIGINT,
            silent BOOL NOT NULL DEFAULT 0,
            queued INT NOT NULL DEFAULT 0 CHECK (queued >= 0),
            sending INT NOT NULL DEFAULT 0 CHECK (sending IN (0, 1)),
            confirmed INT NOT NULL DEFAULT 0 CHECK (confirmed >= 0),
            failed INT NOT NULL DEFAULT 0 CHECK (failed >= 0),
            canceled INT NOT NULL DEFAULT 0 CHECK (canceled >= 0),
            expired INT NOT NULL DEFAULT 0 CHECK (expired >= 0),
            registration_id VARCHAR(255),
            past_registrations TEXT,
            leshan_registered_at BIGINT,
            leshan_last_update BIGINT,
            registered_at BIGINT,
            last_update_at BIGINT,
            lifetime_seconds BIGINT,
            lwm2m_version VARCHAR(16),
            binding_mode VARCHAR(16),
            queue_mode BOOL,
            awake_millis BIGINT,
            address VARCHAR(255),
            object_links TEXT,
            CONSTRAINT uq_endpoint_server_name UNIQUE (server_id, name),
            CONSTRAINT ck_endpoint_lease CHECK (
                (lease_operation IS NULL) = (lease_until IS NULL)
                AND (lease_operation IS NULL) = (lease_token IS NULL)
                AND (lease_operation IS NULL) = (lease_wake_seq IS NULL)
                AND (lease_operation IS NULL) = (sending = 0)
                AND (lease_operation IS NOT NULL OR NOT call_open)
            ),
            CONSTRAINT ck_endpoint_offline CHECK (presence <> 'OFFLINE' OR awake_until IS NULL)
        );
        CREATE INDEX IF NOT EXISTS ix_endpoint_name ON endpoint (name);
        CREATE INDEX IF NOT EXISTS ix_endpoint_ready ON endpoint (server_id, silent, awake_until) WHERE ready_at IS NOT NULL;
        CREATE INDEX IF NOT EXISTS ix_endpoint_lease ON endpoint (server_id, lease_until) WHERE lease_operation IS NOT NULL;
        CREATE INDEX IF NOT EXISTS ix_endpoint_window ON endpoint (server_id, awake_until) WHERE presence = 'ONLINE';
        CREATE INDEX IF NOT EXISTS ix_endpoint_lifetime ON endpoint (server_id, lifetime_ends_at) WHERE presence <> 'OFFLINE';
        CREATE INDEX IF NOT EXISTS ix_endpoint_announce ON endpoint (server_id, announce_at) WHERE announce_at IS NOT NULL;
        CREATE INDEX IF NOT EXISTS ix_endpoint_presence ON endpoint (presence, name);

        CREATE TABLE IF NOT EXISTS operation (
            seq BIGINT NOT NULL PRIMARY KEY,
            id CHAR(36) NOT NULL UNIQUE,
            endpoint_id BIGINT NOT NULL REFERENCES endpoint (id) ON DELETE RESTRICT,
            kind VARCHAR(24) NOT NULL CHECK (kind IN ('READ', 'WRITE', 'EXECUTE', 'CREATE', 'DELETE', 'DISCOVER', 'OBSERVE',
                'CANCEL_OBSERVE', 'WRITE_ATTRIBUTES', 'READ_COMPOSITE', 'WRITE_COMPOSITE', 'OBSERVE_COMPOSITE',
                'CANCEL_OBSERVE_COMPOSITE')),
            path VARCHAR(32),
            paths TEXT NOT NULL,
            value_type VARCHAR(16),
            value TEXT,
            composite TEXT,
            replace BOOL NOT NULL,
            arguments TEXT,
            attributes TEXT,
            format VARCHAR(12),
            priority SMALLINT NOT NULL CHECK (priority BETWEEN -100 AND 100),
            max_attempts SMALLINT NOT NULL CHECK (max_attempts BETWEEN 1 AND 100),
            repeatable BOOL NOT NULL,
            validated BOOL NOT NULL,
            timeout_seconds SMALLINT NOT NULL CHECK (timeout_seconds BETWEEN 1 AND 600),
            created_at BIGINT NOT NULL,
            created_by VARCHAR(255),
            expires_at BIGINT,
            idempotency_key VARCHAR(255),
            fingerprint VARCHAR(64),
            retry_of BIGINT,
            status VARCHAR(9) NOT NULL
                CHECK (status IN ('QUEUED', 'SENDING', 'CONFIRMED', 'FAILED', 'CANCELED', 'EXPIRED')),
            version INT NOT NULL CHECK (version >= 1),
            last_seq BIGINT NOT NULL,
            attempt INT NOT NULL DEFAULT 0,
            attempts SMALLINT NOT NULL DEFAULT 0,
            delivery VARCHAR(16) NOT NULL CHECK (delivery IN ('NOT_SENT', 'MAY_HAVE_REACHED', 'ANSWERED')),
            last_attempt_at BIGINT,
            finished_at BIGINT,
            reason VARCHAR(20),
            detail TEXT,
            device_status VARCHAR(64),
            answer TEXT,
            request_id VARCHAR(64),
            superseded BOOL NOT NULL DEFAULT 0,
            CONSTRAINT ck_operation_finished CHECK ((finished_at IS NULL) = (status IN ('QUEUED', 'SENDING'))),
            CONSTRAINT ck_operation_attempts CHECK (attempts BETWEEN 0 AND max_attempts AND attempt >= attempts)
        );
        CREATE UNIQUE INDEX IF NOT EXISTS uq_operation_sending ON operation (endpoint_id) WHERE status = 'SENDING';
        CREATE UNIQUE INDEX IF NOT EXISTS uq_operation_idempotency ON operation (endpoint_id, idempotency_key)
            WHERE idempotency_key IS NOT NULL;
        CREATE INDEX IF NOT EXISTS ix_operation_queue ON operation (endpoint_id, priority DESC, seq) WHERE status = 'QUEUED';
        CREATE INDEX IF NOT EXISTS ix_operation_expires ON operation (expires_at)
            WHERE status = 'QUEUED' AND expires_at IS NOT NULL;
        CREATE INDEX IF NOT EXISTS ix_operation_finished ON operation (finished_at) WHERE finished_at IS NOT NULL;
        CREATE INDEX IF NOT EXISTS ix_operation_request ON operation (request_id) WHERE request_id IS NOT NULL;
        CREATE INDEX IF NOT EXISTS ix_operation_retry ON operation (retry_of) WHERE retry_of IS NOT NULL;
        CREATE INDEX IF NOT EXISTS ix_operation_endpoint ON operation (endpoint_id, seq);
        CREATE INDEX IF NOT EXISTS ix_operation_endpoint_status ON operation (endpoint_id, status, seq);
        CREATE INDEX IF NOT EXISTS ix_operation_status ON operation (status, seq);
        CREATE INDEX IF NOT EXISTS ix_operation_kind ON operation (kind, seq);
        CREATE INDEX IF NOT EXISTS ix_operation_path ON operation (path, seq);
        CREATE INDEX IF NOT EXISTS ix_operation_created ON operation (created_at);

        CREATE TABLE IF NOT EXISTS transition (
            seq BIGINT NOT NULL PRIMARY KEY,
            operation_id BIGINT NOT NULL REFERENCES operation (seq) ON DELETE CASCADE,
            number INT NOT NULL CHECK (number >= 1),
            from_status VARCHAR(9),
            to_status VARCHAR(9) NOT NULL,
            attempt INT NOT NULL,
            reason VARCHAR(20),
            detail TEXT,
            at BIGINT NOT NULL,
            CONSTRAINT uq_transition_operation_number UNIQUE (operation_id, number),
            CONSTRAINT ck_transition_move CHECK (
                (number = 1) = (from_status IS NULL)
                AND (
                    (from_status IS NULL AND to_status = 'QUEUED')
                    OR (from_status = 'QUEUED' AND to_status IN ('SENDING', 'CANCELED', 'EXPIRED'))
                    OR (from_status = 'SENDING' AND to_status IN ('SENDING', 'CONFIRMED', 'FAILED', 'QUEUED'))
                )
            )
        );

        CREATE TABLE IF NOT EXISTS presence_change (
            seq BIGINT NOT NULL PRIMARY KEY,
            endpoint_id BIGINT NOT NULL REFERENCES endpoint (id) ON DELETE CASCADE,
            presence VARCHAR(8) NOT NULL,
            at BIGINT NOT NULL
        );
        CREATE INDEX IF NOT EXISTS ix_presence_change_endpoint ON presence_change (endpoint_id, seq);

        CREATE TABLE IF NOT EXISTS resource_state (
            id BIGINT NOT NULL PRIMARY KEY,
            endpoint_id BIGINT NOT NULL REFERENCES endpoint (id) ON DELETE CASCADE,
            path VARCHAR(32) NOT NULL,
            type VARCHAR(16) NOT NULL,
            value TEXT NOT NULL,
            at BIGINT NOT NULL,
            CONSTRAINT uq_resource_state_endpoint_path UNIQUE (endpoint_id, path)
        );

        CREATE TABLE IF NOT EXISTS resource_change (
            seq BIGINT NOT NULL PRIMARY KEY,
            endpoint_id BIGINT NOT NULL REFERENCES endpoint (id) ON DELETE CASCADE,
            path VARCHAR(32) NOT NULL,
            type VARCHAR(16) NOT NULL,
            value TEXT NOT NULL,
            at BIGINT NOT NULL
        );
        CREATE INDEX IF NOT EXISTS ix_resource_change_endpoint ON resource_change (endpoint_id, seq);

        CREATE TABLE IF NOT EXISTS object_model (
            id VARCHAR(64) NOT NULL PRIMARY KEY,
            server_id SMALLINT NOT NULL REFERENCES leshan_server (id) ON DELETE RESTRICT,
            object_id INT NOT NULL,
            version VARCHAR(16) NOT NULL,
            model TEXT NOT NULL,
            stored_at BIGINT NOT NULL,
            CONSTRAINT uq_object_model_version UNIQUE (server_id, object_id, version)
        );

        CREATE TABLE IF NOT EXISTS webhook_delivery (
            id VARCHAR(255) NOT NULL PRIMARY KEY,
            at BIGINT NOT NULL
        );
        CREATE INDEX IF NOT EXISTS ix_webhook_delivery_at ON webhook_delivery (at);

        CREATE TABLE IF NOT EXISTS early_response (
            request_id VARCHAR(64) NOT NULL PRIMARY KEY,
            endpoint VARCHAR(255) NOT NULL,
            outcome TEXT NOT NULL,
            at BIGINT NOT NULL
        );
        CREATE INDEX IF NOT EXISTS ix_early_response_at ON early_response (at);
    """


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        DROP TABLE IF EXISTS early_response;
        DROP TABLE IF EXISTS webhook_delivery;
        DROP TABLE IF EXISTS object_model;
        DROP TABLE IF EXISTS resource_change;
        DROP TABLE IF EXISTS resource_state;
        DROP TABLE IF EXISTS presence_change;
        DROP TABLE IF EXISTS transition;
        DROP TABLE IF EXISTS operation;
        DROP TABLE IF EXISTS endpoint;
        DROP TABLE IF EXISTS leshan_server;
        DROP TABLE IF EXISTS ledger_head;
    """
