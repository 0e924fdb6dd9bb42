"""Clients of a simulator: aiohttp for most tests, a bare socket where the connection itself is examined."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import aiohttp

WRITE = b'{"id":110,"kind":"singleResource","type":"STRING","value":"x"}'
STRING = {"id": 110, "kind": "singleResource", "type": "STRING", "value": "x"}


@dataclass(frozen=True, slots=True)
class Seen:
    """A response."""

    status: int
    text: str
    json: Any


async def ask(url: str, method: str, path: str, body: Any = None, **headers: str) -> Seen:
    """Send one request on its own connection, without following redirects."""
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"{url}{path}", json=body, headers=headers, allow_redirects=False) as answer,
    ):
        text = await answer.text()
        is_json = answer.content_type == "application/json" and text
        return Seen(answer.status, text, await answer.json() if is_json else None)


async def raw(url: str, method: str, path: str, body: bytes = b"") -> bytes:
    """Return all bytes that arrive on a new connection until it is closed: aiohttp would send a PUT twice.

    Raises:
        ConnectionResetError: The connection was closed with a reset.
    """
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
        writer.write(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        return await reader.read()
    finally:
        writer.close()
