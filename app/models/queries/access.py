"""Database access of all readers: execute a statement with its values, return its rows."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import asyncpg
from tortoise.connection import get_connection
from tortoise.exceptions import OperationalError

from app.models.dialect import for_sqlite
from app.models.queries.views import Row

MAX_SEQ: Final = 2**63 - 1


class Lane(StrEnum):
    """The connections of one kind of reading, so that a slow kind does not delay the others. The values are Tortoise's
    aliases."""

    SMALL = "default"
    SEARCH = "search"
    """Counts, and filtered lists: statements that may scan every row."""
    HEALTH = "health"


_lane: Final[ContextVar[Lane]] = ContextVar("lane", default=Lane.SMALL)


@contextlib.contextmanager
def reading_through(lane: Lane) -> Iterator[None]:
    """Fetch through the connections of this lane within the block."""
    token = _lane.set(lane)
    try:
        yield
    finally:
        _lane.reset(token)


class ReadUnavailable(RuntimeError):
    """The database cannot be reached, or did not respond in time. A later retry may succeed."""


_UNREACHABLE: Final = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # "cannot switch to state ..": a session that was ended during an exchange
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientResourcesError,
)
_SQLITE_CODES: Final = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_INTERRUPT,
}


@dataclass(slots=True)
class Statement:
    """SQL with ``$1`` placeholders and the values for them, extended together."""

    sql: str
    values: list[Any]

    def add(self, value: Any) -> str:
        """Add a value; return its placeholder."""
        self.values.append(value)
        return f"${len(self.values)}"


async def fetch(sql: str, values: Iterable[Any] = ()) -> Sequence[Row]:
    """Return the rows of a statement. If the caller is canceled, the statement is canceled in the database, too.

    Raises:
        ReadUnavailable: the database cannot be reached, or the statement exceeded its timeout.
    """
    with reading_errors():
        connection = get_connection(_lane.get())
        text = sql if on_postgres() else for_sqlite(sql)
        _, rows = await connection.execute_query(text, list(values))
    return rows  # type: ignore[return-value]  # Tortoise says dict; the rows of both drivers are sequences, too


@contextlib.contextmanager
def reading_errors() -> Iterator[None]:
    """Raise ReadUnavailable if the database failed and not the statement, also for Tortoise's own statements."""
    try:
        yield
    except Exception as error:
        if _unavailable(error):
            raise ReadUnavailable(str(error) or type(error).__name__) from error
        raise


def _unavailable(error: BaseException) -> bool:
    """Return whether the database failed and not the statement. Tortoise wraps some of the drivers' errors: asyncpg's
    as the cause, those of SQLite as the context only."""
    if isinstance(error, OperationalError):
        error = error.__cause__ or error.__context__ or error
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in _SQLITE_CODES
    return isinstance(error, _UNREACHABLE)


def on_postgres() -> bool:
    """Return whether the default connection is PostgreSQL's."""
    return bool(get_connection("default").capabilities.dialect == "postgres")
