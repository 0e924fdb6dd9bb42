"""The ledger's own connection: one writer, one transaction at a time, on PostgreSQL or SQLite.

It is separate from the ORM's connections on purpose (``docs/decisions/0002-ledger-connection.md``): a client's
cancellation must not reach a transaction of the ledger, which needs its own timeouts, and distinguishes "refused" from
"it is unknown whether it was committed". SQL is written once (:mod:`app.models.dialect`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from app.domain.enums import Instant

STATEMENT_SECONDS: Final = 5.0
LONG_STATEMENT_SECONDS: Final = 11.0
"""How long the ledger waits for PostgreSQL's response to a statement, COMMIT and ROLLBACK included. The long limit is
for commands that declare it; PostgreSQL's own timeout comes before it. Then the connection is discarded: PostgreSQL may
be frozen, or a proxy may acknowledge and drop everything."""


class StoreUnavailable(ConnectionError):
    """The database cannot be reached, or the connection broke. The open transaction was rolled back, or its result is
    unknown."""


class StoreRefused(RuntimeError):
    """The database refused a statement (a CHECK, a unique index): one command of the group is bad."""


class UnsafeDatabase(RuntimeError):
    """The database would acknowledge commits that a power cut can undo (``fsync`` or ``synchronous_commit`` is off)."""


Row = Any
"""A row that supports ``row["column"]``."""


class Write(NamedTuple):
    """A statement that writes rows, ``each`` by itself; ``at_once`` takes the columns of many as arrays."""

    each: str
    at_once: str


Writing: TypeAlias = tuple[Write, Sequence[Sequence[Any]]]
"""A statement, and the rows that it writes."""


class Store(Protocol):
    """One connection that writes. Not safe for concurrent use: the ledger's only task owns it.

    ``clock`` is the database's time in microseconds, as an expression of its SQL.
    """

    postgres: bool
    clock: str

    async def open(self) -> None: ...
    async def close(self) -> None: ...
    async def begin(self, seconds: float = STATEMENT_SECONDS) -> None:
        """Begin a transaction in which no statement is awaited for more than ``seconds``."""

    async def commit(self) -> None: ...
    async def rollback(self) -> None: ...
    async def fetch(self, sql: str, *values: Any) -> Sequence[Row]: ...
    async def execute(self, sql: str, *values: Any) -> None: ...
    async def execute_many(self, sql: str, rows: Sequence[Sequence[Any]], at_once: str | None = None) -> None: ...
    async def execute_together(self, writings: Iterable[Writing]) -> None: ...
    async def insert_readings(
        self, write: Write, columns: Sequence[str], rows: Sequence[Sequence[Any]], now: Instant
    ) -> None:
        """Insert readings that are stored at ``now``; ``write`` is the statement that inserts one."""

    async def drop_readings(self, edge: Instant, aggregated: int) -> int | None:
        """Delete some of the readings that were stored before ``edge`` and whose ``seq`` is at most ``aggregated``,
        oldest first; return the greatest ``seq`` that is gone, or None if there were none."""
