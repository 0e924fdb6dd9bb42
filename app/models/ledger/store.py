"""The ledger's own connection: one writer, one transaction at a time, on PostgreSQL or SQLite.

It stands beside the ORM's connections on purpose (``docs/decisions/0002-ledger-connection.md``): a transaction of the
ledger must not be reachable by a client's cancellation, needs its own time-outs, and tells the difference between
"refused" and "nobody knows whether it was committed". SQL is written once, with ``$1`` placeholders.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

STATEMENT_SECONDS: Final = 5.0
LONG_STATEMENT_SECONDS: Final = 11.0
"""How long the ledger waits for PostgreSQL's answer to a statement, COMMIT and ROLLBACK included. The long limit is for
members that say so; PostgreSQL's own time-out comes before it. Then the connection is discarded: PostgreSQL may be
frozen, or a proxy may acknowledge and drop everything."""

PLACEHOLDER: Final = re.compile(r"\$(\d+)")


class StoreUnavailable(ConnectionError):
    """The database cannot be reached, or the connection broke. What was in flight was rolled back, or nobody knows."""


class StoreRefused(RuntimeError):
    """The database refused a statement (a CHECK, a unique index): one member of the group is bad."""


class UnsafeDatabase(RuntimeError):
    """The database would acknowledge what a power cut can take back (``fsync`` or ``synchronous_commit`` is off)."""


Row = Any
"""A row that answers ``row["column"]``."""


class Write(NamedTuple):
    """A statement that writes rows, ``each`` by itself; ``at_once`` takes the columns of many as arrays."""

    each: str
    at_once: str


Writing: TypeAlias = tuple[Write, Sequence[Sequence[Any]]]
"""A statement, and the rows that it is to write."""


class Store(Protocol):
    """One connection that writes. Not safe for concurrent use: the ledger's one task owns it.

    ``clock`` is the database's time in microseconds, as an expression of its SQL.
    """

    postgres: bool
    clock: str

    async def open(self) -> None: ...
    async def close(self) -> None: ...
    async def begin(self, seconds: float = STATEMENT_SECONDS) -> None:
        """Begin a transaction of which no statement is waited for longer than this."""

    async def commit(self) -> None: ...
    async def rollback(self) -> None: ...
    async def fetch(self, sql: str, *values: Any) -> Sequence[Row]: ...
    async def execute(self, sql: str, *values: Any) -> None: ...
    async def execute_many(self, sql: str, rows: Sequence[Sequence[Any]], at_once: str | None = None) -> None: ...
    async def execute_together(self, writings: Iterable[Writing]) -> None: ...
    def among(self, column: str, placeholder: str, type_: str) -> str: ...
    def array(self, values: Iterable[Any]) -> Any: ...


@functools.lru_cache(maxsize=512)
def numbered(sql: str) -> str:
    """``$1`` is PostgreSQL's; SQLite counts with ``?1``."""
    return PLACEHOLDER.sub(r"?\1", sql)
