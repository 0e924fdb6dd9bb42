"""The gauges that are read from the database. Each process exposes the same values, so the monitoring system must take
their maximum, never their sum."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final

from app.domain.enums import SECOND, Instant
from app.models.counters import OBSERVATIONS, OPEN, PRESENCES, REASONS, UPDATES
from app.models.ledger import Rules
from app.models.ledger.rows import NOT_OPEN
from app.models.queries import Lane, ServerView, log_head, reading_through, server_view
from app.models.queries.gauges import Waiting, waiting_now
from app.telemetry import (
    CAMPAIGN_TARGETS,
    CAMPAIGNS,
    ENDPOINTS,
    EVENT_STREAM_OPEN,
    FIRMWARE_UPDATES,
    FLEET_OVERDUE_SECONDS,
    LATE_LEASE_SECONDS,
    LATE_LEASES,
    LOG_LAG,
    OBSERVATION_STATES,
    OLDEST_QUEUED_SECONDS,
    OPEN_OPERATIONS,
    PAUSED,
    READ_GAUGES,
    READY_ENDPOINTS,
    READY_SECONDS,
    RETENTION_LAG_SECONDS,
    STORED_OPERATIONS,
    SWEEP_AGE_SECONDS,
)

GAUGE_SECONDS: Final = 5.0
"""Minimum interval of reading them, however often the process is scraped."""


class Gauges:
    """The gauges of one Leshan server, as one process exposes them.

    Args:
        rules: for the retentions.
        uses_stream: whether the event stream is expected to be open.

    Attributes:
        behind: returns how many entries before this head of the log the process's slowest subscription is; None in a
            process without subscriptions.
    """

    def __init__(
        self,
        server_id: int,
        rules: Rules,
        *,
        uses_stream: bool,
        clock: Callable[[Instant], Instant] = lambda now: now,
    ) -> None:
        self._server_id, self._uses_stream, self._clock = server_id, uses_stream, clock
        self._retentions = {
            "operations": rules.retention,
            "readings": rules.reading_retention,
            "aggregates": rules.aggregate_retention,
        }
        self.behind: Callable[[int], int] | None = None

    async def update(self) -> None:
        """Read and set the gauges. Raise ReadUnavailable; call :meth:`clear` then."""
        with reading_through(Lane.HEALTH):
            server, head = await server_view(), await log_head()
            waiting = await waiting_now(self._server_id, self._clock)
        self.clear()  # no value of something that is gone
        self._set_server(server, waiting.now)
        self._set_waiting(server.name, waiting)
        if waiting.counters is not None:
            _set_counters(server, waiting.counters)
        if self.behind is not None:
            LOG_LAG.set(self.behind(head.seq))

    def clear(self) -> None:
        """Remove the values that are read from the database: a process that cannot read it exposes none."""
        for gauge in READ_GAUGES:
            gauge.clear()

    def _set_server(self, server: ServerView, now: Instant) -> None:
        for status, operations in server.counts.items():
            STORED_OPERATIONS.labels(server.name, status).set(operations)
        swept = math.inf if server.swept_at is None else _age(server.swept_at, now)
        SWEEP_AGE_SECONDS.labels(server.name).set(swept)
        if self._uses_stream:
            held = server.bridge_until is not None and server.bridge_until > now
            EVENT_STREAM_OPEN.labels(server.name).set(held and server.bridge_open_since != NOT_OPEN)

    def _set_waiting(self, server: str, waiting: Waiting) -> None:
        OLDEST_QUEUED_SECONDS.labels(server).set(_age(waiting.oldest_queued, waiting.now))
        READY_ENDPOINTS.labels(server).set(waiting.ready)
        READY_SECONDS.labels(server).set(_age(waiting.ready_since, waiting.now))
        LATE_LEASES.labels(server).set(waiting.late_leases)
        LATE_LEASE_SECONDS.labels(server).set(_age(waiting.oldest_lease, waiting.now))
        for scope, pauses in zip(("everything", "server", "endpoint"), waiting.pauses, strict=True):
            PAUSED.labels(scope).set(pauses)
        FLEET_OVERDUE_SECONDS.set(_age(waiting.fleet.due_since, waiting.now))
        for status, campaigns in waiting.fleet.campaigns.items():
            CAMPAIGNS.labels(status).set(campaigns)
        for target_state, targets in waiting.fleet.targets.items():
            CAMPAIGN_TARGETS.labels(target_state).set(targets)
        for kind, retention in self._retentions.items():
            kept = _age(waiting.oldest.get(kind), waiting.now)
            RETENTION_LAG_SECONDS.labels(kind).set(max(0.0, kept - retention / SECOND))


def _set_counters(server: ServerView, counters: Mapping[str, int]) -> None:
    for presence, name in PRESENCES.items():
        ENDPOINTS.labels(server.name, presence).set(max(0, counters.get(name, 0)))
    for state, name in OBSERVATIONS.items():
        OBSERVATION_STATES.labels(server.name, state).set(max(0, counters.get(name, 0)))
    for update_state, name in UPDATES.items():
        FIRMWARE_UPDATES.labels(server.name, update_state).set(max(0, counters.get(name, 0)))
    for status in OPEN:
        rest = server.counts[status]
        for (of, reason), name in REASONS.items():
            if of is status and (operations := max(0, counters.get(name, 0))):
                OPEN_OPERATIONS.labels(server.name, status, reason).set(operations)
                rest -= operations
        OPEN_OPERATIONS.labels(server.name, status, "").set(max(0, rest))


def _age(at: Instant | None, now: Instant) -> float:
    """Return the seconds since then; 0 if there is nothing."""
    return 0.0 if at is None else max(0, now - at) / SECOND
