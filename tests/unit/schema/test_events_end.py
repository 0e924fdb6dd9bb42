"""A subscription that is left while an event of it is executed."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest
import strawberry

from app.schema.execution.schema import Execution

pytestmark = pytest.mark.asyncio


@strawberry.type
class Event:
    @strawberry.field
    async def first(self) -> str:
        return await slowly("first")

    @strawberry.field
    async def second(self) -> str:
        return await slowly("second")

    @strawberry.field
    async def inner(self) -> Event:
        await slowly("inner")
        return Event()


finished: list[str] = []


async def slowly(name: str) -> str:
    await asyncio.sleep(0)
    finished.append(name)
    return name


@strawberry.type
class Query:
    none: str | None = None


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def events(self) -> AsyncGenerator[Event, None]:
        while True:
            yield Event()


schema = strawberry.Schema(Query, subscription=Subscription, execution_context_class=Execution)


@pytest.mark.parametrize("turns", range(30))
async def test_the_event_is_executed_to_its_end(turns: int) -> None:
    """Whenever it is left: Python would warn of the coroutines of fields that are never awaited, an error here."""
    results: Any = await schema.stream("subscription { events { first second inner { first second } } }")
    async with aclosing(results):
        await anext(results)
        finished.clear()
        following = asyncio.create_task(anext(results))
        for _ in range(turns):
            await asyncio.sleep(0)
        following.cancel()
        await asyncio.wait([following])
        gc.collect()
        assert len(finished) in {0, 5}
