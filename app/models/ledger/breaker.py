"""The breaker of a Leshan server: when calls stop, and when it is probed. Its state is in the server's row, shared by
all processes."""

from __future__ import annotations

from typing import Final

from app.domain.verdicts import BreakerSignal, Verdict
from app.models.fields import dump_json, load_json, storable_text
from app.models.ledger.group import Group
from app.models.ledger.rows import EndpointRow, ServerRow
from app.models.ledger.rules import FAILURES_IN_A_ROW, PROBE_FIRST

MAX_REASON: Final = 500


def record(group: Group, endpoint: EndpointRow, verdict: Verdict) -> None:
    """Update the breaker with a call's signal about the Leshan server."""
    server = group.server
    match verdict.breaker:
        case BreakerSignal.HEALTHY:
            _reset_failures(server)
        case BreakerSignal.DOWN:
            trip(group, verdict.detail or "Leshan could not be reached")
        case BreakerSignal.FAILURE:
            # failures of enough different endpoints open it at once; those of fewer may be due to these endpoints, or
            # to all of a small site: then a probe is requested, and only a failed probe opens it
            failing = {endpoint.id, *(load_json(server.breaker_endpoints) or ())}
            server.breaker_failures += 1
            server.breaker_endpoints = dump_json(sorted(failing)[:FAILURES_IN_A_ROW])
            if len(failing) >= FAILURES_IN_A_ROW:
                trip(group, verdict.detail or "Leshan does not respond")
            elif server.breaker_failures >= FAILURES_IN_A_ROW and server.probe_at is None:
                server.probe_at = group.now
        case BreakerSignal.NONE:
            pass


def _reset_failures(server: ServerRow) -> None:
    server.breaker_failures, server.breaker_endpoints = 0, None
    if server.breaker_opened_at is None:
        server.probe_at, server.probe_backoff = None, 0


def probed(group: Group, *, healthy: bool, detail: str) -> None:
    """Apply a probe's result: a healthy one closes the breaker, an unhealthy one opens it if a probe is still due."""
    if healthy:
        close(group)
    elif group.server.probe_at is not None:
        trip(group, detail)


def trip(group: Group, reason: str) -> None:
    """Open the breaker: no operation is sent until a probe succeeds."""
    server = group.server
    if server.breaker_opened_at is None:
        server.breaker_opened_at, server.probe_backoff = group.now, 0
        server.probe_at = group.now + PROBE_FIRST
    server.breaker_reason = storable_text(reason, MAX_REASON)


def close(group: Group) -> None:
    """Close the breaker: a probe received a response that is Leshan's."""
    server = group.server
    server.breaker_opened_at = server.breaker_reason = None
    _reset_failures(server)
    group.woken = True
