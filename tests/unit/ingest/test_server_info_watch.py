"""A stock Leshan server logs an error for each ``GET /server/info``: it is requested once, and again where the server
may be another one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

import pytest

from app.ingest import server_info
from app.ingest.server_info import ServerInfoWatch
from app.leshan.client import LeshanClient
from app.models.ledger import Ledger, UpdateServerInfo
from app.models.queries import ReadUnavailable
from app.timing import Timing
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio

OURS = {"bootId": "b2", "features": {"requestIds": True}}


class Leshan:
    """A server that counts its requests, and may be replaced by one of our own. Until then it is a 2.0.0-M4."""

    client: LeshanClient
    """The watch's client."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.info: dict[str, Any] | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append((await reader.readuntil(b"\r\n\r\n")).decode().partition(" HTTP")[0])
        about_a_client = self.asked[-1].startswith("GET /api/clients/")
        status, body = (400, b"no registered client" if about_a_client else b"{}")
        if self.info is not None:
            status, body = 200, json.dumps(self.info).encode()
        head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        writer.close()


class Database:
    """A substitute for the ledger and for the reader of its row."""

    server_id = 1

    def __init__(self) -> None:
        self.boot_id: str | None = None
        self.reads, self.away = 0, False
        self.kept: list[UpdateServerInfo] = []

    async def submit(self, command: UpdateServerInfo) -> None:
        self.kept.append(command)
        self.boot_id = command.boot_id

    async def known_boot_id(self, _server_id: int) -> str | None:
        self.reads += 1
        if self.away:
            raise ReadUnavailable("away")
        return self.boot_id


@asynccontextmanager
async def watching(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[ServerInfoWatch, Leshan, Database]]:
    leshan, database = Leshan(), Database()
    monkeypatch.setattr(server_info, "known_boot_id", database.known_boot_id)
    server = await asyncio.start_server(leshan.serve, "127.0.0.1", 0)
    leshan.client = client = LeshanClient(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    watch = ServerInfoWatch(client, cast(Ledger, database), Timing(server_info=0.001))
    running = asyncio.create_task(watch.run())
    try:
        yield watch, leshan, database
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await client.aclose()
        server.close()


async def reads(database: Database, more: int) -> None:
    """Wait until the watch has read the boot id this many more times."""
    wanted = database.reads + more
    await eventually(lambda: database.reads >= wanted)


async def asked(leshan: Leshan, count: int) -> None:
    await eventually(lambda: len(leshan.asked) >= count)


async def test_a_stock_server_is_requested_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watching(monkeypatch) as (watch, leshan, database):
        await reads(database, 20)
        await watch.refresh()  # as each reconciliation does
        assert leshan.asked == ["GET /api/server/info"]


async def test_a_stock_server_without_types_is_requested_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watching(monkeypatch) as (watch, leshan, database):
        await reads(database, 2)
        await leshan.client.recognize("d")
        assert leshan.client.typed is False
        await reads(database, 5)
        await watch.look()  # the bridge's new connection
        await reads(database, 20)
        assert leshan.asked == ["GET /api/server/info", "GET /api/clients/d", "GET /api/server/info"]
        assert len(database.kept) == 1


@pytest.mark.parametrize("away", [False, True])
async def test_it_is_requested_again_after_the_breaker_and_by_the_bridge(
    monkeypatch: pytest.MonkeyPatch, away: bool
) -> None:
    async with watching(monkeypatch) as (watch, leshan, database):
        await reads(database, 2)
        database.away = away
        watch.nudge()
        await asked(leshan, 2)
        await watch.look()
        await reads(database, 5)
        assert len(leshan.asked) == 3


async def test_a_first_boot_id_causes_one_more_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """A late event of a server that was replaced by a stock one also carries a ``bootId``: it causes one request."""
    async with watching(monkeypatch) as (_, leshan, database):
        await reads(database, 2)
        database.boot_id = "b1"
        await asked(leshan, 2)
        await reads(database, 10)
        assert len(leshan.asked) == 2


async def test_an_upgraded_server_is_detected_and_watched_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watching(monkeypatch) as (_, leshan, database):
        await reads(database, 2)
        leshan.info = OURS
        database.boot_id = "b2"
        await asked(leshan, 5)
        assert [kept.boot_id for kept in database.kept] == [None, "b2"]
        leshan.info = None
        await reads(database, 2)
        assert [kept.boot_id for kept in database.kept] == [None, "b2", None]
