"""The outcome of a past call, from a server that records request ids (``DELETE /requests/{operation}/{attempt}``)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto

import orjson

from app.domain.enums import Delivery, OperationKind
from app.domain.outcomes import Outcome, OutcomeKind
from app.domain.values import JsonValue
from app.leshan.answers import read_answer
from app.leshan.bounded import parse_json
from app.leshan.transport import Exchange


class CallStatus(Enum):
    """The reason why a query about a call returned no outcome."""

    RUNNING = auto()
    """The server still waits for the device."""
    AWAY = auto()
    """No response of the server came: query it again."""
    NO_IDS = auto()
    """The server records no request ids (any more): the outcome cannot be determined."""


def read_state(kind: OperationKind, exchange: Exchange) -> Outcome | CallStatus:
    """Return the outcome of a call of this kind from the response to a query about it, or why there is none."""
    if exchange.failure is not None or exchange.status is None:
        return CallStatus.AWAY
    told = _object(exchange.body) if exchange.status == 200 else None
    if told is None:
        return CallStatus.NO_IDS if exchange.status in {200, 400, 404, 405} else CallStatus.AWAY
    match told.get("state"):
        case "RUNNING":
            return CallStatus.RUNNING
        case "NOT_RECEIVED":
            return Outcome(OutcomeKind.NOT_SENT, detail="Leshan had not received the request, and will not send it now")
        case "INTERRUPTED":
            return _interrupted(told)
        case "DONE" if isinstance(answer := told.get("answer"), dict):
            return _answered(kind, answer)
        case _:
            return CallStatus.NO_IDS


def _interrupted(told: Mapping[str, JsonValue]) -> Outcome:
    if told.get("delivery") == Delivery.NOT_SENT:
        return Outcome(OutcomeKind.NOT_SENT, detail="Leshan stopped before it sent the request")
    return Outcome(OutcomeKind.ANSWER_LOST, detail="Leshan stopped while the call was open")


def _answered(kind: OperationKind, answer: Mapping[str, JsonValue]) -> Outcome | CallStatus:
    status, type_, body = (answer.get(key) for key in ("status", "contentType", "body"))
    if not isinstance(status, int) or not 100 <= status <= 599:
        return CallStatus.NO_IDS
    headers = {"Content-Type": type_} if isinstance(type_, str) else {}
    return read_answer(kind, status, headers, body.encode() if isinstance(body, str) else b"")


def _object(body: bytes) -> dict[str, JsonValue] | None:
    try:
        told = parse_json(body)
    except orjson.JSONDecodeError:
        return None
    return told if isinstance(told, dict) else None
