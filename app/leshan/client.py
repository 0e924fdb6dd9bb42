"""The client of one Leshan server: operations' calls, and the few requests about the server itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx
import orjson
import structlog

from app.domain.enums import OperationKind
from app.domain.events import Registration
from app.domain.kinds import READS
from app.domain.object_models import ObjectModel
from app.domain.operations import OperationRequest
from app.domain.outcomes import Outcome, OutcomeKind
from app.leshan.answers import outcome_of, readable_text
from app.leshan.bounded import parse_json
from app.leshan.content_formats import Unwritable
from app.leshan.events import UnreadableEvent, registration_of
from app.leshan.object_models import InvalidModels, parse_object_specs
from app.leshan.past_calls import CallStatus, read_state
from app.leshan.registrations import LeshanUnavailable, PagedRegistrations, Registrations, listed
from app.leshan.requests import (
    LeshanRequest,
    Unaddressable,
    clients_request,
    closing_request,
    info_request,
    objectspecs_request,
    probe_request,
    request_for,
)
from app.leshan.response_pieces import pieces_of
from app.leshan.server_info import STOCK, ServerInfo, read_server_info, reads_types
from app.leshan.transport import ACCEPT, WITHOUT_TLS, Exchange, PooledTransport, Transport, tls_context
from app.tracing import Span, current_trace, span

PROBE_SECONDS: Final = 10.0
PROBES: Final = 4
"""Connections beyond the limit of calls: probes must still reach a Leshan that answers no call."""

COLD_TIMEOUT: Final = httpx.Timeout(10.0, read=60.0)
INFO_SECONDS: Final = 5.0
SAYS_WHAT_IT_CAN: Final = frozenset({200, 400, 404, 405})
"""Statuses that come from the server itself; 404 is a stock one's. A refusal of the caller (401, 403 ..) says nothing
about the server's features."""

STATUS_SECONDS: Final = 3.0
"""Time beyond the requested wait within which a server must report the state of a call."""

PERHAPS_TOO_LARGE: Final = (
    "perhaps the device's answer is larger than the Leshan server's limit (Californium's MAX_RESOURCE_BODY_SIZE, "
    "8192 bytes by default), which a stock server reports in the same way"
)

UNTYPED: Final = (
    "this Leshan server ignores the types of values: STRING and BOOLEAN can be written, other types and composites are "
    "refused, and values are read without types"
)

NEUTRAL_PROBE: Final = probe_request("reveille-probe")
MAX_SPECS: Final = 4 * 1024 * 1024
"""Maximum bytes of the object models of one endpoint; those of the whole OMA registry have less than 3 MiB."""

SPECS_SECONDS: Final = 60.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Probe:
    """Whether Leshan responds as Leshan does; ``answered`` is False if no response came."""

    healthy: bool
    detail: str
    answered: bool = True


def api_root(base_url: str) -> str:
    """Return the root of the REST API: the server's address with ``/api``, unless it already ends with that."""
    root = base_url.rstrip("/")
    return root if urlsplit(root).path.endswith("/api") else f"{root}/api"


class LeshanClient:
    """The client of one Leshan server, created and used inside one event loop; close it with :meth:`aclose`.

    Attributes:
        info: the features that the server reported last; a stock server's until then.
        typed: whether the server reads the type of a value from ``type`` in its node, and writes one there; 2.0.0-M4
            does not. None until it is recognized (:meth:`recognize`).
    """

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
        """``base_url`` is the server's address, with or without ``/api``; ``headers`` are sent with every call.

        Raises:
            OSError, ssl.SSLError: a certificate or key cannot be read.
        """
        self.info = STOCK
        self.typed: bool | None = None
        root = self._root = api_root(base_url)
        tls = tls_context(ca, cert, key) if root.startswith("https:") else None
        connections = max_in_flight + PROBES
        self._transport = transport or PooledTransport(root, headers=headers, tls=tls, max_in_flight=connections)
        self._cold = httpx.AsyncClient(
            base_url=root,
            headers={"Accept": ACCEPT, "Accept-Encoding": "identity", **(headers or {})},
            verify=tls or WITHOUT_TLS,
            timeout=COLD_TIMEOUT,
            trust_env=False,
            follow_redirects=False,
            limits=httpx.Limits(max_connections=10),
        )

    @property
    def cold(self) -> httpx.AsyncClient:
        """The HTTP client for infrequent calls, rooted at the API; the event stream is read with it."""
        return self._cold

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()
        await self._cold.aclose()

    async def call(self, op: OperationRequest, deadline: float, headers: Mapping[str, str] | None = None) -> Outcome:
        """Send the request to the device once; nothing is sent past ``deadline`` (of ``time.monotonic``).

        Raises:
            asyncio.CancelledError: and nothing else.
        """
        try:
            info = self.info
            request = request_for(op, any_name=info.any_name, once=info.once, typed=self.typed is not False)
        except (Unaddressable, Unwritable) as error:
            return Outcome(OutcomeKind.BAD_REQUEST, detail=str(error))
        except (ValueError, TypeError, KeyError, AttributeError) as error:  # it must not stop the queue behind it
            _log.error("operation_not_composable", kind=str(op.kind), error=f"{type(error).__name__}: {error}"[:300])
            detail = f"no request can be made of this operation: {error}"[:1000]
            return Outcome(OutcomeKind.BAD_REQUEST, detail=detail)
        with span(request.method, client=True) as call:
            if (trace := current_trace()) is not None:
                headers = {**(headers or {}), "traceparent": trace}
            exchange = await self._transport.exchange(request, deadline, headers)
            if trace is not None:
                self._describe(call, request, exchange)
        outcome = outcome_of(op.kind, exchange)
        if op.kind in READS and not info.json_errors:
            # above a stock server's limit M15 and later report a timeout, M4 a canceled request (both seen)
            is_canceled = outcome.kind is OutcomeKind.ANSWER_LOST and (outcome.detail or "").startswith("Request canc")
            if is_canceled or outcome.kind is OutcomeKind.DEVICE_SILENT:
                return replace(outcome, detail=f"{outcome.detail}: {PERHAPS_TOO_LARGE}")
        return outcome

    def _describe(self, call: Span, request: LeshanRequest, exchange: Exchange) -> None:
        """Describe the span of a call by the semantic conventions of HTTP clients."""
        address = urlsplit(self._root)
        port = address.port or (443 if address.scheme == "https" else 80)
        attributes: dict[str, str | int] = {
            "http.request.method": request.method,
            "url.full": self._root + request.target,
            "server.address": address.hostname or "",
            "server.port": port,
        }
        if exchange.status is not None:
            attributes["http.response.status_code"] = exchange.status
        failed = exchange.status if exchange.failure is None else exchange.failure.name.lower()
        is_error = exchange.failure is not None or exchange.status is None or exchange.status >= 400
        call.set(attributes, str(failed) if is_error else None)

    async def look(self) -> ServerInfo:
        """Request the server's features, and store them as :attr:`info`. A stock server must be recognized after each
        request: it may have replaced one of another version.

        Raises:
            LeshanUnavailable: no response; the known information stays.
        """
        exchange = await self._transport.exchange(info_request(), time.monotonic() + INFO_SECONDS)
        if exchange.failure is not None or exchange.status not in SAYS_WHAT_IT_CAN:
            raise LeshanUnavailable(f"GET /server/info: {exchange.detail or exchange.status}")
        self.info = read_server_info(exchange.status, exchange.body)
        self.typed = True if self.info.json_errors else None
        return self.info

    async def recognize(self, endpoint: str) -> None:
        """Determine whether the server reads the types of values, from its response to a request about any client.

        Raises:
            LeshanUnavailable: no response, or not Leshan's.
            Unaddressable: the endpoint's name cannot be part of an address.
        """
        request = probe_request(endpoint, any_name=self.info.any_name)
        exchange = await self._transport.exchange(request, time.monotonic() + INFO_SECONDS)
        outcome = outcome_of(OperationKind.READ, exchange)
        if outcome.kind is not OutcomeKind.NOT_REGISTERED and not _is_registration(exchange.body):
            raise LeshanUnavailable(f"GET /clients/..: {outcome.detail or exchange.status}")
        self.typed = reads_types(exchange.body)
        if not self.typed:
            _log.warning("leshan_untyped", server="2.0.0-M4", problem=UNTYPED)

    async def call_status(self, kind: OperationKind, request_id: str, wait_seconds: int) -> Outcome | CallStatus:
        """Return the state of the call that was made with this id. A call that the server never received is closed by
        this request, so that it cannot arrive any more. The server waits for a call that is still open, up to
        ``wait_seconds`` (at most 30).

        Raises:
            asyncio.CancelledError: and nothing else.
        """
        request = closing_request(request_id, wait_seconds)
        deadline = time.monotonic() + wait_seconds + STATUS_SECONDS
        return read_state(kind, await self._transport.exchange(request, deadline))

    async def probe(self, endpoint: str) -> Probe:
        """Request one registration: Leshan is healthy if it returns it, or says in its own format that there is none.

        Any other response may be due to the name (a proxy may refuse it, say): then a name that is always valid is
        requested.
        """
        try:
            request = probe_request(endpoint, any_name=self.info.any_name)
        except Unaddressable:
            return await self._probe(NEUTRAL_PROBE)
        probe = await self._probe(request)
        return probe if probe.healthy or not probe.answered else await self._probe(NEUTRAL_PROBE)

    async def _probe(self, request: LeshanRequest) -> Probe:
        exchange = await self._transport.exchange(request, time.monotonic() + PROBE_SECONDS)
        outcome = outcome_of(OperationKind.READ, exchange)
        if outcome.kind is OutcomeKind.NOT_REGISTERED:
            return Probe(healthy=True, detail="answers: no such client")
        if exchange.failure is None and exchange.status == 200 and _is_registration(exchange.body):
            return Probe(healthy=True, detail="answers with a registration")
        status = f"HTTP {exchange.status}: " if exchange.status else ""
        detail = f"{status}{outcome.detail or 'no answer of Leshan'}"[:500]
        return Probe(healthy=False, detail=detail, answered=exchange.status is not None)

    async def registration(self, endpoint: str, deadline: float) -> Registration | None:
        """Return the server's current registration of an endpoint (``GET /clients/{endpoint}``); None if it has none,
        or did not return it before ``deadline`` (of ``time.monotonic``).

        Raises:
            asyncio.CancelledError: and nothing else.
        """
        try:
            request = probe_request(endpoint, any_name=self.info.any_name)
        except Unaddressable:
            return None
        exchange = await self._transport.exchange(request, deadline)
        if exchange.failure is not None or exchange.status != 200:
            return None
        try:
            name, registration = registration_of(parse_json(exchange.body))
        except (orjson.JSONDecodeError, UnreadableEvent):
            return None
        return registration if name == endpoint else None

    @asynccontextmanager
    async def registrations(self) -> AsyncIterator[Registrations]:
        """Return all registrations (``GET /clients``), read in pieces: 100,000 registrations are never in memory at
        once.

        Raises:
            LeshanUnavailable: no response, or not Leshan's. Also while iterating.
        """
        if self.info.paging:
            yield PagedRegistrations(self._cold)
        else:
            async with listed(self._cold, clients_request()) as found:
                yield found

    async def object_models(self, endpoint: str) -> list[ObjectModel]:
        """Return the object models that Leshan uses for a registered endpoint.

        Raises:
            LeshanUnavailable: no response, the endpoint is not registered, or the response is invalid.
            Unaddressable: the endpoint's name cannot be part of an address.
        """
        request = objectspecs_request(endpoint, any_name=self.info.any_name)
        try:
            async with asyncio.timeout(SPECS_SECONDS), self._cold.stream(request.method, request.target) as answer:
                body = bytearray()
                async for piece in pieces_of(answer):
                    body += piece
                    if len(body) > MAX_SPECS:
                        raise LeshanUnavailable(f"object models: more than {MAX_SPECS} bytes")
            if answer.status_code != 200:
                text = readable_text(answer.headers.get("Content-Type", ""), bytes(body))
                raise LeshanUnavailable(f"object models: HTTP {answer.status_code}: {text[:300]}")
            return parse_object_specs(parse_json(bytes(body)))
        except (httpx.HTTPError, TimeoutError, orjson.JSONDecodeError, InvalidModels) as error:
            raise LeshanUnavailable(f"object models: {type(error).__name__}: {error}") from error


def _is_registration(body: bytes) -> bool:
    try:
        content = parse_json(body)
    except orjson.JSONDecodeError:
        return False
    return isinstance(content, dict) and isinstance(content.get("endpoint"), str)
