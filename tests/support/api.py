"""A frontend's clients: GraphQL over HTTP, and any number of subscriptions over one WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import urlsplit

import httpx
from starlette.applications import Starlette
from websockets.asyncio.client import ClientConnection, connect

from tests.support import loopback
from tests.support.waiting import BOUND

JSON_HEADERS: Final = {"content-type": "application/json"}

CREATE_PACKAGE: Final = "mutation($input: FirmwarePackageInput!) { createFirmwarePackage(input: $input) { id } }"
CREATE: Final = """
mutation ($inputs: [CreateDeviceOperationInput!]!) {
  createDeviceOperations(inputs: $inputs) { operation { id status } }
}"""


@dataclass(slots=True)
class Api:
    """A client of GraphQL over HTTP; ``token`` is that of its requests."""

    http: httpx.AsyncClient
    token: str | None = None

    @classmethod
    def at(cls, url: str, token: str | None = None) -> Self:
        """Return a client of a running process."""
        return cls(loopback.AsyncClient(base_url=url, timeout=BOUND), token)

    @classmethod
    def within(cls, app: Starlette, token: str | None = None) -> Self:
        """Return a client of an application in this process, without a socket."""
        transport = httpx.ASGITransport(app)
        return cls(loopback.AsyncClient(transport=transport, base_url="http://reveille", timeout=BOUND), token)

    @property
    def url(self) -> str:
        return str(self.http.base_url).rstrip("/")

    async def post(self, body: Any, token: str | None = None, **headers: str) -> httpx.Response:
        """Post a body, which is sent unchanged if it is text. ``token`` replaces the client's own; an empty one is not
        sent."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if chosen := self.token if token is None else token:
            headers["authorization"] = f"Bearer {chosen}"
        content = body if isinstance(body, bytes | str) else json.dumps(body)
        return await self.http.post("/graphql", content=content, headers={**JSON_HEADERS, **headers})

    async def answer(self, query: str, token: str | None = None, **variables: Any) -> dict[str, Any]:
        """Return the whole response."""
        answer: dict[str, Any] = (await self.post({"query": query, "variables": variables}, token)).json()
        return answer

    async def ask(self, query: str, token: str | None = None, **variables: Any) -> dict[str, Any]:
        """Return the data of a response without errors."""
        answer = await self.answer(query, token, **variables)
        assert "errors" not in answer, str(answer["errors"])[:1_000]
        data: dict[str, Any] = answer["data"]
        return data

    async def error(self, query: str, token: str | None = None, **variables: Any) -> dict[str, Any]:
        """Return the extensions of a response's one error."""
        (error,) = (await self.answer(query, token, **variables))["errors"]
        assert error["message"]
        extensions: dict[str, Any] = error["extensions"]
        return extensions

    async def create(self, *inputs: dict[str, Any]) -> list[str]:
        """Create operations; return their ids."""
        return [one["operation"]["id"] for one in (await self.ask(CREATE, inputs=inputs))["createDeviceOperations"]]

    async def subscribers(self) -> int:
        """Return the number of subscriptions of this process, from its own metrics."""
        for line in (await self.http.get("/metrics")).text.splitlines():
            if line.startswith("reveille_subscribers "):
                return int(float(line.split()[1]))
        raise AssertionError("no metric reveille_subscribers")


@asynccontextmanager
async def api(url: str, token: str | None = None) -> AsyncIterator[Api]:
    """Provide a client of a running process."""
    client = Api.at(url, token)
    async with client.http:
        yield client


def write(endpoint: str, path: str = "/5/0/1", text: str = "https://url.com/fw.bin", **more: Any) -> dict[str, Any]:
    """Return the input of a WRITE."""
    return {"endpoint": endpoint, "kind": "WRITE", "path": path, "value": {"string": text}, **more}


class Subscription:
    """The events of one subscription, oldest first."""

    def __init__(self, live: Live, id_: str) -> None:
        self._live, self._id = live, id_
        self.arrived: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def next(self, within: float = BOUND) -> Any:
        """Return the one root field of the next event's data."""
        async with asyncio.timeout(within):
            message = await self.arrived.get()
        assert message["type"] == "next", message
        assert "errors" not in message["payload"], message
        (value,) = message["payload"]["data"].values()
        return value

    async def end(self) -> None:
        """Complete the subscription; later events are discarded."""
        await self._live.forget(self._id)


class Live:
    """A graphql-transport-ws connection (https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md)."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._subscriptions: dict[str, Subscription] = {}
        self._count = 0

    async def subscribe(self, query: str, **variables: Any) -> Subscription:
        self._count += 1
        id_ = str(self._count)
        subscription = self._subscriptions[id_] = Subscription(self, id_)
        await self._say({"type": "subscribe", "id": id_, "payload": {"query": query, "variables": variables}})
        return subscription

    async def forget(self, id_: str) -> None:
        del self._subscriptions[id_]
        await self._say({"type": "complete", "id": id_})

    async def _say(self, message: dict[str, Any]) -> None:
        await self._connection.send(json.dumps(message))

    async def hand_out(self) -> None:
        """Pass every message to its subscription, until the connection ends."""
        async for text in self._connection:
            message = json.loads(text)
            if message["type"] == "ping":
                await self._say({"type": "pong"})
            elif subscription := self._subscriptions.get(message.get("id", "")):
                subscription.arrived.put_nowait(message)


@asynccontextmanager
async def socket(url: str, **options: Any) -> AsyncIterator[ClientConnection]:
    """Open a WebSocket to ``/graphql`` without sending a message."""
    address = f"ws://{urlsplit(url).netloc}/graphql"
    options = {"subprotocols": ["graphql-transport-ws"], "proxy": None, "max_queue": None} | options
    async with connect(address, **options) as connection:
        yield connection


@asynccontextmanager
async def live(url: str, token: str | None = None) -> AsyncIterator[Live]:
    """Open a connection that has been acknowledged."""
    async with socket(url) as connection:
        payload = {"token": token} if token else {}
        await connection.send(json.dumps({"type": "connection_init", "payload": payload}))
        assert json.loads(await connection.recv())["type"] == "connection_ack"
        client = Live(connection)
        reading = asyncio.create_task(client.hand_out())
        try:
            yield client
        finally:
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reading
