"""The webhook ``POST /leshan/events``: Leshan's events with their own names and payloads, one or a list of them.

    {"event": "UPDATED", "data": {..}, "time": 1795448703071, "seq": 17, "server": "leshan"}

``time`` is when it happened, in milliseconds of Leshan's clock; its age is computed against ``webhook-timestamp``, the
time of sending by the same clock. ``seq`` says that the source preserves order. All other fields are ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final

from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from app.calls import Answer, Call, Reply
from app.domain.events import Event, LeshanEvent
from app.domain.values import JsonValue
from app.leshan.events import BrokenEvent, UnknownEvent, UnreadableEvent, parse_event
from app.leshan.old_webhooks import parse_composite, parse_single
from app.leshan.webhook_http import (
    MAX_BODY,
    MAX_OLDER_BODY,
    AdmissionLimiter,
    Batch,
    CallEnded,
    Form,
    IngestBatch,
    IngestUnavailable,
    Keys,
    Refusal,
    check_headers,
    check_signature,
    is_local,
    read_body,
    read_json,
    respond,
)
from app.security import same_secret
from app.telemetry import WEBHOOK_REFUSALS

__all__ = ["Batch", "Form", "IngestBatch", "IngestUnavailable", "webhook_routes"]

MAX_EVENTS: Final = 1000
MAX_MILLIS: Final = 2**53
MAX_DELIVERY_ID: Final = 255

_Receive = Callable[[Call], Coroutine[Any, Any, Reply]]

EVENTS: Final = "/leshan/events"


class Endpoint:
    """A route of the webhook: it answers calls that are refused or cannot be committed, too. ASGI can call it, and
    :data:`EVENTS` is a direct route of the server (:mod:`app.direct`)."""

    def __init__(self, receive: _Receive) -> None:
        self._receive = receive

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reply = await self.answer(Call(scope, receive))
        await reply.send(send)

    async def answer(self, call: Call) -> Reply:
        """Return the response to a call."""
        try:
            return await self._receive(call)
        except Refusal as refusal:
            field = {} if refusal.field is None else {"field": refusal.field}
            WEBHOOK_REFUSALS.labels(refusal.status).inc()
            return respond(refusal.status, {"error": refusal.error, **field})
        except IngestUnavailable:
            WEBHOOK_REFUSALS.labels(503).inc()
            # the log has the reason: a driver's text names hosts and users, and the caller may be unknown
            return respond(503, {"error": "The events cannot be stored now. Send them again."})
        except CallEnded:
            return respond(400, {"error": "the call ended before its body did"})


def webhook_routes(
    ingest: IngestBatch,
    *,
    secrets: Sequence[str] = (),
    token: str | None = None,
    trust_loopback: Callable[[], bool] = lambda: True,
    notifications_wake: bool = False,
) -> list[Route]:
    """Return the routes of the webhook and of its two older forms.

    Args:
        ingest: commits a batch.
        secrets: ``whsec_..`` of Standard Webhooks; several while one is being replaced.
        token: bearer token, also the one in ``/w/{token}/..``.
        trust_loopback: returns whether callers on this machine are trusted if neither secrets nor a token are given.
        notifications_wake: whether this Leshan server takes a device that notifies as awake.
    """
    keys = Keys(tuple(secrets), token, trust_loopback)
    limiter = AdmissionLimiter()
    single, composite = _older(ingest, keys, parse_single, limiter), _older(ingest, keys, parse_composite, limiter)
    return [
        Route(EVENTS, _events(ingest, keys, notifications_wake, limiter), methods=["POST"]),
        Route("/leshan_api/resource/single", single, methods=["POST"]),
        Route("/leshan_api/resource/composite", composite, methods=["POST"]),
        Route("/w/{token}/leshan_api/resource/single", single, methods=["POST"]),
        Route("/w/{token}/leshan_api/resource/composite", composite, methods=["POST"]),
    ]


def direct_answers(routes: Sequence[Route]) -> Mapping[str, Answer]:
    """Return those of the webhook's routes that the server may call directly, by their paths."""
    found = ((route.path, route.endpoint) for route in routes if route.path == EVENTS)
    return {path: endpoint.answer for path, endpoint in found if isinstance(endpoint, Endpoint)}


def _events(ingest: IngestBatch, keys: Keys, notifications_wake: bool, limiter: AdmissionLimiter) -> Endpoint:
    @Endpoint
    async def receive(call: Call) -> Reply:
        headers = call.headers
        is_signed = check_headers(call, keys)
        with limiter.admit(verified=not is_signed) as incoming:
            body = await read_body(call, incoming, MAX_BODY)
            if is_signed:
                check_signature(call, body, keys)
                incoming.move_to(limiter.verified)
            members, sent = read_json(body), headers.get("webhook-timestamp", "")
            sent_millis = int(sent) * 1000 if sent.isascii() and sent.isdigit() and len(sent) < 13 else None
            events = parse_events(members, sent_millis, notifications_wake=notifications_wake)
            delivery_id = headers.get("webhook-id") or None
            if delivery_id and (len(delivery_id) > MAX_DELIVERY_ID or "\x00" in delivery_id):
                raise Refusal(400, f"a webhook-id has at most {MAX_DELIVERY_ID} characters")
            await ingest(Batch(events, delivery_id))
            return respond(202, {"accepted": len(events)})

    return receive


def _older(ingest: IngestBatch, keys: Keys, parse: Callable[[JsonValue], Event], limiter: AdmissionLimiter) -> Endpoint:
    @Endpoint
    async def receive(call: Call) -> Reply:
        token = call.token  # only the address can be configured on such a server
        if token is not None and not (keys.token and same_secret(keys.token, token)):
            raise Refusal(401, "the token in the address is not the webhook's")
        if token is None and (keys.secrets or keys.token or not keys.trust_loopback()):
            raise Refusal(401, "the address is /w/TOKEN/leshan_api/.. with the webhook's token")
        if token is None and not is_local(call):
            raise Refusal(401, "from elsewhere than this machine the address is /w/TOKEN/leshan_api/..")
        with limiter.admit(verified=True) as incoming:
            body = read_json(await read_body(call, incoming, MAX_OLDER_BODY))
            try:
                event = parse(body)
            except UnreadableEvent as error:
                raise Refusal(422, str(error), error.field) from None
            await ingest(Batch([event], form=Form.OLDER))
            return respond(202, {"accepted": 1})

    return receive


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
    events = [
        _event(member, where.format(index), sent_millis, notifications_wake) for index, member in enumerate(members)
    ]
    return [event for event in events if event is not None]


def _event(member: JsonValue, where: str, sent_millis: int | None, notifications_wake: bool) -> LeshanEvent | None:
    if not isinstance(member, dict):
        raise Refusal(400, f'{where or "the body"}: an event {{"event": NAME, "data": {{..}}}} is expected')
    for field, kind in (("event", str), ("data", dict)):
        if not isinstance(member.get(field), kind):
            raise Refusal(422, f"{where}{field} is missing", f"{where}{field}")
    time, seq = member.get("time"), member.get("seq")
    if time is not None and (isinstance(time, bool) or not isinstance(time, int) or not 0 <= time < MAX_MILLIS):
        raise Refusal(422, f"{where}time is in milliseconds, an integer", f"{where}time")
    if seq is not None and (isinstance(seq, bool) or not isinstance(seq, int | float)):
        raise Refusal(422, f"{where}seq is a number", f"{where}seq")
    try:
        return parse_event(
            member["event"],
            member["data"],
            age=0 if time is None or sent_millis is None else (sent_millis - time) * 1000,
            ordered=seq is not None,  # whatever its value: this sender preserves order
            notifications_wake=notifications_wake,
            time=time,
            boot_id=member.get("bootId"),
        )
    except UnknownEvent as error:
        raise Refusal(400, str(error), f"{where}event") from None
    except UnreadableEvent as error:
        sentence = f"{where}{error.field}: {error}" if isinstance(error, BrokenEvent) else f"{where}{error}"
        raise Refusal(422, sentence, f"{where}{error.field}") from None
