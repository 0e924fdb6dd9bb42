"""One connection to Leshan with one open request at a time: bytes out, one HTTP/1.1 response in.

llhttp (by httptools) parses the responses; this module only handles the parser's events.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, cast

import httptools
from multidict import CIMultiDict

MAX_ANSWER: Final = 4 * 1024 * 1024
"""Maximum bytes of a response's body; more is not read, and the response counts as lost."""

MAX_HEAD: Final = 64 * 1024
"""Maximum bytes before a response's body, interim responses included."""

MAX_FRAMING: Final = 64 * 1024
"""Maximum bytes of chunk sizes, chunk extensions and trailers, beside :data:`FRAMING_PER_BYTE` for each byte of the
body."""

FRAMING_PER_BYTE: Final = 8
"""A chunk of one byte has five bytes of framing, up to ten with leading zeros of its size."""


class AnswerTooLarge(Exception):
    """Raised if the response's body exceeds :data:`MAX_ANSWER`."""


class AnswerBroken(Exception):
    """Raised if the received bytes are not a complete HTTP response."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete response; ``keep``: the connection can be used for another request."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    keep: bool


class Connection(asyncio.Protocol):
    """A connection. ``ended`` is called once, when it is closed from either side.

    Attributes:
        usable: whether a request can be sent: the connection is not closed, and no response is awaited.
        status: of the response to the last request, as soon as its head is read.
    """

    def __init__(self, ended: Callable[[Connection], None]) -> None:
        self._ended = ended
        self.usable = False
        self.status: int | None = None
        self._waiter: asyncio.Future[Answer] | None = None

    def send(self, request: bytes) -> asyncio.Future[Answer]:
        """Write a request; the future has the complete response, or one of these exceptions:

        OSError or AnswerBroken (the connection ended, or no HTTP came), AnswerTooLarge, TimeoutError (given up).
        """
        self.usable = False
        self.status, self._read, self._head_size, self._keep = None, 0, 0, False
        self._whole = False
        self._headers: CIMultiDict[str] = CIMultiDict()
        self._body = bytearray()
        self._problem: Exception | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._waiter

    def give_up(self) -> None:
        """Stop waiting for a response: the future ends with TimeoutError. The connection cannot be used afterwards."""
        self._fail(TimeoutError())

    def close(self) -> None:
        """Close the connection now; an awaited response is lost."""
        self.usable = False
        self._transport.abort()

    # --- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.usable = True

    def data_received(self, data: bytes) -> None:
        if self._waiter is None or self._waiter.done():
            self.close()  # no request is open: the next one could take these bytes for its response
            return
        room = MAX_HEAD - self._read
        if self.status is None and len(data) > room:  # one read can bring more than a head may have
            self._parse(data[:room])
            if self.status is None:
                self._problem = self._problem or AnswerBroken(f"the answer's head has more than {MAX_HEAD} bytes")
            data = data[room:]
        if self._problem is None:
            self._parse(data)
        if self._whole:
            self._deliver()
        elif self._problem is not None:
            self._fail(self._problem)
            self.close()

    def _parse(self, data: bytes) -> None:
        in_head = self.status is None
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._keep = False
            self._problem = self._problem or AnswerBroken(f"no HTTP answer: {error}")
        self._read += len(data)
        if in_head:
            self._head_size = self._read  # perhaps with the first bytes of the body: at most one read more
        elif self._read - self._head_size > MAX_FRAMING + (FRAMING_PER_BYTE + 1) * len(self._body) and not self._whole:
            self._problem = self._problem or AnswerBroken("the answer has too much framing: chunks, or trailers")

    def connection_lost(self, error: Exception | None) -> None:
        self.usable = False
        if self._waiter is not None and not self._waiter.done():
            # a response that declares neither its length nor chunked encoding ends with the connection
            lengths = ("Content-Length", "Transfer-Encoding")
            is_unbounded = self.status is not None and not any(name in self._headers for name in lengths)
            if error is None and is_unbounded and self._problem is None:
                self._deliver()
            else:
                self._fail(error or AnswerBroken("the connection closed before the answer was whole"))
        self._ended(self)

    def _deliver(self) -> None:
        waiter, status = self._waiter, self.status
        if waiter is None or waiter.done() or status is None:
            return
        self.usable = self._keep
        waiter.set_result(Answer(status, self._headers, bytes(self._body), self._keep))

    def _fail(self, problem: Exception) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(problem)

    # --- the parser's side

    def on_message_begin(self) -> None:
        if self._whole:
            self._keep = False  # two responses to one request

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.status is None:  # trailers are not needed
            self._headers.add(name.decode("latin-1"), value.decode("latin-1"))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if self._whole or 100 <= status < 200:
            return
        self.status = status
        self._keep = self._parser.should_keep_alive()
        length = self._headers.get("Content-Length", "0")
        if length.isdigit() and int(length) > MAX_ANSWER:
            self._problem = AnswerTooLarge()

    def on_body(self, piece: bytes) -> None:
        if self._whole:
            return
        if len(self._body) + len(piece) > MAX_ANSWER:
            self._problem = AnswerTooLarge()
        else:
            self._body += piece

    def on_message_complete(self) -> None:
        if self.status is None:
            self._headers.clear()  # an interim response (1xx): the final response follows
        else:
            self._whole = True
