"""A subscriber that always reconnects: whatever ends the connection, it resumes with its last cursor, at any
process."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import WebSocketException

from tests.faults.site import Site
from tests.support.api import socket
from tests.support.cluster import key

TRANSITIONS: Final = """
subscription ($after: String!) { operationTransitions(after: $after) { cursor number operation { id } } }"""

Step = tuple[str, int]
"""(the operation's id in the database, the transition's number)"""


class Watcher:
    """The transitions that one subscriber received, in order. ``connections``: the number of its connections."""

    def __init__(self, site: Site, cursor: str, number: int) -> None:
        self._site, self._cursor, self._number = site, cursor, number
        self.seen: list[Step] = []
        self.connections = 0

    async def run(self) -> None:
        """Watch forever."""
        while True:
            apis = self._site.of("api")
            url = apis[(self._number + self.connections) % len(apis)].process.url
            self.connections += 1
            with contextlib.suppress(OSError, TimeoutError, WebSocketException):
                async with socket(url, open_timeout=2, ping_interval=2, ping_timeout=2) as connection:
                    await self._follow(connection)
            await asyncio.sleep(0.1)

    async def _follow(self, connection: ClientConnection) -> None:
        await connection.send(json.dumps({"type": "connection_init"}))
        await connection.recv()
        asked = {"query": TRANSITIONS, "variables": {"after": self._cursor}}
        await connection.send(json.dumps({"type": "subscribe", "id": "1", "payload": asked}))
        async for text in connection:
            message = json.loads(text)
            if message["type"] == "ping":
                await connection.send(json.dumps({"type": "pong"}))
            elif not self._take(message):
                return

    def _take(self, message: dict[str, Any]) -> bool:
        """Record a transition; return False if the subscription has ended."""
        if message["type"] in {"error", "complete"}:
            return False
        if message["type"] == "next":
            if message["payload"].get("errors"):
                return False
            step = message["payload"]["data"]["operationTransitions"]
            self._cursor = step["cursor"]
            self.seen.append((key(step["operation"]["id"]), step["number"]))
        return True


@asynccontextmanager
async def watchers(site: Site, cursor: str, count: int) -> AsyncIterator[list[Watcher]]:
    """Run subscribers on the API processes in turn, as long as the block lasts."""
    watching = [Watcher(site, cursor, number) for number in range(count)]
    tasks = [asyncio.create_task(watcher.run()) for watcher in watching]
    try:
        yield watching
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
