"""Logs and metrics: set up once, named in one place.

Metrics follow Prometheus' naming: base units, `_total` for counters. A process exposes its own only; sums over
processes are the monitoring system's.
"""

from __future__ import annotations

import logging
import sys
from typing import Final

import structlog
from prometheus_client import Counter, Gauge, Histogram
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import Processor

_FAST: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_CALLS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)

TRANSITIONS: Final = Counter(
    "reveille_operation_transitions_total", "Steps of operations", ["from_status", "to_status", "reason"]
)
ATTEMPTS: Final = Counter("reveille_attempts_total", "Calls to Leshan by what came back", ["server", "outcome"])
CALL_SECONDS: Final = Histogram("reveille_call_seconds", "Duration of a call to Leshan", ["server"], buckets=_CALLS)
OPEN_CALLS: Final = Gauge("reveille_open_calls", "Calls open at Leshan from this process", ["server"])
BREAKER_OPEN: Final = Gauge("reveille_breaker_open", "1 while Leshan is not asked for operations", ["server"])
HEARD_EVENTS: Final = Counter("reveille_heard_events_total", "Events heard from Leshan", ["source", "event"])
BROKEN_EVENTS: Final = Counter("reveille_broken_events_total", "Events that could not be read", ["source"])
LEDGER_GROUP_SIZE: Final = Histogram(
    "reveille_ledger_group_size", "Requests committed together", buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000)
)
LEDGER_GROUP_SECONDS: Final = Histogram("reveille_ledger_group_seconds", "Duration of a group commit", buckets=_FAST)
CLAIMS: Final = Counter("reveille_claims_total", "Claims asked of the ledger; many of them share a commit")
SUBSCRIBERS: Final = Gauge("reveille_subscribers", "Open GraphQL subscriptions")
LAGGED_SUBSCRIBERS: Final = Counter(
    "reveille_lagged_subscribers_total", "Subscriptions closed because they fell behind"
)
BUS_FAILURES: Final = Counter("reveille_bus_failures_total", "Times the bus could not publish or listen", ["side"])
BUS_CONNECTED: Final = Gauge("reveille_bus_connected", "1 while this process hears the bus")


def configure_logging(*, json: bool = False, level: str = "info") -> None:
    """Send every log line, the libraries' too, to standard error: readable text, or one JSON object per line.

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
        wrapper_class=structlog.make_filtering_bound_logger(level),  # a line that nobody wants costs nothing
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(json=json)],
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):  # uvicorn brings handlers of its own
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.setLevel(logging.NOTSET)
        logger.propagate = True
    for name in ("httpx", "httpcore", "aiosqlite", "tortoise.db_client"):  # a line per call, and bodies with secrets
        logging.getLogger(name).setLevel(logging.WARNING)


def _renderers(*, json: bool) -> list[Processor]:
    """Neither shows local variables beside a traceback, as structlog would: they hold tokens, addresses with passwords
    and what devices said."""
    if json:
        traceback = ExceptionDictTransformer(show_locals=False)
        return [structlog.processors.ExceptionRenderer(traceback), structlog.processors.JSONRenderer()]
    plain = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger that takes facts as keywords: ``log.info("endpoint heard", endpoint=name)``."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger
