"""The older Leshan server offers HTTP/2 on every post; a real server of ours must take the post all the same."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.applications import Starlette

from app.leshan.upgrade_offer import MAX_HEAD, UpgradeOfferIgnored
from app.leshan.webhook import Batch, webhook_routes
from tests.waiting import BOUND, eventually

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
    app = Starlette(routes=webhook_routes(ear))
    config = uvicorn.Config(app, port=0, http=UpgradeOfferIgnored, lifespan="off", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    try:
        await eventually(lambda: server.started)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await task


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


@pytest.mark.parametrize("cut", [0, 1, 40, len(HEAD) - 3, len(HEAD) - 1, len(HEAD), len(HEAD) + 5])
async def test_a_post_with_the_offer_keeps_its_body(cut: int) -> None:
    """Wherever the bytes are cut, and again on the same connection, as Java's client keeps it."""
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


async def test_what_is_no_http_is_refused_and_a_head_without_end_too() -> None:
    ear = Ear()
    async with serving(ear) as port:
        for bytes_ in (b"nonsense\r\n\r\n", b"x" * (MAX_HEAD + 1)):
            async with connected(port) as (reader, writer):
                writer.write(bytes_)
                assert (await answer(reader)).startswith(b"HTTP/1.1 400")


async def test_a_body_that_speaks_of_an_offer_is_left_alone() -> None:
    ear = Ear()
    body = b'{"ep":"dev","obj_id":3303,"val":null,"x":"\\r\\nUpgrade: h2c"}\r\nUpgrade: h2c\r\n'
    head = HEAD.replace(b"Content-Length: %d" % len(BODY), b"Content-Length: %d" % len(body))
    async with serving(ear) as port, connected(port) as (reader, writer):
        writer.write(head + body)
        assert (await answer(reader)).startswith(b"HTTP/1.1 400")
    assert ear.batches == []
