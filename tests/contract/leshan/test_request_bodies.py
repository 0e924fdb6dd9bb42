"""Requests to the Leshan server: bodies are bounded whatever the framing, and no thread waits for them; queries."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import quote

import pytest

from tests.support import loopback
from tests.support.leshan.devices import Devices
from tests.support.leshan.launch import LeshanServer
from tests.support.waiting import BOUND

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("java")]

STALLED: Final = 300
"""Number of connections whose body does not arrive: more than the server has threads."""


@pytest.mark.parametrize("path", ["/security/clients", "/clients/nobody/3442/0/110", "/nowhere"])
async def test_a_chunked_body_is_bounded(production_leshan: LeshanServer, our_leshan: LeshanServer, path: str) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(48):
            yield b"x" * 65_536

    for server in (production_leshan, our_leshan):
        async with loopback.AsyncClient(timeout=60) as http:
            answer = await http.put(f"{server.url}{path}", content=chunks())
            assert (answer.status_code, answer.text) == (413, "Too large: a body may have 2197152 bytes")
            # The connection is not reused, and the server continues.
            assert (await http.get(f"{server.url}/clients")).status_code == 200


async def test_stalled_bodies_delay_no_other_request(production_leshan: LeshanServer) -> None:
    async with contextlib.AsyncExitStack() as stack, loopback.AsyncClient(timeout=10) as http:
        for _ in range(STALLED):
            await stack.enter_async_context(_stalled(production_leshan.http_port))
        root = production_leshan.url.removesuffix("/api")
        for path in ("/health/live", "/health/ready", "/api/clients", "/api/server/info"):
            assert (await http.get(f"{root}{path}")).status_code == 200, path
        unknown = await http.put(f"{root}/api/security/clients", content="{}")
        assert unknown.status_code == 400


@pytest.mark.parametrize("query", ["timeout=%zz", "timeout=%ff", "format=%C3%28", "a=%"])
async def test_a_query_that_is_not_percent_encoded_utf_8_is_400(
    production_leshan: LeshanServer, leshan_devices: Devices, query: str
) -> None:
    device = leshan_devices.create(f"query-{query}", server=production_leshan.coap_uri)
    async with loopback.AsyncClient(headers={"Accept": "application/json"}, timeout=BOUND) as http:
        for path in (f"clients/{quote(device.name)}/3/0/0", "requests/a/1"):
            answer = await http.get(f"{production_leshan.url}/{path}?{query}")
            assert (answer.status_code, answer.json()["delivery"]) == (400, "NOT_SENT")
    device.remove()


@contextlib.asynccontextmanager
async def _stalled(port: int) -> AsyncIterator[None]:
    """Send only the head of a request and the first byte of its body."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"PUT /api/security/clients HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
    await writer.drain()
    try:
        yield
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
