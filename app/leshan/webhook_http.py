"""The common part of both webhook forms: authentication, limits on reading, and responses."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias

import orjson
from standardwebhooks import Webhook, WebhookVerificationError
from starlette.requests import Request
from starlette.responses import Response

from app.domain.events import LeshanEvent
from app.domain.values import JsonValue
from app.leshan.bounded import parse_json
from app.leshan.deadlines import Deadlines
from app.security import bearer_token, is_direct_loopback, same_secret

MAX_BODY: Final = 4 * 1024 * 1024
"""Maximum bytes of a post to ``/leshan/events``, as of one event on the stream: our Leshan server posts a large event
alone."""

MAX_OLDER_BODY: Final = 1024 * 1024
MAX_DELIVERY_ID: Final = 255
BODY_SECONDS: Final = 10.0
"""Time for a complete body."""

MAX_BYTES: Final = 64 * 1024 * 1024
"""Maximum bytes of all bodies of verified callers, until their responses. Their events take many times that."""

MAX_UNVERIFIED_BYTES: Final = 16 * 1024 * 1024
"""Maximum bytes of all bodies whose signatures cannot be verified yet, because they are not complete."""

SIGNATURE_SECONDS: Final = 300
"""Maximum age of a signature, as in Standard Webhooks."""

RETRY_AFTER_SECONDS: Final = 2


class Form(StrEnum):
    """The form in which events were posted."""

    WEBHOOK = "webhook"
    OLDER = "older_webhook"


@dataclass(frozen=True, slots=True)
class Batch:
    """The events of one call of the webhook, to be committed completely or not at all.

    Attributes:
        delivery_id: the call's ``webhook-id``: a repeated one is acknowledged and changes nothing.
    """

    events: Sequence[LeshanEvent]
    delivery_id: str | None = None
    form: Form = Form.WEBHOOK


IngestBatch: TypeAlias = Callable[[Batch], Awaitable[None]]
"""Commits a batch: returns once it is committed, raises :class:`IngestUnavailable` if it cannot be committed now."""


class IngestUnavailable(Exception):
    """Raised if the database cannot commit the batch now; the response requests a retry."""


class Refusal(Exception):
    """Raised to refuse a call, with its response."""

    def __init__(self, status: int, error: str, field: str | None = None) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.field = field


@dataclass(frozen=True, slots=True)
class Keys:
    """The proof that a call comes from Leshan: signatures by one of the secrets, or the token.

    Attributes:
        trust_loopback: whether callers on this machine need neither. Only if nothing at all is configured.
    """

    secrets: Sequence[str] = ()
    token: str | None = None
    trust_loopback: bool = True


def is_local(request: Request) -> bool:
    """Return whether the call comes from this machine itself, and neither through a proxy nor from a web page.

    A browser lets any page post to this machine, and sends its origin; no Leshan server is a web page.
    """
    client = request.client.host if request.client else None
    return is_direct_loopback(client, request.headers) and "origin" not in request.headers


def check_headers(request: Request, keys: Keys) -> bool:
    """Authenticate the caller by the headers; return whether the body's signature must still be verified.

    Raises:
        Refusal: 401. The body does not have to be read.
    """
    if keys.token and (token := bearer_token(request.headers.get("authorization"))):
        if same_secret(keys.token, token):
            return False
        raise Refusal(401, "the token is not the webhook's")
    if keys.secrets and _may_be_signed(request.headers):
        return True
    if keys.secrets or keys.token:
        raise Refusal(401, "a fresh signature as Standard Webhooks say, or a bearer token, is expected")
    if not keys.trust_loopback:
        raise Refusal(401, "no secret and no token is set for the webhook: set one, or remove all tokens")
    if not is_local(request):
        raise Refusal(401, "without a secret or a token events are taken from this machine alone")
    return False


def check_signature(request: Request, body: bytes, keys: Keys) -> None:
    """Verify the signature of a complete body.

    Raises:
        Refusal: 401.
    """
    if not any(_is_signed_by(secret, body, request.headers) for secret in keys.secrets):
        raise Refusal(401, "a fresh signature as Standard Webhooks say, or a bearer token, is expected")


def _may_be_signed(headers: Mapping[str, str]) -> bool:
    """Return whether the headers of a signature are present, and its time is not too far away."""
    if not headers.get("webhook-id") or "v1," not in headers.get("webhook-signature", ""):
        return False
    try:
        at = float(headers.get("webhook-timestamp", ""))
    except ValueError:
        return False
    return abs(time.time() - at) <= SIGNATURE_SECONDS + 1  # the library's own check, to the second, follows


def _is_signed_by(secret: str, body: bytes, headers: Mapping[str, str]) -> bool:
    try:
        Webhook(secret).verify(body, dict(headers), json_parse=False)
    except (WebhookVerificationError, ValueError, OverflowError, OSError):
        # beside its own error the library lets those of a mangled signature, timestamp or body through
        return False
    return True


@dataclass(slots=True, eq=False)
class IncomingBody:
    """One body from its first byte until its call is answered.

    Attributes:
        budget: counts its bytes.
        deadlines: limit the time for reading it.
        size: bytes that are counted in the budget.
        reader: the task that reads it, while it is read.
        refusal: the reason why it was given up.
    """

    budget: ByteBudget
    deadlines: Deadlines[IncomingBody]
    size: int = 0
    reader: asyncio.Task[object] | None = None
    refusal: Refusal | None = None

    def give_up(self, refusal: Refusal) -> None:
        """Stop reading the body. Its call is refused."""
        self.refusal = refusal
        if self.reader is not None:
            self.reader.cancel()

    def expire(self) -> None:
        """Give the body up at its deadline."""
        self.give_up(Refusal(408, f"A body must be complete within {BODY_SECONDS:.0f} seconds."))

    def reserve(self, size: int) -> None:
        """Count bytes that were read. Raise Refusal: 503, the budget is exhausted."""
        self.budget.reserve(self, size)

    def move_to(self, budget: ByteBudget) -> None:
        """Count the bytes in another budget from now on. Raise Refusal as :meth:`reserve` does."""
        size = self.size
        self.budget.release(self)
        self.budget = budget
        self.reserve(size)


@dataclass(slots=True)
class ByteBudget:
    """A limit on the bytes of bodies held at once, however many callers send them.

    Attributes:
        free: bytes that are left.
        evicts_oldest: whether the body that has been read for longest is given up for another one. An honest body takes
            milliseconds: the oldest one is held back on purpose, or its caller has a bad connection.
        bodies: the counted bodies, the oldest first.
    """

    free: int
    evicts_oldest: bool = False
    bodies: dict[IncomingBody, None] = field(default_factory=dict)

    def reserve(self, body: IncomingBody, size: int) -> None:
        self.bodies.setdefault(body)
        while size > self.free and self.evicts_oldest and (oldest := next(iter(self.bodies))) is not body:
            self.release(oldest)
            oldest.give_up(_too_many_bytes())
        if size > self.free:
            raise _too_many_bytes()
        self.free -= size
        body.size += size

    def release(self, body: IncomingBody) -> None:
        """Stop counting a body."""
        if body in self.bodies:
            del self.bodies[body]
            self.free += body.size
            body.size = 0


def _too_many_bytes() -> Refusal:
    return Refusal(503, "Too many bytes are being read. Try again.")


class AdmissionLimiter:
    """Bounds the bytes of all calls. Unverified callers cannot use up the budget of verified ones."""

    def __init__(self, most: int = MAX_BYTES, most_unverified: int = MAX_UNVERIFIED_BYTES) -> None:
        self.verified, self.unverified = ByteBudget(most), ByteBudget(most_unverified, evicts_oldest=True)
        self._deadlines = Deadlines(IncomingBody.expire)

    @contextmanager
    def admit(self, *, verified: bool) -> Iterator[IncomingBody]:
        """Count the bytes read within the block, until its end."""
        body = IncomingBody(self.verified if verified else self.unverified, self._deadlines)
        try:
            yield body
        finally:
            body.budget.release(body)


async def read_body(request: Request, incoming: IncomingBody, most: int) -> bytes:
    """Read the body: at most ``most`` bytes, within :data:`BODY_SECONDS`.

    Raises:
        Refusal: 408, 413, or 503 if the budget is exhausted.
    """
    told = request.headers.get("content-length", "")
    if told.isdecimal() and int(told[:20]) > most:
        raise _too_large(most)
    body = bytearray()
    incoming.reader = asyncio.current_task()
    incoming.deadlines.watch(incoming, time.monotonic() + BODY_SECONDS)
    try:
        async for piece in request.stream():
            if len(body) + len(piece) > most:
                raise _too_large(most)
            incoming.reserve(len(piece))
            body += piece
    except asyncio.CancelledError:
        if incoming.refusal is None or incoming.reader is None or incoming.reader.uncancel():
            raise  # a cancellation from elsewhere ends it, too
        raise incoming.refusal from None
    finally:
        incoming.deadlines.forget(incoming)
        incoming.reader = None
    return bytes(body)


def _too_large(most: int) -> Refusal:
    return Refusal(413, f"A body has at most {most} bytes.")


def read_json(body: bytes) -> JsonValue:
    """Return the body's JSON; NaN, infinities and nesting without limit are invalid.

    Raises:
        Refusal: 400.
    """
    try:
        return parse_json(body)
    except orjson.JSONDecodeError as error:
        raise Refusal(400, f"the body is no JSON: {str(error)[:200]}") from None


def delivery_id(headers: Mapping[str, str]) -> str | None:
    """Return the ``webhook-id`` of the call.

    Raises:
        Refusal: 400, it is too long to be stored.
    """
    id_ = headers.get("webhook-id") or None
    if id_ and (len(id_) > MAX_DELIVERY_ID or "\x00" in id_):
        raise Refusal(400, f"a webhook-id has at most {MAX_DELIVERY_ID} characters")
    return id_


async def answered(ingest: IngestBatch, batch: Batch) -> Response:
    """Return 202 once the batch is committed, 503 if it cannot be committed now."""
    try:
        await ingest(batch)
    except IngestUnavailable:
        # the log has the reason: a driver's text names hosts and users, and the caller may be unknown
        sentence = "The events cannot be stored now. Send them again."
        return _json(503, {"error": sentence}, {"Retry-After": str(RETRY_AFTER_SECONDS)})
    return _json(202, {"accepted": len(batch.events)})


def refused(refusal: Refusal) -> Response:
    """Return the response to a refused call."""
    answer = {"error": refusal.error}
    if refusal.field is not None:
        answer["field"] = refusal.field
    return _json(refusal.status, answer, {"Retry-After": str(RETRY_AFTER_SECONDS)} if refusal.status == 503 else None)


def _json(status: int, content: Mapping[str, JsonValue], headers: Mapping[str, str] | None = None) -> Response:
    return Response(orjson.dumps(content), status, headers, "application/json")
