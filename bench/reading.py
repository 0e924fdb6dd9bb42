"""What frontends ask for: a page of operations, and one transition told to a thousand subscribers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import Any, Final
from unittest.mock import patch

import orjson
from tortoise.connection import get_connection

from app.bus import Channel
from app.main import Parts
from app.models.ledger import Provision
from app.models.live import LiveLog
from app.schema.context import Asker, SchemaContext
from app.schema.fanout import Ask, Ended, Fanout
from app.schema.schema import schema
from app.security import OPEN_VIEWER
from bench.devices import write
from bench.measuring import Figure, rate, spread

PAGES: Final = 200
PAGE_SIZE: Final = 50
SUBSCRIBERS: Final = 1_000
TRANSITIONS: Final = 20

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

SUBSCRIPTION: Final = """
subscription {
  operationTransitions { number fromStatus toStatus at operation { id path status endpoint { name } } }
}
"""


async def pages(parts: Parts) -> list[Figure]:
    """Pages one after the other, in process, to JSON; the same executions with their rows at hand beside it."""
    for number in range(PAGE_SIZE):
        await parts.ledger.submit(Provision(f"listed-{number}"))
        await parts.ledger.submit(write(f"listed-{number}"))
    async with _house(parts) as house:
        replay = _Replay()
        with replay.recording():
            await _page(house)
        with_sql = await rate(PAGES, lambda: _pages(house))
        with replay.playing():
            without = await rate(PAGES, lambda: _pages(house))
    what = f"page of {PAGE_SIZE} operations, 21 fields"
    return [
        (f"{what}, without SQL", f"{without:,.0f}/s"),
        (what, f"{with_sql:,.0f}/s"),
        ("page / page without SQL", f"{with_sql / without:.0%}"),
    ]


async def fanout(parts: Parts) -> list[Figure]:
    """Transitions one after the other, each told to subscribers who asked for the same; sockets are not in it."""
    async with _house(parts) as house:
        shared, ask, delays = Fanout(schema, house), Ask(SUBSCRIPTION, None, None), []
        with ExitStack() as stack:
            members = [stack.enter_context(shared.join(ask, OPEN_VIEWER)) for _ in range(SUBSCRIBERS)]
            while not house.live.subscribers:  # noqa: ASYNC110 - nothing tells when the one execution listens
                await asyncio.sleep(0.01)
            for number in range(TRANSITIONS):
                name = f"listened-{number}"
                await parts.ledger.submit(Provision(name))
                everybody = asyncio.gather(*(member.take() for member in members))
                await asyncio.sleep(0)
                await parts.ledger.submit(write(name))
                committed = time.perf_counter()
                payloads = await everybody
                delays.append(time.perf_counter() - committed)
                assert not any(isinstance(payload, Ended) for payload in payloads), payloads[0]
    return [(f"commit to the last of {SUBSCRIBERS:,} identical subscribers, sockets apart", spread(delays))]


@asynccontextmanager
async def _house(parts: Parts) -> AsyncIterator[SchemaContext]:
    with parts.bus.subscribe(Channel.CHANGED) as changed:
        live = LiveLog(changed.wait)
        await live.start()
        try:
            yield SchemaContext(ledger=parts.ledger, live=live, authenticate=lambda _: OPEN_VIEWER)
        finally:
            await live.close()


async def _pages(house: SchemaContext) -> None:
    for _ in range(PAGES):
        await _page(house)


async def _page(house: SchemaContext) -> None:
    result = await schema.execute(PAGE, {"first": PAGE_SIZE}, Asker(house, OPEN_VIEWER))
    assert result.data is not None, result.errors
    assert len(result.data["deviceOperations"]["edges"]) == PAGE_SIZE
    orjson.dumps(result.data)


class _Replay:
    """The rows of each statement, kept at the first execution and given again without asking the database."""

    def __init__(self) -> None:
        self._rows: dict[str, Any] = {}

    @contextmanager
    def recording(self) -> Iterator[None]:
        connection = type(get_connection("default"))
        execute = connection.execute_query

        async def recorded(asked: Any, sql: str, values: Any = None) -> Any:
            self._rows[sql] = rows = await execute(asked, sql, values)
            return rows

        with patch.object(connection, "execute_query", recorded):
            yield

    @contextmanager
    def playing(self) -> Iterator[None]:
        async def played(_: Any, sql: str, _values: Any = None) -> Any:
            return self._rows[sql]

        with patch.object(type(get_connection("default")), "execute_query", played):
            yield
