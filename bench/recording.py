"""Record the SQL sent to the database by readers (through Tortoise's connections) and by the ledger (on its own)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from app.models.ledger.postgres_store import PostgresStore
from app.models.ledger.sqlite_store import SqliteStore
from app.models.queries.access import reader

Statements = list[tuple[str, list[Any]]]
"""Statements with their values, in order."""


@contextmanager
def reads() -> Iterator[Statements]:
    """Record the statements of readers in this process as long as the block lasts."""
    statements: Statements = []
    connection = type(reader())
    execute = connection.execute_query

    async def recorded(self: Any, sql: str, values: Any = None) -> Any:
        statements.append((sql, list(values or ())))
        return await execute(self, sql, values)

    with patch.object(connection, "execute_query", recorded):
        yield statements


@contextmanager
def ledger_reads(*, postgres: bool) -> Iterator[Statements]:
    """Record the reads of ledgers in this process as long as the block lasts."""
    statements: Statements = []
    store = PostgresStore if postgres else SqliteStore
    fetch = store.fetch

    async def recorded(self: Any, sql: str, *values: Any) -> Any:
        statements.append((sql, list(values)))
        return await fetch(self, sql, *values)

    with patch.object(store, "fetch", recorded):
        yield statements
