"""Logs and metrics: configured once, named in one module.

Metrics follow Prometheus' naming: base units, `_total` for counters. A process exposes its own metrics, which the
monitoring system sums over processes, and gauges of the database, of which it takes the maximum: ``docs/metrics.md``.
"""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog
from prometheus_client import Counter, Gauge, Histogram
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, Processor, WrappedLogger

from app.printable import printable, printable_lines

_FAST: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_CALLS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)

TRANSITIONS: Final = Counter(
    "reveille_operation_transitions_total", "Status transitions of operations", ["from_status", "to_status", "reason"]
)
ATTEMPTS: Final = Counter("reveille_attempts_total", "Calls to Leshan by outcome", ["server", "outcome"])
CALL_SECONDS: Final = Histogram("reveille_call_seconds", "Duration of a call to Leshan", ["server"], buckets=_CALLS)
OPEN_CALLS: Final = Gauge("reveille_open_calls", "Calls open at Leshan from this process", ["server"])
BREAKER_OPEN: Final = Gauge(
    "reveille_breaker_open", "1 while the breaker is open: no operations are sent to Leshan", ["server"]
)
INGESTED_EVENTS: Final = Counter("reveille_heard_events_total", "Events received from Leshan", ["source", "event"])
BROKEN_EVENTS: Final = Counter("reveille_broken_events_total", "Events that could not be parsed", ["source"])
READINGS: Final = Counter("reveille_readings_total", "Reported values that were stored", ["origin"])
LEDGER_GROUP_SIZE: Final = Histogram(
    "reveille_ledger_group_size", "Commands committed together", buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000)
)
LEDGER_GROUP_SECONDS: Final = Histogram("reveille_ledger_group_seconds", "Duration of a group commit", buckets=_FAST)
CLAIMS: Final = Counter("reveille_claims_total", "Claims requested from the ledger; several share a commit")
SUBSCRIBERS: Final = Gauge("reveille_subscribers", "Open GraphQL subscriptions")
LAGGED_SUBSCRIBERS: Final = Counter(
    "reveille_lagged_subscribers_total", "Subscriptions closed because they fell behind"
)
LIMIT_REFUSALS: Final = Counter(
    "reveille_limit_refusals_total", "Refusals because of a limit of a credential or an endpoint", ["setting"]
)
BUS_FAILURES: Final = Counter("reveille_bus_failures_total", "Failures of the bus to publish or to listen", ["side"])
BUS_CONNECTED: Final = Gauge("reveille_bus_connected", "1 while this process is subscribed to the bus")

WEBHOOK_REFUSALS: Final = Counter(
    "reveille_webhook_refusals_total", "Webhook calls that were not accepted, by HTTP status", ["status"]
)
DATABASE_UP: Final = Gauge("reveille_database_up", "1 if this process could read the database for this scrape")
LOG_LAG: Final = Gauge(
    "reveille_log_lag", "Entries of the log that the slowest subscription of this process has yet to receive"
)
STORED_OPERATIONS: Final = Gauge("reveille_stored_operations", "Stored operations by status", ["server", "status"])
OPEN_OPERATIONS: Final = Gauge(
    "reveille_open_operations",
    "Operations that have not ended, by status and the reason of their last attempt",
    ["server", "status", "reason"],
)
OLDEST_QUEUED_SECONDS: Final = Gauge(
    "reveille_oldest_queued_seconds", "Age of the oldest queued operation, 0 if there is none", ["server"]
)
READY_ENDPOINTS: Final = Gauge(
    "reveille_ready_endpoints", "Endpoints that can be called now and wait for a dispatcher; at most 2000", ["server"]
)
READY_SECONDS: Final = Gauge(
    "reveille_ready_seconds", "Longest time for which one of these that responded last time has waited", ["server"]
)
ENDPOINTS: Final = Gauge("reveille_endpoints", "Endpoints by presence", ["server", "presence"])
OBSERVATION_STATES: Final = Gauge(
    "reveille_observations",
    "Observations of rules by state, one per rule and endpoint",
    ["server", "state"],
)
FIRMWARE_UPDATES: Final = Gauge(
    "reveille_firmware_updates", "Firmware updates that have not ended, by state", ["server", "state"]
)
CAMPAIGNS: Final = Gauge("reveille_campaigns", "Stored campaigns by status; at most 1000 of each", ["status"])
CAMPAIGN_TARGETS: Final = Gauge(
    "reveille_campaign_targets", "Targets of the campaigns that have not finished, by state", ["state"]
)
FLEET_OVERDUE_SECONDS: Final = Gauge(
    "reveille_fleet_overdue_seconds",
    "Time since the next step of a firmware update or a campaign was due; 0 if none is",
)
PAUSED: Final = Gauge("reveille_paused", "Pauses of the dispatch that are in force, by scope; at most 1000", ["scope"])
LATE_LEASES: Final = Gauge(
    "reveille_late_leases", "Operations that are SENDING although their lease has expired; at most 1000", ["server"]
)
LATE_LEASE_SECONDS: Final = Gauge(
    "reveille_late_lease_seconds", "Time since the first of these leases expired", ["server"]
)
SWEEP_AGE_SECONDS: Final = Gauge(
    "reveille_sweep_age_seconds",
    "Time since a dispatcher last swept, which one does twice a second; +Inf: never",
    ["server"],
)
EVENT_STREAM_OPEN: Final = Gauge(
    "reveille_event_stream_open", "1 while a bridge reads Leshan's event stream; absent with webhooks only", ["server"]
)
RETENTION_LAG_SECONDS: Final = Gauge(
    "reveille_retention_lag_seconds", "Time for which the oldest row has been kept beyond its retention", ["kind"]
)

READ_GAUGES: Final = (
    *(STORED_OPERATIONS, OPEN_OPERATIONS, OLDEST_QUEUED_SECONDS, READY_ENDPOINTS, READY_SECONDS, ENDPOINTS),
    *(OBSERVATION_STATES, PAUSED, LATE_LEASES, LATE_LEASE_SECONDS, SWEEP_AGE_SECONDS, EVENT_STREAM_OPEN),
    *(RETENTION_LAG_SECONDS, FIRMWARE_UPDATES, CAMPAIGNS, CAMPAIGN_TARGETS, FLEET_OVERDUE_SECONDS),
)
"""Gauges that are read from the database (:mod:`app.gauges`): each process exposes the same values."""

REPEATS: Final = 10
REPEAT_SECONDS: Final = 10.0
_MAX_EVENTS: Final = 1_000
"""Maximum events that are counted at once. Reveille has a few dozen; a library may put a client's input into its
events."""


def configure_logging(*, json: bool = False, level: str = "info") -> None:
    """Send every log line, the libraries' too, to standard error: readable text, or one JSON object per line.

    ``level`` applies to Reveille's own lines. Libraries log from warnings on: below that they log each call and each
    WebSocket with its query string, and at debug whole heads and bodies including tokens.

    Call it once, before the first line is logged.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,  # a logger's own level may be higher
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),  # a disabled line costs nothing
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(RepeatLimit())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(json=json)],
        )
    )
    own = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(handlers=[handler], level=max(own, logging.WARNING), force=True)
    logging.getLogger("app").setLevel(own)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):  # uvicorn installs its own handlers
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.setLevel(logging.NOTSET)
        logger.propagate = True
        logger.addFilter(_without_client_traceback)


class RepeatLimit(logging.Filter):
    """Pass at most :data:`REPEATS` lines of one event in :data:`REPEAT_SECONDS`, warnings and errors alike.

    A broken device, client or Leshan server can cause the same line thousands of times a second. The next line that
    passes has the number of lines suppressed before it: ``suppressed=656190``. Critical lines are never suppressed:
    each of them is about another operation.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._repeats: dict[tuple[str, str], _Repeats] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not logging.WARNING <= record.levelno < logging.CRITICAL:
            return True
        facts: EventDict | None = record.msg if isinstance(record.msg, dict) else None
        repeats = self._of(record.name, str(record.msg if facts is None else facts.get("event")))
        now = self._clock()
        if now - repeats.since >= REPEAT_SECONDS:
            repeats.since, repeats.lines = now, 0
        repeats.lines += 1
        if repeats.lines > REPEATS:
            repeats.suppressed += 1
            return False
        if repeats.suppressed:
            if facts is None:
                record.msg, record.args = f"{record.getMessage()} suppressed={repeats.suppressed}", None
            else:
                facts["suppressed"] = repeats.suppressed
            repeats.suppressed = 0
        return True

    def _of(self, logger: str, event: str) -> _Repeats:
        if len(self._repeats) >= _MAX_EVENTS:
            self._repeats.clear()
        return self._repeats.setdefault((logger, event), _Repeats())


@dataclass(slots=True)
class _Repeats:
    """The number of lines of one event since the start of its present interval, and of those suppressed."""

    since: float = -math.inf
    lines: int = 0
    suppressed: int = 0


def _without_client_traceback(record: logging.LogRecord) -> bool:
    """Log a WebSocket text message that is not UTF-8 as a warning in one line. uvicorn (0.54) logs it as an exception
    of its own, but closes the socket with 1007, so the traceback adds nothing."""
    if record.msg == "Invalid UTF-8 sequence received from client.":
        record.levelno, record.levelname, record.exc_info = logging.WARNING, "WARNING", None
    return True


def _renderers(*, json: bool) -> list[Processor]:
    """Return the processors that render a line. Neither shows local variables in a traceback, as structlog would: they
    contain tokens, addresses with passwords and data of devices."""
    if json:
        traceback = ExceptionDictTransformer(show_locals=False)
        return [structlog.processors.ExceptionRenderer(traceback), structlog.processors.JSONRenderer()]
    plain = structlog.dev.plain_traceback
    renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)
    return [structlog.processors.ExceptionRenderer(), _escape, renderer]


def _escape(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Make the facts of a text line safe for a terminal. Values that are not text are rendered by ``repr``, which
    escapes by itself, as JSON does."""
    for name, value in event.items():
        if isinstance(value, str):
            lines = name in ("exception", "stack")
            event[name] = printable_lines(value) if lines else printable(value.rstrip("\n"))
    return event


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return a logger that takes facts as keywords: ``log.info("endpoint_registered", endpoint=name)``."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger
