"""The hot call: one HTTP request of one attempt, with the fact whether it left.

aiohttp is used bare, the fastest that was measured. Of what it does by itself only this is left: pooling, TLS and the
wire. It sends an idempotent request a second time when a kept connection closes; here a second send of one attempt is
refused inside the only hook that runs before every write. The same hook records that the request leaves, and looks at
the deadline for the last time: a process that was frozen until past its deadline sends nothing.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, Protocol

import aiohttp
from yarl import URL

from app.leshan.requests import LeshanRequest

MAX_ANSWER: Final = 4 * 1024 * 1024
"""Bytes of an answer's body; more is not read, and the answer counts as lost."""

CONNECT_SECONDS: Final = 5.0
KEPT_SECONDS: Final = 4.0
"""How long an idle connection is kept: less than any server we know of, so that it is not closed under a request."""
DNS_SECONDS: Final = 30

ACCEPT: Final = "application/json, */*;q=0.5"
"""Our own Leshan server then answers errors as JSON, which says what was sent; a stock one does not look at it."""

_IDENTITY: Final = {"Accept": ACCEPT, "Accept-Encoding": "identity", "User-Agent": "reveille"}


class Failure(Enum):
    """Why no answer came."""

    UNREACHABLE = auto()
    """No connection: refused, no such host, TLS, or none in time (also when we ourselves were frozen meanwhile)."""
    TOO_LATE = auto()
    """The deadline had passed before the request was written."""
    DEADLINE = auto()
    """The deadline passed while waiting for the answer."""
    LOST = auto()
    """The connection ended, or what came is no whole HTTP answer."""
    TOO_LARGE = auto()
    """The answer has more than :data:`MAX_ANSWER` bytes."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """What became of one request.

    Attributes:
        left: whether the request was handed to a connection, as recorded right before the write. False is certain; True
            means that it may have been read.
        failure: None when the answer is whole.
        status: of the answer, also when its body is not whole.
    """

    left: bool
    failure: Failure | None = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    detail: str = ""


class Transport(Protocol):
    """The small port behind which the hot call is made."""

    async def exchange(
        self, request: LeshanRequest, deadline: float, headers: Mapping[str, str] | None = None
    ) -> Exchange:
        """Send the request once and wait for its answer until ``deadline`` (of ``time.monotonic``).

        Raises:
            asyncio.CancelledError: and nothing else. The connection is closed then.
        """
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...


class TooLateToSend(Exception):
    """The deadline passed before the write."""


class SecondSend(Exception):
    """The HTTP library was about to send a request again by itself."""


class AnswerTooLarge(Exception):
    """The answer's body is larger than is read."""


@dataclass(slots=True)
class _Attempt:
    deadline: float
    left: bool = False
    connecting: bool = False
    status: int | None = None


def _refuse_second_send(attempt: _Attempt) -> None:
    if attempt.left:
        raise SecondSend


async def _before_write(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: object) -> None:
    attempt: _Attempt = context.trace_request_ctx
    _refuse_second_send(attempt)
    if time.monotonic() >= attempt.deadline:
        raise TooLateToSend
    attempt.left = True


async def _on_connect(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: object) -> None:
    _refuse_second_send(context.trace_request_ctx)
    context.trace_request_ctx.connecting = True


async def _on_connected(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: object) -> None:
    context.trace_request_ctx.connecting = False


def tls_context(ca: Path | None, cert: Path | None, key: Path | None) -> ssl.SSLContext:
    """The TLS settings of calls to Leshan: the machine's authorities unless ``ca`` names others.

    Raises:
        OSError, ssl.SSLError: a file cannot be read, or is no certificate or key.
    """
    context = ssl.create_default_context(cafile=str(ca) if ca else None)
    if cert:
        context.load_cert_chain(str(cert), str(key) if key else None)
    return context


class AiohttpTransport:
    """The hot call on aiohttp. Made and used inside one event loop."""

    def __init__(
        self,
        api_root: str,
        *,
        headers: Mapping[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
        max_in_flight: int,
    ) -> None:
        """``api_root`` ends with ``/api``; ``headers`` go with every request."""
        self._root = api_root
        traces = aiohttp.TraceConfig()
        traces.on_request_headers_sent.append(_before_write)
        traces.on_connection_create_start.append(_on_connect)
        traces.on_connection_create_end.append(_on_connected)
        self._session = aiohttp.ClientSession(
            connector=_connector(tls, max_in_flight),
            headers={**_IDENTITY, **(headers or {})},
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
            trace_configs=[traces],
            trust_env=False,
            auto_decompress=False,
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def exchange(
        self, request: LeshanRequest, deadline: float, headers: Mapping[str, str] | None = None
    ) -> Exchange:
        """See :class:`Transport`."""
        attempt = _Attempt(deadline)
        if time.monotonic() >= deadline:
            return _failed(attempt, TooLateToSend())
        try:
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                return await self._send(request, attempt, headers)
        except Exception as error:  # whatever it is: the attempt's own record says if it left
            return _failed(attempt, error)

    async def _send(self, request: LeshanRequest, attempt: _Attempt, headers: Mapping[str, str] | None) -> Exchange:
        own = dict(headers or {})
        if request.content_type:
            own["Content-Type"] = request.content_type
        async with self._session.request(
            request.method,
            URL(self._root + request.target, encoded=True),
            data=request.body,
            headers=own,
            allow_redirects=False,
            trace_request_ctx=attempt,
        ) as answer:
            attempt.status = answer.status
            body = await _body(answer)
            return Exchange(left=True, status=answer.status, headers=answer.headers, body=body)


def _connector(tls: ssl.SSLContext | None, max_in_flight: int) -> aiohttp.TCPConnector:
    settings: dict[str, Any] = {"ssl": tls} if tls else {}
    return aiohttp.TCPConnector(
        limit=max_in_flight, keepalive_timeout=KEPT_SECONDS, ttl_dns_cache=DNS_SECONDS, **settings
    )


async def _body(answer: aiohttp.ClientResponse) -> bytes:
    if (answer.content_length or 0) > MAX_ANSWER:
        raise AnswerTooLarge
    if answer.content_length is not None:
        return await answer.read()
    pieces, size = [], 0
    async for piece in answer.content.iter_any():
        size += len(piece)
        if size > MAX_ANSWER:
            raise AnswerTooLarge
        pieces.append(piece)
    return b"".join(pieces)


def _failed(attempt: _Attempt, error: Exception) -> Exchange:
    """The exception only gives the words, and tells a passed deadline from a lost connection."""
    return Exchange(
        left=attempt.left,
        failure=_failure_after(error) if attempt.left else _failure_before(attempt, error),
        status=attempt.status,
        detail=_words(error),
    )


def _failure_before(attempt: _Attempt, error: Exception) -> Failure:
    late = isinstance(error, TooLateToSend) or time.monotonic() >= attempt.deadline
    return Failure.TOO_LATE if late and not attempt.connecting else Failure.UNREACHABLE


def _failure_after(error: Exception) -> Failure:
    if isinstance(error, TimeoutError):
        return Failure.DEADLINE
    return Failure.TOO_LARGE if isinstance(error, AnswerTooLarge) else Failure.LOST


def _words(error: Exception) -> str:
    known = {
        TooLateToSend: "the deadline passed before the request was sent",
        SecondSend: "the connection closed before an answer came",
        AnswerTooLarge: f"the answer has more than {MAX_ANSWER} bytes",
        TimeoutError: "no answer before the deadline",
    }
    return known.get(type(error)) or f"{type(error).__name__}: {error}"[:500]
