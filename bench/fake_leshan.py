"""A Leshan that responds to every call as cheaply as Python can, in its own process: ``python -m bench.fake_leshan``.

It treats every device as awake, and counts the calls and the concurrently open ones:

- ``GET /bench`` returns its figures, and ``POST /bench`` returns and resets them
- ``GET /bench/arrivals`` returns the endpoint and the time of each call, by the machine's monotonic clock
"""

from __future__ import annotations

import argparse
import asyncio
import time
from typing import Final, cast

import orjson
import uvloop

_SUCCESS: Final = b'{"status":"CHANGED(204)","valid":true,"success":true,"failure":false}'
_LENGTH: Final = b"content-length:"
_DEVICES: Final = b"/api/clients/"


def _answer(status: bytes, body: bytes) -> bytes:
    head = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
    return head + body


_CALLED: Final = _answer(b"200 OK", _SUCCESS)
_UNKNOWN: Final = _answer(b"404 Not Found", b"{}")


class Figures:
    """The calls since the last reset. Times are values of ``time.monotonic``."""

    def __init__(self) -> None:
        self.open = 0
        self.begin()

    def begin(self) -> None:
        self.calls = self.most_open = 0
        self.first_at = self.last_at = self._area = 0.0
        self.arrivals: list[tuple[str, float]] = []

    def arrived(self, target: bytes) -> None:
        now = self._move(1)
        self.first_at = self.first_at or now
        self.calls += 1
        self.most_open = max(self.most_open, self.open)
        self.arrivals.append((target[len(_DEVICES) :].partition(b"/")[0].decode(), now))

    def answered(self) -> None:
        self._move(-1)

    def _move(self, by: int) -> float:
        now = time.monotonic()
        self._area += self.open * (now - self.last_at)
        self.open += by
        self.last_at = now
        return now

    def as_json(self) -> bytes:
        span = self.last_at - self.first_at
        figures = {"calls": self.calls, "open": self.open, "mostOpen": self.most_open, "seconds": span}
        return orjson.dumps(figures | {"meanOpen": self._area / span if span else 0.0, "cpu": time.process_time()})


class _Calls(asyncio.Protocol):
    """One connection of a client that waits for each response before its next request."""

    def __init__(self, figures: Figures, delay: float) -> None:
        self._figures, self._delay = figures, delay
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._loop = asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data if self._buffer else data
        end = data.find(b"\r\n\r\n")
        if end < 0 or len(data) < end + 4 + _body_length(data[:end]):
            self._buffer = data
            return
        self._buffer = b""
        method, target, _ = data.split(b" ", 2)
        if target.startswith(_DEVICES):
            self._call(target)
        else:
            self._transport.write(self._control(method, target))

    def _call(self, target: bytes) -> None:
        self._figures.arrived(target)
        if self._delay:
            self._loop.call_later(self._delay, self._succeed)
        else:
            self._succeed()

    def _succeed(self) -> None:
        self._figures.answered()
        self._transport.write(_CALLED)

    def _control(self, method: bytes, target: bytes) -> bytes:
        if target == b"/bench/arrivals":
            return _answer(b"200 OK", orjson.dumps(self._figures.arrivals))
        if target != b"/bench":
            return _UNKNOWN
        figures = self._figures.as_json()
        if method == b"POST":
            self._figures.begin()
        return _answer(b"200 OK", figures)


def _body_length(head: bytes) -> int:
    found = head.lower().find(_LENGTH)
    return int(head[found + len(_LENGTH) :].split(b"\r\n", 1)[0]) if found >= 0 else 0


def main() -> None:
    """Serve until the process is terminated; the first line of output is the address."""
    parser = argparse.ArgumentParser(prog="python -m bench.fake_leshan", description=__doc__)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds until a device answers")
    arguments = parser.parse_args()

    async def serve() -> None:
        figures = Figures()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Calls(figures, arguments.delay), "127.0.0.1", 0, backlog=2_048)
        async with server:
            print(f"address=http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
            await server.serve_forever()

    uvloop.run(serve())


if __name__ == "__main__":
    main()
