"""Tags, contacts and deletion of endpoints: see the PostgreSQL revision of this number.

SQLite cannot drop a constraint, so the table of endpoints is created again, from its own declaration, within a transaction
of the script. Only columns that an interrupted start did not add are added.
"""

from __future__ import annotations

from tortoise import BaseDBAsyncClient

from app.models.endpoint_index import FILL_OBJECTS, READ_OBJECTS, fill_rows

RUN_IN_TRANSACTION = False

COLUMNS = {
    "overdue_check_at": "BIGINT",
    "overdue": "BOOL NOT NULL DEFAULT 0",
    "seen_hour": "INT",
    "first_seen_at": "BIGINT",
    "contacts": "TEXT",
    "tags": "TEXT",
    "deleted_at": "BIGINT",
    "deleted_seq": "BIGINT",
}
UNIQUE = "CONSTRAINT uq_endpoint_server_name UNIQUE (server_id, name)"
LEASE = "CONSTRAINT ck_endpoint_lease"


async def _present(db: BaseDBAsyncClient) -> set[str]:
    return {row["name"] for row in await db.execute_query_dict("PRAGMA table_info(endpoint)")}


async def _recreated(db: BaseDBAsyncClient, replaced: str, replacement: str) -> str:
    """Return the script that creates the table of endpoints again with a changed declaration; nothing if the declaration
    does not contain ``replaced``."""
    declared = await db.execute_query_dict(
        "SELECT type, sql FROM sqlite_master WHERE tbl_name = 'endpoint' AND sql IS NOT NULL ORDER BY type DESC"
    )
    table = declared[0]["sql"]
    if replaced not in table:
        return ""
    made = table.replace(replaced, replacement)
    columns = made[made.index("(") :]
    names = ", ".join(row["name"] for row in await db.execute_query_dict("PRAGMA table_info(endpoint)"))
    indexes = "".join(f"{row['sql']};\n" for row in declared[1:])
    return f"""
        PRAGMA foreign_keys = OFF;
        BEGIN IMMEDIATE;
        CREATE TABLE endpoint_recreated {columns};
        INSERT INTO endpoint_recreated ({names}) SELECT {names} FROM endpoint;
        DROP TABLE endpoint;
        ALTER TABLE endpoint_recreated RENAME TO endpoint;
        {indexes}
        COMMIT;
        PRAGMA foreign_keys = ON;
    """


async def upgrade(db: BaseDBAsyncClient) -> str:
    there = await _present(db)
    missing = {name: kind for name, kind in COLUMNS.items() if name not in there}
    added = "\n".join(f"ALTER TABLE endpoint ADD COLUMN {name} {kind};" for name, kind in missing.items())
    await db.execute_script(added + """
        UPDATE endpoint SET
            first_seen_at = CASE WHEN registered_at < last_seen_at THEN registered_at ELSE last_seen_at END,
            seen_hour = last_seen_at / 3600000000, overdue_check_at = lifetime_ends_at
            WHERE last_seen_at IS NOT NULL AND first_seen_at IS NULL;
    """)
    await db.execute_script(await _recreated(db, f"{UNIQUE},", ""))
    await db.execute_script("""
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
            tag VARCHAR(100) NOT NULL,
            overdue BOOL NOT NULL,
            name VARCHAR(255) NOT NULL,
            PRIMARY KEY (endpoint_id, tag)
        );
        CREATE INDEX IF NOT EXISTS ix_endpoint_tag_name ON endpoint_tag (tag, overdue, name);

        CREATE TABLE IF NOT EXISTS endpoint_object (
            endpoint_id BIGINT NOT NULL REFERENCES endpoint (id) ON DELETE CASCADE,
            object_id INT NOT NULL,
            name VARCHAR(255) NOT NULL,
            PRIMARY KEY (endpoint_id, object_id)
        );
        CREATE INDEX IF NOT EXISTS ix_endpoint_object_name ON endpoint_object (object_id, name);
    """)
    after = 0
    while read := await db.execute_query_dict(READ_OBJECTS.replace("$1", "?"), [after]):
        if rows := fill_rows(read):
            await db.execute_many(FILL_OBJECTS.replace("$1, $2, $3", "?, ?, ?"), rows)
        after = read[-1]["id"]
    return ""


async def downgrade(db: BaseDBAsyncClient) -> str:
    there = await _present(db)
    if "deleted_at" in there:
        gone = "(SELECT coalesce(sum(e.{0}), 0) FROM endpoint e WHERE e.server_id = leshan_server.id AND e.deleted_at > 0)"
        counted = ", ".join(
            f"{status} = {status} - {gone.format(status)}"
            for status in ("queued", "confirmed", "failed", "canceled", "expired")
        )
        await db.execute_script(f"""
            UPDATE leshan_server SET {counted};
            DELETE FROM operation WHERE endpoint_id IN (SELECT id FROM endpoint WHERE deleted_at IS NOT NULL);
            DELETE FROM endpoint WHERE deleted_at IS NOT NULL;
        """)
    dropped = "\n".join(f"ALTER TABLE endpoint DROP COLUMN {name};" for name in COLUMNS if name in there)
    await db.execute_script(f"""
        DROP TABLE IF EXISTS endpoint_object;
        DROP TABLE IF EXISTS endpoint_tag;
        DROP INDEX IF EXISTS uq_endpoint_name;
        DROP INDEX IF EXISTS ix_endpoint_overdue;
        DROP INDEX IF EXISTS ix_endpoint_overdue_check;
        DROP INDEX IF EXISTS ix_endpoint_seen;
        DROP INDEX IF EXISTS ix_endpoint_pending;
        DROP INDEX IF EXISTS ix_endpoint_deleted;
        DROP INDEX IF EXISTS ix_endpoint_tombstone;
        DROP INDEX IF EXISTS ix_endpoint_deleting;
        {dropped}
    """)
    declared = await db.execute_query_dict("SELECT sql FROM sqlite_master WHERE name = 'endpoint'")
    if UNIQUE in declared[0]["sql"]:
        return ""
    return await _recreated(db, LEASE, f"{UNIQUE},\n            {LEASE}")
