"""The spans of :mod:`app.tracing` by OpenTelemetry's API; imported only if tracing is configured. The SDK is an extra:
it is not needed if an instrumentation of the process brings its own."""

# ruff: noqa: PLC0415 - the SDK is an extra

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Final, Self

from opentelemetry import trace as otel
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from app.tracing import NOTHING, Attributes, Span

_CONTEXT: Final = ("traceparent", "tracestate")
_UNNAMED: Final = "unknown_service"
"""The default name of the SDK's resource, as the specification has it."""


class _Recorded:
    """A span that is recorded."""

    def __init__(self, manager: AbstractContextManager[otel.Span]) -> None:
        self._manager = manager

    def __enter__(self) -> Self:
        self._span = self._manager.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.set({}, kind.__name__)  # the text of an exception may name hosts and users
        self._manager.__exit__(kind, error, trace)

    def set(self, attributes: Attributes, error: str | None = None) -> None:
        """See :class:`app.tracing.Span`."""
        self._span.set_attributes(dict(attributes))
        if error is not None:
            self._span.set_attribute("error.type", error)
            self._span.set_status(StatusCode.ERROR)


class Recorder:
    """Makes the spans of this process. A provider that an instrumentation of the process has set is used as it is.

    Args:
        exporter: ``otlp`` (HTTP with protobuf) or ``console``. All other settings are the SDK's environment variables.

    Raises:
        ImportError: the extra is not installed.
        ValueError: another exporter.
    """

    def __init__(self, exporter: str, role: str) -> None:
        if isinstance(otel.get_tracer_provider(), otel.ProxyTracerProvider):
            otel.set_tracer_provider(_provider(exporter, role))
        self._tracer = otel.get_tracer("reveille")
        self._propagator = TraceContextTextMapPropagator()

    def current(self) -> str | None:
        """Return the ``traceparent`` of the current span; None if it is not recorded."""
        span = otel.get_current_span().get_span_context()
        if not (span.is_valid and span.trace_flags.sampled):
            return None
        return f"00-{span.trace_id:032x}-{span.span_id:016x}-01"

    def server(self, name: str, headers: Mapping[str, str]) -> Span:
        """Return the span of a request. Without a valid ``traceparent`` it begins a trace."""
        sent = {field: headers[field] for field in _CONTEXT if field in headers}
        return self._start(name, SpanKind.SERVER, self._propagator.extract(sent, Context()))

    def child(self, name: str, *, client: bool, begins: bool) -> Span:
        """Return a child of the current span; without one, one that ``begins`` a trace, or none."""
        if not begins and self.current() is None:
            return NOTHING
        return self._start(name, SpanKind.CLIENT if client else SpanKind.INTERNAL)

    def of_operation(self, name: str, trace: str, begin: int) -> Span:
        """Return a span in a stored trace."""
        return self._start(name, SpanKind.CONSUMER, self._stored(trace), begin)

    def record(self, name: str, trace: str, begin: int, end: int, attributes: Attributes) -> None:
        """Record a span that is over in a stored trace."""
        self._tracer.start_span(name, self._stored(trace), attributes=dict(attributes), start_time=begin).end(end)

    def _stored(self, trace: str) -> Context:
        return self._propagator.extract({"traceparent": trace}, Context())

    def _start(self, name: str, kind: SpanKind, context: Context | None = None, start: int | None = None) -> Span:
        return _Recorded(
            self._tracer.start_as_current_span(
                name, context, kind, start_time=start, record_exception=False, set_status_on_exception=False
            )
        )


def _provider(exporter: str, role: str) -> otel.TracerProvider:
    """Return the SDK's provider with this exporter. It exports what waits when the process ends."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter

    if exporter not in ("otlp", "console"):
        raise ValueError("OTEL_TRACES_EXPORTER: expected otlp, console or none")
    own = {"service.instance.id": f"{socket.gethostname()}:{os.getpid()}", "reveille.role": role}
    resource = Resource.create(own)
    if str(resource.attributes["service.name"]).startswith(_UNNAMED):  # the environment does not name it
        resource = resource.merge(Resource({"service.name": "reveille"}))
    provider = TracerProvider(resource=resource)
    chosen = OTLPSpanExporter() if exporter == "otlp" else ConsoleSpanExporter()
    provider.add_span_processor(BatchSpanProcessor(chosen))
    return provider
