"""The older Leshan server offers HTTP/2 on every post; a real server of ours must accept the post nevertheless."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette

from app.leshan.webhook import Batch, webhook_routes
from app.serving import listen
from app.serving import serving as serving_app
from tests.support.waiting import BOUND

pytestmark = pytest.mark.asyncio

BODY = json.dumps(
    {"ep": "dev", "obj_id": 10240, "val": {"kind": "singleResource", "id": 2, "type": "TIME", "value": 1}}, indent=2
).encode()
HEAD = (
    b"POST /leshan_api/resource/single HTTP/1.1\r\n"
    b"Connection: Upgrade, HTTP2-Settings\r\n"
    b"Content-Length: %d\r\n"
    b"Host: reveille\r\n"
    b"HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n"
    b"Upgrade: h2c\r\n"
    b"Content-Type: application/json\r\n\r\n"
) % len(BODY)


class Ear:
    def __init__(self) -> None:
        self.batches: list[Batch] = []

    async def __call__(self, batch: Batch) -> None:
        self.batches.append(batch)


@asynccontextmanager
async def serving(ear: Ear) -> AsyncIterator[int]:
    listening = listen("127.0.0.1", 0)
    async with serving_app(Starlette(routes=webhook_routes(ear)), [listening]):
        yield listening.getsockname()[1]


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        await writer.wait_closed()


async def answer(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(BOUND):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        return head.partition(b"\r\n")[0] + await reader.readexactly(length)


TAKEN = b'HTTP/1.1 202 Accepted{"accepted":1}'


@pytest.mark.parametrize("offer", [b"h2c", b"TLS/1.0", b"  H2C ", b"websocketish"])
async def test_any_offer_but_a_websocket_is_ignored(offer: bytes) -> None:
    ear = Ear()
    async with serving(ear) as port, connected(port) as (reader, writer):
        writer.write(HEAD.replace(b"h2c", offer).replace(b"Upgrade: ", b"UPGRADE:") + BODY)
        assert await answer(reader) == TAKEN


@pytest.mark.parametrize("cut", [0, 1, 40, len(HEAD) - 3, len(HEAD) - 1, len(HEAD), len(HEAD) + 5])
async def test_a_post_with_the_offer_has_its_body(cut: int) -> None:
    """The body is complete wherever the bytes are cut, and again on the same connection, which Java's client reuses."""
    ear = Ear()
    async with serving(ear) as port, connected(port) as (reader, writer):
        for number in range(1, 4):
            writer.write((HEAD + BODY)[:cut])
            await writer.drain()
            await asyncio.sleep(0)
            writer.write((HEAD + BODY)[cut:])
            assert await answer(reader) == TAKEN
            assert len(ear.batches) == number


async def test_two_posts_in_one_piece() -> None:
    ear = Ear()
    plain = HEAD.replace(b"Upgrade: h2c\r\n", b"").replace(b"Connection: Upgrade, HTTP2-Settings\r\n", b"")
    async with serving(ear) as port, connected(port) as (reader, writer):
        writer.write(plain + BODY + plain + BODY)
        assert [await answer(reader), await answer(reader)] == [TAKEN, TAKEN]


async def test_a_body_that_contains_an_offer_is_unchanged() -> None:
    ear = Ear()
    body = b'{"ep":"dev","obj_id":3303,"val":null,"x":"\\r\\nUpgrade: h2c"}\r\nUpgrade: h2c\r\n'
    head = HEAD.replace(b"Content-Length: %d" % len(BODY), b"Content-Length: %d" % len(body))
    async with serving(ear) as port, connected(port) as (reader, writer):
        writer.write(head + body)
        assert (await answer(reader)).startswith(b"HTTP/1.1 400")
    assert ear.batches == []
