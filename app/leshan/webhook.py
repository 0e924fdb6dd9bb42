"""The webhook ``POST /leshan/events``: Leshan's events with their own names and payloads, one or a list of them.

    {"event": "UPDATED", "data": {..}, "time": 1795448703071, "seq": 17, "server": "leshan"}

``time`` is when it happened, in milliseconds of Leshan's clock; its age is computed against ``webhook-timestamp``, the
time of sending by the same clock. ``seq`` says that the source preserves order. All other fields are ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from app.domain.events import Event, LeshanEvent
from app.domain.values import JsonValue
from app.leshan.events import BrokenEvent, UnknownEvent, UnreadableEvent, parse_event
from app.leshan.old_webhooks import parse_composite, parse_single
from app.leshan.server_info import boot_id_of
from app.leshan.webhook_http import (
    MAX_BODY,
    MAX_OLDER_BODY,
    AdmissionLimiter,
    Batch,
    Form,
    IngestBatch,
    IngestUnavailable,
    Keys,
    Refusal,
    answered,
    check_headers,
    check_signature,
    delivery_id,
    is_local,
    read_body,
    read_json,
    refused,
)
from app.security import same_secret

__all__ = ["Batch", "Form", "IngestBatch", "IngestUnavailable", "webhook_routes"]

MAX_EVENTS: Final = 1000
MAX_MILLIS: Final = 2**53

_Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]


def webhook_routes(
    ingest: IngestBatch,
    *,
    secrets: Sequence[str] = (),
    token: str | None = None,
    trust_loopback: bool = True,
    notifications_wake: bool = False,
) -> list[Route]:
    """Return the routes of the webhook and of its two older forms.

    Args:
        ingest: commits a batch.
        secrets: ``whsec_..`` of Standard Webhooks; several while one is being replaced.
        token: bearer token, also the one in ``/w/{token}/..``.
        trust_loopback: whether callers on this machine are trusted if neither secrets nor a token are given.
        notifications_wake: whether this Leshan server takes a device that notifies as awake.
    """
    keys = Keys(tuple(secrets), token, trust_loopback)
    limiter = AdmissionLimiter()
    single, composite = _older(ingest, keys, parse_single, limiter), _older(ingest, keys, parse_composite, limiter)
    return [
        Route("/leshan/events", _events(ingest, keys, notifications_wake, limiter), methods=["POST"]),
        Route("/leshan_api/resource/single", single, methods=["POST"]),
        Route("/leshan_api/resource/composite", composite, methods=["POST"]),
        Route("/w/{token}/leshan_api/resource/single", single, methods=["POST"]),
        Route("/w/{token}/leshan_api/resource/composite", composite, methods=["POST"]),
    ]


def _events(ingest: IngestBatch, keys: Keys, notifications_wake: bool, limiter: AdmissionLimiter) -> _Endpoint:
    async def receive(request: Request) -> Response:
        is_signed = check_headers(request, keys)
        with limiter.admit(verified=not is_signed) as incoming:
            body = await read_body(request, incoming, MAX_BODY)
            if is_signed:
                check_signature(request, body, keys)
                incoming.move_to(limiter.verified)
            events = parse_events(read_json(body), _sent_millis(request), notifications_wake=notifications_wake)
            return await answered(ingest, Batch(events, delivery_id(request.headers)))

    return _refusing(receive)


def _older(
    ingest: IngestBatch, keys: Keys, parse: Callable[[JsonValue], Event], limiter: AdmissionLimiter
) -> _Endpoint:
    async def receive(request: Request) -> Response:
        _check_older_caller(request, keys)
        with limiter.admit(verified=True) as incoming:
            body = read_json(await read_body(request, incoming, MAX_OLDER_BODY))
            try:
                event = parse(body)
            except UnreadableEvent as error:
                raise Refusal(422, str(error), error.field) from None
            return await answered(ingest, Batch([event], form=Form.OLDER))

    return _refusing(receive)


def _check_older_caller(request: Request, keys: Keys) -> None:
    """Check the token in the address: only the address can be configured on such a server.

    Raises:
        Refusal: 401.
    """
    given = request.path_params.get("token")
    if given is not None and not (keys.token and same_secret(keys.token, given)):
        raise Refusal(401, "the token in the address is not the webhook's")
    if given is None and (keys.secrets or keys.token or not keys.trust_loopback):
        raise Refusal(401, "the address is /w/TOKEN/leshan_api/.. with the webhook's token")
    if given is None and not is_local(request):
        raise Refusal(401, "from elsewhere than this machine the address is /w/TOKEN/leshan_api/..")


def _refusing(receive: _Endpoint) -> _Endpoint:
    async def endpoint(request: Request) -> Response:
        try:
            return await receive(request)
        except Refusal as refusal:
            return refused(refusal)
        except ClientDisconnect:
            return refused(Refusal(400, "the call ended before its body did"))

    return endpoint


def parse_events(body: JsonValue, sent_millis: int | None, *, notifications_wake: bool = False) -> list[LeshanEvent]:
    """Read one event or a list of them, all or none; events that have no effect here are left out.

    Args:
        sent_millis: when they were sent, by the sender's clock; None if the header is missing.

    Raises:
        Refusal: 400 unknown event or no event at all, 413 too many, 422 a field is missing or unusable.
    """
    members = body if isinstance(body, list) else [body]
    if len(members) > MAX_EVENTS:
        raise Refusal(413, f"at most {MAX_EVENTS} events are taken at once")
    where = "[{}]." if isinstance(body, list) else ""
    told = (
        _event(member, where.format(index), sent_millis, notifications_wake) for index, member in enumerate(members)
    )
    return [event for event in told if event is not None]


def _event(member: JsonValue, where: str, sent_millis: int | None, notifications_wake: bool) -> LeshanEvent | None:
    if not isinstance(member, Mapping):
        raise Refusal(400, f'{where or "the body"}: an event {{"event": NAME, "data": {{..}}}} is expected')
    for field, kind in (("event", str), ("data", dict)):
        if not isinstance(member.get(field), kind):
            raise Refusal(422, f"{where}{field} is missing", f"{where}{field}")
    try:
        return parse_event(
            member["event"],
            member["data"],
            age=_age(member.get("time"), sent_millis, where),
            ordered=_is_ordered(member.get("seq"), where),
            notifications_wake=notifications_wake,
            time=member.get("time"),
            boot_id=boot_id_of(member.get("bootId")),
        )
    except UnknownEvent as error:
        raise Refusal(400, str(error), f"{where}event") from None
    except UnreadableEvent as error:
        sentence = f"{where}{error.field}: {error}" if isinstance(error, BrokenEvent) else f"{where}{error}"
        raise Refusal(422, sentence, f"{where}{error.field}") from None


def _is_ordered(seq: JsonValue, where: str) -> bool:
    """Return whether there is a sequence number, whatever its value: then this sender preserves order."""
    if seq is not None and (isinstance(seq, bool) or not isinstance(seq, int | float)):
        raise Refusal(422, f"{where}seq is a number", f"{where}seq")
    return seq is not None


def _age(time: JsonValue, sent_millis: int | None, where: str) -> int:
    """Return the microseconds between an event and its sending, 0 if either time is missing."""
    if time is None:
        return 0
    if isinstance(time, bool) or not isinstance(time, int) or not 0 <= time < MAX_MILLIS:
        raise Refusal(422, f"{where}time is in milliseconds, an integer", f"{where}time")
    return 0 if sent_millis is None else max(0, sent_millis - time) * 1000


def _sent_millis(request: Request) -> int | None:
    """Return ``webhook-timestamp``, which is in seconds, as milliseconds."""
    told = request.headers.get("webhook-timestamp", "")
    return int(told) * 1000 if told.isascii() and told.isdigit() and len(told) < 13 else None
