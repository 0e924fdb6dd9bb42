"""What both forms of the webhook share: who may call, how much is read, how an answer looks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

import orjson
from standardwebhooks import Webhook, WebhookVerificationError
from starlette.requests import Request
from starlette.responses import Response

from app.domain.events import Told
from app.domain.values import JsonValue
from app.security import bearer_token, is_loopback, same_secret

MAX_BODY: Final = 4 * 1024 * 1024
"""Bytes of a post to ``/leshan/events``, as of one event on the stream: our Leshan server posts a large event alone."""

MAX_OLDER_BODY: Final = 1024 * 1024
MAX_DELIVERY_ID: Final = 255
MOST_AT_ONCE: Final = 64
MOST_BYTES_AT_ONCE: Final = 64 * 1024 * 1024
RETRY_AFTER_SECONDS: Final = 2

_NOT_FROM_HERE: Final = ("forwarded", "x-forwarded-for", "x-real-ip", "origin")
"""What proxies add, and what browsers do: any web page could post from this machine, and no Leshan is a web page."""


class Form(StrEnum):
    """In which form events were posted."""

    WEBHOOK = "webhook"
    OLDER = "older_webhook"


@dataclass(frozen=True, slots=True)
class Batch:
    """What one call of the webhook brought, to be taken whole or not at all.

    Attributes:
        delivery_id: the call's ``webhook-id``: a repeated one is acknowledged and changes nothing.
    """

    events: Sequence[Told]
    delivery_id: str | None = None
    form: Form = Form.WEBHOOK


Hear: TypeAlias = Callable[[Batch], Awaitable[None]]
"""Commits a batch: returns once it is committed, raises :class:`HearingUnavailable` when it cannot be now."""


Take: TypeAlias = Callable[[int], None]
"""Counts so many bytes that were read for one call, until its answer."""


class HearingUnavailable(Exception):
    """The database cannot take the batch now; the caller is asked to come again."""


class Refusal(Exception):
    """A call that is not taken, with the answer it gets."""

    def __init__(self, status: int, error: str, field: str | None = None) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.field = field


@dataclass(frozen=True, slots=True)
class Keys:
    """What proves that a call comes from Leshan: signatures by one of the secrets, or the token."""

    secrets: Sequence[str] = ()
    token: str | None = None


def is_local(request: Request) -> bool:
    """Whether the call comes from this machine itself, and not through a proxy or a browser on it."""
    client = request.client.host if request.client else None
    return is_loopback(client) and not any(name in request.headers for name in _NOT_FROM_HERE)


def check_caller(request: Request, body: bytes, keys: Keys) -> None:
    """Let a call pass that is signed or bears the token; without either set, one from this machine.

    Raises:
        Refusal: 401.
    """
    if keys.token and (token := bearer_token(request.headers.get("authorization"))):
        if same_secret(keys.token, token):
            return
        raise Refusal(401, "the token is not the webhook's")
    if keys.secrets and is_signed(body, request.headers, keys.secrets):
        return
    if keys.secrets or keys.token:
        raise Refusal(401, "a fresh signature as Standard Webhooks say, or a bearer token, is expected")
    if not is_local(request):
        raise Refusal(401, "without a secret or a token events are taken from this machine alone")


def is_signed(body: bytes, headers: Mapping[str, str], secrets: Sequence[str]) -> bool:
    """Whether one of the secrets signed this body not long ago."""
    return any(_is_signed_by(secret, body, headers) for secret in secrets)


def _is_signed_by(secret: str, body: bytes, headers: Mapping[str, str]) -> bool:
    try:
        Webhook(secret).verify(body, dict(headers), json_parse=False)
    except (WebhookVerificationError, ValueError, OverflowError, OSError):
        # beside its own error the library lets those of a mangled signature, timestamp or body through
        return False
    return True


class Doors:
    """How many calls may be read at once, and how many bytes of all of them: their events take many times that."""

    def __init__(self, most: int = MOST_AT_ONCE, most_bytes: int = MOST_BYTES_AT_ONCE) -> None:
        self._free, self._room = most, most_bytes

    @contextmanager
    def passed(self) -> Iterator[Take]:
        """Be one of them for as long as the block lasts; takes room for each piece that is read.

        Raises:
            Refusal: 503, come again; also where there is no room for a piece.
        """
        if self._free == 0:
            raise Refusal(503, "too many calls are being read: come again")
        self._free -= 1
        taken = 0

        def take(size: int) -> None:
            nonlocal taken
            if size > self._room:
                raise Refusal(503, "too much is being read: come again")
            self._room -= size
            taken += size

        try:
            yield take
        finally:
            self._free += 1
            self._room += taken


async def read_body(request: Request, take: Take, most: int) -> bytes:
    """The body, read no further than it is taken.

    Raises:
        Refusal: 413, or what ``take`` raises.
    """
    body = bytearray()
    async for piece in request.stream():
        if len(body) + len(piece) > most:
            raise Refusal(413, f"at most {most} bytes are taken")
        take(len(piece))
        body += piece
    return bytes(body)


def read_json(body: bytes) -> JsonValue:
    """The body's JSON; NaN, infinities and nesting without end are none.

    Raises:
        Refusal: 400.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refusal(400, f"the body is no JSON: {str(error)[:200]}") from None


def delivery_id(headers: Mapping[str, str]) -> str | None:
    """The ``webhook-id`` of the call.

    Raises:
        Refusal: 400, it is too long to be stored.
    """
    id_ = headers.get("webhook-id") or None
    if id_ and (len(id_) > MAX_DELIVERY_ID or "\x00" in id_):
        raise Refusal(400, f"a webhook-id has at most {MAX_DELIVERY_ID} characters")
    return id_


async def answered(hear: Hear, batch: Batch) -> Response:
    """202 once the batch is committed, 503 when it cannot be now."""
    try:
        await hear(batch)
    except HearingUnavailable:
        # why is in the log: a driver's text names hosts and users, and the caller may be anyone
        sentence = "The events cannot be stored now. Send them again."
        return _json(503, {"error": sentence}, {"Retry-After": str(RETRY_AFTER_SECONDS)})
    return _json(202, {"accepted": len(batch.events)})


def refused(refusal: Refusal) -> Response:
    """The answer that a refused call gets."""
    answer = {"error": refusal.error}
    if refusal.field is not None:
        answer["field"] = refusal.field
    headers = {413: {"Connection": "close"}, 503: {"Connection": "close", "Retry-After": str(RETRY_AFTER_SECONDS)}}
    return _json(refusal.status, answer, headers.get(refusal.status))


def _json(status: int, content: Mapping[str, JsonValue], headers: Mapping[str, str] | None = None) -> Response:
    return Response(orjson.dumps(content), status, headers, "application/json")
