"""Database access of all readers: execute a statement with its values, return its rows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Protocol

from app.models.dialect import for_sqlite
from app.models.queries.views import Row

MAX_SEQ: Final = 2**63 - 1


class Lane(StrEnum):
    """The connections of one kind of reading, so that a slow kind does not delay the others."""

    SMALL = "small"
    SEARCH = "search"
    """Counts, and filtered lists: statements that may scan every row."""
    HEALTH = "health"


class Reader(Protocol):
    """Connections to one database that read."""

    @property
    def postgres(self) -> bool:
        """Whether the database is PostgreSQL, not SQLite."""

    async def open(self) -> None:
        """Connect, if a connection is needed before the first statement."""

    async def close(self) -> None:
        """Close all connections."""

    async def execute_query(self, sql: str, values: Sequence[Any] = ()) -> Sequence[Any]:
        """Return the rows of a statement in the database's own dialect."""

    def is_unavailable(self, error: Exception) -> bool:
        """Return whether this error of a statement says that the database failed, and not the statement."""


_readers: list[Mapping[Lane, Reader]] = []
"""The connections of this process. The last ones are used; only tests open several databases at once."""


@contextlib.contextmanager
def using(readers: Mapping[Lane, Reader]) -> Iterator[None]:
    """Fetch through these connections within the block."""
    _readers.append(readers)
    try:
        yield
    finally:
        _readers.remove(readers)


def reader(lane: Lane = Lane.SMALL) -> Reader:
    """Return this process's connections of a lane."""
    if not _readers:
        raise RuntimeError("no database is open for reading")
    return _readers[-1][lane]


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
    through = reader(_lane.get())
    text = sql if through.postgres else for_sqlite(sql)
    try:
        return await through.execute_query(text, list(values))
    except Exception as error:
        if through.is_unavailable(error):
            raise ReadUnavailable(str(error) or type(error).__name__) from error
        raise


def on_postgres() -> bool:
    """Return whether the database is PostgreSQL."""
    return reader().postgres
