"""Traces by OpenTelemetry, from the request of a mutation over the attempts of its operations to their ends.

The context is stored with an operation (``operation.trace``), so that any process continues its trace. Tracing is off
unless the standard ``OTEL_..`` variables configure it: then every function here returns at once, and OpenTelemetry is
not imported (``app/otel.py``). ``docs/operating.md`` lists the spans.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Final, Protocol, Self

from app.settings import traces_exporter
from app.telemetry import get_logger

if TYPE_CHECKING:
    from app.otel import Recorder

log = get_logger(__name__)

Attributes = Mapping[str, str | int]

EXTRA: Final = "pip install 'reveille[otel]'"
_recorder: Recorder | None = None


class Span(Protocol):
    """A span that is current within its block. An exception that leaves the block is its error."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def set(self, attributes: Attributes, error: str | None = None) -> None:
        """Add attributes; ``error`` is the type of an error with which the span ends."""


class _Nothing:
    """The span while tracing is off, or of a trace that is not recorded."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def set(self, attributes: Attributes, error: str | None = None) -> None:
        pass


NOTHING: Final = _Nothing()


def configure_tracing(role: str) -> None:
    """Record spans if the standard environment variables name an exporter. Call it once, before the first span, in the
    process that records."""
    global _recorder  # noqa: PLW0603 - one per process, like OpenTelemetry's own provider
    chosen = traces_exporter()
    if chosen == "none":
        return
    try:
        from app.otel import Recorder  # noqa: PLC0415 - it needs the extra, and time

        _recorder = Recorder(chosen, role)
    except ImportError as error:
        log.warning("tracing_unavailable", error=str(error), hint=EXTRA)
    except ValueError as error:
        log.warning("tracing_unavailable", error=str(error))
    else:
        log.info("tracing", exporter=chosen)


def current_trace() -> str | None:
    """Return the W3C ``traceparent`` of the current span; None if it is not recorded."""
    return None if _recorder is None else _recorder.current()


def server_span(name: str, headers: Mapping[str, str]) -> Span:
    """Return the span of a request, a child of its sender's span if it has a ``traceparent``."""
    return NOTHING if _recorder is None else _recorder.server(name, headers)


def span(name: str, *, client: bool = False, begins: bool = False) -> Span:
    """Return a child of the current span, that of a call to another service if ``client``. Without a current span it
    begins a trace if ``begins``; otherwise nothing is recorded."""
    return NOTHING if _recorder is None else _recorder.child(name, client=client, begins=begins)


def operation_span(name: str, trace: str, begin: int) -> Span:
    """Return a span in the trace of an operation, which began at this time in nanoseconds since the epoch."""
    return NOTHING if _recorder is None else _recorder.of_operation(name, trace, begin)


def operation_attributes(id_: str, kind: str, endpoint: str, path: str | None) -> dict[str, str | int]:
    """Return the attributes of an operation's spans."""
    attributes: dict[str, str | int] = {
        "reveille.operation.id": id_,
        "reveille.operation.kind": kind,
        "reveille.endpoint": endpoint,
    }
    return attributes if path is None else {**attributes, "reveille.path": path}


def record(name: str, trace: str | None, begin: int, end: int, attributes: Attributes) -> None:
    """Record a span that is over in the trace of an operation; times are nanoseconds since the epoch."""
    if _recorder is not None and trace is not None:
        _recorder.record(name, trace, begin, end, attributes)
