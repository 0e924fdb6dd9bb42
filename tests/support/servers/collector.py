"""A collector of traces: a receiver of OTLP over HTTP, as the SDK's exporter sends it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class ReceivedSpan:
    """A span; ids in hexadecimal, ``parent`` is empty if it begins its trace, times in nanoseconds."""

    name: str
    kind: str
    trace: str
    id: str
    parent: str
    begin: int
    end: int
    service: str
    role: str
    failed: bool
    attributes: dict[str, str | int]


@dataclass
class Collector:
    """The spans received so far."""

    url: str = ""
    spans: list[ReceivedSpan] = field(default_factory=list)

    def trace(self, id_: str) -> dict[str, ReceivedSpan]:
        """Return the spans of a trace by their names, of which each must occur once."""
        found = [span for span in self.spans if span.trace == id_]
        assert len({span.name for span in found}) == len(found), [span.name for span in found]
        return {span.name: span for span in found}


@contextmanager
def collector() -> Iterator[Collector]:
    """Receive spans until the context ends."""
    received = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            received.spans.extend(_spans(ExportTraceServiceRequest.FromString(body)))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Do not log."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        received.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield received
        finally:
            server.shutdown()


def _spans(request: ExportTraceServiceRequest) -> Iterator[ReceivedSpan]:
    for resource in request.resource_spans:
        process = {item.key: item.value.string_value for item in resource.resource.attributes}
        for span in (span for scope in resource.scope_spans for span in scope.spans):
            yield ReceivedSpan(
                name=span.name,
                kind=span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
                trace=span.trace_id.hex(),
                id=span.span_id.hex(),
                parent=span.parent_span_id.hex(),
                begin=span.start_time_unix_nano,
                end=span.end_time_unix_nano,
                service=process["service.name"],
                role=process["reveille.role"],
                failed=span.status.code == span.status.STATUS_CODE_ERROR,
                attributes={
                    item.key: item.value.string_value if item.value.HasField("string_value") else item.value.int_value
                    for item in span.attributes
                },
            )
