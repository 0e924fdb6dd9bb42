"""Readings with their history, in partitions by the day of the commit, and their hourly aggregates.

The rows of ``resource_change`` become readings: all of them in one partition, which ends with the day before the
migration. Where a value came from, and whose clock gave its time, was not stored: they count as notifications, timed by
the server. ``seq`` remains, so cursors of ``resourceChanges`` remain valid.

``resource_change`` remains as a view for processes of the previous version, which may run beside new ones during an
upgrade: they read it and insert into it.

A series of a plot is read from the index alone: the rows of one endpoint lie on a page each.

Every value updates its row of ``resource_state``, and no index of it: with room left in each page the new row is
written there (HOT), in half the time.
"""

from __future__ import annotations

import time
from datetime import timedelta

from tortoise import BaseDBAsyncClient

from app.models.dialect import POSTGRES_NOW
from app.models.ledger.reading_partitions import DAYS_AHEAD, create_statements, day_of, start_of

RUN_IN_TRANSACTION = True


def number_of(type_: str, value: str) -> str:
    """Return the expression for a reading's ``number``: a value that is not one number has none."""
    return f"""CASE
                    WHEN {type_} IN ('FLOAT', 'INTEGER', 'UNSIGNED_INTEGER')
                        AND {value} ~ '^"?-?[0-9]+([.][0-9]+)?([eE][+-]?[0-9]+)?"?$'
                        AND abs(trim('"' FROM {value})::numeric) <= 1e300 THEN trim('"' FROM {value})::numeric::float8
                    WHEN {type_} = 'BOOLEAN' THEN CASE {value} WHEN 'true' THEN 1 WHEN 'false' THEN 0 END
                    WHEN {type_} = 'TIME' AND {value} LIKE '"%'
                        THEN extract(epoch FROM trim('"' FROM {value})::timestamptz) END"""


async def upgrade(db: BaseDBAsyncClient) -> str:
    today = day_of(time.time_ns() // 1000)
    before = create_statements(today - timedelta(days=1), "MINVALUE")
    days = [today + timedelta(days=number) for number in range(DAYS_AHEAD + 1)]
    partitions = " ".join([before, *(create_statements(day, str(start_of(day))) for day in days)])
    return f"""
        ALTER TABLE ledger_head
            ADD COLUMN reading_horizon BIGINT NOT NULL DEFAULT 0,
            ADD COLUMN aggregated BIGINT NOT NULL DEFAULT 0,
            ADD CONSTRAINT ck_ledger_head_readings CHECK (reading_horizon <= seq AND aggregated <= seq);
        UPDATE ledger_head SET reading_horizon = horizon;
        ALTER TABLE resource_state
            ADD COLUMN received_at BIGINT,
            ADD COLUMN seq BIGINT,
            ADD COLUMN report BIGINT,
            ADD COLUMN origin SMALLINT NOT NULL DEFAULT 0 CHECK (origin BETWEEN 0 AND 4),
            ADD COLUMN time_source SMALLINT NOT NULL DEFAULT 1 CHECK (time_source BETWEEN 0 AND 1),
            SET (fillfactor = 50);
        CREATE INDEX ix_resource_state_path ON resource_state (path, endpoint_id);
        CREATE TABLE reading (
            seq BIGINT NOT NULL,
            endpoint_id BIGINT NOT NULL,
            at BIGINT NOT NULL,
            received_at BIGINT NOT NULL,
            stored_at BIGINT NOT NULL,
            report BIGINT NOT NULL,
            number DOUBLE PRECISION,
            origin SMALLINT NOT NULL CHECK (origin BETWEEN 0 AND 4),
            time_source SMALLINT NOT NULL CHECK (time_source BETWEEN 0 AND 1),
            path VARCHAR(32) COLLATE "C" NOT NULL,
            type VARCHAR(16) NOT NULL,
            value TEXT NOT NULL
        ) PARTITION BY RANGE (stored_at);
        CREATE INDEX ix_reading_seq ON reading (seq);
        CREATE INDEX ix_reading_path ON reading (endpoint_id, path, at, seq) INCLUDE (number, stored_at);
        {partitions}
        INSERT INTO reading
            SELECT seq, endpoint_id, at, at, greatest({start_of(today) - 1}, least(at, {POSTGRES_NOW})), seq,
                {number_of('type', 'value')},
                0, 1, path, type, value
            FROM resource_change;
        DROP TABLE resource_change;
        CREATE VIEW resource_change AS SELECT seq, endpoint_id, path, type, value, at FROM reading;
        CREATE FUNCTION resource_change_insert() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            INSERT INTO reading VALUES (NEW.seq, NEW.endpoint_id, NEW.at, NEW.at, {POSTGRES_NOW}, NEW.seq,
                {number_of('NEW.type', 'NEW.value')},
                0, 1, NEW.path, NEW.type, NEW.value);
            RETURN NEW;
        END $$;
        CREATE FUNCTION resource_change_delete() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
        CREATE TRIGGER resource_change_insert INSTEAD OF INSERT ON resource_change
            FOR EACH ROW EXECUTE FUNCTION resource_change_insert();
        CREATE TRIGGER resource_change_delete INSTEAD OF DELETE ON resource_change
            FOR EACH ROW EXECUTE FUNCTION resource_change_delete();
        CREATE TABLE reading_hour (
            endpoint_id BIGINT NOT NULL,
            path VARCHAR(32) COLLATE "C" NOT NULL,
            hour BIGINT NOT NULL,
            count BIGINT NOT NULL CHECK (count > 0),
            numbers BIGINT NOT NULL CHECK (numbers BETWEEN 0 AND count),
            low DOUBLE PRECISION,
            high DOUBLE PRECISION,
            total DOUBLE PRECISION,
            last_at BIGINT NOT NULL,
            last_value TEXT NOT NULL,
            PRIMARY KEY (endpoint_id, path, hour)
        );
        CREATE INDEX ix_reading_hour_hour ON reading_hour (hour);
    """


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        DROP VIEW resource_change;
        DROP FUNCTION resource_change_insert, resource_change_delete;
        CREATE TABLE resource_change (
            seq BIGINT NOT NULL PRIMARY KEY,
            endpoint_id BIGINT NOT NULL REFERENCES endpoint (id) ON DELETE CASCADE,
            path VARCHAR(32) COLLATE "C" NOT NULL,
            type VARCHAR(16) NOT NULL,
            value TEXT NOT NULL,
            at BIGINT NOT NULL
        );
        CREATE INDEX ix_resource_change_endpoint ON resource_change (endpoint_id, seq);
        INSERT INTO resource_change SELECT seq, endpoint_id, path, type, value, at FROM reading
            WHERE endpoint_id IN (SELECT id FROM endpoint);
        UPDATE ledger_head SET horizon = greatest(horizon, reading_horizon);
        DROP TABLE reading_hour;
        DROP TABLE reading;
        DROP INDEX ix_resource_state_path;
        ALTER TABLE resource_state DROP COLUMN received_at, DROP COLUMN seq, DROP COLUMN report, DROP COLUMN origin, DROP COLUMN time_source,
            RESET (fillfactor);
        ALTER TABLE ledger_head
            DROP CONSTRAINT ck_ledger_head_readings, DROP COLUMN reading_horizon, DROP COLUMN aggregated;
    """
