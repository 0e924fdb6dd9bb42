"""Databases of PostgreSQL that are used by one test after another: each is emptied, until a test changes its form.

To create and drop a database takes 30 ms of CPU, to empty one a tenth. Nothing of a test remains: sessions are ended,
all rows are deleted, and the rows and sequences of the template are restored. A database with other tables, columns,
constraints, functions, statistics or settings than the template is dropped instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

import asyncpg

from app.models.ledger.postgres_store import LEDGER_PLANS
from app.models.queries.access import Reader

END_SESSIONS: Final = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
FORM: Final = """
    SELECT (SELECT md5(string_agg(concat_ws(' ', oid, relname, relacl, reloptions), ';' ORDER BY oid))
            FROM pg_class WHERE oid >= 16384) AS tables,
        (SELECT md5(string_agg(concat_ws(' ', attrelid, attname, atttypid, attnotnull), ';' ORDER BY attrelid, attnum))
            FROM pg_attribute WHERE attrelid >= 16384) AS columns,
        (SELECT md5(string_agg(concat_ws(' ', oid, conname, convalidated), ';' ORDER BY oid))
            FROM pg_constraint WHERE oid >= 16384) AS constraints,
        (SELECT count(*) FROM pg_trigger) AS triggers,
        (SELECT count(*) FROM pg_proc) AS functions,
        (SELECT count(*) FROM pg_statistic WHERE starelid >= 16384) AS statistics,
        (SELECT count(*) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
            WHERE d.datname = current_database()) AS settings,
        (SELECT array_agg(version ORDER BY version) FROM aerich) AS revisions
"""
SEQUENCES: Final = "SELECT quote_ident(sequencename) AS name, last_value FROM pg_sequences ORDER BY 1"
WRITTEN: Final = """
    SELECT quote_ident(relname) AS name, pg_relation_size(oid) AS bytes FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'aerich' AND pg_relation_size(oid) > 0
"""
TRUNCATED: Final = 256 << 10
"""Bytes from which a table is truncated. TRUNCATE takes 10 ms for new files, and ends all plans of the kept session; to
delete some rows takes a tenth of one, but leaves their space."""


_BY_URL: Final[dict[str, KeptDatabase]] = {}


def reader_of(database_url: str) -> str | Reader:
    """Return the open session of a kept database, which has read the catalog and prepared the statements of the
    invariants; of another database its address."""
    return _BY_URL.get(database_url, database_url)


@dataclass
class KeptDatabase:
    """A database and the session that empties it, which a test may also read by."""

    postgres: ClassVar[bool] = True

    name: str
    url: str
    session: asyncpg.Connection[asyncpg.Record]
    _form: dict[str, Any] = field(default_factory=dict)
    _sequences: dict[str, int | None] = field(default_factory=dict)
    _rows: dict[str, str] = field(default_factory=dict)

    async def open(self) -> None:
        """Read the state to which :meth:`empty` returns."""
        _BY_URL[self.url] = self
        for name, value in LEDGER_PLANS.items():  # the invariants' statements are planned once, not for each test
            await self.session.execute(f"SET {name} = {value}")
        self._form = await self._read_form()
        self._sequences = await self._read_sequences()
        for table, _ in await self._written():
            self._rows[table] = await self.session.fetchval(f"SELECT jsonb_agg(t)::text FROM {table} t")  # noqa: S608

    async def empty(self) -> bool:
        """Restore the state of the template. Return whether the database can be used again."""
        try:
            await self.session.execute(END_SESSIONS)
            if await self._read_form() != self._form:
                return False
            await self.session.execute("SET lock_timeout = '5s'")
            async with self.session.transaction():
                await self._restore()
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
            return False
        return True

    async def close(self) -> None:
        """End the session."""
        _BY_URL.pop(self.url, None)
        self.session.terminate()

    async def execute_query(self, sql: str, values: Sequence[Any] = ()) -> Sequence[Any]:
        """Return the rows of a statement."""
        return list(await self.session.fetch(sql, *values))

    def is_unavailable(self, error: Exception) -> bool:
        """Return whether the session ended."""
        return isinstance(error, OSError | asyncpg.InterfaceError)

    async def _restore(self) -> None:
        written = await self._written()
        if large := [table for table, size in written if size >= TRUNCATED]:
            await self.session.execute(f"TRUNCATE {', '.join(large)} CASCADE")
        deletes = [f"DELETE FROM {table}" for table, size in written if size < TRUNCATED]  # noqa: S608
        await self.session.execute("; ".join(["SET LOCAL session_replication_role = replica", *deletes]))  # no triggers
        for table, rows in self._rows.items():
            if rows:
                insert = f"INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM"
                await self.session.execute(f"{insert} jsonb_populate_recordset(NULL::{table}, $1::jsonb)", rows)
        for name, value in (await self._read_sequences()).items():
            if value != self._sequences[name]:
                last = self._sequences[name]
                await self.session.execute("SELECT setval($1, $2, $3)", name, last or 1, last is not None)

    async def _read_form(self) -> dict[str, Any]:
        return dict(await self.session.fetchrow(FORM) or {})

    async def _read_sequences(self) -> dict[str, int | None]:
        return {row["name"]: row["last_value"] for row in await self.session.fetch(SEQUENCES)}

    async def _written(self) -> list[tuple[str, int]]:
        """Return the tables with pages, and their size in bytes."""
        return [(row["name"], row["bytes"]) for row in await self.session.fetch(WRITTEN)]
