"""A GraphQL page of operations, in process, compared with the same execution with its rows in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final
from unittest.mock import patch

import orjson

from app.authentication import Authenticator
from app.models.database import reading
from app.models.live import LiveLog
from app.models.object_models import ObjectModelCache
from app.models.queries.access import reader
from app.schema.api.context import SchemaContext
from app.schema.execution.context import Requester
from app.schema.execution.schema import schema
from app.security import OPEN_VIEWER
from bench.devices import names, provision, queue
from bench.measuring import Figure, rate
from bench.site import Site, site
from bench.size import Size

PAGE_SIZE: Final = 50

PAGE: Final = """
query($first: Int) {
  deviceOperations(first: $first) {
    edges { node {
      id kind path valueType value status version delivery attempts maxAttempts priority createdAt finishedAt
      endpoint { name presence lastSeenAt }
      lastTransition { number toStatus attempt reason at }
    } }
  }
}
"""
"""21 fields of each operation."""


async def measure(kind: str, size: Size) -> list[list[Figure]]:
    """Execute pages one after the other, including their JSON encoding."""
    async with site(kind) as system, reading(system.database_url):
        devices = names("listed", PAGE_SIZE)
        await provision(system.ledger, devices)
        await queue(system.ledger, devices, PAGE_SIZE)
        async with _house(system) as house:
            return [await _round(house, size.pages) for _ in range(size.rounds)]


async def _round(house: SchemaContext, count: int) -> list[Figure]:
    replay = _Replay()
    with replay.recording():
        await _page(house)
    with_sql = await rate(count, lambda: _pages(house, count))
    with replay.playing():
        without = await rate(count, lambda: _pages(house, count))
    what = f"page of {PAGE_SIZE} operations, 21 fields"
    return [
        Figure(f"{what}, without SQL", without, "/s"),
        Figure(what, with_sql, "/s", ">= 100/s"),
        Figure("page / page without SQL", with_sql / without * 100, "%", ">= 60 %"),
        Figure("SQL statements of a page", len(replay.rows), ""),
    ]


@asynccontextmanager
async def _house(system: Site) -> AsyncIterator[SchemaContext]:
    live = LiveLog(asyncio.sleep)
    await live.start()
    try:
        yield SchemaContext(
            ledger=system.ledger,
            live=live,
            object_models=ObjectModelCache(1),
            authenticator=Authenticator(allows_open=True),
        )
    finally:
        await live.close()


async def _pages(house: SchemaContext, count: int) -> None:
    for _ in range(count):
        await _page(house)


async def _page(house: SchemaContext) -> None:
    result = await schema.execute(PAGE, {"first": PAGE_SIZE}, Requester(house, OPEN_VIEWER))
    assert result.data is not None, result.errors
    assert len(result.data["deviceOperations"]["edges"]) == PAGE_SIZE
    orjson.dumps(result.data)


class _Replay:
    """The rows of each statement, recorded at the first execution and replayed without a query."""

    def __init__(self) -> None:
        self.rows: dict[str, Any] = {}

    @contextmanager
    def recording(self) -> Iterator[None]:
        connection = type(reader())
        execute = connection.execute_query

        async def recorded(connection: Any, sql: str, values: Any = None) -> Any:
            self.rows[sql] = rows = await execute(connection, sql, values)
            return rows

        with patch.object(connection, "execute_query", recorded):
            yield

    @contextmanager
    def playing(self) -> Iterator[None]:
        async def played(_: Any, sql: str, _values: Any = None) -> Any:
            return self.rows[sql]

        with patch.object(type(reader()), "execute_query", played):
            yield
