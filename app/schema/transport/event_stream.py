"""The encoding of event streams (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from __future__ import annotations

from strawberry.http.streaming import SSETransport


class EventStream(SSETransport):
    """Strawberry's event stream with LF as line separator, because urql splits events at two LF."""

    def encode_event(self, event: str, data: str | None = None) -> str:
        return f"event: {event}\ndata: {data}\n\n" if data else f"event: {event}\ndata:\n\n"

    def encode_comment(self, comment: str) -> str:
        return f": {comment}\n\n"
