"""The client of one Leshan server: the operation's call, and the few questions about the server itself."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx
import ijson  # type: ignore[import-untyped]
import orjson
import structlog

from app.domain.events import Registration
from app.domain.object_models import ObjectModel
from app.domain.operations import OperationRequest
from app.domain.outcomes import Outcome, OutcomeKind
from app.domain.values import JsonValue
from app.domain.words import OperationKind
from app.leshan.answers import read_answer, readable_text
from app.leshan.events import UnreadableEvent, registration_of
from app.leshan.object_models import InvalidModels, parse_object_specs
from app.leshan.requests import (
    LeshanRequest,
    Unaddressable,
    clients_request,
    objectspecs_request,
    probe_request,
    request_for,
)
from app.leshan.transport import AiohttpTransport, Exchange, Failure, Transport, tls_context

PROBE_SECONDS: Final = 10.0
PROBES: Final = 4
"""Connections beyond the limit of calls: a Leshan that answers no call must still be asked whether it is back."""

COLD_TIMEOUT: Final = httpx.Timeout(10.0, read=60.0)
NEUTRAL_PROBE: Final = probe_request("reveille-probe")
MAX_SPECS: Final = 16 * 1024 * 1024

_log = structlog.get_logger(__name__)

_OUTCOMES: Final = {
    Failure.UNREACHABLE: OutcomeKind.UNREACHABLE,
    Failure.TOO_LATE: OutcomeKind.TOO_LATE,
    Failure.DEADLINE: OutcomeKind.ANSWER_LOST,
    Failure.LOST: OutcomeKind.ANSWER_LOST,
    Failure.TOO_LARGE: OutcomeKind.ANSWER_LOST,
}


class LeshanUnavailable(Exception):
    """A question about the server itself was not answered as Leshan answers it. The message says why."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Whether Leshan answers as Leshan does; ``answered`` is False where nobody did."""

    healthy: bool
    detail: str
    answered: bool = True


@dataclass(frozen=True, slots=True)
class KnownRegistration:
    """One client of ``GET /clients``."""

    endpoint: str
    registration: Registration


class RegistrationList:
    """The answer of ``GET /clients``, read in pieces while it is iterated; a broken entry is skipped and counted.

    Attributes:
        sent_at: when the question was sent, of ``time.monotonic``.
        server_millis: the server's own clock when it answered (header ``Date``), None where it tells none.
        skipped: entries so far that could not be read.
    """

    def __init__(self, sent_at: float, answer: httpx.Response) -> None:
        self.sent_at = sent_at
        self.server_millis = _server_millis(answer)
        self.skipped = 0
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[KnownRegistration]:
        """Raises LeshanUnavailable when the answer ends early or is no JSON list: then nothing is known of the rest."""
        found: list[JsonValue] = ijson.sendable_list()
        parser = ijson.items_coro(found, "item", use_float=True)
        complete = started = False
        try:
            async for piece in self._answer.aiter_bytes(65_536):
                started = started or _starts_a_list(piece)
                parser.send(piece)
                for entry in found:
                    if (known := self._known(entry)) is not None:
                        yield known
                found.clear()
            parser.close()
            complete = True
        except (ijson.JSONError, httpx.HTTPError) as error:
            raise LeshanUnavailable(f"GET /clients: {type(error).__name__}: {error}") from error
        finally:
            if not complete:
                await self._answer.aclose()

    def _known(self, entry: JsonValue) -> KnownRegistration | None:
        try:
            return KnownRegistration(*registration_of(entry))
        except UnreadableEvent as error:
            self.skipped += 1
            _log.warning("registration_unreadable", reason=str(error))
            return None


def api_root(base_url: str) -> str:
    """The root of the REST API: the server's address with ``/api``, which may also be given."""
    root = base_url.rstrip("/")
    return root if urlsplit(root).path.endswith("/api") else f"{root}/api"


class LeshanClient:
    """One Leshan server. Made and used inside one event loop; close it with :meth:`aclose`."""

    def __init__(
        self,
        base_url: str,
        *,
        headers: Mapping[str, str] | None = None,
        ca: Path | None = None,
        cert: Path | None = None,
        key: Path | None = None,
        max_in_flight: int = 120,
        transport: Transport | None = None,
    ) -> None:
        """``base_url`` is the server's address, with or without ``/api``; ``headers`` go with every call.

        Raises:
            OSError, ssl.SSLError: a certificate or key cannot be read.
        """
        root = api_root(base_url)
        tls = tls_context(ca, cert, key) if root.startswith("https:") else None
        connections = max_in_flight + PROBES
        self._transport = transport or AiohttpTransport(root, headers=headers, tls=tls, max_in_flight=connections)
        self._cold = httpx.AsyncClient(
            base_url=root,
            headers=dict(headers or {}),
            verify=tls or True,
            timeout=COLD_TIMEOUT,
            trust_env=False,
            follow_redirects=False,
            limits=httpx.Limits(max_connections=10),
        )

    @property
    def cold(self) -> httpx.AsyncClient:
        """The client of the cold calls, rooted at the API; the event stream is read with it."""
        return self._cold

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()
        await self._cold.aclose()

    async def call(self, op: OperationRequest, deadline: float, headers: Mapping[str, str] | None = None) -> Outcome:
        """Ask the device once; nothing is sent past ``deadline`` (of ``time.monotonic``).

        Raises:
            asyncio.CancelledError: and nothing else.
        """
        try:
            request = request_for(op)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            return _not_speakable(op, error)
        return outcome_of(op.kind, await self._transport.exchange(request, deadline, headers))

    async def probe(self, endpoint: str) -> Probe:
        """Ask for one registration: Leshan is healthy if it tells it, or says in its own words that there is none.

        Where something else is answered, the name may be what is not served (by a proxy that dislikes it, say): then a
        name without fault is asked about.
        """
        try:
            request = probe_request(endpoint)
        except Unaddressable:
            return await self._probe(NEUTRAL_PROBE)
        probe = await self._probe(request)
        return probe if probe.healthy or not probe.answered else await self._probe(NEUTRAL_PROBE)

    async def _probe(self, request: LeshanRequest) -> Probe:
        exchange = await self._transport.exchange(request, time.monotonic() + PROBE_SECONDS)
        outcome = outcome_of(OperationKind.READ, exchange)
        if outcome.kind is OutcomeKind.NOT_REGISTERED:
            return Probe(healthy=True, detail="answers: no such client")
        if exchange.failure is None and exchange.status == 200 and _tells_a_registration(exchange.body):
            return Probe(healthy=True, detail="answers with a registration")
        status = f"HTTP {exchange.status}: " if exchange.status else ""
        detail = f"{status}{outcome.detail or 'no answer of Leshan'}"[:500]
        return Probe(healthy=False, detail=detail, answered=exchange.status is not None)

    @asynccontextmanager
    async def registrations(self) -> AsyncIterator[RegistrationList]:
        """``GET /clients``, read in pieces: 100,000 registrations never stand in memory at once.

        Raises:
            LeshanUnavailable: no answer, or not Leshan's. Also while iterating.
        """
        sent_at = time.monotonic()
        try:
            async with self._cold.stream("GET", clients_request().target) as answer:
                if answer.status_code != 200:
                    raise LeshanUnavailable(f"GET /clients: HTTP {answer.status_code}")
                yield RegistrationList(sent_at, answer)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise LeshanUnavailable(f"GET /clients: {type(error).__name__}: {error}") from error

    async def object_models(self, endpoint: str) -> list[ObjectModel]:
        """The object models that Leshan uses for a registered endpoint.

        Raises:
            LeshanUnavailable: no answer, the endpoint is not registered, or the answer makes no sense.
            Unaddressable: the endpoint's name cannot be asked about.
        """
        request = objectspecs_request(endpoint)
        try:
            body = await self._bounded(request)
            return parse_object_specs(orjson.loads(body))
        except (httpx.HTTPError, orjson.JSONDecodeError, InvalidModels) as error:
            raise LeshanUnavailable(f"object models: {type(error).__name__}: {error}") from error

    async def _bounded(self, request: LeshanRequest) -> bytes:
        async with self._cold.stream(request.method, request.target) as answer:
            pieces = bytearray()
            async for piece in answer.aiter_bytes():
                pieces += piece
                if len(pieces) > MAX_SPECS:
                    raise LeshanUnavailable(f"object models: more than {MAX_SPECS} bytes")
        if answer.status_code != 200:
            text = readable_text(answer.headers.get("Content-Type", ""), bytes(pieces))
            raise LeshanUnavailable(f"object models: HTTP {answer.status_code}: {text[:300]}")
        return bytes(pieces)


def outcome_of(kind: OperationKind, exchange: Exchange) -> Outcome:
    """What an exchange means for an operation of this kind."""
    if exchange.failure is None and exchange.status is not None:
        return read_answer(kind, exchange.status, exchange.headers, exchange.body)
    failure = exchange.failure or Failure.LOST
    return Outcome(
        _OUTCOMES[failure],
        http_status=exchange.status,
        detail=exchange.detail[:1000] or None,
        deadline_passed=failure is Failure.DEADLINE,
    )


def _not_speakable(op: OperationRequest, error: Exception) -> Outcome:
    """An operation that cannot be said to Leshan ends by itself; it must not stop the queue behind it."""
    if isinstance(error, Unaddressable):
        return Outcome(OutcomeKind.BAD_REQUEST, detail=str(error))
    _log.error("operation_not_speakable", kind=str(op.kind), error=f"{type(error).__name__}: {error}"[:300])
    return Outcome(OutcomeKind.BAD_REQUEST, detail=f"no request can be made of this operation: {error}"[:1000])


def _tells_a_registration(body: bytes) -> bool:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return isinstance(content, dict) and isinstance(content.get("endpoint"), str)


def _starts_a_list(piece: bytes) -> bool:
    """Whether the answer begins as a list does; anything else would read as a list of nobody.

    Raises:
        LeshanUnavailable: it does not.
    """
    text = piece.lstrip()
    if text and not text.startswith(b"["):
        raise LeshanUnavailable("GET /clients: the answer is no list of registrations")
    return bool(text)


def _server_millis(answer: httpx.Response) -> int | None:
    try:
        return int(parsedate_to_datetime(answer.headers["Date"]).timestamp() * 1000)
    except (KeyError, ValueError, OverflowError):
        return None
