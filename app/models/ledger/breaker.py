"""The breaker of a Leshan server: when to stop calling, when to look again. Kept in its row, for all processes."""

from __future__ import annotations

from typing import Final

from app.domain.verdicts import BreakerSignal, Verdict
from app.models.fields import storable_text
from app.models.ledger.group import Group
from app.models.ledger.rows import EndpointRow
from app.models.ledger.rules import PROBE_FIRST, TROUBLES_IN_A_ROW

MAX_REASON: Final = 500


def note(group: Group, endpoint: EndpointRow, verdict: Verdict) -> None:
    """Let the breaker know what a call told of the Leshan server."""
    server = group.server
    match verdict.breaker:
        case BreakerSignal.WELL:
            server.breaker_failures, server.breaker_endpoint = 0, None
        case BreakerSignal.DOWN:
            trip(group, verdict.detail or "Leshan could not be reached")
        case BreakerSignal.TROUBLE:
            if server.breaker_endpoint != endpoint.id:
                server.breaker_failures += 1
                server.breaker_endpoint = endpoint.id
            if server.breaker_failures >= TROUBLES_IN_A_ROW:
                trip(group, verdict.detail or "Leshan does not answer")
        case BreakerSignal.NONE:
            pass


def trip(group: Group, reason: str) -> None:
    """Open it: no operation is sent until a probe was answered well."""
    server = group.server
    if server.breaker_opened_at is None:
        server.breaker_opened_at, server.probe_backoff = group.now, 0
        server.probe_at = group.now + PROBE_FIRST
    server.breaker_reason = storable_text(reason, MAX_REASON)


def mend(group: Group) -> None:
    """Close it: a probe was answered as Leshan answers."""
    server = group.server
    server.breaker_opened_at = server.breaker_reason = server.probe_at = server.breaker_endpoint = None
    server.breaker_failures = server.probe_backoff = 0
    group.woken = True
