"""The common part of both webhook forms: authentication, limits on reading, and responses."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple, Self, TypeAlias

import orjson
from standardwebhooks import Webhook, WebhookVerificationError

from app.calls import Call, Reply
from app.domain.events import LeshanEvent
from app.domain.values import JsonValue
from app.leshan.bounded import parse_json
from app.security import bearer_token, same_secret

MAX_BODY: Final = 4 * 1024 * 1024
"""Maximum bytes of a post to ``/leshan/events``, as of one event on the stream: our Leshan server posts a large event
alone."""

MAX_OLDER_BODY: Final = 1024 * 1024
BODY_SECONDS: Final = 10.0
"""Time for a complete body."""

MAX_BYTES: Final = 64 * 1024 * 1024
"""Maximum bytes of all bodies of verified callers, until their responses. Their events take many times that."""

MAX_UNVERIFIED_BYTES: Final = 16 * 1024 * 1024
"""Maximum bytes of all bodies whose signatures cannot be verified yet, because they are not complete."""

SIGNATURE_SECONDS: Final = 300
"""Maximum age of a signature, as in Standard Webhooks."""

RETRY_AFTER_SECONDS: Final = 2

TOO_MANY_BYTES: Final = "Too many bytes are being read. Try again."
NO_SIGNATURE: Final = "a fresh signature as Standard Webhooks say, or a bearer token, is expected"


class Form(StrEnum):
    """The form in which events were posted."""

    WEBHOOK = "webhook"
    OLDER = "older_webhook"


class Batch(NamedTuple):
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
        trust_loopback: returns whether callers on this machine need neither. Only while there is nothing at all that
            authenticates callers.
    """

    secrets: Sequence[str] = ()
    token: str | None = None
    trust_loopback: Callable[[], bool] = lambda: True


class CallEnded(Exception):
    """Raised if the caller closed the connection before its body was complete."""


def is_local(call: Call) -> bool:
    """Return whether the call comes from this machine itself, and neither through a proxy nor from a web page.

    A browser lets any page post to this machine, and sends its origin; no Leshan server is a web page.
    """
    return call.is_direct and "origin" not in call.headers


def check_headers(call: Call, keys: Keys) -> bool:
    """Authenticate the caller by the headers; return whether the body's signature must still be verified.

    Raises:
        Refusal: 401. The body does not have to be read.
    """
    headers = call.headers
    if keys.token and (token := bearer_token(headers.get("authorization"))):
        if same_secret(keys.token, token):
            return False
        raise Refusal(401, "the token is not the webhook's")
    if keys.secrets and headers.get("webhook-id") and "v1," in headers.get("webhook-signature", ""):
        try:
            age = time.time() - float(headers.get("webhook-timestamp", ""))
        except ValueError:
            age = math.inf
        if abs(age) <= SIGNATURE_SECONDS + 1:  # the library's own check, to the second, follows
            return True
    if keys.secrets or keys.token:
        raise Refusal(401, NO_SIGNATURE)
    if not keys.trust_loopback():
        raise Refusal(401, "no secret and no token is set for the webhook: set one, or remove all tokens")
    if not is_local(call):
        raise Refusal(401, "without a secret or a token events are taken from this machine alone")
    return False


def check_signature(call: Call, body: bytes, keys: Keys) -> None:
    """Verify the signature of a complete body.

    Raises:
        Refusal: 401.
    """
    for secret in keys.secrets:
        # beside its own error the library lets those of a mangled signature, timestamp or body through
        with suppress(WebhookVerificationError, ValueError, OverflowError, OSError):
            Webhook(secret).verify(body, call.headers, json_parse=False)
            return
    raise Refusal(401, NO_SIGNATURE)


@dataclass(slots=True, eq=False)
class IncomingBody:
    """One body from its first byte until its call is answered, when the context ends.

    Attributes:
        budget: counts its bytes.
        size: bytes that are counted in the budget.
        timeout: limits the time for reading it, while it is read.
        refusal: the reason why it was given up for another body.
    """

    budget: ByteBudget
    size: int = 0
    timeout: asyncio.Timeout | None = None
    refusal: Refusal | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.budget.release(self)

    def move_to(self, budget: ByteBudget) -> None:
        """Count the bytes in another budget from now on. Raise Refusal as :meth:`ByteBudget.reserve` does."""
        size = self.size
        self.budget.release(self)
        self.budget = budget
        budget.reserve(self, size)


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
        """Count bytes of a body that were read. Raise Refusal: 503, the budget is exhausted."""
        self.bodies.setdefault(body)
        while size > self.free and self.evicts_oldest and (oldest := next(iter(self.bodies))) is not body:
            self.release(oldest)
            oldest.refusal = Refusal(503, TOO_MANY_BYTES)
            if oldest.timeout is not None and not oldest.timeout.expired():
                oldest.timeout.reschedule(0.0)
        if size > self.free:
            raise Refusal(503, TOO_MANY_BYTES)
        self.free -= size
        body.size += size

    def release(self, body: IncomingBody) -> None:
        """Stop counting a body."""
        if body in self.bodies:
            del self.bodies[body]
            self.free += body.size
            body.size = 0


class AdmissionLimiter:
    """Bounds the bytes of all calls. Unverified callers cannot use up the budget of verified ones."""

    def __init__(self, most: int = MAX_BYTES, most_unverified: int = MAX_UNVERIFIED_BYTES) -> None:
        self.verified, self.unverified = ByteBudget(most), ByteBudget(most_unverified, evicts_oldest=True)

    def admit(self, *, verified: bool) -> IncomingBody:
        """Return the context of a call, which counts the bytes that are read within it."""
        return IncomingBody(self.verified if verified else self.unverified)


async def read_body(call: Call, incoming: IncomingBody, most: int) -> bytes:
    """Read the body: at most ``most`` bytes, within :data:`BODY_SECONDS`.

    Raises:
        Refusal: 408, 413, or 503 if the budget is exhausted.
        CallEnded: the caller closed the connection.
    """
    length = call.headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > most:
        raise Refusal(413, f"A body has at most {most} bytes.")
    if call.body is not None:
        if len(call.body) > most:
            raise Refusal(413, f"A body has at most {most} bytes.")
        incoming.budget.reserve(incoming, len(call.body))
        return call.body
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS) as incoming.timeout:
            more = True
            while more:
                message = await call.receive()
                if message["type"] == "http.disconnect":
                    raise CallEnded
                piece, more = message.get("body", b""), message.get("more_body", False)
                if len(body) + len(piece) > most:
                    raise Refusal(413, f"A body has at most {most} bytes.")
                if piece:
                    incoming.budget.reserve(incoming, len(piece))
                    body += piece
    except TimeoutError:
        refusal = Refusal(408, f"A body must be complete within {BODY_SECONDS:.0f} seconds.")
        raise incoming.refusal or refusal from None
    finally:
        incoming.timeout = None
    if incoming.refusal is not None:  # given up at the moment when it was complete
        raise incoming.refusal
    return bytes(body)


def read_json(body: bytes) -> JsonValue:
    """Return the body's JSON; NaN, infinities and nesting without limit are invalid.

    Raises:
        Refusal: 400.
    """
    try:
        return parse_json(body)
    except orjson.JSONDecodeError as error:
        raise Refusal(400, f"the body is no JSON: {str(error)[:200]}") from None


def respond(status: int, content: Mapping[str, JsonValue]) -> Reply:
    """Return a JSON response; a 503 names the time of the retry."""
    return Reply(status, orjson.dumps(content), retry_after=RETRY_AFTER_SECONDS if status == 503 else None)
