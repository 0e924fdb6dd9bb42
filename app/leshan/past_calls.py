"""The outcome of a past call, from a server that records request ids (``DELETE /requests/{operation}/{attempt}``)."""

from __future__ import annotations

from enum import Enum, auto

import orjson

from app.domain.enums import Delivery, OperationKind
from app.domain.outcomes import Outcome, OutcomeKind
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
    if exchange.status != 200:
        return CallStatus.NO_IDS if exchange.status in {400, 404, 405} else CallStatus.AWAY
    try:
        call = parse_json(exchange.body)
    except orjson.JSONDecodeError:
        return CallStatus.NO_IDS
    match call.get("state") if isinstance(call, dict) else None:
        case "RUNNING":
            return CallStatus.RUNNING
        case "NOT_RECEIVED":
            return Outcome(OutcomeKind.NOT_SENT, detail="Leshan had not received the request, and will not send it now")
        case "INTERRUPTED" if call.get("delivery") == Delivery.NOT_SENT:
            return Outcome(OutcomeKind.NOT_SENT, detail="Leshan stopped before it sent the request")
        case "INTERRUPTED":
            return Outcome(OutcomeKind.ANSWER_LOST, detail="Leshan stopped while the call was open")
        case "DONE" if isinstance(answer := call.get("answer"), dict):
            status, type_, body = (answer.get(key) for key in ("status", "contentType", "body"))
            if isinstance(status, int) and 100 <= status <= 599:
                headers = {"Content-Type": type_} if isinstance(type_, str) else {}
                return read_answer(kind, status, headers, body.encode() if isinstance(body, str) else b"")
    return CallStatus.NO_IDS
