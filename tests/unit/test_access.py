"""Reading from a database that fails: errors of the database are reported as such, so that the read may be retried."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from unittest import mock

import asyncpg
import pytest

from app.models.postgres import BoundedClient
from app.models.queries import ReadUnavailable, access

pytestmark = pytest.mark.asyncio


@contextlib.contextmanager
def failing(error: Exception) -> Iterator[None]:
    """Let every statement of PostgreSQL's reader fail with this error."""
    connection = BoundedClient("postgres://localhost/reveille", seconds=7)
    with (
        mock.patch.object(connection, "execute_query", side_effect=error),
        access.using({access.Lane.SMALL: connection}),
    ):
        yield


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress"),
        asyncpg.AdminShutdownError("terminating connection due to administrator command"),
        asyncpg.CannotConnectNowError("the database system is starting up"),
        FileNotFoundError("no such socket"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_an_unreachable_database_is_unavailable(error: Exception) -> None:
    with failing(error), pytest.raises(ReadUnavailable):
        await access.fetch("SELECT 1")


async def test_a_bad_statement_does_not_count_as_an_unavailable_database() -> None:
    with failing(asyncpg.UndefinedColumnError("no such column")), pytest.raises(asyncpg.PostgresError):
        await access.fetch("SELECT nothing")
