"""The queue between a producer and a consumer: limited in number and size, ended with a reason."""

from __future__ import annotations

import asyncio

import pytest

from app.bounded_queue import BoundedQueue

pytestmark = pytest.mark.asyncio


async def test_items_are_taken_in_order() -> None:
    queue: BoundedQueue[int, str] = BoundedQueue(10)
    assert [queue.put(item) for item in (1, 2, 3, 4)] == [True] * 4
    assert (queue.first, await queue.take(), await queue.take_many(2), len(queue)) == (1, 1, [2, 3], 1)
    assert await queue.take_many(9) == [4]


async def test_a_full_queue_refuses_the_item_and_stays_unchanged() -> None:
    queue: BoundedQueue[str, str] = BoundedQueue(2)
    assert [queue.put(item) for item in "abc"] == [True, True, False]
    assert await queue.take_many(9) == ["a", "b"]
    assert queue.put("d")


async def test_sizes_are_limited_except_that_of_a_single_item() -> None:
    queue: BoundedQueue[str, str] = BoundedQueue(10, max_size=5, size_of=len)
    assert [queue.put(item) for item in ("aaa", "bb", "c")] == [True, True, False]
    assert await queue.take() == "aaa"
    assert [queue.put(item) for item in ("ccc", "d")] == [True, False]
    assert await queue.take_many(9) == ["bb", "ccc"]
    assert [queue.put(item) for item in ("too long", "e")] == [True, False]


@pytest.mark.parametrize("drop", [False, True])
async def test_the_first_end_counts_and_items_stay_unless_dropped(drop: bool) -> None:
    queue: BoundedQueue[int, str] = BoundedQueue(10)
    queue.put(1)
    queue.end("closed", drop=drop)
    queue.end("lagged")
    assert (queue.put(2), queue.ending) == (False, "closed")
    assert [await queue.take(), await queue.take()] == ([None, None] if drop else [1, None])
    assert await queue.take_many(9) == []


async def test_a_consumer_waits_for_an_item_or_the_end() -> None:
    queue: BoundedQueue[int, str] = BoundedQueue(10)
    first = asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    assert not first.done()
    queue.put(1)
    assert await first == 1
    last = asyncio.create_task(queue.take_many(5))
    await asyncio.sleep(0)
    queue.end("closed")
    assert await last == []
