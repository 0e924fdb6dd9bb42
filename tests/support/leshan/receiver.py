"""A receiver of our Leshan server's webhook that can be away, refuse, and report the posts that it accepted."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self, TypeAlias

from standardwebhooks.webhooks import Webhook

SECRET: Final = "whsec_YSBzZWNyZXQgdGhhdCBvbmx5IHRlc3RzIHVzZQ=="

Envelope: TypeAlias = dict[str, Any]
Fault: TypeAlias = Callable[[BaseHTTPRequestHandler], None]


@dataclass(frozen=True)
class Post:
    """A post and the response to it."""

    webhook_id: str
    status: int
    events: list[Envelope]


class Receiver:
    """Accept posts on its own port, which it keeps while it is away; every signature is verified.

    ``events`` are the accepted ones, in order of arrival; a repeated post adds none.
    """

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.events: list[Envelope] = []
        self._taken: set[str] = set()
        self.status: Callable[[list[Envelope]], int] = lambda events: 204
        self.faults: deque[Fault] = deque()
        """Faulty responses to the next posts, which are nevertheless read and accepted; consumed one by one."""
        self._port = 0
        self._server: ThreadingHTTPServer | None = None
        self.come()

    @property
    def url(self) -> str:
        """Return the address that it listens on."""
        return f"http://127.0.0.1:{self._port}/leshan/events"

    def come(self) -> None:
        """Listen (again)."""
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), _handler(self))
        self._server.daemon_threads = True
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def go(self) -> None:
        """Be away: connections are refused."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def named(self, name: str, endpoint: str | None = None) -> list[Envelope]:
        """Return the events of one name."""
        return [e for e in list(self.events) if e["event"] == name and endpoint in {None, endpoint_of(e)}]

    def take(self, headers: dict[str, str], body: bytes) -> int:
        """Process one post; return the status of the response."""
        Webhook(SECRET).verify(body, headers)
        events = json.loads(body)
        status = self.status(events)
        webhook_id = headers["webhook-id"]
        self.posts.append(Post(webhook_id, status, events))
        if status // 100 == 2 and webhook_id not in self._taken:
            self._taken.add(webhook_id)
            self.events.extend(events)
        return status

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.go()


def stalled(post: BaseHTTPRequestHandler) -> None:
    """Respond with 200 and 3 of 10 bytes, then nothing until the sender closes the connection."""
    post.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
    post.rfile.read(1)


def half_closed(post: BaseHTTPRequestHandler) -> None:
    """Respond with 200 and 3 of 10 bytes, and end the stream."""
    post.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
    post.connection.shutdown(socket.SHUT_WR)
    post.rfile.read(1)


def endless(post: BaseHTTPRequestHandler) -> None:
    """Respond with 200 and a body that continues until the sender closes the connection, 256 MiB at most."""
    post.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 268435456\r\n\r\n")
    for _ in range(256):
        post.wfile.write(b"x" * 2**20)


def endpoint_of(event: Envelope) -> str | None:
    """Return the endpoint that an event is about."""
    data = event["data"]
    registration = data.get("registration", data)
    endpoint: str | None = registration.get("ep", registration.get("endpoint"))
    return endpoint


def wrong(events: Iterable[Envelope]) -> list[str]:
    """Return the errors in the order or the numbers of events, given in order of arrival; a repeat is one, too."""
    found: list[str] = []
    ids: set[str] = set()
    numbers: set[int] = set()
    last: dict[str | None, int] = {}
    for event in events:
        identifier, seq, endpoint = event["id"], event["seq"], endpoint_of(event)
        if identifier in ids:
            found.append(f"{identifier} came twice")
        if seq in numbers:
            found.append(f"seq {seq} was used twice")
        if last.get(endpoint, 0) > seq:
            found.append(f"seq {seq} of {endpoint} came after {last[endpoint]}")
        ids.add(identifier)
        numbers.add(seq)
        last[endpoint] = seq
    return found


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle(self) -> None:
            with contextlib.suppress(ConnectionError):  # its server was killed
                super().handle()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            # once away, it is also away for connections that were open
            status = receiver.take(headers, body) if receiver._server is not None else 503
            if receiver.faults:
                self.close_connection = True
                receiver.faults.popleft()(self)
                return
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
            """Log nothing."""

    return Handler
