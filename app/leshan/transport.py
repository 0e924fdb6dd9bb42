"""The hot call: one HTTP request of one attempt, with the fact whether it was sent.

HTTP clients do more than a call needs, and two of their conveniences are wrong here: they retry by themselves when a
kept connection closes, and hide whether a request was sent. So this is the minimum: connections that are kept for the
next call, and a single function that writes a request, after a last check of the deadline: a process that was frozen
until past it sends nothing.
"""

from __future__ import annotations

import asyncio
import math
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import Final, Generic, Protocol, TypeVar
from urllib.parse import urlsplit

from app.leshan.connection import MAX_ANSWER, Answer, AnswerTooLarge, Connection
from app.leshan.requests import LeshanRequest

CONNECT_SECONDS: Final = 5.0
KEPT_SECONDS: Final = 4.0
"""Time for which an idle connection is kept: less than in any known server, so that it is not closed under a
request."""

LEAST_SECONDS: Final = 0.001
"""Minimum time between two checks of the deadlines: the event loop's timers have no finer grain, and may be early by
less than that."""

Waiting = TypeVar("Waiting")

ACCEPT: Final = "application/json, */*;q=0.5"
"""Our own Leshan server then returns errors as JSON, which says what was sent; a stock one ignores the header."""

_IDENTITY: Final = {"Accept": ACCEPT, "Accept-Encoding": "identity", "User-Agent": "reveille"}


class Failure(Enum):
    """The reason why no response came."""

    UNREACHABLE = auto()
    """No connection: refused, no such host, TLS, or none in time (also if this process was frozen meanwhile)."""
    TOO_LATE = auto()
    """The deadline had passed before the request was written."""
    DEADLINE = auto()
    """The deadline passed while waiting for the response."""
    LOST = auto()
    """The connection ended, or the received bytes are not a complete HTTP response."""
    TOO_LARGE = auto()
    """The response has more than :data:`MAX_ANSWER` bytes."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """The result of one request.

    Attributes:
        left: whether the request was handed to a connection, as recorded right before the write. False is certain; True
            means that it may have been read.
        failure: None if the response is complete.
        status: of the response, also if its body is incomplete.
    """

    left: bool
    failure: Failure | None = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    detail: str = ""


class Transport(Protocol):
    """The interface behind which the hot call is made."""

    async def exchange(
        self, request: LeshanRequest, deadline: float, headers: Mapping[str, str] | None = None
    ) -> Exchange:
        """Send the request once and wait for its response until ``deadline`` (of ``time.monotonic``).

        Raises:
            asyncio.CancelledError: and nothing else. The connection is closed then.
        """
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...


class TooLateToSend(Exception):
    """Raised if the deadline passed before the write."""


@dataclass(slots=True)
class _Attempt:
    deadline: float
    left: bool = False
    connecting: bool = False
    status: int | None = None


WITHOUT_TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""The context of a client of a plain HTTP server: it trusts no certificate. httpx would read all certificate
authorities instead, which takes 40 ms."""


def tls_context(ca: Path | None, cert: Path | None, key: Path | None) -> ssl.SSLContext:
    """Return the TLS settings of calls to Leshan: the machine's authorities unless ``ca`` names others.

    Raises:
        OSError, ssl.SSLError: a file cannot be read, or is no certificate or key.
    """
    context = ssl.create_default_context(cafile=str(ca) if ca else None)
    if cert:
        context.load_cert_chain(str(cert), str(key) if key else None)
    return context


class Deadlines(Generic[Waiting]):
    """Items that wait until their deadlines, with a single timer. Used inside one event loop.

    A timer for each call is a twentieth of a call's cost, and hardly one of them is ever needed: a response comes in
    milliseconds, a deadline is tens of seconds away.
    """

    def __init__(self, passed: Callable[[Waiting], None]) -> None:
        """``passed`` is called once for each item whose deadline has passed; it must not raise."""
        self._passed = passed
        self._until: dict[Waiting, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._next = math.inf

    def watch(self, one: Waiting, deadline: float) -> None:
        """Call ``passed`` when ``deadline`` (of ``time.monotonic``) has passed, unless :meth:`forget` is called
        before."""
        self._until[one] = deadline
        if deadline < self._next:
            self._schedule(deadline)

    def forget(self, one: Waiting) -> None:
        """Stop watching the item, if it is watched."""
        self._until.pop(one, None)

    def close(self) -> None:
        """Stop watching all items."""
        self._until.clear()
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._next = None, math.inf

    def _schedule(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next = deadline
        seconds = max(deadline - time.monotonic(), LEAST_SECONDS)
        self._timer = asyncio.get_running_loop().call_later(seconds, self._expire)

    def _expire(self) -> None:
        now = time.monotonic()
        for one in [one for one, deadline in self._until.items() if deadline <= now]:
            del self._until[one]
            self._passed(one)
        self._timer, self._next = None, math.inf
        if self._until:
            self._schedule(min(self._until.values()))


class PooledTransport:
    """The hot call over kept connections. Created and used inside one event loop."""

    def __init__(
        self,
        api_root: str,
        *,
        headers: Mapping[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
        max_in_flight: int,
    ) -> None:
        """``api_root`` ends with ``/api``; ``headers`` are sent with every request."""
        root = urlsplit(api_root)
        self._host, self._tls = root.hostname or "", tls
        self._port = root.port or (443 if tls else 80)
        self._path = root.path
        own = {name.title(): value for name, value in (headers or {}).items()}
        self._head = _lines({"Host": root.netloc, **_IDENTITY, **own})
        self._slots = asyncio.Semaphore(max_in_flight)
        self._open: set[Connection] = set()
        self._kept: list[tuple[Connection, float]] = []
        self._deadlines: Deadlines[Connection] = Deadlines(Connection.give_up)

    async def aclose(self) -> None:
        """Close all connections."""
        self._deadlines.close()
        for connection in self._open:
            connection.close()
        await asyncio.sleep(0)

    async def exchange(
        self, request: LeshanRequest, deadline: float, headers: Mapping[str, str] | None = None
    ) -> Exchange:
        """See :class:`Transport`."""
        attempt = _Attempt(deadline)
        if time.monotonic() >= deadline:
            return _failed(attempt, TooLateToSend())
        try:
            answer = await self._send(self._request_bytes(request, headers), attempt)
        except Exception as error:  # of any kind: the attempt's own record says whether it was sent
            return _failed(attempt, error)
        return Exchange(left=True, status=answer.status, headers=answer.headers, body=answer.body)

    def _request_bytes(self, request: LeshanRequest, headers: Mapping[str, str] | None) -> bytes:
        own = dict(headers or {})
        if request.content_type:
            own["Content-Type"] = request.content_type
        if request.body is not None:
            own["Content-Length"] = str(len(request.body))
        start = f"{request.method} {_plain(self._path + request.target)} HTTP/1.1\r\n"
        return (start + self._head + _lines(own) + "\r\n").encode("latin-1") + (request.body or b"")

    async def _send(self, request: bytes, attempt: _Attempt) -> Answer:
        """Send a request, once for each call. No other function does."""
        if self._slots.locked():
            async with asyncio.timeout(attempt.deadline - time.monotonic()):
                await self._slots.acquire()
        else:
            await self._slots.acquire()
        try:
            connection = self._kept_connection() or await self._connect(attempt)
            try:
                if time.monotonic() >= attempt.deadline:
                    raise TooLateToSend
                if not connection.usable:
                    raise ConnectionResetError("the connection closed before the request was sent")
                attempt.left = True
                self._deadlines.watch(connection, attempt.deadline)
                return await connection.send(request)
            finally:
                self._deadlines.forget(connection)
                attempt.status = connection.status
                if connection.usable:
                    self._kept.append((connection, time.monotonic()))
                else:
                    connection.close()
        finally:
            self._slots.release()

    def _kept_connection(self) -> Connection | None:
        """Return the most recently used connection, if it is still good: longer idle ones are closed over time."""
        while self._kept:
            connection, since = self._kept.pop()
            if connection.usable and time.monotonic() - since < KEPT_SECONDS:
                return connection
            connection.close()
        return None

    async def _connect(self, attempt: _Attempt) -> Connection:
        attempt.connecting = True
        async with asyncio.timeout(min(CONNECT_SECONDS, attempt.deadline - time.monotonic())):
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: Connection(self._open.discard), self._host, self._port, ssl=self._tls
            )
        attempt.connecting = False
        self._open.add(connection)
        return connection


def _lines(headers: Mapping[str, str]) -> str:
    return "".join(f"{name}: {_plain(value)}\r\n" for name, value in headers.items())


def _plain(text: str) -> str:
    """Return a text that is valid in a request's head.

    Raises:
        ValueError: it would end its line.
    """
    if "\r" in text or "\n" in text or "\x00" in text:
        raise ValueError("a line of a request's head holds a line break")
    return text


def _failed(attempt: _Attempt, error: Exception) -> Exchange:
    """Return a failed exchange. The exception only supplies the text, and whether the deadline passed or the connection
    was lost."""
    if not attempt.left:
        late = isinstance(error, TooLateToSend) or time.monotonic() >= attempt.deadline
        failure = Failure.TOO_LATE if late and not attempt.connecting else Failure.UNREACHABLE
    elif isinstance(error, TimeoutError):
        failure = Failure.DEADLINE
    else:
        failure = Failure.TOO_LARGE if isinstance(error, AnswerTooLarge) else Failure.LOST
    detail = _DETAILS.get(type(error)) or f"{type(error).__name__}: {error}"[:500]
    return Exchange(left=attempt.left, failure=failure, status=attempt.status, detail=detail)


_DETAILS: Final[Mapping[type[Exception], str]] = {
    TooLateToSend: "the deadline passed before the request was sent",
    AnswerTooLarge: f"the answer has more than {MAX_ANSWER} bytes",
    TimeoutError: "no answer before the deadline",
}
