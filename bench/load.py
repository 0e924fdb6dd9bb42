"""Posts to one address as fast as it responds, from its own process: ``python -m bench.load``.

Bodies are read from standard input, one per line.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import Counter, deque
from functools import partial
from typing import cast
from urllib.parse import urlsplit

import uvloop


class _Poster(asyncio.Protocol):
    """One connection: it sends the next body after the response to the previous one."""

    def __init__(self, left: deque[bytes], statuses: Counter[int], over: asyncio.Future[None]) -> None:
        self._left, self._statuses, self._over = left, statuses, over
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._next()

    def _next(self) -> None:
        if self._left:
            self._transport.write(self._left.popleft())
        elif not self._over.done():
            self._over.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0] or 0) if found else 1
        if len(body) >= length:
            self._statuses[int(head[9:12])] += 1
            self._buffer = b""
            self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._over.done():
            self._over.set_exception(error or ConnectionError("the server closed"))


async def post(address: str, bodies: list[bytes], connections: int) -> dict[str, object]:
    """Post all bodies; return the duration, and the number of responses by status."""
    url, loop = urlsplit(address), asyncio.get_running_loop()
    head = f"POST {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Type: application/json\r\nContent-Length: "
    left = deque(head.encode() + b"%d\r\n\r\n" % len(body) + body for body in bodies)
    statuses: Counter[int] = Counter()
    ended = [loop.create_future() for _ in range(min(connections, len(bodies)))]
    started = time.perf_counter()
    for over in ended:
        poster = partial(_Poster, left, statuses, over)
        await loop.create_connection(poster, url.hostname or "", url.port or 80)
    await asyncio.gather(*ended)
    return {"seconds": time.perf_counter() - started, "statuses": dict(statuses)}


def main() -> None:
    """Post, and print the result."""
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__)
    parser.add_argument("address")
    parser.add_argument("--connections", type=int, default=64)
    arguments = parser.parse_args()
    bodies = sys.stdin.buffer.read().splitlines()
    print(json.dumps(uvloop.run(post(arguments.address, bodies, arguments.connections))))


if __name__ == "__main__":
    main()
