"""The webhook on a real server while callers withhold their bodies: all honest posts are accepted."""

from __future__ import annotations

import asyncio
import json
from typing import Final

import pytest
from starlette.applications import Starlette

from app.leshan.webhook import Batch, webhook_routes
from app.serving import listen, serving
from tests.support.waiting import BOUND

pytestmark = pytest.mark.asyncio

TOKEN: Final = "the-webhook-s-token"
POSTS: Final = 1_000
SLOW: Final = 100

EVENT: Final = json.dumps({"event": "AWAKE", "data": {"ep": "dev"}}).encode()
SINGLE: Final = json.dumps({"ep": "dev", "obj_id": 3303, "val": None}).encode()
BODIES: Final = {"/leshan/events": EVENT, f"/w/{TOKEN}/leshan_api/resource/single": SINGLE}


def head(path: str, length: int, *fields: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: reveille", f"Content-Length: {length}", *fields]
    return "\r\n".join([*lines, "", ""]).encode()


async def post(port: int, message: bytes) -> str:
    """Return the status of one post on a separate connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(message)
        async with asyncio.timeout(4 * BOUND):
            return (await reader.readline()).decode().split()[1]
    finally:
        writer.close()


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("fields", [[f"Authorization: Bearer {TOKEN}"], []], ids=["known", "strangers"])
async def test_a_thousand_concurrent_posts_are_accepted_beside_slow_ones(path: str, fields: list[str]) -> None:
    heard: list[Batch] = []

    async def ingest(batch: Batch) -> None:
        await asyncio.sleep(0)
        heard.append(batch)

    body, bearer = BODIES[path], f"Authorization: Bearer {TOKEN}"
    listening = listen("127.0.0.1", 0)
    async with serving(Starlette(routes=webhook_routes(ingest, token=TOKEN)), [listening]):
        port = listening.getsockname()[1]
        slow = [await asyncio.open_connection("127.0.0.1", port) for _ in range(SLOW)]
        try:
            for _, writer in slow:
                writer.write(head(path if fields else "/leshan/events", 1_000, *fields) + b" ")
            message = head(path, len(body), bearer) + body
            statuses = await asyncio.gather(*(post(port, message) for _ in range(POSTS)))
        finally:
            for _, writer in slow:
                writer.close()
    assert statuses == ["202"] * POSTS
    assert len(heard) == POSTS
