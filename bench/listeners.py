"""Many WebSockets with the same subscription, as cheaply as Python can: ``python -m bench.listeners``.

Each speaks graphql-transport-ws. The program prints ``address=listening`` once all are subscribed, and at the end, as
JSON, when the first and the last socket received the n-th message, by ``time.monotonic``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from typing import Final, cast
from urllib.parse import urlsplit

import orjson
import uvloop

SUBSCRIPTION: Final = """
subscription {
  operationTransitions { number fromStatus toStatus at operation { id path status endpoint { name } } }
}
"""
_TEXT, _PING, _PONG = 0x1, 0x9, 0xA


class Tally:
    """The times at which the first and the last socket received each message."""

    def __init__(self, sockets: int, messages: int) -> None:
        self.first: list[float] = []
        self.last: list[float] = []
        self._sockets, self._messages, self._done = sockets, messages, 0
        self.over = asyncio.Event()

    def got(self, number: int) -> None:
        now = time.monotonic()
        if number == len(self.first):
            self.first.append(now)
            self.last.append(now)
        self.last[number] = now
        if number == self._messages - 1:
            self._done += 1
            if self._done == self._sockets:
                self.over.set()


class Listener(asyncio.Protocol):
    """One socket. ``subscribed`` is set when the server has acknowledged the connection and the subscription was
    sent."""

    def __init__(self, url: str, tally: Tally) -> None:
        self._url, self._tally = urlsplit(url), tally
        self._buffer, self._upgraded, self._number = b"", False, 0
        self.subscribed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        lines = [
            f"GET {self._url.path} HTTP/1.1",
            f"Host: {self._url.netloc}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Protocol: graphql-transport-ws",
        ]
        self._transport.write(("\r\n".join(lines) + "\r\n\r\n").encode())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._upgraded:
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return
            assert b" 101 " in head[:16], head[:200]
            self._upgraded, self._buffer = True, rest
            self._send(_TEXT, b'{"type":"connection_init"}')
        self._frames()

    def _frames(self) -> None:
        at, buffer = 0, self._buffer
        while len(buffer) - at >= 2:
            start, length = at + 2, buffer[at + 1]
            if length >= 126:
                more = 2 if length == 126 else 8
                start += more
                length = int.from_bytes(buffer[at + 2 : start])
            if len(buffer) < start + length:
                break
            self._frame(buffer[at] & 0x0F, buffer[start : start + length])
            at = start + length
        self._buffer = buffer[at:]

    def _frame(self, opcode: int, payload: bytes) -> None:
        if opcode == _PING:
            self._send(_PONG, payload)
        elif b'"type":"next"' in payload[:40]:
            self._tally.got(self._number)
            self._number += 1
        elif b"connection_ack" in payload:
            subscribe = {"id": "1", "type": "subscribe", "payload": {"query": SUBSCRIPTION}}
            self._send(_TEXT, orjson.dumps(subscribe))
            self.subscribed.set()

    def _send(self, opcode: int, payload: bytes) -> None:
        """Send a frame. A client's frames are masked; a mask of zeros leaves the payload unchanged."""
        size = len(payload)
        length = bytes([0x80 | size]) if size < 126 else bytes([0x80 | 126]) + size.to_bytes(2)
        self._transport.write(bytes([0x80 | opcode]) + length + bytes(4) + payload)


async def listen(url: str, sockets: int, messages: int) -> dict[str, list[float]]:
    """Listen until every socket has received so many messages; return the times of the first and the last receipt."""
    loop, tally, parts = asyncio.get_running_loop(), Tally(sockets, messages), urlsplit(url)
    for _ in range(sockets):
        _, listener = await loop.create_connection(lambda: Listener(url, tally), parts.hostname or "", parts.port or 80)
        await listener.subscribed.wait()
    print(f"address=listening {os.getpid()}", flush=True)
    await tally.over.wait()
    return {"first": tally.first, "last": tally.last}


def main() -> None:
    """Listen, then print."""
    parser = argparse.ArgumentParser(prog="python -m bench.listeners", description=__doc__)
    parser.add_argument("url", help="of /graphql, with http")
    parser.add_argument("--sockets", type=int, default=1_000)
    parser.add_argument("--messages", type=int, default=30)
    arguments = parser.parse_args()
    print(json.dumps(uvloop.run(listen(arguments.url, arguments.sockets, arguments.messages))), flush=True)


if __name__ == "__main__":
    main()
