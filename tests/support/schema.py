"""The schema as an application of its own, with two tokens, and a raw client of its WebSocket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import uvicorn
from starlette.applications import Starlette
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from app.authentication import ApiTokenCache, Authenticator
from app.authentication.authenticator import host_time
from app.models.live import LiveLog
from app.models.object_models import ObjectModelCache
from app.schema.api.context import SchemaContext
from app.schema.transport.export import export_routes
from app.schema.transport.firmware_download import download_route
from app.schema.transport.firmware_upload import upload_route
from app.schema.transport.http import graphql_routes
from app.security import Access, Role
from tests.support.ledger import LedgerWorld
from tests.support.waiting import BOUND, eventually

OPERATOR: Final = "operator-token-of-tests"
VIEWER: Final = "viewer-token-of-tests"
ADMIN: Final = "admin-token-of-tests"
ACCESSES: Final = (
    Access("olga", Role.OPERATOR, OPERATOR),
    Access("victor", Role.VIEWER, VIEWER),
    Access("ada", Role.ADMIN, ADMIN),
)

PROTOCOL: Final = Subprotocol("graphql-transport-ws")


def app_of(world: LedgerWorld, live: LiveLog, **settings: Any) -> Starlette:
    authenticator = Authenticator(ACCESSES, tokens=ApiTokenCache(world.ledgers[0], host_time))
    parts: dict[str, Any] = {"authenticator": authenticator, "object_models": ObjectModelCache(1), **settings}
    context = SchemaContext(ledger=world.ledgers[0], live=live, **parts)
    firmware = upload_route(context, lambda _request: None), download_route(context)
    return Starlette(routes=[*graphql_routes(context), *export_routes(context), *firmware])


@asynccontextmanager
async def served(app: Starlette) -> AsyncIterator[str]:
    """Serve the app on a real socket; yield ``127.0.0.1:PORT``."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off", access_log=False))
    task = asyncio.create_task(server.serve())
    await eventually(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task


class Socket:
    """A graphql-transport-ws client that sends any message of a test, valid or not."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def say(self, message: Any) -> None:
        await self.connection.send(message if isinstance(message, str) else json.dumps(message))

    async def receive(self) -> dict[str, Any]:
        async with asyncio.timeout(BOUND):
            message: dict[str, Any] = json.loads(await self.connection.recv())
        return message

    async def closed(self) -> int:
        """Return the code that the server closed with."""
        async with asyncio.timeout(BOUND):
            await self.connection.wait_closed()
        assert self.connection.close_code is not None
        return self.connection.close_code

    async def begin(self, token: str = OPERATOR) -> None:
        await self.say({"type": "connection_init", "payload": {"token": token}})
        assert (await self.receive())["type"] == "connection_ack"

    async def subscribe(self, id_: str, query: str, **variables: Any) -> None:
        await self.say({"type": "subscribe", "id": id_, "payload": {"query": query, "variables": variables}})

    async def data(self, id_: str) -> dict[str, Any]:
        """Return the data of the next event, which must belong to this subscription."""
        message = await self.receive()
        assert (message["id"], message["type"]) == (id_, "next"), message
        assert "errors" not in message["payload"], message
        data: dict[str, Any] = message["payload"]["data"]
        return data


@asynccontextmanager
async def socket(address: str, **options: Any) -> AsyncIterator[Socket]:
    async with connect(
        f"ws://{address}/graphql",
        subprotocols=[PROTOCOL],
        proxy=None,
        **options,
    ) as connection:
        yield Socket(connection)
